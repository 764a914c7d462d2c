"""Transaction messages that a display key reads, shows and signs: the T/D/M/k/v XML and the CCB string.

What a key shows must be what the bank's host meant (E2, E12), so both formats have exactly one spelling here,
every length is bounded, and whatever is left over is refused. The grammar is flat: nothing nests, nothing is
expanded beyond one character, nothing outside the message is looked at.

Source of the shapes: makers' public samples. XML: T holds D, shown, then E, signed but not shown; each M in
them is one k and one v. CCB (B6): `SH="1";SN="label";IN="0";SI="value";|`, repeated. *Assumed*, since no public
text says: the bounds, the refusal of attributes, comments, CDATA, empty-element tags and white space inside a
tag, the rule against mislabelled UTF-8, and the rule on labels that are both shown and hidden.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from protocols.errors import ProtocolError
from protocols.i18n import N_

__all__ = [
    "CHARSETS",
    "MAX_BYTES",
    "Item",
    "Transaction",
    "TransactionError",
    "looks_like_transaction",
    "parse_transaction",
]

CHARSETS: Final = frozenset({"utf-8", "gb2312", "gbk", "gb18030"})
"""The charsets that a message may be in, by the names used in XML declarations, in lower case."""

MAX_BYTES: Final = 4096
MAX_ITEMS: Final = 64
MAX_LABEL: Final = 64
MAX_VALUE: Final = 1024

_BOM = b"\xef\xbb\xbf"
_DECLARATION = re.compile(
    rb"""<\?xml[ \t\r\n]+version[ \t\r\n]*=[ \t\r\n]*(?:"1\.0"|'1\.0')"""
    rb"""(?:[ \t\r\n]+encoding[ \t\r\n]*=[ \t\r\n]*(["'])(?P<charset>[A-Za-z0-9._-]{1,40})\1)?"""
    rb"""[ \t\r\n]*\?>"""
)
_CHINESE = re.compile(
    r"(?=.*[\u3000-\u9fff])[\u0000-\u007f\u00b7\u2010-\u2027\u3000-\u9fff\uff00-\uffef]*", re.DOTALL
)
_GAP = re.compile(r"[ \t\r\n]*")
_REFERENCE = re.compile(r"&(?:(lt|gt|amp|quot|apos)|#([0-9]{1,7})|#x([0-9A-Fa-f]{1,6}));")
_PREDEFINED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}
_CCB_ITEM = re.compile(r'SH="([01])";SN="([^"]*)";IN="[0-9]{1,4}";SI="([^"]*)";\|')


class TransactionError(ProtocolError):
    """The bytes are no transaction message that a key could show and sign."""


@dataclass(frozen=True)
class Item:
    """One line of business: what it is called and what it says; `shown` on the screen or only signed."""

    label: str
    value: str
    shown: bool


@dataclass(frozen=True)
class Transaction:
    """A message read in full.

    :param charset: the charset that the bytes were read in, one of `CHARSETS`.
    :param items: every item in the order of the message.
    """

    format: Literal["tdmkv-xml", "ccb"]
    charset: str
    items: tuple[Item, ...]

    @property
    def shown(self) -> tuple[Item, ...]:
        """The items for the screen, in the order of the message; never empty."""
        return tuple(item for item in self.items if item.shown)


def looks_like_transaction(message: bytes) -> bool:
    """Whether a message means to be one of the formats, well-formed or not: such a one is never plain text (E12)."""
    head = message.removeprefix(_BOM).lstrip()
    return head.startswith((b"<", b"SH="))


def parse_transaction(
    message: bytes, *, ccb_charset: str = "gb18030", max_bytes: int = MAX_BYTES
) -> Transaction:
    """Read a whole message in either format (E2, E12, B6).

    :param ccb_charset: the charset of a CCB string, which declares none: one of `CHARSETS`.
    :param max_bytes: the longest message that the key takes.
    :raises TransactionError: the bytes are anything else than exactly one well-formed message.
    """
    if len(message) > max_bytes:
        raise TransactionError(
            N_("The message has {size} bytes and the key reads at most {most}. Send a shorter one."),
            size=len(message),
            most=max_bytes,
        )
    if message.startswith(b"SH="):
        charset = ccb_charset.lower()
        items = _ccb_items(_Cursor(_decode(message, charset)))
        return Transaction("ccb", charset, _checked(items))
    charset, message, start = _declared(message)
    items = _xml_items(_Cursor(_decode(message, charset), start))
    return Transaction("tdmkv-xml", charset, _checked(items))


def _declared(message: bytes) -> tuple[str, bytes, int]:
    """The charset, the bytes without a byte order mark, and where the declaration ends."""
    body = message.removeprefix(_BOM)
    declaration = _DECLARATION.match(body)
    if declaration is None:
        return "utf-8", body, 0
    charset = (declaration["charset"] or b"utf-8").decode("ascii").lower()
    if charset not in CHARSETS:
        raise TransactionError(
            N_("The key does not read the charset {charset}. Use utf-8, gbk, gb2312 or gb18030."),
            charset=charset,
        )
    if len(body) < len(message) and charset != "utf-8":
        raise TransactionError(
            N_("The message declares {charset} but starts with the mark of UTF-8. Correct the declaration."),
            charset=charset,
        )
    return charset, body, declaration.end()


def _decode(message: bytes, charset: str) -> str:
    """The text, if the bytes are in the charset and cannot be taken for Chinese text in UTF-8 (E12)."""
    try:
        text = message.decode(charset)
    except UnicodeDecodeError as error:
        raise TransactionError(
            N_("Byte {at} is not {charset}. Send the message in the charset it declares."),
            at=error.start,
            charset=charset,
        ) from None
    if charset == "utf-8":
        return text
    if _is_chinese_utf8(message):
        raise TransactionError(
            N_("The message is said to be {charset} but its bytes are UTF-8. Correct the declaration."),
            charset=charset,
        )
    # The gb2312 codec keeps two outdated mappings: A1A4 is U+00B7, the dot in names, and A1AA U+2014.
    return message.decode("gbk") if charset == "gb2312" else text


def _is_chinese_utf8(message: bytes) -> bool:
    """Whether bytes declared as GB are in truth Chinese in UTF-8.

    Being valid UTF-8 is not enough, since the GB bytes of many a name are (郑伟, 欧元, 谢璇昇): they read as
    Greek, Cyrillic or rarer letters. So every character of the reading must be one of Chinese text. Measured
    on 2.2 million composed names alone in an ASCII message: 12 are refused (路璇昇), every mislabelled one is.
    """
    try:
        return _CHINESE.fullmatch(message.decode("utf-8")) is not None
    except UnicodeDecodeError:
        return False


class _Cursor:
    """A place in the text that only moves forward over what was expected there."""

    def __init__(self, text: str, at: int = 0) -> None:
        self.text = text
        self.at = at

    def sees(self, literal: str) -> bool:
        return self.text.startswith(literal, self.at)

    def takes(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.at)
        if found:
            self.at = found.end()
        return found

    def until(self, mark: str) -> str:
        start, self.at = self.at, self.text.find(mark, self.at)
        if self.at < 0:
            self.at = len(self.text)
            raise self.missing(mark)
        return self.text[start : self.at]

    def literal(self, literal: str) -> None:
        if not self.sees(literal):
            raise self.missing(literal)
        self.at += len(literal)

    def tag(self, tag: str) -> None:
        self.literal(tag)
        self.takes(_GAP)

    def end(self) -> None:
        if self.at < len(self.text):
            raise TransactionError(
                N_("The message goes on after its end, at character {at}. Send one message at a time."),
                at=self.at,
            )

    def missing(self, expected: str) -> TransactionError:
        return TransactionError(
            N_("Not a transaction message: {expected} is missing at character {at}. Correct the message."),
            expected=expected,
            at=self.at,
        )


def _xml_items(cursor: _Cursor) -> Iterator[Item]:
    cursor.takes(_GAP)
    cursor.tag("<T>")
    cursor.tag("<D>")
    yield _xml_item(cursor, shown=True)
    yield from _xml_more(cursor, "</D>", shown=True)
    if cursor.sees("<E>"):
        cursor.tag("<E>")
        yield from _xml_more(cursor, "</E>", shown=False)
    cursor.tag("</T>")
    cursor.end()


def _xml_more(cursor: _Cursor, closing: str, *, shown: bool) -> Iterator[Item]:
    while not cursor.sees(closing):
        yield _xml_item(cursor, shown=shown)
    cursor.tag(closing)


def _xml_item(cursor: _Cursor, *, shown: bool) -> Item:
    cursor.tag("<M>")
    item = Item(_xml_text(cursor, "k"), _xml_text(cursor, "v"), shown)
    cursor.tag("</M>")
    return item


def _xml_text(cursor: _Cursor, name: str) -> str:
    cursor.literal(f"<{name}>")
    start = cursor.at
    raw = cursor.until("<")
    cursor.tag(f"</{name}>")
    if "]]>" in raw or "&" in _REFERENCE.sub("", raw):
        raise TransactionError(
            N_("The text from character {at} is not well-formed XML. Write & as &amp; and > as &gt;."),
            at=start,
        )
    return _REFERENCE.sub(_referred, raw)


def _referred(reference: re.Match[str]) -> str:
    name, decimal, hexadecimal = reference.groups()
    if name:
        return _PREDEFINED[name]
    code = int(decimal) if decimal else int(hexadecimal, 16)
    if code > 0x10FFFF:
        raise _forbidden(code)
    return chr(code)


def _ccb_items(cursor: _Cursor) -> Iterator[Item]:
    while cursor.at < len(cursor.text):
        found = cursor.takes(_CCB_ITEM)
        if found is None:
            raise cursor.missing('SH="";SN="";IN="";SI="";|')
        shown, label, value = found.groups()
        yield Item(label, value, shown == "1")


def _checked(items: Iterator[Item]) -> tuple[Item, ...]:
    """The items, if they are within bounds and the person sees a whole transaction.

    A label may repeat among the shown items, which are all drawn; a hidden item under a shown label would be
    a second value that the person never reads.
    """
    kept: list[Item] = []
    for number, item in enumerate(items, 1):
        _check_item(item, number)
        kept.append(item)
    shown = {item.label for item in kept if item.shown}
    if not shown:
        raise TransactionError(N_("The message has no item to show. Mark what the person must read."))
    if any(item.label in shown for item in kept if not item.shown):
        raise TransactionError(
            N_("A hidden item has the label of a shown one. Give every hidden item a label of its own.")
        )
    return tuple(kept)


def _check_item(item: Item, number: int) -> None:
    if number > MAX_ITEMS:
        raise TransactionError(N_("The message has more than {most} items. Send fewer."), most=MAX_ITEMS)
    if item.shown and not item.label:
        raise TransactionError(N_("Item {number} has no label. Give every shown item one."), number=number)
    if len(item.label) > MAX_LABEL or len(item.value) > MAX_VALUE:
        raise TransactionError(
            N_(
                "Item {number} is too long: at most {label} characters in its label and {value} in its value."
            ),
            number=number,
            label=MAX_LABEL,
            value=MAX_VALUE,
        )
    for character in item.label + item.value:
        if _is_forbidden(character):
            raise _forbidden(ord(character))


def _is_forbidden(character: str) -> bool:
    """Control characters, surrogates and noncharacters: never part of a text to show, nor of a hidden one."""
    code = ord(character)
    noncharacter = code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
    return noncharacter or unicodedata.category(character) in ("Cc", "Cs")


def _forbidden(code: int) -> TransactionError:
    return TransactionError(
        N_("The message holds the forbidden character U+{code}. Remove it."), code=f"{code:04X}"
    )
