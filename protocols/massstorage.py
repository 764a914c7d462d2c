"""USB mass storage, Bulk-Only (BOT 1.0), with the two vendor commands that carry APDUs (fact G38).

FE 01 takes an APDU in its envelope (`protocols.payload`), FE 02 gives the response in one. A key that waits for a
person answers FE 02 with an empty envelope, and the host asks again: *assumed*, no public text says it.
"""

from __future__ import annotations

import struct
from enum import IntEnum, unique
from typing import NamedTuple

from protocols.errors import ProtocolError
from protocols.i18n import N_

USB_CLASS = 8
"""bInterfaceClass of mass storage."""
SUBCLASS_MMC = 2
"""bInterfaceSubClass of a CD-ROM (Mass Storage Class overview 1.4, 2)."""
PROTOCOL_BULK_ONLY = 0x50

COMMAND_SIZE = 31
STATUS_SIZE = 13
IN = 0x80
"""bmCBWFlags of a command whose data go to the host."""

_COMMAND = struct.Struct("<4sIIBBB16s")
_STATUS = struct.Struct("<4sIIB")
_COMMAND_SIGNATURE, _STATUS_SIGNATURE = b"USBC", b"USBS"
_MAX_CDB = 16


@unique
class DiskRequest(IntEnum):
    """bRequest of the class requests (BOT 1.0, 3)."""

    GET_MAX_LUN = 0xFE
    RESET = 0xFF


@unique
class Status(IntEnum):
    """bCSWStatus (BOT 1.0, table 5.3)."""

    PASSED = 0
    FAILED = 1
    PHASE_ERROR = 2


class DiskCommand(NamedTuple):
    """A command block wrapper (BOT 1.0, 5.1).

    :param tag: comes back in the status.
    :param length: data bytes that the host sends or takes.
    """

    tag: int
    length: int
    is_in: bool
    cdb: bytes

    def encode(self) -> bytes:
        """To the 31 bytes of a wrapper, for logical unit 0."""
        flags = IN if self.is_in else 0
        return _COMMAND.pack(
            _COMMAND_SIGNATURE,
            self.tag,
            self.length,
            flags,
            0,
            len(self.cdb),
            self.cdb.ljust(_MAX_CDB, b"\0"),
        )

    @classmethod
    def decode(cls, raw: bytes) -> DiskCommand:
        """From a wrapper.

        :raises ProtocolError: not valid and meaningful (BOT 1.0, 6.2): size, signature, unit or length of the CDB.
        """
        if len(raw) != COMMAND_SIZE or raw[:4] != _COMMAND_SIGNATURE:
            raise ProtocolError(N_("these bytes are no mass-storage command"))
        _, tag, length, flags, unit, size, cdb = _COMMAND.unpack(raw)
        if unit or not 1 <= size <= _MAX_CDB:
            raise ProtocolError(N_("a mass-storage command for a unit, or of a length, that does not exist"))
        return cls(tag, length, bool(flags & IN), cdb[:size])


class DiskStatus(NamedTuple):
    """A command status wrapper (BOT 1.0, 5.2).

    :param residue: data bytes of `DiskCommand.length` that did not matter.
    """

    tag: int
    residue: int
    status: Status

    def encode(self) -> bytes:
        """To the 13 bytes of a wrapper."""
        return _STATUS.pack(_STATUS_SIGNATURE, self.tag, self.residue, self.status)

    @classmethod
    def decode(cls, raw: bytes) -> DiskStatus:
        """From a wrapper.

        :raises ProtocolError: size, signature or status (BOT 1.0, 6.3).
        """
        if len(raw) != STATUS_SIZE or raw[:4] != _STATUS_SIGNATURE or raw[12] > Status.PHASE_ERROR:
            raise ProtocolError(N_("these bytes are no mass-storage status"))
        _, tag, residue, status = _STATUS.unpack(raw)
        return cls(tag, residue, Status(status))


SEND_APDU = b"\xfe\x01GMCAPIDFS".ljust(_MAX_CDB, b"\0")
"""The command block before an APDU; a key looks at its first two bytes."""
FETCH_RESPONSE = b"\xfe\x02".ljust(_MAX_CDB, b"\0")
"""The command block that asks for the response."""


@unique
class Scsi(IntEnum):
    """Operation codes (SPC-4, MMC-6)."""

    TEST_UNIT_READY = 0x00
    REQUEST_SENSE = 0x03
    INQUIRY = 0x12
    MODE_SENSE_6 = 0x1A
    START_STOP_UNIT = 0x1B
    PREVENT_ALLOW_REMOVAL = 0x1E
    READ_FORMAT_CAPACITIES = 0x23
    READ_CAPACITY = 0x25
    READ_10 = 0x28
    WRITE_10 = 0x2A
    VERIFY_10 = 0x2F
    SYNCHRONIZE_CACHE = 0x35
    READ_TOC = 0x43
    GET_CONFIGURATION = 0x46
    GET_EVENT_STATUS = 0x4A
    READ_DISC_INFORMATION = 0x51
    MODE_SENSE_10 = 0x5A
    READ_12 = 0xA8
    WRITE_12 = 0xAA
    VENDOR = 0xFE


class Sense(NamedTuple):
    """Why a command failed: sense key, additional code and its qualifier (SPC-4, 4.5)."""

    key: int
    code: int
    qualifier: int = 0

    def encode(self) -> bytes:
        """Fixed-format sense data, 18 bytes (SPC-4, 4.5.3)."""
        return struct.pack(">BxBxxxxBxxxxBB4x", 0x70, self.key, 10, self.code, self.qualifier)


NO_SENSE = Sense(0, 0)
NO_MEDIUM = Sense(0x2, 0x3A)
INVALID_COMMAND = Sense(0x5, 0x20)
OUT_OF_RANGE = Sense(0x5, 0x21)
INVALID_FIELD = Sense(0x5, 0x24)
SEQUENCE_ERROR = Sense(0x5, 0x2C)
MEDIUM_CHANGED = Sense(0x6, 0x28)
WAS_RESET = Sense(0x6, 0x29)
WRITE_PROTECTED = Sense(0x7, 0x27)
