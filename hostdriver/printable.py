"""What a key says of itself, made safe for a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """No name or certificate may move the terminal's cursor: what cannot be printed is escaped."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
