"""The messages of CCID: ten bytes of header, then data; both ends' (CCID 1.1, chapter 6).

Bulk OUT carries PC_to_RDR_* (`Command`), bulk IN RDR_to_PC_* (`Answer`), the interrupt endpoint two notices.
"""

from __future__ import annotations

import struct
from enum import IntEnum, unique
from typing import NamedTuple

from protocols.errors import ProtocolError
from protocols.i18n import N_

COMMAND_HEADER = struct.Struct("<BIBBBBB")
"""bMessageType, dwLength, bSlot, bSeq and three bytes of the message's own."""
ANSWER_HEADER = struct.Struct("<BIBBBBB")
"""bMessageType, dwLength, bSlot, bSeq, bStatus, bError and one byte of the message's own."""
HEADER_SIZE = COMMAND_HEADER.size

LONGEST_APDU = 65_544
"""Bytes of the longest extended APDU: header, 3 bytes of Lc, 65,535 of data, 2 of Le (CCID 1.1, 5.1)."""
LONGEST_MESSAGE = HEADER_SIZE + LONGEST_APDU
"""The largest dwMaxCCIDMessageLength (CCID 1.1, 5.1)."""


class CcidError(ProtocolError):
    """Bytes that are no CCID message."""


@unique
class ToReader(IntEnum):
    """bMessageType of PC_to_RDR_* (CCID 1.1, table 6.1-1)."""

    SET_PARAMETERS = 0x61
    ICC_POWER_ON = 0x62
    ICC_POWER_OFF = 0x63
    GET_SLOT_STATUS = 0x65
    SECURE = 0x69
    T0_APDU = 0x6A
    ESCAPE = 0x6B
    GET_PARAMETERS = 0x6C
    RESET_PARAMETERS = 0x6D
    ICC_CLOCK = 0x6E
    XFR_BLOCK = 0x6F
    MECHANICAL = 0x71
    ABORT = 0x72
    SET_DATA_RATE_AND_CLOCK_FREQUENCY = 0x73


@unique
class FromReader(IntEnum):
    """bMessageType of RDR_to_PC_* on bulk IN (CCID 1.1, table 6.2-1)."""

    DATA_BLOCK = 0x80
    SLOT_STATUS = 0x81
    PARAMETERS = 0x82
    ESCAPE = 0x83
    DATA_RATE_AND_CLOCK_FREQUENCY = 0x84


@unique
class Notice(IntEnum):
    """bMessageType on the interrupt endpoint (CCID 1.1, 6.3)."""

    SLOT_CHANGE = 0x50


@unique
class ClassRequest(IntEnum):
    """bRequest of the class's control requests (CCID 1.1, 5.3)."""

    ABORT = 1
    GET_CLOCK_FREQUENCIES = 2
    GET_DATA_RATES = 3


@unique
class Level(IntEnum):
    """wLevelParameter and bChainParameter: which piece of an APDU this is (CCID 1.1, 6.1.4 and 6.2.1)."""

    WHOLE = 0x00
    FIRST = 0x01
    LAST = 0x02
    MIDDLE = 0x03
    MORE_PLEASE = 0x10
    """No data; the other side's next piece is awaited."""


@unique
class IccStatus(IntEnum):
    """bmICCStatus, bits 1 and 0 of bStatus (CCID 1.1, table 6.2-3)."""

    ACTIVE = 0
    INACTIVE = 1
    ABSENT = 2


@unique
class CommandStatus(IntEnum):
    """bmCommandStatus, bits 7 and 6 of bStatus (CCID 1.1, table 6.2-3)."""

    DONE = 0
    FAILED = 1
    TIME_EXTENSION = 2


@unique
class SlotError(IntEnum):
    """bError of a failed command (CCID 1.1, table 6.2-2). 1 to 127 say the offset of a wrong field instead."""

    CMD_ABORTED = 0xFF
    ICC_MUTE = 0xFE
    XFR_PARITY_ERROR = 0xFD
    XFR_OVERRUN = 0xFC
    HW_ERROR = 0xFB
    BAD_ATR_TS = 0xF8
    BAD_ATR_TCK = 0xF7
    ICC_PROTOCOL_NOT_SUPPORTED = 0xF6
    ICC_CLASS_NOT_SUPPORTED = 0xF5
    PROCEDURE_BYTE_CONFLICT = 0xF4
    DEACTIVATED_PROTOCOL = 0xF3
    BUSY_WITH_AUTO_SEQUENCE = 0xF2
    PIN_TIMEOUT = 0xF0
    PIN_CANCELLED = 0xEF
    CMD_SLOT_BUSY = 0xE0
    CMD_NOT_SUPPORTED = 0x00


class Command(NamedTuple):
    """A PC_to_RDR_* message.

    :param kind: bMessageType: a ToReader, or any other number that came.
    :param first: the byte at offset 7: bPowerSelect, bBWI, bProtocolNum, bClockCommand …
    :param second: the two bytes at offset 8, little-endian: wLevelParameter; reserved in most.
    """

    kind: int
    slot: int
    seq: int
    first: int = 0
    second: int = 0
    data: bytes = b""

    def encode(self) -> bytes:
        """Its bytes on bulk OUT."""
        head = COMMAND_HEADER.pack(
            self.kind, len(self.data), self.slot, self.seq, self.first, self.second & 0xFF, self.second >> 8
        )
        return head + self.data


class Answer(NamedTuple):
    """A RDR_to_PC_* message.

    :param kind: bMessageType: a FromReader, or any other number that came.
    :param status: bStatus.
    :param error: bError: of a failed command a SlotError or an offset; with a time extension the multiplier of BWT.
    :param extra: the byte at offset 9: bChainParameter, bClockStatus, bProtocolNum.
    """

    kind: int
    slot: int
    seq: int
    status: int
    error: int
    extra: int
    data: bytes

    @classmethod
    def decode(cls, raw: bytes, *, max_message: int = LONGEST_MESSAGE) -> Answer:
        """A whole message from its bytes.

        :param max_message: dwMaxCCIDMessageLength.
        :raises CcidError: too short, too long, or not as long as it says.
        """
        if len(raw) < HEADER_SIZE:
            raise CcidError(N_("A CCID message has at least 10 bytes, this one has {size}."), size=len(raw))
        kind, length, slot, seq, status, error, extra = ANSWER_HEADER.unpack_from(raw)
        if length != len(raw) - HEADER_SIZE or len(raw) > max_message:
            raise CcidError(
                N_("The CCID message says {length} bytes of data; {held} came, at most {limit} may."),
                length=length,
                held=len(raw) - HEADER_SIZE,
                limit=max_message - HEADER_SIZE,
            )
        return cls(kind, slot, seq, status, error, extra, raw[HEADER_SIZE:])

    @property
    def icc(self) -> int:
        """bmICCStatus: an IccStatus, or 3, which is reserved."""
        return self.status & 3

    @property
    def failed(self) -> bool:
        """Whether the command failed; `error` says why."""
        return self.status >> 6 == CommandStatus.FAILED

    @property
    def asks_time(self) -> bool:
        """Whether this only asks for more time: the answer is still to come."""
        return self.status >> 6 == CommandStatus.TIME_EXTENSION


def error_name(error: int) -> str:
    """What bError of a failed command means, in the table's words: a name, or which field was wrong."""
    try:
        return SlotError(error).name
    except ValueError:
        return f"bad field at offset {error}" if error < 0x80 else f"0x{error:02X}"


def abort_value(seq: int) -> int:
    """wValue of the control request ABORT for slot 0 (5.3.1)."""
    return seq << 8


def apdu_pieces(apdu: bytes, max_message: int) -> list[tuple[Level, bytes]]:
    """An APDU cut into the data of XfrBlocks (6.1.4).

    :param max_message: the reader's dwMaxCCIDMessageLength.
    """
    room = max_message - HEADER_SIZE
    if len(apdu) <= room:
        return [(Level.WHOLE, apdu)]
    pieces = [apdu[start : start + room] for start in range(0, len(apdu), room)]
    return [
        (Level.FIRST, pieces[0]),
        *((Level.MIDDLE, piece) for piece in pieces[1:-1]),
        (Level.LAST, pieces[-1]),
    ]
