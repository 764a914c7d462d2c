"""What a reader says of the wire between itself and the card; a USB key has none, but hosts may ask and set.

CCID 1.1, 6.1.7 (the T=1 structure) and 6.1.14; the values' ranges are ISO/IEC 7816-3's.
"""

from __future__ import annotations

import struct

CLOCK_KHZ = 4000
"""dwDefaultClock and the only frequency."""
DATA_RATE_BPS = 307_200
"""dwDataRate and the only rate."""

PROTOCOL_T1 = 1
"""bProtocolNum."""
DEFAULT_T1 = bytes.fromhex("11 10 00 4D 00 FE 00")
"""Fi = 372, Di = 1; LRC; no extra guard time; BWI 4, CWI 13; the clock does not stop; IFSC 254; NAD 0."""

RATE_AND_CLOCK = struct.Struct("<II")
"""dwClockFrequency in kHz, dwDataRate in bits per second."""

_DATA = 10
"""The offset of the data in the message: bError tells the offset of what is wrong."""
_KNOWN_FI = frozenset((0, 1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13))
_KNOWN_DI = frozenset(range(1, 10))
_TCCKS_FIXED = 0xFC
_TCCKS_T1 = 0x10
_MAX_BWI = 9
_MAX_CLOCK_STOP = 3
_IFSC = range(1, 255)


def wrong_t1_field(data: bytes) -> int:
    """The offset in PC_to_RDR_SetParameters of the first wrong field of a T=1 structure; 0: all are good."""
    if len(data) != len(DEFAULT_T1):
        return 1
    factors, checksum, _, waiting, clock_stop, ifsc, nad = data
    good = (
        factors >> 4 in _KNOWN_FI and factors & 15 in _KNOWN_DI,
        checksum & _TCCKS_FIXED == _TCCKS_T1,
        True,
        waiting >> 4 <= _MAX_BWI,
        clock_stop <= _MAX_CLOCK_STOP,
        ifsc in _IFSC,
        nad == 0,
    )
    return 0 if all(good) else _DATA + good.index(False)


def wrong_rate_field(data: bytes) -> int:
    """The offset of the first field of PC_to_RDR_SetDataRateAndClockFrequency that cannot be had; 0: all can."""
    if len(data) != RATE_AND_CLOCK.size:
        return 1
    clock, rate = RATE_AND_CLOCK.unpack(data)
    if clock != CLOCK_KHZ:
        return _DATA
    return 0 if rate == DATA_RATE_BPS else _DATA + 4
