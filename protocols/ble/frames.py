"""Frames and the fragments that carry them, as FIDO's Bluetooth transport has them (CTAP 2.1, 11.4; fact G40).

A frame is command, length (2 bytes, big-endian), data. Its first fragment begins so, and the command's top bit says
that it is the first; each further one is a sequence number, 00 to 7F and then 00 again, and more of the data.

CTAP does not say what becomes of a fragment that fits nowhere. *Assumed*: it gets one error; the continuations that
follow it belong to the same broken frame and are passed over; the next first fragment begins afresh. An exact
repetition of a whole frame's last fragment is passed over too: the frame is at work already.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, unique
from typing import NamedTuple

from protocols.errors import ProtocolError
from protocols.i18n import N_

HEADER_SIZE = 3
MAX_DATA = 0xFFFF
"""Longest data of a frame, in bytes: what the length field can say."""
WHOLE = HEADER_SIZE + MAX_DATA
"""The fragment size with which every frame is one fragment."""

KEEP_ALIVE_S = 0.5
"""Seconds between two KEEPALIVE of a key that is not done yet (CTAP's kKeepAliveMillis)."""
FRAGMENT_TIMEOUT_S = 1.5
"""Seconds that the next fragment of a begun frame may take. CTAP's kMaxCommandTransmitDelayMillis is for all of a
command; that it counts from one fragment to the next is *assumed*, since long APDUs go in many small ones."""


@unique
class FrameCommand(IntEnum):
    """First byte of a frame (CTAP 2.1, 11.4.4)."""

    PING = 0x81
    KEEPALIVE = 0x82
    MESSAGE = 0x83
    CANCEL = 0xBE
    ERROR = 0xBF


@unique
class FrameError(IntEnum):
    """What an ERROR frame says. 01 to 06 and 7F: CTAP 2.1, 11.4.4."""

    INVALID_COMMAND = 0x01
    INVALID_PARAMETER = 0x02
    INVALID_LENGTH = 0x03
    INVALID_SEQUENCE = 0x04
    TIMEOUT = 0x05
    BUSY = 0x06
    CANCELLED = 0x2D
    """What was under way has ended because of CANCEL. CTAP has the number as a status; in this place: *assumed*."""
    OTHER = 0x7F
    LOW_BATTERY = 0xF0
    """*Assumed*; the first of the numbers that CTAP leaves to makers."""


@unique
class KeepAliveStatus(IntEnum):
    """What a KEEPALIVE says (CTAP 2.1, 11.4.4)."""

    PROCESSING = 1
    USER_PRESENCE_NEEDED = 2


class Frame(NamedTuple):
    """A whole frame; `command` is a FrameCommand, since an Assembler takes no other."""

    command: int
    data: bytes


def fragments(command: FrameCommand, data: bytes, size: int) -> list[bytes]:
    """The fragments of a frame.

    :param size: bytes of a fragment at most, 20 or more.
    :raises ProtocolError: more data than a frame holds.
    """
    if len(data) > MAX_DATA:
        raise ProtocolError(
            N_("A frame of {size} bytes is too long: at most {limit}."), size=len(data), limit=MAX_DATA
        )
    room = size - HEADER_SIZE
    first = bytes((command, len(data) >> 8, len(data) & 0xFF)) + data[:room]
    return [first] + [
        bytes((number & 0x7F,)) + data[start : start + size - 1]
        for number, start in enumerate(range(room, len(data), size - 1))
    ]


def is_first(fragment: bytes | bytearray) -> bool:
    """Whether a fragment begins a frame."""
    return bool(fragment) and fragment[0] >= 0x80


class Assembler:
    """Puts fragments together. It keeps less than one frame, and the last fragment of the one before.

    :param most: the commands that may come, with the bytes of data that each has at most.
    :param urgent: the command that may come in the middle of another frame, and ends it.
    """

    def __init__(self, most: Mapping[int, int], urgent: FrameCommand) -> None:
        self._most = most
        self._urgent = urgent
        self._last = b""
        self._passing_over = False
        self._sequence = 0
        self._forget()

    @property
    def incomplete(self) -> bool:
        """Whether a frame is begun and the rest of it still to come."""
        return self._missing > 0

    def pass_over(self) -> None:
        """Give up the begun frame; continuations count for nothing till the next first fragment."""
        self._forget()
        self._passing_over = True

    def feed(self, fragment: bytes) -> Frame | FrameError | None:
        """Take a fragment: the frame that it completes, or what is wrong with it."""
        found = self._begin(fragment) if is_first(fragment) else self._go_on(fragment)
        if isinstance(found, FrameError):
            self.pass_over()
        return found

    def _begin(self, fragment: bytes) -> Frame | FrameError | None:
        command = fragment[0]
        if self.incomplete and command != self._urgent:
            return FrameError.INVALID_SEQUENCE
        self._forget()
        if command not in self._most:
            return FrameError.INVALID_COMMAND
        if len(fragment) < HEADER_SIZE:
            return FrameError.INVALID_LENGTH
        length = fragment[1] << 8 | fragment[2]
        if length > self._most[command] or len(fragment) > HEADER_SIZE + length:
            return FrameError.INVALID_LENGTH
        self._command, self._missing, self._passing_over = command, length, False
        return self._take(fragment, HEADER_SIZE)

    def _go_on(self, fragment: bytes) -> Frame | FrameError | None:
        if not fragment:
            return FrameError.INVALID_LENGTH
        if not self.incomplete:
            is_late = self._passing_over or fragment == self._last
            return None if is_late else FrameError.INVALID_SEQUENCE
        if fragment[0] != self._sequence:
            return FrameError.INVALID_SEQUENCE
        if not 1 <= len(fragment) - 1 <= self._missing:
            return FrameError.INVALID_LENGTH
        self._sequence = (self._sequence + 1) & 0x7F
        return self._take(fragment, 1)

    def _take(self, fragment: bytes, start: int) -> Frame | None:
        self._data += fragment[start:]
        self._missing -= len(fragment) - start
        if self._missing:
            return None
        frame = Frame(self._command, bytes(self._data))
        self._forget()
        self._last = fragment
        return frame

    def _forget(self) -> None:
        self._command = 0
        self._missing = 0
        self._sequence = 0
        self._data = bytearray()
