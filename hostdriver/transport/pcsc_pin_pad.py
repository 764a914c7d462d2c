"""PIN pads of PC/SC readers: what SCardControl takes (PC/SC Workgroup, part 10, 2.2 to 2.6).

Lengths are bytes; numbers are little-endian in the structures, and big-endian in the list of features.
"""

from __future__ import annotations

import struct
from enum import IntEnum, unique

from hostdriver.errors import CancelledError, ConfirmTimeoutError, HostError
from protocols.ccid.pin import NO_LENGTH_PROLOGUE, PinModify, PinVerify
from protocols.sw import SW

GET_FEATURE_REQUEST = 3400
"""The function of CM_IOCTL_GET_FEATURE_REQUEST, to be made a control code by SCARD_CTL_CODE."""
_FEATURE = struct.Struct(">BBI")
"""Tag, length 4, control code."""
_CODE_LENGTH = 4
_VERIFY = struct.Struct("<BBBBBBBBBHB3sI")
_MODIFY = struct.Struct("<BBBBBBBBBBBBHBBB3sI")
_TIMED_OUT, _CANCELLED = 0x6400, 0x6401
"""Status words that the reader, not the key, answers with (part 10, 2.5.2)."""


@unique
class Feature(IntEnum):
    """Tags in the list of features (part 10, 2.2)."""

    VERIFY_PIN_DIRECT = 0x06
    MODIFY_PIN_DIRECT = 0x07


def control_codes(answer: bytes) -> dict[int, int]:
    """The control code of each feature that a reader has; what is no list of features ends it."""
    codes = {}
    for start in range(0, len(answer) - _FEATURE.size + 1, _FEATURE.size):
        tag, length, code = _FEATURE.unpack_from(answer, start)
        if length != _CODE_LENGTH:
            break
        codes[tag] = code
    return codes


def encode_verify(entry: PinVerify) -> bytes:
    """PIN_VERIFY_STRUCTURE."""
    pin = entry.pin
    head = _VERIFY.pack(
        entry.timeout_s,
        entry.timeout_s,
        pin.format,
        pin.block,
        pin.length_format,
        pin.max_digits,
        pin.min_digits,
        entry.condition,
        entry.messages,
        entry.language,
        entry.message,
        NO_LENGTH_PROLOGUE,
        len(entry.apdu),
    )
    return head + entry.apdu


def encode_modify(entry: PinModify) -> bytes:
    """PIN_MODIFY_STRUCTURE."""
    pin = entry.pin
    first, second, third, *_ = (*entry.message_indexes, 0, 0)
    head = _MODIFY.pack(
        entry.timeout_s,
        entry.timeout_s,
        pin.format,
        pin.block,
        pin.length_format,
        entry.old_offset,
        entry.new_offset,
        pin.max_digits,
        pin.min_digits,
        entry.confirm | entry.ask_old << 1,
        entry.condition,
        entry.messages,
        entry.language,
        first,
        second,
        third,
        NO_LENGTH_PROLOGUE,
        len(entry.apdu),
    )
    return head + entry.apdu


def refusal_of(answer: bytes) -> HostError | None:
    """What the reader itself answers; None: the key has answered."""
    sw = int.from_bytes(answer)
    if sw == _CANCELLED:
        return CancelledError(SW.CANCELLED)
    return ConfirmTimeoutError(SW.TIMED_OUT) if sw == _TIMED_OUT else None
