"""Writes the key's font from GNU Unifont's: ``python docs/generate_glyphs.py [/usr/share/unifont/unifont.hex]``."""

from __future__ import annotations

import hashlib
import sys
import zlib
from collections.abc import Iterable
from pathlib import Path

from emulator.hardware.display import cells, in_charset
from emulator.hardware.font import CELL_HEIGHT, COUNT, GLYPHS, RUN

UNIFONT = Path("/usr/share/unifont/unifont.hex")
"""Where Debian's package unifont has it."""

_BMP = 0x10000


def font(unifont: bytes) -> bytes:
    """The whole of glyphs.bin.

    :param unifont: lines of a code point, a colon, and the rows of its glyph: 16 of 8 or of 16 pixels, in hex.
    """
    glyphs = dict(_line(line) for line in unifont.decode("ascii").splitlines())
    charset = [chr(code) for code in range(_BMP) if in_charset(chr(code), "gb18030")]
    drawn = {
        character: _cells(glyphs[character], cells(character)) for character in charset if character in glyphs
    }
    first = b"".join(glyph[0] for glyph in drawn.values())
    second = b"".join(glyph[1] for glyph in drawn.values() if len(glyph) == 2)
    runs = _runs((ord(character), len(glyph)) for character, glyph in drawn.items())
    table = COUNT.pack(len(runs)) + b"".join(RUN.pack(*run) for run in runs)
    return _title(unifont) + table + zlib.compress(first + second, 9)


def _title(unifont: bytes) -> bytes:
    digest = hashlib.sha256(unifont).hexdigest()
    return f"vukey glyphs 1, from GNU Unifont, licence OFL-1.1 (OFL.txt), unifont.hex SHA-256 {digest}\n".encode()


def _line(line: str) -> tuple[str, bytes]:
    code, rows = line.split(":")
    return chr(int(code, 16)), bytes.fromhex(rows)


def _cells(glyph: bytes, columns: int) -> tuple[bytes, ...]:
    """The glyph in cells; a narrow one stands in the middle of two cells."""
    if columns == 2 and len(glyph) == CELL_HEIGHT:
        return bytes(row >> 4 for row in glyph), bytes(row << 4 & 0xF0 for row in glyph)
    return tuple(glyph[cell::columns] for cell in range(columns))


def _runs(widths: Iterable[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """First code point, length and columns of every run of consecutive characters of one width."""
    runs: list[tuple[int, int, int]] = []
    for code, columns in widths:
        start, length, before = runs[-1] if runs else (code, 0, columns)
        if (code, columns) == (start + length, before):
            runs[-1:] = [(start, length + 1, columns)]
        else:
            runs.append((code, 1, columns))
    return runs


if __name__ == "__main__":
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else UNIFONT
    GLYPHS.write_bytes(font(source.read_bytes()))
