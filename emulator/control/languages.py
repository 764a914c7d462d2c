"""The language of whoever sent a request: the API's own process may speak another."""

from __future__ import annotations

import gettext
from collections.abc import Callable

from starlette.datastructures import Headers

from protocols.i18n import DOMAIN, LOCALE_DIR


def language_of(headers: Headers) -> str:
    """``zh`` or ``en``, as `Accept-Language` begins."""
    return "zh" if headers.get("accept-language", "").lower().startswith("zh") else "en"


def translator(language: str) -> Callable[[str], str]:
    """Translates the catalogue's messages into that language."""
    return gettext.translation(DOMAIN, LOCALE_DIR, [language], fallback=True).gettext
