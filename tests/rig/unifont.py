"""GNU Unifont as Debian installs it, read without any code of ours: what every pixel is held against."""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest

HEX = Path("/usr/share/unifont/unifont.hex")
SHIPPED = Path(__file__).parents[2] / "emulator" / "hardware" / "font" / "glyphs.bin"


@cache
def unifont() -> dict[str, str]:
    """The 16 rows of every character as hex digits: 32 of them where it is 8 pixels wide, 64 where it is 16."""
    if not HEX.exists():
        _give_up(f"{HEX} is missing: apt-get install unifont")
    if hashlib.sha256(HEX.read_bytes()).hexdigest() not in _first_line():
        _give_up(f"{HEX} is another version of Unifont than the font we ship was made from: make glyphs")
    lines = HEX.read_text("ascii").splitlines()
    return {chr(int(code, 16)): rows for code, _, rows in (line.partition(":") for line in lines)}


def ink(character: str, columns: int) -> set[tuple[int, int]]:
    """The black pixels of a character in the middle of that many columns of 8."""
    rows = unifont()[character]
    digits = len(rows) // 16
    indent = (8 * columns - 4 * digits) // 2
    return {
        (indent + x, y)
        for y in range(16)
        for x, bit in enumerate(f"{int(rows[digits * y : digits * (y + 1)], 16):0{4 * digits}b}")
        if bit == "1"
    }


def _first_line() -> str:
    with SHIPPED.open("rb") as file:
        return file.readline().decode("ascii")


def _give_up(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(f"NO PIXEL IS TESTED: {reason}")
