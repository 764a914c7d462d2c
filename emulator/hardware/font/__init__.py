"""The glyphs of the key's font: GNU Unifont's, 16 pixels high, in cells of 8 by 16 (see ORIGIN.md).

``glyphs.bin`` is one line of ASCII that says what it is; then, big-endian, the number of runs (2 bytes) and for each
run of consecutive characters of one width its first code point (2), its length (2) and its columns (1); then,
compressed (zlib), the cells of 16 bytes: the first cell of every character, after those the second cell of every
wide one. The index is read at the first question, the cells when the first character is drawn; all keys share them.
"""

from __future__ import annotations

import struct
import threading
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from protocols.errors import VukeyError
from protocols.i18n import N_

__all__ = ["CELL_HEIGHT", "CELL_WIDTH", "COUNT", "GLYPHS", "RUN", "MissingGlyphError", "columns", "draw"]

CELL_WIDTH = 8
CELL_HEIGHT = 16

GLYPHS = Path(__file__).with_name("glyphs.bin")
COUNT = struct.Struct(">H")
RUN = struct.Struct(">HHB")

_UNPACKING = threading.Lock()
"""Two threads that draw their first characters at once share one copy of the cells."""


class MissingGlyphError(VukeyError):
    """A text of the key's own holds a character that its font lacks; a message's would have been refused (E12)."""


class _Run(NamedTuple):
    """Characters that follow each other, and the numbers of the first one's first and second cell."""

    codes: range
    columns: int
    first: int
    second: int


class _Index(NamedTuple):
    starts: list[int]
    runs: list[_Run]
    cells_at: int


def columns(character: str) -> int:
    """How many cells of 8 by 16 pixels the character's glyph takes: 1 or 2; 0 if the font has none."""
    run = _find(character)
    return run.columns if run else 0


def draw(text: str) -> bytes:
    """The cells of a text from left to right, each 16 bytes: its rows from the top, the leftmost pixel first.

    :raises MissingGlyphError: the font lacks one of its characters.
    """
    with _UNPACKING:
        cells = _cells()
    places = (CELL_HEIGHT * number for character in text for number in _numbers(character))
    return b"".join(cells[place : place + CELL_HEIGHT] for place in places)


def _numbers(character: str) -> Iterator[int]:
    run = _find(character)
    if run is None:
        code = f"U+{ord(character):04X}"
        raise MissingGlyphError(N_("the key's font has no glyph for the character {code}"), code=code)
    offset = ord(character) - run.codes.start
    yield run.first + offset
    if run.columns == 2:
        yield run.second + offset


def _find(character: str) -> _Run | None:
    index = _index()
    run = index.runs[bisect_right(index.starts, ord(character)) - 1]
    return run if ord(character) in run.codes else None


@cache
def _index() -> _Index:
    with GLYPHS.open("rb") as file:
        file.readline()
        (count,) = COUNT.unpack(file.read(COUNT.size))
        table = list(RUN.iter_unpack(file.read(count * RUN.size)))
        cells_at = file.tell()
    first, second = 0, sum(length for _, length, _ in table)
    runs = []
    for start, length, wide in table:
        runs.append(_Run(range(start, start + length), wide, first, second))
        first += length
        second += length * (wide - 1)
    return _Index([run.codes.start for run in runs], runs, cells_at)


@cache
def _cells() -> bytes:
    return zlib.decompress(GLYPHS.read_bytes()[_index().cells_at :])
