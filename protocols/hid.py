"""APDUs over HID reports, as Longmai's keys carry them (fact G37), and the descriptors of such an interface.

A report has 64 bytes and no number. Its first byte is a tag: in the top two bits where in the message it stands, in
the others how many bytes of it count. Then, in the first report, 20 bytes of header:

- to the key: FE 01, 14 zeros, length of the envelope (little-endian, 3 bytes), sequence number;
- from the key: AA AA, length (as before), 14 zeros, the sequence number of the question;

and the envelope (`protocols.payload`), which goes on in the reports after it.
Public captures show one byte of length to the key and two from it: the third is *assumed*, and that both count
the envelope's own three bytes.
"""

from __future__ import annotations

from enum import IntEnum, unique
from typing import NamedTuple

from protocols.errors import ProtocolError
from protocols.i18n import N_
from protocols.payload import HEADER_SIZE, MAX_SIZE, unwrap, wrap

REPORT_SIZE = 64
USB_CLASS = 3
"""bInterfaceClass of HID (HID 1.11, 4.1)."""

REPORT_DESCRIPTOR = bytes.fromhex(
    "0600FF"  # usage page: vendor-defined FF00 (assumed)
    "0901"  # usage 1
    "A101"  # collection: application
    "1500" "26FF00"  # each field from 0 to 255
    "7508" "9540"  # 64 fields of 8 bits
    "0901" "8102"  # input: data, variable, absolute
    "0901" "9102"  # output: the same
    "C0"  # end of the collection
)  # fmt: skip
"""Reports of 64 bytes both ways, without a number (HID 1.11, 6.2.2)."""

HID_DESCRIPTOR = bytes.fromhex(
    "0921"  # bLength, bDescriptorType
    "1101"  # bcdHID: 1.11
    "00"  # bCountryCode
    "0122"  # one descriptor of its own: a report descriptor
) + len(REPORT_DESCRIPTOR).to_bytes(2, "little")
"""The class descriptor (HID 1.11, 6.2.1)."""


@unique
class HidRequest(IntEnum):
    """bRequest of the class requests (HID 1.11, 7.2)."""

    GET_REPORT = 1
    GET_IDLE = 2
    SET_REPORT = 9
    SET_IDLE = 10


@unique
class HidDescriptor(IntEnum):
    """What GET_DESCRIPTOR to the interface names (HID 1.11, 7.1)."""

    HID = 0x21
    REPORT = 0x22


@unique
class Way(IntEnum):
    """Which end sends the message."""

    TO_KEY = 0
    FROM_KEY = 1


class HidMessage(NamedTuple):
    """An APDU or a response, with the number that joins the two (0 … 255)."""

    sequence: int
    apdu: bytes


_HEADER_SIZE = 20
_ROOM = REPORT_SIZE - 1
_FIRST, _SINGLE, _MIDDLE, _LAST = 0x80, 0xC0, 0x00, 0x40
_POSITION, _COUNT = 0xC0, 0x3F
_LEADS = {Way.TO_KEY: b"\xfe\x01", Way.FROM_KEY: b"\xaa\xaa"}
_LENGTHS = {Way.TO_KEY: slice(16, 19), Way.FROM_KEY: slice(2, 5)}


def reports(way: Way, sequence: int, apdu: bytes) -> list[bytes]:
    """The reports of 64 bytes that carry an APDU to the key, or a response from it.

    :raises ProtocolError: longer than 65,535 bytes.
    """
    payload = wrap(apdu)
    header = bytearray(_HEADER_SIZE)
    header[:2] = _LEADS[way]
    header[_LENGTHS[way]] = len(payload).to_bytes(3, "little")
    header[-1] = sequence
    body = bytes(header) + payload
    pieces = [body[start : start + _ROOM] for start in range(0, len(body), _ROOM)]
    positions = [_FIRST] + [_MIDDLE] * (len(pieces) - 2) + [_LAST] if len(pieces) > 1 else [_SINGLE]
    return [
        bytes((position | len(piece),)) + piece.ljust(_ROOM, b"\0")
        for position, piece in zip(positions, pieces, strict=True)
    ]


class HidDecoder:
    """Puts reports together into messages; it keeps less than one message (65,558 bytes) between two calls.

    A first or single report begins afresh, whatever was left unfinished.

    :param way: which end sent the reports.
    """

    def __init__(self, way: Way) -> None:
        self._way = way
        self._body = bytearray()

    def feed(self, report: bytes) -> HidMessage | None:
        """Take one report, short ones as if padded; the message that it completes.

        :raises ProtocolError: no report of such a message; what was begun is forgotten.
        """
        try:
            return self._take(report)
        except ProtocolError:
            self._body.clear()
            raise

    def _take(self, report: bytes) -> HidMessage | None:
        if not 1 <= len(report) <= REPORT_SIZE:
            raise ProtocolError(N_("a report of {size} bytes: expected {limit}"), size=len(report), limit=64)
        position, count = report[0] & _POSITION, report[0] & _COUNT
        piece = report[1 : 1 + count].ljust(count, b"\0")
        if position in (_FIRST, _SINGLE):
            self._begin(piece)
        elif not self._body:
            raise ProtocolError(N_("a report goes on with a message that was not begun"))
        self._body += piece
        if len(self._body) > _HEADER_SIZE + MAX_SIZE:
            raise ProtocolError(N_("a message in reports is too long"))
        if position in (_FIRST, _MIDDLE):
            return None
        message = HidMessage(self._body[_HEADER_SIZE - 1], unwrap(bytes(self._body[_HEADER_SIZE:])))
        self._body.clear()
        return message

    def _begin(self, piece: bytes) -> None:
        if len(piece) < _HEADER_SIZE + HEADER_SIZE or piece[:2] != _LEADS[self._way]:
            raise ProtocolError(N_("a first report without the header of a message"))
        self._body.clear()
