"""PIN entry: the bytes into which libccid turns the structures of its own example (scardcontrol.c)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.ccid import PinBlock, PinFieldError, PinModify, PinVerify, parse_secure

# PIN_VERIFY_STRUCTURE and PIN_MODIFY_STRUCTURE of scardcontrol.c without what commands.c leaves out
# (bTimeOut2, ulDataLength) and with the operation before it.
VERIFY = bytes.fromhex("00 00 82 04 00 0804 02 01 0409 00 000000 0020000008 3030303000000000")
MODIFY = bytes.fromhex("01 00 82 04 00 00 04 0804 03 02 03 0409 00 01 02 000000 0024000008 3030303030303030")
# The older example asks for the new PIN alone, without messages: then only bMsgIndex1 stands there.
MODIFY_SILENT = bytes.fromhex("01 00 82 04 00 00 00 0804 00 02 00 0409 00 000000 0020000008 3030303000000000")

PARSED = [
    (
        VERIFY,
        PinVerify(
            apdu=bytes.fromhex("0020000008 3030303000000000"),
            timeout_s=0,
            pin=PinBlock(format=0x82, block=4, length_format=0, min_digits=4, max_digits=8),
            condition=2,
            messages=1,
            language=0x0904,
            message=0,
        ),
    ),
    (
        MODIFY,
        PinModify(
            apdu=bytes.fromhex("0024000008 3030303030303030"),
            pin=PinBlock(format=0x82, block=4, length_format=0, min_digits=4, max_digits=8),
            old_offset=0,
            new_offset=4,
            confirm=True,
            ask_old=True,
            condition=2,
            messages=3,
            language=0x0904,
            message_indexes=(0, 1, 2),
        ),
    ),
    (
        MODIFY_SILENT,
        PinModify(
            apdu=bytes.fromhex("0020000008 3030303000000000"),
            pin=PinBlock(format=0x82, block=4, length_format=0, min_digits=4, max_digits=8),
            confirm=False,
            ask_old=False,
            messages=0,
            language=0x0904,
            message_indexes=(0,),
        ),
    ),
]


@pytest.mark.parametrize(("raw", "entry"), PARSED)
def test_libccids_examples(raw: bytes, entry: PinVerify | PinModify) -> None:
    assert parse_secure(raw) == entry
    assert entry.encode() == raw


@pytest.mark.parametrize(
    ("messages", "indexes"), [(0, "00"), (1, "00 01"), (2, "00 01"), (3, "00 01 02"), (255, "00 01 02")]
)
def test_how_many_message_indexes_stand_there_is_libccids_rule(messages: int, indexes: str) -> None:
    raw = bytes.fromhex("01 00 82 04 00 00 04 0804 03 02") + bytes((messages,))
    raw += bytes.fromhex("0904") + bytes.fromhex(indexes) + bytes.fromhex("000000 8016000000")
    entry = parse_secure(raw)
    assert entry.apdu == bytes.fromhex("8016000000")
    assert entry.encode() == raw


def with_byte(raw: bytes, offset: int, value: int) -> bytes:
    """The data with the byte that stands at `offset` of the message changed."""
    return raw[: offset - 10] + bytes((value,)) + raw[offset - 9 :]


@pytest.mark.parametrize(
    ("raw", "offset", "value"),
    [
        (VERIFY, 10, 2),  # bPINOperation: a PIN from the reader's buffer
        (VERIFY, 10, 4),  # cancel: no operation of this level
        (VERIFY, 12, 0x83),  # bmFormatString: reserved PIN type
        (VERIFY, 14, 0x20),  # bmPINLengthFormat: reserved bit
        (VERIFY, 15, 3),  # at most 3 digits, at least 4
        (VERIFY, 17, 0),  # no condition ends the entry
        (VERIFY, 17, 8),
        (VERIFY, 18, 2),  # bNumberMessage
        (MODIFY, 12, 3),
        (MODIFY, 14, 0x80),
        (MODIFY, 17, 0),  # at most 0 digits
        (MODIFY, 19, 4),  # bConfirmPIN
        (MODIFY, 20, 0),
        (MODIFY, 21, 4),
    ],
)
def test_a_wrong_field_is_told_by_its_offset(raw: bytes, offset: int, value: int) -> None:
    with pytest.raises(PinFieldError) as caught:
        parse_secure(with_byte(raw, offset, value))
    assert caught.value.offset == offset


@pytest.mark.parametrize("raw", [VERIFY[:18], MODIFY[:23], MODIFY[:10], b"\0", b"\1", b""])
def test_too_short_is_the_length_fields_fault(raw: bytes) -> None:
    with pytest.raises(PinFieldError) as caught:
        parse_secure(raw)
    assert caught.value.offset == 1


@pytest.mark.parametrize("raw", [VERIFY[:19], MODIFY[:24]])
def test_an_apdu_of_four_bytes_is_the_shortest(raw: bytes) -> None:
    assert len(parse_secure(raw).apdu) == 4


@given(st.binary(max_size=40), st.sampled_from([b"\0", b"\1", b""]))
def test_whatever_is_parsed_encodes_to_the_same_but_the_t1_prologue(tail: bytes, operation: bytes) -> None:
    raw = operation + tail
    try:
        entry = parse_secure(raw)
    except PinFieldError:
        return
    encoded = entry.encode()
    prologue = len(raw) - len(entry.apdu) - 3
    assert len(encoded) == len(raw)
    assert (encoded[:prologue], encoded[prologue + 3 :]) == (raw[:prologue], raw[prologue + 3 :])
