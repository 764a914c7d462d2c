"""The key's screen: what is on it, as text in rows of cells, and how text is laid out to fit.

A screen is semantic (a kind, a title, lines), so that a terminal can draw it and a test can read it. Widths
are counted in cells of half a Chinese character, as on the keys' bitmap fonts.
"""

from __future__ import annotations

import enum
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from emulator.hardware import font

__all__ = [
    "Geometry",
    "Screen",
    "ScreenKind",
    "cells",
    "drawable",
    "in_charset",
    "paginate",
    "rows_of",
    "wrap",
]

_FONTS = {"gb2312": "gbk", "gbk": "gbk", "gb18030": "gb18030"}
"""The character sets that a key's font may hold, and the codec that has them with today's mappings."""

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Mn", "Mc", "Me"})
"""Control, format (bidirectional overrides, zero width), private, unassigned, separators, combining."""


class ScreenKind(enum.Enum):
    """What a screen is for."""

    OFF = "off"
    IDLE = "idle"
    CONFIRM = "confirm"
    ENTRY = "entry"
    LIGHT = "light"


@dataclass(frozen=True)
class Screen:
    """One page, already laid out.

    :param lines: at most the geometry's rows, none wider than its columns.
    :param page: the number of this page, from 1, of `pages`.
    :param soft_keys: what the buttons do now, left to right.
    """

    kind: ScreenKind
    title: str
    lines: tuple[str, ...]
    page: int = 1
    pages: int = 1
    soft_keys: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Title and lines, one per line."""
        return "\n".join((self.title, *self.lines))


@dataclass(frozen=True)
class Geometry:
    """The size of a screen in half-width cells."""

    columns: int
    rows: int

    @classmethod
    def of_pixels(cls, width: int, height: int) -> Geometry:
        """The cells of a panel under the usual 16-pixel font: half-width characters are 8 by 16."""
        return cls(width // font.CELL_WIDTH, height // font.CELL_HEIGHT)


def cells(text: str) -> int:
    """The width of the text: 2 for wide and full-width characters, 1 for the others.

    Characters of ambiguous width (“ ” · —) count 2, as Chinese bitmap fonts draw them.
    """
    return sum(2 if unicodedata.east_asian_width(character) in "WFA" else 1 for character in text)


def wrap(text: str, columns: int) -> list[str]:
    """The text cut into lines of at most `columns` cells; nothing is added or dropped, spaces included.

    :param text: one paragraph, without line ends.
    :param columns: 2 or more, so that a wide character fits.
    """
    lines = [""]
    for character in text:
        if cells(lines[-1]) + cells(character) > columns:
            lines.append("")
        lines[-1] += character
    return lines


def paginate(title: str, items: Sequence[tuple[str, str]], columns: int, rows: int) -> list[tuple[str, ...]]:
    """The pages of a confirm screen: the title, then each label and value (E2, E10).

    Label and value share a line where both fit; otherwise each starts a line of its own. A label that does
    not end in a colon or a space gets a colon, so that the value cannot be read as part of it. An empty title
    or label takes no line.

    :param rows: the rows there are for these lines, without the one for the soft keys.
    """
    lines = wrap(title, columns) if title else []
    for label, value in items:
        lines += _item_lines(label, value, columns)
    return [tuple(lines[first : first + rows]) for first in range(0, len(lines), rows)] or [()]


def _item_lines(label: str, value: str, columns: int) -> list[str]:
    if not label:
        return wrap(value, columns)
    if not label.endswith((":", "：", " ")):
        label += ":"
    if cells(label + value) <= columns:
        return [label + value]
    return wrap(label, columns) + (wrap(value, columns) if value else [])


def rows_of(screen: Screen, geometry: Geometry) -> tuple[str, ...]:
    """Every text row of the panel from the top, the last one for the soft keys; none wider than its columns.

    What a panel has no room for is cut off: its profile's business, for pages are laid out to fit.

    :param geometry: two rows or more.
    """
    lines = screen.lines[: geometry.rows - 1]
    blank = ("",) * (geometry.rows - 1 - len(lines))
    foot = _foot(screen, geometry.columns)
    return tuple(wrap(row, geometry.columns)[0] for row in (*lines, *blank, foot))


def _foot(screen: Screen, columns: int) -> str:
    """The soft keys left and right, the page between them, with a blank before the right key.

    Where "12/34" has no room the page's number stands alone: "12/3" would be another total.
    """
    if not screen.soft_keys:
        return ""
    left, right = screen.soft_keys[0], screen.soft_keys[-1]
    room = max(columns - cells(left) - cells(right), 0)
    pages = (f"{screen.page}/{screen.pages} ", f"{screen.page} ") if screen.pages > 1 else ()
    page = next((page for page in pages if len(page) <= room), "")
    return left + page.center(room) + right


def drawable(text: str, charset: str) -> str | None:
    """The first character that the key's font does not hold, or None: it refuses what it cannot draw (E12).

    :param charset: what the model's font holds of ours: gb2312, gbk or gb18030.
    """
    return next((character for character in text if not _has_glyph(character, charset)), None)


def _has_glyph(character: str, charset: str) -> bool:
    return in_charset(character, charset) and font.columns(character) == cells(character)


def in_charset(character: str, charset: str) -> bool:
    """Whether a font of that set holds the character.

    :param charset: gb2312, gbk or gb18030. Each holds printable ASCII and its two-byte characters; gb18030 also
        the ideographs U+3400-4DBF and U+4E00-9FFF (*assumed*: the mandatory part).
    """
    if character.isascii():
        return character.isprintable()
    category = unicodedata.category(character)
    if category in _INVISIBLE or (category == "Zs" and character != "\u3000"):
        return False
    if charset == "gb18030" and ("\u3400" <= character <= "\u4dbf" or "\u4e00" <= character <= "\u9fff"):
        return True
    return _is_two_byte(character, charset)


def _is_two_byte(character: str, charset: str) -> bool:
    try:
        code = character.encode(_FONTS[charset])
        code.decode(charset)
    except UnicodeError:
        return False
    return len(code) == 2
