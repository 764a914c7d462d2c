"""The shipped glyphs against the Unifont that they were taken from."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.generate_glyphs import font
from emulator.hardware.display import cells, in_charset
from emulator.hardware.font import COUNT, GLYPHS, RUN, MissingGlyphError, columns, draw
from tests.rig.unifont import HEX, ink, unifont

CHARSET = [chr(code) for code in range(0x10000) if in_charset(chr(code), "gb18030")]


def drawn(text: str) -> Iterator[tuple[int, int]]:
    """The black pixels of a text."""
    for place, row in enumerate(draw(text)):
        for bit in range(8):
            if row & 0x80 >> bit:
                yield 8 * (place // 16) + bit, place % 16


def unpacked(file: bytes) -> tuple[bytes, bytes]:
    """Title and index, and the cells: compressors differ, what they hold may not."""
    count_at = file.index(b"\n") + 1
    end = count_at + COUNT.size + RUN.size * COUNT.unpack_from(file, count_at)[0]
    return file[:end], zlib.decompress(file[end:])


def test_every_glyph_is_unifonts() -> None:
    assert unifont()
    wrong = [one for one in CHARSET if set(drawn(one)) != ink(one, cells(one))]
    assert wrong == []


def test_the_generator_makes_the_shipped_file() -> None:
    assert unifont()
    assert unpacked(font(HEX.read_bytes())) == unpacked(GLYPHS.read_bytes()), "run: make glyphs"


def test_only_what_a_key_draws_is_shipped_and_small() -> None:
    """28,597: the 21,886 of GBK, ǹ, the rest of the basic ideographs and extension A."""
    assert [chr(code) for code in range(0x110000) if columns(chr(code))] == CHARSET
    assert len(CHARSET) == 28_597
    assert GLYPHS.stat().st_size < 450_000


def test_a_glyph_is_as_wide_as_the_layout_takes_it_for() -> None:
    """On every Python, for each brings its own edition of Unicode's widths."""
    assert {one: columns(one) for one in CHARSET} == {one: cells(one) for one in CHARSET}


def test_a_quotation_mark_stands_in_the_middle_of_two_cells() -> None:
    assert unifont()["“"] == "00002244446600000000000000000000"
    rows = {2: (2, 6), 3: (1, 5), 4: (1, 5), 5: (1, 2, 5, 6)}  # its 8 columns, as the hex digits say
    assert set(drawn("“")) == {(4 + x, y) for y, row in rows.items() for x in row}


def test_a_text_is_its_characters_side_by_side() -> None:
    assert draw("a张“b") == draw("a") + draw("张") + draw("“") + draw("b")
    assert [len(draw(one)) for one in ("", "a", "张", "“")] == [0, 16, 32, 32]


@pytest.mark.parametrize("character", [*"😀𠮷\ue000\n\x7f\u0301한ãᠠ", "\U0010ffff"])
def test_what_is_not_shipped_has_no_glyph(character: str) -> None:
    assert columns(character) == 0
    with pytest.raises(MissingGlyphError, match=f"U\\+{ord(character):04X}$"):
        draw(f"张{character}")


READS = """
import json, sys, threading
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
def reads():
    return sum(name.endswith("glyphs.bin") for name in opened)
import emulator.device
after_import = reads()
from emulator.hardware.display import drawable
drawable("张三", "gb18030"), drawable("李四", "gbk")
after_question = reads()
from emulator.hardware.font import draw
start, drawn = threading.Barrier(8), []
def work():
    start.wait()
    drawn.append(draw("张三"))
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
json.dump([after_import, after_question, reads(), len(drawn), len(set(drawn))], sys.stdout)
"""


def test_the_font_is_read_when_it_is_needed_and_once_however_many_keys_draw() -> None:
    done = subprocess.run(
        [sys.executable, "-c", READS], capture_output=True, text=True, check=True, timeout=60
    )
    after_import, after_question, after_drawing, *drawings = json.loads(done.stdout)
    assert (after_import, after_question, after_drawing) == (0, 1, 2)  # nothing, the index, the cells
    assert drawings == [8, 1]


def test_a_character_of_the_set_without_a_glyph_is_not_drawable(tmp_path: Path) -> None:
    """E12: it makes the key refuse the message, whatever set the profile names."""
    assert unifont()
    poorer = tmp_path / "glyphs.bin"
    poorer.write_bytes(
        font(b"".join(line for line in HEX.read_bytes().splitlines(True) if not line.startswith(b"5586:")))
    )
    program = (
        "import sys, pathlib; from emulator.hardware import display, font;"
        "font.GLYPHS = pathlib.Path(sys.argv[1]);"
        "print(ascii([display.drawable(text, 'gb18030') for text in ('堃喆', '堃啇', '喇')]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(poorer)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == ascii(["喆", None, None])
