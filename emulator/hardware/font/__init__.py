"""The glyphs of the key's font: GNU Unifont's, 16 pixels high, in cells of 8 by 16 (see ORIGIN.md).

``glyphs.bin`` is one line of ASCII that says what it is, then in big-endian order the number of runs (2 bytes);
per run of consecutive characters of one width its first code point (2), its length (2) and its columns (1);
and an XZ stream of cells, 16 bytes each: the first cell of every character, then the second cell of those that
have two. The index is read with the first question, the cells when the first character is drawn.
"""

from __future__ import annotations

import lzma
import struct
import threading
from bisect import bisect_right
from functools import cache
from pathlib import Path
from typing import NamedTuple

from protocols.errors import VukeyError
from protocols.i18n import N_

__all__ = ["CELL_HEIGHT", "CELL_WIDTH", "GLYPHS", "MissingGlyphError", "columns", "draw"]

CELL_WIDTH = 8
CELL_HEIGHT = 16

GLYPHS = Path(__file__).with_name("glyphs.bin")

_COUNT = struct.Struct(">H")
_RUN = struct.Struct(">HHB")
_READING = threading.Lock()
"""The file is read once, whoever asks first; later look-ups take no lock that anyone holds for long."""


class MissingGlyphError(VukeyError):
    """A text of the key's own holds a character that its font lacks; a message's would have been refused (E12)."""


class _Run(NamedTuple):
    codes: range
    columns: int
    first: int
    """The number of the first character's first cell, and of its second one where it has one."""
    second: int


class _Index(NamedTuple):
    starts: list[int]
    runs: list[_Run]
    packed: bytes
    """The XZ stream of the cells."""

    def find(self, character: str) -> _Run | None:
        code = ord(character)
        run = self.runs[bisect_right(self.starts, code) - 1]
        return run if code in run.codes else None


def columns(character: str) -> int:
    """How many cells of 8 by 16 pixels the character's glyph takes: 1 or 2; 0 if the font has none."""
    with _READING:
        run = _index().find(character)
    return run.columns if run else 0


def draw(text: str) -> bytes:
    """The cells of a text from left to right, each 16 bytes: its rows from the top, the leftmost pixel first.

    :raises MissingGlyphError: the font lacks one of its characters.
    """
    with _READING:
        index, cells = _index(), _cells()
    drawn = []
    for character in text:
        run = index.find(character)
        if run is None:
            code = f"U+{ord(character):04X}"
            raise MissingGlyphError(N_("the key's font has no glyph for {code}"), code=code)
        offset = ord(character) - run.codes.start
        for first in (run.first, run.second)[: run.columns]:
            cell = CELL_HEIGHT * (first + offset)
            drawn.append(cells[cell : cell + CELL_HEIGHT])
    return b"".join(drawn)


@cache
def _index() -> _Index:
    _, _, data = GLYPHS.read_bytes().partition(b"\n")
    count = _COUNT.unpack_from(data)[0]
    end = _COUNT.size + count * _RUN.size
    table = list(_RUN.iter_unpack(data[_COUNT.size : end]))
    first, second = 0, sum(length for _, length, _ in table)
    runs = []
    for start, length, wide in table:
        runs.append(_Run(range(start, start + length), wide, first, second))
        first += length
        second += length * (wide - 1)
    return _Index([run.codes.start for run in runs], runs, data[end:])


@cache
def _cells() -> bytes:
    return lzma.decompress(_index().packed)
