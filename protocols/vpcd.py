"""Frames of vsmartcard's virtual reader (vpcd), which the key's own unix socket speaks as well.

Source: the protocol that vsmartcard 3.3 describes for its virtual reader (2 bytes of length, big-endian, then
the body). The reader speaks first; a body of one byte is a control, any longer one an APDU. ATR is the only
control that is answered, with a frame that holds the ATR. LOCK and UNLOCK are ours, on the unix socket only: LOCK is
answered 00, or 01 while another client has the key, and then every APDU of this client is *busy* until LOCK is granted.
"""

from __future__ import annotations

from enum import IntEnum, unique

from protocols.errors import ProtocolError
from protocols.i18n import N_

HEADER_SIZE = 2
MAX_FRAME = 0xFFFF
"""Longest body, in bytes: what the length field can say."""


@unique
class Control(IntEnum):
    """A body of one byte. 0 to 4 are vsmartcard's; 5 and 6 exist on the key's unix socket alone."""

    POWER_OFF = 0
    POWER_ON = 1
    RESET = 2
    ATR = 4
    LOCK = 5
    UNLOCK = 6


_CONTROLS = {control.value: control for control in Control}


def encode(frame: bytes) -> bytes:
    """The body with its length before it.

    :raises ProtocolError: the body is longer than 65535 bytes.
    """
    if len(frame) > MAX_FRAME:
        raise ProtocolError(
            N_("A frame of {size} bytes is too long: at most {limit}."), size=len(frame), limit=MAX_FRAME
        )
    return len(frame).to_bytes(HEADER_SIZE, "big") + frame


def parse_control(frame: bytes) -> Control | None:
    """The control that a body of one byte is, or None for anything else.

    :raises ProtocolError: one byte that is no control.
    """
    if len(frame) != 1:
        return None
    try:
        return _CONTROLS[frame[0]]
    except KeyError:
        raise ProtocolError(
            N_("0x{value:02X} is not a control of the virtual reader."), value=frame[0]
        ) from None


class FrameDecoder:
    """Cuts a stream of bytes into bodies. It keeps less than one frame (65,537 bytes) between two calls.

    No input is malformed: every length is possible, and an empty body is returned as such.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes of the stream, in pieces of any size; return the bodies that they complete."""
        if (
            not self._buffer
            and len(data) >= HEADER_SIZE
            and len(data) - HEADER_SIZE == data[0] << 8 | data[1]
        ):
            return [data[HEADER_SIZE:]]  # exactly one frame: what a client that waits for each answer sends
        self._buffer += data
        return self._take_whole_frames()

    def _take_whole_frames(self) -> list[bytes]:
        buffer, frames, start = self._buffer, [], 0
        while len(buffer) - start >= HEADER_SIZE:
            end = start + HEADER_SIZE + (buffer[start] << 8 | buffer[start + 1])
            if end > len(buffer):
                break
            frames.append(bytes(buffer[start + HEADER_SIZE : end]))
            start = end
        del buffer[:start]
        return frames
