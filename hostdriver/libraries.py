"""How ``--token`` names a maker's library and a key behind it: ``/path/lib.so`` or ``/path/lib.so:KEY``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple, Self


class LibraryName(NamedTuple):
    """A shared library, and which of the keys that it finds.

    :param path: as the system's loader takes it: a path, or a bare name that it looks up.
    :param key: empty: the only one.
    """

    path: str
    key: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """From what follows ``skf:`` or ``pkcs11:``; a path may have colons in it, and so may the key's name."""
        for colon in re.finditer(":", text):
            path = text[: colon.start()]
            if Path(path).is_file():
                return cls(path, text[colon.end() :])
        if Path(text).is_file():
            return cls(text, "")
        path, _, key = text.partition(":")
        return cls(path, key)
