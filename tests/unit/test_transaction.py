"""Transaction messages: E2, E12, B6, and the signature of a real display key."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from itertools import product
from pathlib import Path

import gmalg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.transaction import (
    CHARSETS,
    MAX_BYTES,
    MAX_ITEMS,
    MAX_LABEL,
    MAX_VALUE,
    Item,
    Transaction,
    TransactionError,
    parse_transaction,
)

VECTORS = Path(__file__).parents[1] / "vectors" / "transactions"
DISPLAY_KEY = (VECTORS / "display-key.xml").read_bytes()
MAKER = (VECTORS / "maker-sample.xml").read_bytes()
CCB = (VECTORS / "ccb-sample.gb18030.txt").read_bytes()
NAMES = [
    (n["charset"], n["text"], bytes.fromhex(n["hex"]))
    for n in json.loads((VECTORS / "names.json").read_text("utf-8"))
]

M = "<M><k>A</k><v>1</v></M>"


def declaration(charset: str) -> bytes:
    return f'<?xml version="1.0" encoding="{charset}"?>'.encode()


def transfer(value: bytes) -> bytes:
    return b"<T><D><M><k>Payee:</k><v>" + value + b"</v></M></D></T>"


def only_value(message: bytes) -> str:
    (item,) = parse_transaction(message).items
    return item.value


def refused(message: bytes, match: str = ".", ccb_charset: str = "gb18030") -> None:
    with pytest.raises(TransactionError, match=match):
        parse_transaction(message, ccb_charset=ccb_charset)


# Published messages


def test_display_key_message_shows_d_and_hides_e() -> None:
    assert len(DISPLAY_KEY) == 226
    transaction = parse_transaction(DISPLAY_KEY)
    assert transaction == Transaction(
        "tdmkv-xml",
        "utf-8",
        (
            Item("Remitter Name:", "Alan", True),
            Item("Remitter Account:", "1234567890123456", True),
            Item("Amount:", "123.23", True),
            Item("Trade ID:", "1234567890", False),
        ),
    )
    assert [item.label for item in transaction.shown] == ["Remitter Name:", "Remitter Account:", "Amount:"]


def test_display_key_signature_covers_exactly_the_parsed_bytes() -> None:
    vector = json.loads((VECTORS / "display-key.json").read_text("utf-8"))
    x, y, r, s = (bytes.fromhex(vector[name]) for name in "xyrs")
    key = gmalg.SM2(pk=b"\x04" + x + y, uid=vector["signer_id"].encode())
    assert key.verify(DISPLAY_KEY, r, s)
    assert not key.verify(DISPLAY_KEY.replace(b"123.23", b"923.23"), r, s)


def test_makers_sample_in_chinese() -> None:
    assert parse_transaction(MAKER).items == (
        Item("收款人:", "张三", True),
        Item("收款人账号:", "1234567890123456", True),
        Item("金额:", "123.23", True),
        Item("流水号:", "1234567890", False),
    )


def test_ccb_string() -> None:
    """B6: SH=1 is shown, SH=0 signed but hidden."""
    assert parse_transaction(CCB, ccb_charset="gb18030") == Transaction(
        "ccb",
        "gb18030",
        (
            Item("交易金额", "0", True),
            Item("收款账户名称", "张三", True),
            Item("收款账户", "1234567890123456789", True),
            Item("付款账户", "9876543210987654", False),
            Item("签名时间", "20090630160713", False),
        ),
    )


# Charsets (E12)


@pytest.mark.parametrize(("charset", "text", "encoded"), NAMES)
@pytest.mark.parametrize("quote", ['"', "'"])
def test_xml_is_read_in_the_declared_charset(charset: str, text: str, encoded: bytes, quote: str) -> None:
    header = f"<?xml version={quote}1.0{quote} encoding={quote}{charset.upper()}{quote}?>".encode()
    transaction = parse_transaction(header + b"\r\n" + transfer(encoded))
    assert (transaction.charset, transaction.items[0].value) == (charset, text)


@pytest.mark.parametrize(("charset", "text", "encoded"), NAMES)
def test_ccb_string_is_read_in_the_profiles_charset(charset: str, text: str, encoded: bytes) -> None:
    """E12: a CCB string declares no charset."""
    message = b'SH="1";SN="Payee";IN="0";SI="' + encoded + b'";|'
    transaction = parse_transaction(message, ccb_charset=charset.upper())
    assert (transaction.charset, transaction.items[0].value) == (charset, text)


def test_dot_in_names_is_the_same_character_in_every_gb_charset() -> None:
    for charset in ("gb2312", "gbk", "gb18030"):
        assert only_value(declaration(charset) + transfer(b"\xa1\xa4")) == "\u00b7"


@pytest.mark.parametrize("header", ["", '<?xml version="1.0"?>', '<?xml version="1.0" encoding="utf-8" ?>\n'])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_utf8_is_the_default(header: str, mark: str) -> None:
    transaction = parse_transaction((mark + header).encode() + transfer("䶮".encode()))
    assert (transaction.charset, transaction.items[0].value) == ("utf-8", "䶮")


@pytest.mark.parametrize(
    "message",
    [
        declaration("utf-8") + transfer(b"\xd5\xc5\xc8\xfd"),  # GBK bytes
        transfer(b"\xd5\xc5\xc8\xfd"),
        declaration("gb2312") + transfer(b"\x86\xb4"),  # 喆 is outside GB2312
        declaration("gbk") + transfer(b"\x81\x30\x81\x30"),  # four bytes: only in GB18030
        declaration("gbk") + transfer(b"\x80"),
        declaration("gb18030") + transfer(b"\xff"),
        declaration("utf-8") + transfer(b"\xc1\xaa"),  # overlong
        declaration("utf-8") + transfer(b"\xed\xa0\x80"),  # a surrogate
        declaration("gbk") + transfer(b"\xd5"),  # half a character that would swallow the next "<"
    ],
)
def test_bytes_outside_the_declared_charset_are_refused(message: bytes) -> None:
    refused(message, "Byte|missing")


@pytest.mark.parametrize("charset", ["gbk", "gb18030"])
@pytest.mark.parametrize("text", ["张三", "账号", "户名", "张三丰收", "（张三）", "阿卜杜·热西提"])
def test_utf8_declared_as_gb_is_refused(text: str, charset: str) -> None:
    """E12: the classical contradiction: the UTF-8 bytes are valid GBK too, for other characters."""
    assert text.encode().decode(charset) != text
    refused(declaration(charset) + transfer(text.encode()), "UTF-8")
    ccb = b'SH="1";SN="Payee";IN="0";SI="' + text.encode() + b'";|'
    refused(ccb, "UTF-8", ccb_charset=charset)


def is_utf8(encoded: bytes) -> bool:
    try:
        encoded.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def test_names_in_gbk_are_not_taken_for_utf8() -> None:
    """Surnames and given names whose GBK bytes are the likeliest to be valid UTF-8 by accident."""
    given = product("郑谢许杨余陆欧夏", "伟英强霞平志皓睿璇璐", ["", "梅", "雪", "芳", "昇", "玥"])
    names = {name: name.encode("gbk") for name in map("".join, given)}
    assert sum(map(is_utf8, names.values())) > 20
    for name, encoded in names.items():
        assert only_value(declaration("gbk") + transfer(encoded)) == name


@pytest.mark.parametrize("charset", ["gbk", "gb2312", "gb18030"])
def test_mark_of_utf8_contradicts_another_declaration(charset: str) -> None:
    refused(b"\xef\xbb\xbf" + declaration(charset) + transfer(b"A"), "mark of UTF-8")


@pytest.mark.parametrize("charset", ["utf-16", "UTF8", "iso-8859-1", "big5", "utf-7", "cp936", "hz"])
def test_other_charsets_are_refused(charset: str) -> None:
    refused(declaration(charset) + transfer(b"A"), "does not read the charset")


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf16_and_utf32_are_refused(codec: str) -> None:
    refused(DISPLAY_KEY.decode().encode(codec))


# The strict grammar


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "pay 100 to Alan",
        "<T></T>",
        "<T><D></D></T>",
        f"<T><E>{M}</E></T>",
        f"<T><E>{M}</E><D>{M}</D></T>",
        f"<T><D>{M}</D><D>{M}</D></T>",
        f"<T><D>{M}</D><E></E><E></E></T>",
        f"<D>{M}</D>",
        f"<t><d>{M}</d></t>",
        f"<T><D>{M.lower()}</D></T>",
        f"<T><D>{M.upper()}</D></T>",
        "<T><D><M><v>1</v><k>A</k></M></D></T>",
        "<T><D><M><k>A</k></M></D></T>",
        "<T><D><M><k>A</k><v>1</v><v>2</v></M></D></T>",
        "<T><D><M><k>A</k><k>B</k><v>1</v></M></D></T>",
        "<T><D><M><k>A</k><v/></M></D></T>",
        "<T><D><M><k></k><v>1</v></M></D></T>",
        "<T><D><M><k>A</k><v>1<b>2</b></v></M></D></T>",
        f"<T>x<D>{M}</D></T>",
        f"<T><D>x{M}</D></T>",
        f"<T><D>{M}</D>x</T>",
        f"<T><D>{M}</D></T>x",
        f"<T><D>{M}</D></T><T><D>{M}</D></T>",
        f"<T x='1'><D>{M}</D></T>",
        f"<T ><D>{M}</D></T>",
        f"<T xmlns='urn:x'><D>{M}</D></T>",
        f"<x:T xmlns:x='urn:x'><D>{M}</D></x:T>",
        f"<T><!-- c --><D>{M}</D></T>",
        f"<T><?pi?><D>{M}</D></T>",
        "<T><D><M><k>A</k><v><![CDATA[1]]></v></M></D></T>",
        "<T><D><M><k>A</k><v>]]></v></M></D></T>",
        f"<T><D>\u3000{M}</D></T>",
        f"<T><D>\x0b{M}</D></T>",
        f"<!DOCTYPE T><T><D>{M}</D></T>",
        f'<?xml version="1.1"?><T><D>{M}</D></T>',
        f"<?xml version=\"1.0'?><T><D>{M}</D></T>",
        f'<?xml encoding="utf-8"?><T><D>{M}</D></T>',
        f'<?xml version="1.0" standalone="yes"?><T><D>{M}</D></T>',
        f'<?xml version="1.0"?><?xml version="1.0"?><T><D>{M}</D></T>',
        f'\n<?xml version="1.0"?><T><D>{M}</D></T>',
        f"\ufeff\ufeff<T><D>{M}</D></T>",
    ],
)
def test_any_other_shape_is_refused(text: str) -> None:
    refused(text.encode())


def test_white_space_between_tags_is_allowed() -> None:
    spaced = DISPLAY_KEY.replace(b"><", b">\r\n\t <").replace(b"?>\r\n", b"?>\n") + b"\n"
    assert parse_transaction(spaced) == parse_transaction(DISPLAY_KEY)


def test_e_may_be_empty_and_so_may_a_value() -> None:
    message = b"<T><D><M><k>A</k><v></v></M></D><E></E></T>"
    assert parse_transaction(message).items == (Item("A", "", True),)


def test_text_is_kept_as_it_is() -> None:
    assert only_value(transfer(b"  a  b ")) == "  a  b "


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("&lt;&gt;&amp;&quot;&apos;", "<>&\"'"),
        ("&#24352;&#x5F20;&#x4dae;", "张张䶮"),
        ("&amp;lt;", "&lt;"),
        ("&#x20;", " "),
    ],
)
def test_references(written: str, read: str) -> None:
    assert only_value(transfer(written.encode())) == read


@pytest.mark.parametrize(
    "written",
    [
        "&",
        "&amp",
        "&nbsp;",
        "&x;",
        "&#;",
        "&#x;",
        "&#X41;",
        "&#-1;",
        "&#+65;",
        "&# 65;",
        "&#x1F600000;",
        "&am&lt;p;",
    ],
)
def test_other_references_are_refused(written: str) -> None:
    refused(transfer(written.encode()), "well-formed")


@pytest.mark.parametrize(
    "code", [0, 1, 8, 9, 10, 13, 0x1F, 0x7F, 0x85, 0x9F, 0xD800, 0xDFFF, 0xFFFE, 0xFFFF, 0xFDD0, 0x110000]
)
def test_forbidden_characters_by_reference_are_refused(code: int) -> None:
    refused(transfer(f"&#{code};".encode()), f"U\\+{code:04X}")


@pytest.mark.parametrize("character", ["\0", "\t", "\n", "\r", "\x1b", "\x7f", "\x85", "\uffff"])
def test_forbidden_characters_are_refused_shown_or_hidden(character: str) -> None:
    refused(transfer(character.encode()), "forbidden")
    refused(f"<T><D>{M}</D><E><M><k>B</k><v>{character}</v></M></E></T>".encode(), "forbidden")
    refused(f'SH="1";SN="A";IN="0";SI="{character}";|'.encode(), "forbidden", ccb_charset="utf-8")


def test_entity_bomb_is_refused() -> None:
    bomb = b'<!DOCTYPE T [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
    refused(declaration("utf-8") + bomb + transfer(b"&b;"))
    refused(b'<!DOCTYPE T SYSTEM "file:///etc/passwd">' + transfer(b"A"))


@pytest.mark.parametrize("tag", [b"<T>", b"<D>", b"<M>", b"<k>", b"<T><D><M>", b"&#x41;", b"<", b" "])
def test_nesting_and_repetition_are_refused(tag: bytes) -> None:
    refused(tag * (MAX_BYTES // len(tag)))
    refused(tag * 1_000_000, "bytes and the key reads at most")


# CCB


@pytest.mark.parametrize(
    "text",
    [
        'SH="0";SN="A";IN="0";SI="1";|',
        'SH="2";SN="A";IN="0";SI="1";|',
        'SH="１";SN="A";IN="0";SI="1";|',
        'SH="";SN="A";IN="0";SI="1";|',
        'SH="1";SN="";IN="0";SI="1";|',
        'SH="1";SN="A";IN="";SI="1";|',
        'SH="1";SN="A";IN="x";SI="1";|',
        'SH="1";SN="A";IN="٣";SI="1";|',
        'SH="1";SN="A";SI="1";IN="0";|',
        'SN="A";SH="1";IN="0";SI="1";|',
        'SH="1";SN="A";IN="0";SI="1";',
        'SH="1";SN="A";IN="0";SI="1"|',
        'SH="1";SN="A";IN="0";SI="a"b";|',
        'SH="1"; SN="A";IN="0";SI="1";|',
        'SH="1";SN="A";IN="0";SI="1";|\n',
        'SH="1";SN="A";IN="0";SI="1";|SH="1";',
        ' SH="1";SN="A";IN="0";SI="1";|',
        '\ufeffSH="1";SN="A";IN="0";SI="1";|',
        "SH='1';SN='A';IN='0';SI='1';|",
        'sh="1";sn="A";in="0";si="1";|',
        'SH="0";SN="A";IN="0";SI="1";|SH="1";SN="A";IN="0";SI="2";|',
    ],
)
def test_other_ccb_strings_are_refused(text: str) -> None:
    refused(text.encode(), ccb_charset="utf-8")


def test_a_separator_inside_a_gbk_character_is_no_separator() -> None:
    """The second byte of 亅 in GBK is the bar, 7C."""
    message = b'SH="1";SN="A";IN="0";SI="\x81\x7c";|'
    assert parse_transaction(message, ccb_charset="gbk").items[0].value == "亅"


# What the person sees


def test_a_hidden_item_may_not_repeat_a_shown_label() -> None:
    hidden = b"<E><M><k>Amount:</k><v>999.00</v></M></E></T>"
    refused(DISPLAY_KEY[: DISPLAY_KEY.index(b"<E>")] + hidden, "label of a shown one")


def test_shown_labels_may_repeat_and_are_all_shown() -> None:
    items = parse_transaction(f"<T><D>{M}{M}</D></T>".encode()).shown
    assert items == (Item("A", "1", True),) * 2


# Bounds


@pytest.mark.parametrize(("label", "value"), [(MAX_LABEL, MAX_VALUE), (1, 0)])
def test_longest_and_shortest_texts_are_read(label: int, value: int) -> None:
    message = f"<T><D><M><k>{'张' * label}</k><v>{'9' * value}</v></M></D></T>"
    assert parse_transaction(message.encode()).items == (Item("张" * label, "9" * value, True),)


@pytest.mark.parametrize(("label", "value"), [(MAX_LABEL + 1, 1), (1, MAX_VALUE + 1)])
def test_longer_texts_are_refused(label: int, value: int) -> None:
    refused(f"<T><D><M><k>{'k' * label}</k><v>{'v' * value}</v></M></D></T>".encode(), "too long")


def test_number_of_items_is_bounded() -> None:
    assert len(parse_transaction(f"<T><D>{M * MAX_ITEMS}</D></T>".encode()).items) == MAX_ITEMS
    refused(f"<T><D>{M * (MAX_ITEMS + 1)}</D></T>".encode(), "more than")


def test_size_is_bounded() -> None:
    assert parse_transaction(DISPLAY_KEY, max_bytes=226) == parse_transaction(DISPLAY_KEY)
    with pytest.raises(TransactionError, match="226 bytes"):
        parse_transaction(DISPLAY_KEY, max_bytes=225)
    refused(DISPLAY_KEY + b" " * MAX_BYTES)


# Only TransactionError comes out


@pytest.mark.parametrize("message", [DISPLAY_KEY, MAKER, CCB], ids=["display-key", "maker", "ccb"])
def test_every_truncation_is_refused(message: bytes) -> None:
    ends_of_items = {at + 1 for at, byte in enumerate(message) if message == CCB and byte == ord("|")}
    for length in set(range(len(message))) - ends_of_items:
        refused(message[:length])


@pytest.mark.parametrize("message", [DISPLAY_KEY, CCB], ids=["display-key", "ccb"])
def test_trailing_bytes_are_refused(message: bytes) -> None:
    for byte in set(range(256)) - set(b" \t\r\n"):
        refused(message + bytes([byte]))


def accepted(message: bytes, charset: str = "gb18030") -> Transaction | None:
    try:
        return parse_transaction(message, ccb_charset=charset)
    except TransactionError:
        return None


@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"<T><D><M><k>", b'SH="1";SN="', declaration("gbk")]),
    st.sampled_from(sorted(CHARSETS)),
)
def test_random_bytes_are_refused(noise: bytes, start: bytes, charset: str) -> None:
    assert accepted(start + noise, charset) is None


@given(
    st.sampled_from([DISPLAY_KEY, MAKER, CCB]),
    st.integers(0, 1 << 16),
    st.binary(max_size=3),
    st.integers(0, 3),
)
def test_damaged_messages_never_break_the_parser(message: bytes, at: int, patch: bytes, dropped: int) -> None:
    at %= len(message)
    transaction = accepted(message[:at] + patch + message[at + dropped :])
    assert transaction is None or transaction.shown


PIECES = ["<T>", "</T>", "<D>", "</D>", "<E>", "</E>", "<M>", "</M>", "<k>", "</k>", "<v>", "</v>"]
PIECES += [
    "&lt;",
    "&#65;",
    "&",
    "<M><k>b</k><v>&amp;</v></M>",
    "]]>",
    " ",
    "\n",
    "张",
    "-",
    f"<T><D>{M}",
    "</D></T>",
]


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_whatever_is_accepted_expat_reads_alike(text: str) -> None:
    transaction = accepted(text.encode())
    if transaction is None:
        return
    root = ET.fromstring(text)
    read = [(m.findtext("k"), m.findtext("v"), part.tag == "D") for part in root for m in part]
    assert [(item.label, item.value, item.shown) for item in transaction.items] == read


texts = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=20)


@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=5))
def test_what_expat_writes_is_read_back(pairs: list[tuple[str, str]]) -> None:
    root = ET.Element("T")
    part = ET.SubElement(root, "D")
    for label, value in pairs:
        item = ET.SubElement(part, "M")
        ET.SubElement(item, "k").text = label
        ET.SubElement(item, "v").text = value
    message = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    assert [(i.label, i.value) for i in parse_transaction(message).shown] == pairs
