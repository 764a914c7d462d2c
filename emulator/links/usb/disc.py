"""The CD-ROM that a key shows beside itself: a read-only disc behind SCSI commands (SPC-4, SBC-3, MMC-6).

What is on it `docs/generate_disc.py` says. Only what hosts ask of such a drive is here; the rest is refused as
unknown, which every host takes.
"""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path

from construct import Const, Int8ub, Int16ub, PaddedString, Padding, Struct

from protocols.massstorage import (
    INVALID_COMMAND,
    INVALID_FIELD,
    MEDIUM_CHANGED,
    NO_MEDIUM,
    NO_SENSE,
    OUT_OF_RANGE,
    WRITE_PROTECTED,
    Scsi,
    Sense,
)

BLOCK_SIZE = 2048
"""Bytes of a block of a CD-ROM."""
_IMAGE = Path(__file__).with_name("disc.iso.gz")
_MAX_READ = 0x10_0000
"""Most bytes of one read; Linux and Windows ask for at most 240 KiB of a USB drive."""
_MAX_CDB = 16
_LEAD_OUT = 0xAA
_DATA_TRACK = 0x14
"""Control field of a data track, recorded at once (MMC-6, table 307)."""
_CD_ROM_PROFILE = 0x0008
_MEDIA_EVENT = 4
_NO_EVENT = 0x80

_INQUIRY = Struct(
    "device_type" / Const(5, Int8ub),  # CD-ROM
    "removable" / Const(0x80, Int8ub),
    "version" / Const(0, Int8ub),
    "format" / Const(2, Int8ub),
    "additional_length" / Const(31, Int8ub),
    Padding(3),
    "vendor" / PaddedString(8, "ascii"),
    "product" / PaddedString(16, "ascii"),
    "revision" / PaddedString(4, "ascii"),
)
"""Standard INQUIRY data, 36 bytes (SPC-4, 6.4.2)."""

_FEATURES = Struct(
    "profile_list" / Const(0x0000, Int16ub), "flags" / Const(0x03, Int8ub), "length" / Const(4, Int8ub),
    "profile" / Const(_CD_ROM_PROFILE, Int16ub), "is_current" / Int8ub, Padding(1),
    "core" / Const(0x0001, Int16ub), "core_flags" / Const(0x0B, Int8ub), "core_length" / Const(8, Int8ub),
    Padding(3), "usb" / Const(8, Int8ub), "events" / Const(1, Int8ub), Padding(3),
    "removable" / Const(0x0003, Int16ub), "removable_flags" / Const(0x03, Int8ub),
    "removable_length" / Const(4, Int8ub), "tray_with_eject" / Const(0x28, Int8ub), Padding(3),
    "random_readable" / Const(0x0010, Int16ub), "read_flags" / Int8ub, "read_length" / Const(8, Int8ub),
    Padding(2), "block_size" / Const(BLOCK_SIZE, Int16ub), "blocking" / Const(1, Int16ub), Padding(2),
)  # fmt: skip
"""What GET CONFIGURATION tells: profile list, core, removable medium, random readable (MMC-6, 5.3)."""


class DiscError(Exception):
    """A command that the drive refuses.

    :param sense: why.
    """

    def __init__(self, sense: Sense) -> None:
        super().__init__(sense)
        self.sense = sense


@cache
def _image() -> bytes:
    return gzip.decompress(_IMAGE.read_bytes())


class Disc:
    """The drive with its disc. The host may eject it and load it again.

    `sense` is why the last command failed, which REQUEST SENSE asks for.

    :param vendor: who made it; of this and the product only what fits and is ASCII is told.
    """

    def __init__(self, vendor: str, product: str) -> None:
        names = {"vendor": _ascii(vendor, 8), "product": _ascii(product, 16), "revision": "1.0 "}
        self._inquiry = bytes(_INQUIRY.build(names))
        self.sense = NO_SENSE
        self._changed = True
        self._loaded = True
        self._locked = False
        self._commands: dict[int, Callable[[bytes], bytes]] = {
            Scsi.TEST_UNIT_READY: self._test_unit_ready,
            Scsi.REQUEST_SENSE: self._request_sense,
            Scsi.INQUIRY: self._identify,
            Scsi.MODE_SENSE_6: self._mode_sense_6,
            Scsi.MODE_SENSE_10: self._mode_sense_10,
            Scsi.START_STOP_UNIT: self._start_stop,
            Scsi.PREVENT_ALLOW_REMOVAL: self._prevent_removal,
            Scsi.READ_FORMAT_CAPACITIES: self._format_capacities,
            Scsi.READ_CAPACITY: self._capacity,
            Scsi.READ_10: lambda cdb: self._read(cdb, *struct.unpack_from(">2xIxH", cdb)),
            Scsi.READ_12: lambda cdb: self._read(cdb, *struct.unpack_from(">2xII", cdb)),
            Scsi.WRITE_10: self._refuse_writing,
            Scsi.WRITE_12: self._refuse_writing,
            Scsi.VERIFY_10: lambda cdb: self._ready(b""),
            Scsi.SYNCHRONIZE_CACHE: lambda cdb: b"",
            Scsi.READ_TOC: self._table_of_contents,
            Scsi.GET_CONFIGURATION: self._configuration,
            Scsi.GET_EVENT_STATUS: self._events,
            Scsi.READ_DISC_INFORMATION: self._disc_information,
        }

    def execute(self, cdb: bytes) -> bytes:
        """Run a command; the data for the host, no longer than the command allows.

        :raises DiscError: the drive refuses it.
        """
        command = self._commands.get(cdb[0])
        if command is None:
            raise DiscError(INVALID_COMMAND)
        if self._changed and cdb[0] not in _ALWAYS_ANSWERED:
            self._changed = False
            raise DiscError(MEDIUM_CHANGED)
        data = command(cdb.ljust(_MAX_CDB, b"\0"))
        if cdb[0] != Scsi.INQUIRY:
            self.sense = NO_SENSE
        return data

    def _ready(self, data: bytes) -> bytes:
        """The answer to a command that needs the disc."""
        if not self._loaded:
            raise DiscError(NO_MEDIUM)
        return data

    def _test_unit_ready(self, cdb: bytes) -> bytes:
        return self._ready(b"")

    def _request_sense(self, cdb: bytes) -> bytes:
        return self.sense.encode()[: cdb[4]]

    def _identify(self, cdb: bytes) -> bytes:
        if cdb[1] & 1 or cdb[2]:  # vital product data: none
            raise DiscError(INVALID_FIELD)
        return self._inquiry[: cdb[3] << 8 | cdb[4]]

    def _mode_sense_6(self, cdb: bytes) -> bytes:
        page = _mode_page(cdb[2] & 0x3F)
        return (bytes((3 + len(page), 0, 0x80, 0)) + page)[: cdb[4]]

    def _mode_sense_10(self, cdb: bytes) -> bytes:
        page = _mode_page(cdb[2] & 0x3F)
        return (struct.pack(">HxBxxxx", 6 + len(page), 0x80) + page)[: _allocation(cdb)]

    def _start_stop(self, cdb: bytes) -> bytes:
        """Load or eject (LoEj); spinning up and down changes nothing."""
        if cdb[4] & 2:
            load = bool(cdb[4] & 1)
            if not load and self._locked:
                raise DiscError(Sense(0x5, 0x53, 2))  # medium removal prevented
            self._changed = load and not self._loaded
            self._loaded = load
        return b""

    def _prevent_removal(self, cdb: bytes) -> bytes:
        self._locked = bool(cdb[4] & 1)
        return b""

    def _format_capacities(self, cdb: bytes) -> bytes:
        capacity = struct.pack(">3xBII", 8, self._blocks(), 2 << 24 | BLOCK_SIZE)  # 2: a formatted medium
        return self._ready(capacity)[: _allocation(cdb)]

    def _capacity(self, cdb: bytes) -> bytes:
        return self._ready(struct.pack(">II", self._blocks() - 1, BLOCK_SIZE))

    def _read(self, cdb: bytes, block: int, count: int) -> bytes:
        self._ready(b"")
        if block + count > self._blocks():
            raise DiscError(OUT_OF_RANGE)
        if count * BLOCK_SIZE > _MAX_READ:
            raise DiscError(INVALID_FIELD)
        return _image()[block * BLOCK_SIZE : (block + count) * BLOCK_SIZE]

    def _refuse_writing(self, cdb: bytes) -> bytes:
        raise DiscError(WRITE_PROTECTED)

    def _table_of_contents(self, cdb: bytes) -> bytes:
        """One data track and the lead-out (MMC-6, 6.25); format 1: one session."""
        self._ready(b"")
        layout = cdb[2] & 0x0F or cdb[9] >> 6  # SFF-8020i had it in the control byte
        minutes = bool(cdb[1] & 2)
        track = struct.pack(">xBBxI", _DATA_TRACK, 1, _address(0, minutes=minutes))
        if layout == 1 or (layout == 0 and cdb[6] <= 1):
            entries = track
        elif layout == 0 and cdb[6] == _LEAD_OUT:
            entries = b""
        else:
            raise DiscError(INVALID_FIELD)
        if layout == 0:
            end = _address(self._blocks(), minutes=minutes)
            entries += struct.pack(">xBBxI", _DATA_TRACK, _LEAD_OUT, end)
        return (struct.pack(">HBB", 2 + len(entries), 1, 1) + entries)[: _allocation(cdb)]

    def _configuration(self, cdb: bytes) -> bytes:
        features = bytes(_FEATURES.build({"is_current": self._loaded, "read_flags": int(self._loaded)}))
        profile = _CD_ROM_PROFILE if self._loaded else 0
        return (struct.pack(">IHH", 4 + len(features), 0, profile) + features)[: _allocation(cdb)]

    def _events(self, cdb: bytes) -> bytes:
        """Of events only the medium's state is told, and only when polled (MMC-6, 6.7)."""
        if not cdb[1] & 1:
            raise DiscError(INVALID_FIELD)
        if not cdb[4] & 1 << _MEDIA_EVENT:
            return bytes((0, 2, _NO_EVENT, 1 << _MEDIA_EVENT))[: _allocation(cdb)]
        event = bytes((0, 6, _MEDIA_EVENT, 1 << _MEDIA_EVENT, 0, 2 * self._loaded, 0, 0))
        return event[: _allocation(cdb)]

    def _disc_information(self, cdb: bytes) -> bytes:
        """A complete disc of one session and one track (MMC-6, 6.21)."""
        self._ready(b"")
        return struct.pack(">HBBBBBB26x", 32, 0x0E, 1, 1, 1, 1, 0x20)[: _allocation(cdb)]

    def _blocks(self) -> int:
        return len(_image()) // BLOCK_SIZE


_ALWAYS_ANSWERED = {Scsi.INQUIRY, Scsi.REQUEST_SENSE, Scsi.GET_CONFIGURATION, Scsi.GET_EVENT_STATUS}
"""Also while the host has not yet been told of a new disc (SPC-4, 5.14; MMC-6, 4.1.6.1)."""


def _allocation(cdb: bytes) -> int:
    """Most bytes that the host takes, where commands of ten bytes have it."""
    return cdb[7] << 8 | cdb[8]


def _mode_page(code: int) -> bytes:
    """The capabilities of the drive (page 2A), which can read CDs; page 3F: all pages there are."""
    if code not in (0x2A, 0x3F):
        raise DiscError(INVALID_FIELD)
    # 0x29: can lock, can eject, has a tray; speeds in kB/s: 24 times a CD's
    return struct.pack(">BBBxBBBxHHHH4x", 0x2A, 0x12, 0, 0, 0, 0x29, 4234, 0, 0, 4234)


def _address(block: int, *, minutes: bool) -> int:
    """A block's number, or its minute, second and frame (75 to a second, two seconds before block 0)."""
    if not minutes:
        return block
    seconds, frame = divmod(block + 150, 75)
    return seconds // 60 << 16 | seconds % 60 << 8 | frame


def _ascii(text: str, size: int) -> str:
    """Left-aligned and filled up with blanks, as INQUIRY wants its names."""
    plain = "".join(character if " " <= character <= "~" else "?" for character in text)
    return plain[:size].ljust(size)
