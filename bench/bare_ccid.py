"""The floor of the USB benchmark: a reader whose card takes every APDU for GenRandom(8) and does nothing else.

`bare_gadget` and `bare_usbip` plug it in.
"""

from __future__ import annotations

import os
import struct

MAKER, PRODUCT = "vukey", "Bare responder"
_ATR = bytes.fromhex("3B8180018080")  # T=1, one historical byte
_HEADER = struct.Struct(
    "<BIBBBBB"
)  # type, length, slot, sequence, then three bytes of the type's own (CCID 1.1, 6)
_PARAMETERS_T1 = bytes.fromhex("1110004D00FE00")
_ACTIVE, _INACTIVE, _FAILED = 0x00, 0x01, 0x40

_INTERFACE = bytes.fromhex("09 04 00 00 03 0B 00 00 00")
_CLASS = bytes.fromhex(  # CCID 1.1, 5.1: T=1, extended APDUs, everything automatic, messages of 65,554 bytes
    "36 21 10 01 00 07 02 00 00 00 A0 0F 00 00 A0 0F 00 00 00 B0 04 00 00 B0 04 00 00"
    "00 FE 00 00 00 00 00 00 00 00 00 00 00 FE 00 04 00 12 00 01 00 FF FF 00 00 00 01"
)


def interface(bulk: int) -> bytes:
    """The descriptors of the only interface, whose bulk packets have so many bytes."""
    endpoints = ((0x81, 2, bulk, 0), (0x02, 2, bulk, 0), (0x83, 3, 8, 7))
    return _INTERFACE + _CLASS + b"".join(struct.pack("<BBBBHB", 7, 5, *each) for each in endpoints)


def answer(message: bytes) -> bytes:
    """The reply to one whole PC_to_RDR message."""
    kind, _, slot, sequence, *_ = _HEADER.unpack_from(message)
    reply, status, last, data = 0x81, _ACTIVE, 0, b""
    if kind == 0x6F:  # XfrBlock
        reply, data = 0x80, os.urandom(8) + b"\x90\x00"
    elif kind == 0x62:  # IccPowerOn
        reply, data = 0x80, _ATR
    elif kind == 0x63:  # IccPowerOff
        status = _INACTIVE
    elif kind in (0x61, 0x6C, 0x6D):  # Set-, Get- and ResetParameters
        reply, last, data = 0x82, 1, message[10:] or _PARAMETERS_T1
    elif kind != 0x65:  # GetSlotStatus
        status = _FAILED
    return _HEADER.pack(reply, len(data), slot, sequence, status, 0, last) + data
