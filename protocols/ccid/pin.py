"""PIN entry on the reader's own keypad: the data of PC_to_RDR_Secure (CCID 1.1, 6.1.11 and 6.1.12).

The fields that tell how a typed PIN is put into the APDU are carried, and read, whatever the key does with them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum, unique

from protocols.errors import ProtocolError
from protocols.i18n import N_

SECURE_HEADER = 10
"""The offset in the message at which bPINOperation stands; what is refused is told by its offset."""
NO_LENGTH_PROLOGUE = b"\0\0\0"
"""bTeoPrologue: counts with T=1 TPDUs alone."""
DEFAULT_MESSAGE = 0xFF
"""bNumberMessage: the reader's own texts."""

_VERIFY = struct.Struct("<BBBBBBBBBHB3s")
_MODIFY = struct.Struct("<BBBBBBBBBBBBHB")
_SHORTEST_APDU = 4
_PIN_TYPE_RESERVED = 3
_LENGTH_FORMAT_RESERVED = 0xE0
_CONDITIONS = range(1, 8)
_VERIFY_MESSAGES = frozenset({0, 1, DEFAULT_MESSAGE})
_MODIFY_MESSAGES = frozenset({0, 1, 2, 3, DEFAULT_MESSAGE})


@unique
class PinOperation(IntEnum):
    """bPINOperation, of those that a reader at the APDU level has (CCID 1.1, 6.1.11)."""

    VERIFY = 0
    MODIFY = 1


class PinFieldError(ProtocolError):
    """A field of PC_to_RDR_Secure is wrong.

    :param offset: where it stands in the message, as bError tells it.
    """

    def __init__(self, offset: int) -> None:
        super().__init__(N_("the PIN entry's field at offset {offset} is wrong"), offset=offset)
        self.offset = offset


@dataclass(frozen=True, slots=True)
class PinBlock:
    """How the PIN is put into the APDU and how long it is; the same for verify and modify.

    :param format: bmFormatString.
    :param block: bmPINBlockString.
    :param length_format: bmPINLengthFormat.
    :param min_digits: high byte of wPINMaxExtraDigit.
    :param max_digits: its low byte.
    """

    format: int = 0x82
    block: int = 0
    length_format: int = 0
    min_digits: int = 4
    max_digits: int = 8


@dataclass(frozen=True, slots=True)
class PinVerify:
    """PIN verification (6.1.11).

    :param apdu: abPINApdu: the command to which the PIN belongs.
    :param timeout_s: bTimeOut: seconds until the entry is given up; 0: the reader's own.
    :param condition: bEntryValidationCondition: bit 0 the longest PIN, bit 1 the OK key, bit 2 the time-out ends it.
    :param messages: bNumberMessage.
    :param language: wLangId.
    :param message: bMsgIndex.
    """

    apdu: bytes
    timeout_s: int = 0
    pin: PinBlock = PinBlock()
    condition: int = 2
    messages: int = DEFAULT_MESSAGE
    language: int = 0x0409
    message: int = 0

    def encode(self) -> bytes:
        """The data of PC_to_RDR_Secure."""
        pin = self.pin
        return (
            _VERIFY.pack(
                PinOperation.VERIFY,
                self.timeout_s,
                pin.format,
                pin.block,
                pin.length_format,
                pin.max_digits,
                pin.min_digits,
                self.condition,
                self.messages,
                self.language,
                self.message,
                NO_LENGTH_PROLOGUE,
            )
            + self.apdu
        )


@dataclass(frozen=True, slots=True)
class PinModify:
    """PIN modification (6.1.12).

    :param old_offset: bInsertionOffsetOld; `new_offset` likewise.
    :param confirm: bit 0 of bConfirmPIN: the new PIN is asked twice.
    :param ask_old: bit 1 of bConfirmPIN: the present PIN is asked too.
    :param message_indexes: bMsgIndex1 to 3; how many there are is said by `messages`.
    """

    apdu: bytes
    timeout_s: int = 0
    pin: PinBlock = PinBlock()
    old_offset: int = 0
    new_offset: int = 0
    confirm: bool = True
    ask_old: bool = True
    condition: int = 2
    messages: int = DEFAULT_MESSAGE
    language: int = 0x0409
    message_indexes: tuple[int, ...] = (0, 1, 2)

    def encode(self) -> bytes:
        """The data of PC_to_RDR_Secure."""
        pin = self.pin
        head = _MODIFY.pack(
            PinOperation.MODIFY,
            self.timeout_s,
            pin.format,
            pin.block,
            pin.length_format,
            self.old_offset,
            self.new_offset,
            pin.max_digits,
            pin.min_digits,
            self.confirm | self.ask_old << 1,
            self.condition,
            self.messages,
            self.language,
            self.message_indexes[0],
        )
        others = bytes(self.message_indexes[1 : _index_count(self.messages)])
        return head + others + NO_LENGTH_PROLOGUE + self.apdu


def parse_secure(data: bytes) -> PinVerify | PinModify:
    """The data of PC_to_RDR_Secure.

    :raises PinFieldError: a field is wrong, or the data end before the APDU's fourth byte (offset 1: dwLength).
    """
    if not data:
        raise PinFieldError(1)
    if data[0] == PinOperation.VERIFY:
        return _parse_verify(data)
    if data[0] == PinOperation.MODIFY:
        return _parse_modify(data)
    raise PinFieldError(SECURE_HEADER)


def _parse_verify(data: bytes) -> PinVerify:
    if len(data) < _VERIFY.size + _SHORTEST_APDU:
        raise PinFieldError(1)
    (_, timeout, form, block, length_form, most, least, condition, messages, language, message, _) = (
        _VERIFY.unpack_from(data)
    )
    pin = PinBlock(form, block, length_form, least, most)
    _check_block(pin, digits_offset=15)
    _check(condition in _CONDITIONS, 17)
    _check(messages in _VERIFY_MESSAGES, 18)
    return PinVerify(data[_VERIFY.size :], timeout, pin, condition, messages, language, message)


def _parse_modify(data: bytes) -> PinModify:
    if len(data) < _MODIFY.size:
        raise PinFieldError(1)
    (
        _,
        timeout,
        form,
        block,
        length_form,
        old,
        new,
        most,
        least,
        confirm,
        condition,
        messages,
        language,
        first,
    ) = _MODIFY.unpack_from(data)
    pin = PinBlock(form, block, length_form, least, most)
    _check_block(pin, digits_offset=17)
    _check(confirm <= 3, 19)
    _check(condition in _CONDITIONS, 20)
    _check(messages in _MODIFY_MESSAGES, 21)
    indexes_end = _MODIFY.size - 1 + _index_count(messages)
    apdu = data[indexes_end + len(NO_LENGTH_PROLOGUE) :]
    _check(len(apdu) >= _SHORTEST_APDU, 1)
    indexes = (first, *data[_MODIFY.size : indexes_end])
    return PinModify(
        apdu,
        timeout,
        pin,
        old,
        new,
        bool(confirm & 1),
        bool(confirm & 2),
        condition,
        messages,
        language,
        indexes,
    )


def _index_count(messages: int) -> int:
    """How many bMsgIndex fields stand there: 1, 2 with any message, 3 with three or the default ones (libccid)."""
    if messages == 0:
        return 1
    return 2 if messages < 3 else 3


def _check_block(pin: PinBlock, *, digits_offset: int) -> None:
    _check(pin.format & 3 != _PIN_TYPE_RESERVED, 12)
    _check(not pin.length_format & _LENGTH_FORMAT_RESERVED, 14)
    _check(pin.max_digits > 0 and pin.min_digits <= pin.max_digits, digits_offset)


def _check(good: bool, offset: int) -> None:
    if not good:
        raise PinFieldError(offset)
