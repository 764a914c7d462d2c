"""Fragments on a stream of bytes: a serial line, a pseudo-terminal, RFCOMM. Ours (*assumed*): no public text says what
keys in serial mode do.

A stream has no borders, so each fragment is one piece between two flags, as RFC 1662 does it: 7E, the fragment, its
CRC-16 (2 bytes, big-endian), 7E; inside, 7D stands as 7D 5D and 7E as 7D 5E. So a flag is always a border, and after
garbage the next flag mends the stream; no length has to be believed, nobody has to wait. A frame is one fragment,
since nothing limits it (`WHOLE`), and both ends are those of Bluetooth.

The CRC is CRC-16/IBM-3740: polynomial 1021, begun with FFFF, check value 29B1. The line must be raw: no echo, no
flow control in band.
"""

from __future__ import annotations

from binascii import crc_hqx

from protocols.ble.frames import WHOLE, is_first

BAUD_RATE = 115200
"""Of a port, with 8 data bits, no parity, 1 stop bit, no flow control (*assumed*)."""

_FLAG, _ESCAPE = b"\x7e", b"\x7d"
_ESCAPED_FLAG, _ESCAPED_ESCAPE = b"\x7d\x5e", b"\x7d\x5d"
_CRC_SIZE = 2
_ROOM = 2 * (WHOLE + _CRC_SIZE)
"""Bytes of the longest piece, if each is escaped."""


def crc16(data: bytes) -> int:
    """CRC-16/IBM-3740."""
    return crc_hqx(data, 0xFFFF)


def enclose(fragment: bytes) -> bytes:
    """A fragment as the stream carries it."""
    piece = fragment + crc16(fragment).to_bytes(_CRC_SIZE, "big")
    escaped = piece.replace(_ESCAPE, _ESCAPED_ESCAPE).replace(_FLAG, _ESCAPED_FLAG)
    return _FLAG + escaped + _FLAG


class FragmentStream:
    """Cuts a stream into fragments. It keeps less than one piece (131,080 bytes) between two calls."""

    def __init__(self) -> None:
        self._piece = bytearray()

    @property
    def incomplete(self) -> bool:
        """Whether a frame is begun and the rest of it still to come: if it does not in `FRAGMENT_TIMEOUT_S`, `drop`
        it and call the end's `timed_out`.
        """
        return is_first(self._piece)

    def drop(self) -> None:
        """Forget a begun piece."""
        self._piece.clear()

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes as they come: the fragments that they complete.

        A damaged piece that begins like a frame comes as an empty fragment, which either end takes for a bad length;
        any other one is noise and passed over.
        """
        *complete, rest = data.split(_FLAG)
        fragments = []
        for end in complete:
            self._lengthen(end)
            if self._piece:
                fragments += self._open()
                self._piece.clear()
        self._lengthen(rest)
        return fragments

    def _lengthen(self, data: bytes) -> None:
        """What is too long is cut off, and so damaged."""
        self._piece += data[: _ROOM + 1 - len(self._piece)]

    def _open(self) -> list[bytes]:
        piece = bytes(self._piece).replace(_ESCAPED_FLAG, _FLAG).replace(_ESCAPED_ESCAPE, _ESCAPE)
        fragment, crc = piece[:-_CRC_SIZE], piece[-_CRC_SIZE:]
        if fragment and crc == crc16(fragment).to_bytes(_CRC_SIZE, "big"):
            return [fragment]
        return [b""] if is_first(piece) else []
