"""Command and response APDUs, the four cases in short and extended form (ISO/IEC 7816-3 §12.1, 7816-4 §5)."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from protocols.errors import ProtocolError
from protocols.i18n import N_

MAX_RESPONSE_DATA = 0xFFFF - 2
"""Most data bytes of a response: vpcd and CCID carry data and status word in 65,535 bytes."""

LE_SIZE = 2
"""Bytes of Le in the extended form, where data stand before it."""

_SHORT_MAX = 0x100
_EXTENDED_MAX = 0x10000


class ApduError(ProtocolError):
    """Bytes that are none of the four cases."""


class Command(NamedTuple):
    """A command APDU.

    :param le: how many answer bytes the host takes (1 … 65536), None when it asked for none.
    :param extended: whether the lengths came in extended form.
    """

    cla: int
    ins: int
    p1: int = 0
    p2: int = 0
    data: bytes = b""
    le: int | None = None
    extended: bool = True

    @property
    def header(self) -> bytes:
        """CLA INS P1 P2."""
        return bytes(self[:4])


_new_command = partial(tuple.__new__, Command)
"""A command from its seven fields, without the generated constructor's call: this is the hot path."""


class Response(NamedTuple):
    """A response APDU: data and status word."""

    data: bytes
    sw: int


def parse_command(raw: bytes) -> Command:
    """Bytes to a command.

    :raises ApduError: not one of ISO 7816-3's seven forms.
    """
    size = len(raw)
    if size < 4:
        raise ApduError(N_("an APDU has at least 4 bytes, this one has {size}"), size=size)
    cla, ins, p1, p2 = raw[0], raw[1], raw[2], raw[3]
    if size == 4:
        return _new_command((cla, ins, p1, p2, b"", None, False))
    lead = raw[4]
    if size == 5:
        return _new_command((cla, ins, p1, p2, b"", lead or _SHORT_MAX, False))
    if lead:
        data, le = _body(raw, 5, lead, le_bytes=1)
        return _new_command((cla, ins, p1, p2, data, le, False))
    if size == 7:
        return _new_command((cla, ins, p1, p2, b"", (raw[5] << 8 | raw[6]) or _EXTENDED_MAX, True))
    if size < 7:
        raise ApduError(N_("an extended length needs 3 bytes, this APDU ends before"))
    data, le = _body(raw, 7, raw[5] << 8 | raw[6], le_bytes=2)
    return _new_command((cla, ins, p1, p2, data, le, True))


def _body(raw: bytes, start: int, lc: int, le_bytes: int) -> tuple[bytes, int | None]:
    end = start + lc
    rest = len(raw) - end
    if lc and rest == 0:
        return raw[start:], None
    if lc and rest == le_bytes:
        le = int.from_bytes(raw[end:])
        return raw[start:end], le or 1 << 8 * le_bytes
    raise ApduError(
        N_("Lc says {lc} bytes of data, the APDU holds {held} after it"), lc=lc, held=len(raw) - start
    )


def encode_command(command: Command) -> bytes:
    """A command to bytes, in the form that ``command.extended`` asks for.

    :raises ApduError: data or Le too long for the form.
    """
    cla, ins, p1, p2, data, le, extended = command
    limit = _EXTENDED_MAX if extended else _SHORT_MAX
    if len(data) >= limit or (le is not None and not 1 <= le <= limit):
        raise ApduError(N_("{size} bytes of data do not fit the APDU's form"), size=len(data))
    head = bytes((cla, ins, p1, p2))
    tail = b"" if le is None else (le % limit).to_bytes(2 if extended else 1)
    if not extended:
        return head + (bytes((len(data),)) + data if data else b"") + tail
    if data:
        return head + b"\0" + len(data).to_bytes(2) + data + tail
    return head + (b"\0" + tail if tail else b"")


def parse_response(raw: bytes) -> Response:
    """Bytes to a response.

    :raises ApduError: shorter than a status word.
    """
    if len(raw) < 2:
        raise ApduError(N_("an answer has at least a status word, this one has {size} bytes"), size=len(raw))
    return Response(raw[:-2], raw[-2] << 8 | raw[-1])


def encode_response(data: bytes, sw: int) -> bytes:
    """Data and status word to bytes."""
    return data + sw.to_bytes(2)
