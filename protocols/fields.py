"""Fields of a command's data: integers in the dialect's byte order, names, counted bytes (docs/facts.md G1, G2)."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import takewhile

from protocols.dialect import DEFAULT, Dialect
from protocols.errors import ProtocolError
from protocols.i18n import N_


class LayoutError(ProtocolError):
    """Data that do not have the command's layout."""


class FieldValueError(LayoutError):
    """Data of the right layout with a value in it that cannot be."""


class NameLayoutError(FieldValueError):
    """A name that cannot be one."""


class Fields:
    """Reads a command's data field by field.

    Every method raises LayoutError when the data end early.
    """

    __slots__ = ("_at", "_data", "_order")

    def __init__(self, data: bytes, dialect: Dialect = DEFAULT) -> None:
        self._data = data
        self._at = 0
        self._order = dialect.byte_order

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        piece = self._data[self._at : self._at + size]
        if len(piece) != size:
            raise LayoutError(N_("the data end {missing} bytes early"), missing=size - len(piece))
        self._at += size
        return piece

    def number(self, size: int) -> int:
        """The next integer of `size` bytes."""
        return int.from_bytes(self.take(size), self._order)

    def counted(self) -> bytes:
        """A u32 length and that many bytes."""
        return self.take(self.number(4))

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self._data) - self._at)

    def end(self) -> None:
        """Nothing may be left."""
        left = len(self._data) - self._at
        if left:
            raise LayoutError(N_("{left} bytes too many"), left=left)


def u32(value: int, dialect: Dialect = DEFAULT) -> bytes:
    """An integer field of four bytes.

    :raises LayoutError: it does not fit.
    """
    return _integer(value, 4, dialect)


def u16(value: int, dialect: Dialect = DEFAULT) -> bytes:
    """An integer field of two bytes.

    :raises LayoutError: it does not fit.
    """
    return _integer(value, 2, dialect)


def _integer(value: int, size: int, dialect: Dialect) -> bytes:
    try:
        return value.to_bytes(size, dialect.byte_order)
    except OverflowError:
        raise LayoutError(N_("{value} does not fit into {size} bytes"), value=value, size=size) from None


def counted(data: bytes, dialect: Dialect = DEFAULT) -> bytes:
    """A u32 length and the bytes."""
    return u32(len(data), dialect) + data


def encode_names(names: Iterable[str]) -> bytes:
    """A list of names: each ends with NUL, the list with one more."""
    return b"".join(name.encode() + b"\0" for name in names) + b"\0"


def decode_names(raw: bytes) -> list[str]:
    """The list back; what follows the first empty name is ignored.

    :raises LayoutError: not UTF-8.
    """
    try:
        return [name.decode() for name in takewhile(bool, raw.split(b"\0"))]
    except UnicodeDecodeError:
        raise LayoutError(N_("a name is not UTF-8")) from None


def fixed_text(text: str, width: int) -> bytes:
    """A name in a field of fixed width, zero-padded.

    :raises LayoutError: it does not fit.
    """
    raw = text.encode()
    if len(raw) > width:
        raise LayoutError(N_("{text} is longer than {width} bytes"), text=text, width=width)
    return raw.ljust(width, b"\0")


def parse_text(raw: bytes) -> str:
    """A zero-padded name back.

    :raises LayoutError: not UTF-8.
    """
    try:
        return raw.split(b"\0", 1)[0].decode()
    except UnicodeDecodeError:
        raise LayoutError(N_("a name is not UTF-8")) from None


def parse_name(raw: bytes) -> str:
    """A name that somebody chooses: as `parse_text`, but nothing may hide behind its end.

    :raises NameLayoutError: not UTF-8, not printable, or bytes after a NUL.
    """
    if b"\0" in raw.rstrip(b"\0"):
        raise NameLayoutError(N_("a name holds a zero byte"))
    try:
        name = parse_text(raw)
    except LayoutError as error:
        raise NameLayoutError(error.message) from None
    if not name.isprintable():
        raise NameLayoutError(N_("a name holds a character that cannot be printed"))
    return name
