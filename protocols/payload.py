"""The envelope of an APDU in HID reports, mass-storage commands and Bluetooth's frames (facts G37, G38, G40).

Both ways alike: tag 12, length (2 bytes, big-endian), then the command APDU, or the response APDU.
"""

from __future__ import annotations

from protocols.errors import ProtocolError
from protocols.i18n import N_

TAG = 0x12
HEADER_SIZE = 3
MAX_APDU = 0xFFFF
"""Longest APDU or response, in bytes: what the length field can say."""
MAX_SIZE = HEADER_SIZE + MAX_APDU


def wrap(apdu: bytes) -> bytes:
    """An APDU in its envelope; an empty one means that there is no response yet.

    :raises ProtocolError: longer than 65,535 bytes.
    """
    if len(apdu) > MAX_APDU:
        raise ProtocolError(
            N_("an APDU of {size} bytes is too long: at most {limit}"), size=len(apdu), limit=MAX_APDU
        )
    return bytes((TAG, len(apdu) >> 8, len(apdu) & 0xFF)) + apdu


def unwrap(payload: bytes) -> bytes:
    """The APDU in an envelope; bytes after its end are padding.

    :raises ProtocolError: no envelope, or cut short.
    """
    if len(payload) < HEADER_SIZE or payload[0] != TAG:
        raise ProtocolError(N_("these bytes are no APDU in its envelope: tag 12 is missing"))
    end = HEADER_SIZE + (payload[1] << 8 | payload[2])
    if len(payload) < end:
        raise ProtocolError(
            N_("the envelope says {said} bytes, {held} are there"),
            said=end - HEADER_SIZE,
            held=len(payload) - 3,
        )
    return payload[HEADER_SIZE:end]
