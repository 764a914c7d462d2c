"""The panel's pixels, held against Unifont's own file and Pillow's reading of the PNG."""

from __future__ import annotations

import io
import re
import sys
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from emulator.firmware.screens import texts
from emulator.hardware.display import Geometry, Screen, ScreenKind, cells, drawable, in_charset, rows_of
from emulator.hardware.font import MissingGlyphError
from emulator.hardware.frame import MAX_SCALE, Frame, draw_screen
from emulator.profiles import ProfileError, load_profile, profile_ids
from emulator.profiles.checks import check
from protocols.errors import MissingPackageError
from tests.rig.unifont import ink, unifont

NAMES = "喆堃镕昇玥祎翀䶮"  # E12
CHARSET = [chr(code) for code in range(0x10000) if in_charset(chr(code), "gb18030")]
HALF = [one for one in CHARSET if cells(one) == 1]

Pixels = set[tuple[int, int]]


def confirm(*lines: str, page: int = 1, pages: int = 1) -> Screen:
    return Screen(ScreenKind.CONFIRM, "", lines, page, pages, ("C取消", "OK确认"))


def at(column: int, row: int, text: str) -> Pixels:
    """The black pixels of a text that begins in that cell."""
    found = set()
    for character in text:
        found |= {(8 * column + x, 16 * row + y) for x, y in ink(character, cells(character))}
        column += cells(character)
    return found


def inked(frame: Frame) -> Pixels:
    return {(x, y) for y in range(frame.height) for x in range(frame.width) if frame.ink(x, y)}


def black(png: bytes) -> tuple[tuple[int, int], Pixels]:
    """Size and black pixels as Pillow reads them; everything else must be white."""
    with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
        width, height = image.size
        assert image.mode == "1"
        colours = {(x, y): image.getpixel((x, y)) for y in range(height) for x in range(width)}
    assert set(colours.values()) <= {0, 255}
    return (width, height), {place for place, colour in colours.items() if colour == 0}


# What is drawn


def test_a_page_of_a_transfer_pixel_by_pixel() -> None:
    """Half and full width, centred quotation marks, the soft keys and the page number."""
    frame = draw_screen(confirm("收款人:张三Alan", "“金额”￥1.00", page=2, pages=3), 128, 64)
    expected = at(0, 0, "收款人:张三Alan") | at(0, 1, "“金额”￥1.00")
    expected |= at(0, 3, "C取消") | at(6, 3, "2/3") | at(10, 3, "OK确认")
    assert (frame.width, frame.height, len(frame.bits)) == (128, 64, 1024)
    assert inked(frame) == expected
    assert black(frame.png()) == ((128, 64), expected)


@pytest.mark.parametrize("name", NAMES)
def test_the_rarer_characters_of_names(name: str) -> None:
    frame = draw_screen(Screen(ScreenKind.CONFIRM, "", ("", f"收{name}a")), 128, 64)
    assert len(ink(name, 2)) > 20
    assert inked(frame) == at(0, 1, f"收{name}a") == black(frame.png())[1]


def test_the_first_pixel_of_a_row_is_its_most_significant_bit() -> None:
    """Unifont's full block, 8 pixels in the middle of 16, in the top left corner; rows of 5 bytes."""
    frame = draw_screen(Screen(ScreenKind.IDLE, "", ("█",)), 33, 32)
    assert unifont()["█"] == "FF" * 16
    assert frame.bits == bytes.fromhex("0FF0000000") * 16 + bytes(5 * 16)


def test_a_screen_that_is_off_is_blank() -> None:
    frame = draw_screen(Screen(ScreenKind.OFF, "", ()), 128, 64)
    assert inked(frame) == set() == black(frame.png())[1]


@pytest.mark.parametrize(("width", "height"), [(131, 67), (127, 79), (32, 32), (192, 64), (1024, 1024)])
def test_nothing_is_drawn_beyond_the_last_whole_row_and_column(width: int, height: int) -> None:
    columns, rows = width // 8, height // 16
    frame = draw_screen(confirm(*["█" * 64] * 64), width, height)
    found = inked(frame)
    assert len(frame.bits) == (width + 7) // 8 * height
    assert found >= {place for row in range(rows - 1) for place in at(0, row, "█" * (columns // 2))}
    assert max(x for x, _ in found) < 8 * columns
    assert max(y for _, y in found) < 16 * rows
    if width < 1024:
        assert black(frame.png()) == ((width, height), found)


@given(st.lists(st.text(st.sampled_from(CHARSET), max_size=9), max_size=3))
def test_any_drawable_text_is_drawn_each_character_inside_its_cells(lines: list[str]) -> None:
    frame = draw_screen(Screen(ScreenKind.CONFIRM, "", tuple(lines)), 147, 70)
    assert inked(frame) == {place for row, line in enumerate(lines) for place in at(0, row, line)}


@given(st.text(st.sampled_from(HALF), max_size=16))
def test_half_width_text_fills_a_row(line: str) -> None:
    assert inked(draw_screen(Screen(ScreenKind.IDLE, "", (line,)), 128, 64)) == at(0, 0, line)


def test_the_rows_are_those_that_a_terminal_shows() -> None:
    screen = confirm("转账", "收款人:张三", page=9, pages=10)
    rows = rows_of(screen, Geometry(16, 4))
    assert inked(draw_screen(screen, 128, 64)) == {
        place for row, text in enumerate(rows) for place in at(0, row, text)
    }


@pytest.mark.parametrize("character", ["😀", "𠮷", "\ue000"])
def test_a_text_of_the_keys_own_without_a_glyph_is_an_error_and_a_messages_is_refused(character: str) -> None:
    assert drawable(f"张{character}", "gb18030") == character
    with pytest.raises(MissingGlyphError, match=f"U\\+{ord(character):04X}"):
        draw_screen(Screen(ScreenKind.IDLE, "", (character,)), 128, 64)


# What the key shows of its own


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_text_of_the_firmware_can_be_drawn(language: str) -> None:
    own = asdict(texts("zh" if language == "zh" else "en"))
    for text in (*own.pop("soft_keys"), *own.values()):
        assert drawable(text, "gb2312") is None
        frame = draw_screen(Screen(ScreenKind.IDLE, "", (text,)), 256, 32)
        assert inked(frame) == at(0, 0, text) != set()


@pytest.mark.parametrize("profile", [one for one in profile_ids() if load_profile(one).display])
def test_every_models_idle_screen_and_soft_keys_fit(profile: str) -> None:
    display = load_profile(profile).display
    assert display is not None
    own = texts(display.language)
    frame = draw_screen(
        Screen(ScreenKind.IDLE, "", (display.idle, own.connected), soft_keys=own.soft_keys),
        display.width,
        display.height,
    )
    left, right = own.soft_keys
    geometry = Geometry.of_pixels(display.width, display.height)
    foot = at(0, geometry.rows - 1, left) | at(geometry.columns - cells(right), geometry.rows - 1, right)
    assert cells(left + right) <= geometry.columns
    assert inked(frame) == at(0, 0, display.idle) | at(0, 1, own.connected) | foot


@pytest.mark.parametrize("idle", ["😀", "工行\n", "e\u0301", "\ue000"])
def test_a_model_whose_idle_name_cannot_be_drawn_is_refused(idle: str) -> None:
    """The codec of GB18030 encodes all of Unicode; the font is smaller."""
    model = load_profile("bocom-2g-tendyron")
    assert model.display is not None
    with pytest.raises(ProfileError, match=r"display\.idle"):
        check(replace(model, display=replace(model.display, idle=idle)))


# The frame


def test_the_ends_of_a_frame() -> None:
    frame = Frame(9, 2, bytes([0x80, 0x00, 0x01, 0x80]))
    assert inked(frame) == {(0, 0), (7, 1), (8, 1)}
    for x, y in ((-1, 0), (0, -1), (9, 0), (0, 2)):
        with pytest.raises(IndexError):
            frame.ink(x, y)


@pytest.mark.parametrize("size", [0, 3, 5])
def test_a_frame_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"{size} bytes are no frame of 9 by 2"):
        Frame(9, 2, bytes(size))


@pytest.mark.parametrize("scale", [1, 2, 3, 7, MAX_SCALE])
def test_a_png_at_any_scale(scale: int) -> None:
    """Each pixel a square, in one bit per pixel and greyscale (PNG 3rd edition, 11.2.1 IHDR)."""
    frame = Frame(9, 3, bytes.fromhex("8080 5500 AA80"))
    png = frame.png(scale)
    assert png[24:26] == bytes([1, 0])
    size, found = black(png)
    assert size == (9 * scale, 3 * scale)
    assert found == {
        (x * scale + right, y * scale + down)
        for x, y in inked(frame)
        for right in range(scale)
        for down in range(scale)
    }


@pytest.mark.parametrize("scale", [0, -1, 33])
def test_no_scale_beyond_the_bounds(scale: int) -> None:
    with pytest.raises(ValueError, match="from 1 to 32"):
        Frame(8, 1, b"\0").png(scale)


def test_a_large_panel_bounds_the_scale_by_the_pictures_size() -> None:
    """1024 by 1024 at 32 would take a gigabyte."""
    with pytest.raises(ValueError, match=re.escape("the scale is 9; it must be from 1 to 8")):
        draw_screen(confirm(), 1024, 1024).png(9)


def test_without_pillow_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingPackageError, match=re.escape("pip install 'vukey[panel]'")):
        Frame(8, 1, b"\0").png()
