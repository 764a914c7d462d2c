"""The message catalogue, English and Simplified Chinese, through the standard library's gettext.

The one module below `protocols` that reads files: both sides print for people, and neither may import the other.
"""

from __future__ import annotations

import gettext
from collections.abc import Callable
from pathlib import Path

DOMAIN = "vukey"
LOCALE_DIR = Path(__file__).with_name("locale")

Say = Callable[[str], str]
"""Puts a message into its reader's language: `_`, or `N_` where that can be English alone."""

gettext.bindtextdomain(DOMAIN, str(LOCALE_DIR))


def _(message: str) -> str:
    """The message in the language of the person's locale (LANGUAGE, LC_ALL, LC_MESSAGES, LANG)."""
    return gettext.dgettext(DOMAIN, message)


def language() -> str:
    """The catalogue's language in the person's locale: ``zh``, else ``en``."""
    return "zh" if _("Usage:") != "Usage:" else "en"


def N_(message: str) -> str:  # noqa: N802 - gettext's own name
    """Mark a message for the catalogue; it is translated where it is printed."""
    return message
