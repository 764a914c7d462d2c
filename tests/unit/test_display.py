"""The screen's layout: E2, E10, E12."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.hardware.display import (
    Geometry,
    Screen,
    ScreenKind,
    cells,
    drawable,
    in_charset,
    paginate,
    rows_of,
    wrap,
)

lines = st.text(
    st.one_of(
        st.sampled_from("张三丰¥“”·（）９ab01 .,"), st.characters(exclude_categories=["C", "Zl", "Zp"])
    ),
    max_size=80,
)
columns = st.integers(2, 40)


def test_screen_text_is_title_and_lines() -> None:
    screen = Screen(
        ScreenKind.CONFIRM, "转账", ("金额:1.00", "收款人:张三"), page=1, pages=2, soft_keys=("取消", "确认")
    )
    assert screen.text == "转账\n金额:1.00\n收款人:张三"
    assert Screen(ScreenKind.IDLE, "Ready", ()).text == "Ready"


@pytest.mark.parametrize(
    ("pixels", "size"), [((128, 64), (16, 4)), ((192, 64), (24, 4)), ((130, 70), (16, 4))]
)
def test_geometry_of_a_panel_under_the_16_pixel_font(pixels: tuple[int, int], size: tuple[int, int]) -> None:
    geometry = Geometry.of_pixels(*pixels)
    assert (geometry.columns, geometry.rows) == size


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("", 0),
        ("Alan", 4),
        ("张三", 4),
        ("金额:1.00", 9),
        ("（）", 4),
        ("９", 2),
        ("“”·—", 8),
        ("\u3000", 2),
        ("䶮", 2),
    ],
)
def test_cells(text: str, width: int) -> None:
    assert cells(text) == width


@pytest.mark.parametrize(
    ("text", "width", "wrapped"),
    [
        ("", 4, [""]),
        ("abcd", 4, ["abcd"]),
        ("abcde", 4, ["abcd", "e"]),
        ("a张三", 4, ["a张", "三"]),
        ("张三丰", 4, ["张三", "丰"]),
        ("ab  cd", 3, ["ab ", " cd"]),
        ("1234567890123456789", 16, ["1234567890123456", "789"]),
    ],
)
def test_wrap(text: str, width: int, wrapped: list[str]) -> None:
    assert wrap(text, width) == wrapped


@given(lines, columns)
def test_wrap_loses_nothing_and_keeps_the_width(text: str, width: int) -> None:
    wrapped = wrap(text, width)
    assert "".join(wrapped) == text
    assert all(cells(line) <= width for line in wrapped)
    assert all(cells(line + following[0]) > width for line, following in pairwise(wrapped))


def test_a_transfer_on_a_small_panel() -> None:
    """E2: payee, account and amount, over as many pages as it takes; 128 x 64 less the soft keys' row."""
    items = [("收款人:", "张三"), ("收款人账号:", "1234567890123456"), ("金额:", "123.23")]
    assert paginate("转账", items, 16, 3) == [
        ("转账", "收款人:张三", "收款人账号:"),
        ("1234567890123456", "金额:123.23"),
    ]


def test_label_and_value_share_a_line_only_when_both_fit() -> None:
    assert paginate("", [("k:", "123456")], 8, 3) == [("k:123456",)]
    assert paginate("", [("k:", "1234567")], 8, 3) == [("k:", "1234567")]
    assert paginate("", [("收款人名称:", "张三")], 8, 4) == [("收款人名", "称:", "张三")]


@pytest.mark.parametrize(
    ("label", "line"),
    [
        ("Account1", "Account1:23"),
        ("账户:", "账户:23"),
        ("账户：", "账户：23"),
        ("No. ", "No. 23"),
        ("", "23"),
    ],
)
def test_a_value_cannot_be_read_as_part_of_its_label(label: str, line: str) -> None:
    """CCB labels carry no colon (B6)."""
    assert paginate("", [(label, "23")], 16, 3) == [(line,)]


def test_an_empty_value_takes_no_line_and_an_empty_screen_is_one_page() -> None:
    assert paginate("", [("long label:", "")], 8, 3) == [("long lab", "el:")]
    assert paginate("", [], 8, 3) == [()]


@given(lines, st.lists(st.tuples(lines, lines), max_size=6), columns, st.integers(1, 6))
def test_pages_lose_nothing_and_fit(title: str, items: list[tuple[str, str]], width: int, rows: int) -> None:
    pages = paginate(title, items, width, rows)
    assert all(len(page) <= rows for page in pages)
    assert all(len(page) == rows for page in pages[:-1])
    assert all(cells(line) <= width for page in pages for line in page)
    drawn = "".join("".join(page) for page in pages)
    for text in (title, *(text for item in items for text in item)):
        assert drawn.startswith((text, ":"))
        drawn = drawn.removeprefix(text) if drawn.startswith(text) else drawn[1:].removeprefix(text)
    assert drawn in ("", ":")


ZH, EN = ("C取消", "OK确认"), ("C=no", "OK=yes")


def confirm(*lines: str, page: int = 1, pages: int = 1, soft_keys: tuple[str, ...] = ZH) -> Screen:
    return Screen(ScreenKind.CONFIRM, "转账", lines, page, pages, soft_keys)


def test_the_soft_keys_stand_on_the_last_row_whatever_is_above_it() -> None:
    assert rows_of(confirm("转账"), Geometry(16, 4)) == ("转账", "", "", "C取消     OK确认")
    assert rows_of(confirm(*"abcde"), Geometry(16, 4)) == ("a", "b", "c", "C取消     OK确认")
    assert rows_of(Screen(ScreenKind.OFF, "", ()), Geometry(16, 4)) == ("",) * 4


@pytest.mark.parametrize(
    ("page", "pages", "soft_keys", "columns", "foot"),
    [
        (2, 3, ZH, 16, "C取消 2/3 OK确认"),
        (2, 3, EN, 16, "C=no 2/3  OK=yes"),
        (2, 3, ZH, 24, "C取消     2/3     OK确认"),
        (9, 12, ZH, 16, "C取消9/12 OK确认"),
        (12, 34, ZH, 16, "C取消 12  OK确认"),
        (12, 34, ZH, 18, "C取消 12/34 OK确认"),
        (100, 171, ZH, 16, "C取消 100 OK确认"),
        (2, 3, ZH, 12, "C取消 OK确认"),
        (2, 3, ZH, 9, "C取消OK确"),
        (2, 3, ZH, 10, "C取消OK确"),
    ],
)
def test_the_page_stands_between_the_soft_keys_whole_or_without_the_total(
    page: int, pages: int, soft_keys: tuple[str, ...], columns: int, foot: str
) -> None:
    """A total that is cut off would make a person believe that the last page was read."""
    screen = confirm(page=page, pages=pages, soft_keys=soft_keys)
    assert rows_of(screen, Geometry(columns, 2)) == ("", foot)


@given(
    st.lists(lines, max_size=8),
    columns,
    st.integers(2, 8),
    st.sampled_from([ZH, EN, ()]),
    st.integers(1, 500),
)
def test_no_row_is_wider_than_the_panel(
    texts: list[str], width: int, height: int, soft_keys: tuple[str, ...], pages: int
) -> None:
    shown = rows_of(confirm(*texts, pages=pages, soft_keys=soft_keys), Geometry(width, height))
    assert len(shown) == height
    assert all(cells(row) <= width for row in shown)
    assert all(text.startswith(row) for text, row in zip(texts, shown[:-1], strict=False))


@pytest.mark.parametrize("charset", ["gb2312", "gbk", "gb18030"])
def test_every_font_draws_common_text(charset: str) -> None:
    assert (
        drawable("收款人: Alan ¥123.23, （９）“张三”—阿卜杜·热西提\u3000~".replace("¥", "￥"), charset)
        is None
    )
    assert drawable("", charset) is None


@pytest.mark.parametrize(
    ("character", "gb2312", "gbk"),
    [*((name, False, True) for name in "喆堃镕昇玥祎翀"), ("䶮", False, False), ("三", True, True)],
)
def test_names_outside_the_smaller_fonts(character: str, gb2312: bool, gbk: bool) -> None:
    """E12: a character that the key cannot draw makes it refuse the message."""
    assert (drawable(character, "gb2312") is None) == gb2312
    assert (drawable(character, "gbk") is None) == gbk
    assert drawable(character, "gb18030") is None


def test_the_first_missing_character_is_named() -> None:
    assert drawable("张䶮喆", "gb2312") == "䶮"


def test_gb18030_draws_the_basic_ideographs_and_extension_a() -> None:
    assert drawable("\u3400\u4db5\u4e00\u9fa5", "gb18030") is None
    assert drawable("\U00020000", "gb18030") == "\U00020000"


@pytest.mark.parametrize("charset", ["gb2312", "gbk", "gb18030"])
@pytest.mark.parametrize(
    "character",
    [
        *"\0\t\n\r\x1b\x7f\x85\xa0\xad",
        *"\u200b\u200d\u200e\u202a\u202e\u2066\u2028\u2029\u2002\u202f\ufeff",
        *"\u0301\u20dd\ufe0f",  # combining
        *"\ue000\ue5e5\uf8ff\ud800\udfff\uffff\u0378",  # private, surrogates, unassigned
        *"\ufffd😀𠮷",
    ],
)
def test_what_no_key_draws(character: str, charset: str) -> None:
    assert drawable(f"a{character}b", charset) == character


def test_the_two_byte_sets_have_their_sizes() -> None:
    """GB2312 holds 6,763 ideographs, and GBK all 20,902 of Unicode 1.1."""
    ideographs = [chr(code) for code in range(0x4E00, 0x9FA6)]
    assert sum(drawable(one, "gb2312") is None for one in ideographs) == 6763
    assert sum(drawable(one, "gbk") is None for one in ideographs) == 20902


def test_the_shipped_font_has_every_character_of_the_sets() -> None:
    characters = [chr(code) for code in range(0x10000)]
    for charset in ("gb2312", "gbk", "gb18030"):
        held = [one for one in characters if in_charset(one, charset)]
        assert drawable("".join(held), charset) is None
