"""CCID messages and the class descriptor, against libccid's bytes and real readers' descriptors."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import ccid
from protocols.ccid import Answer, CcidError, Command, Level, ToReader
from protocols.ccid.descriptor import ClassDescriptor, class_descriptor, parse_class_descriptor

# What libccid's commands.c puts on bulk OUT.
LIBCCID = [
    (Command(ToReader.ICC_POWER_ON, 0, 0), "62 00000000 00 00 00 0000"),
    (Command(ToReader.ICC_POWER_OFF, 0, 1), "63 00000000 00 01 00 0000"),
    (Command(ToReader.GET_SLOT_STATUS, 0, 0xFF), "65 00000000 00 FF 00 0000"),
    (Command(ToReader.XFR_BLOCK, 0, 5, data=bytes.fromhex("00A4000C")), "6F 04000000 00 05 00 0000 00A4000C"),
    (Command(ToReader.XFR_BLOCK, 0, 6, second=Level.MORE_PLEASE), "6F 00000000 00 06 00 1000"),
    (Command(ToReader.XFR_BLOCK, 0, 7, second=0x0102, data=b"\1\2\3"), "6F 03000000 00 07 00 0201 010203"),
    (Command(ToReader.ESCAPE, 1, 8, data=b"\x1f\1"), "6B 02000000 01 08 00 0000 1F01"),
    (
        Command(ToReader.SET_PARAMETERS, 0, 9, 1, data=bytes.fromhex("1110004D002000")),
        "61 07000000 00 09 01 0000 1110004D002000",
    ),
]

# The 54 bytes with which the Linux kernel, lsusb and libccid 1.5.2 took a device for a T=1 reader of extended APDUs.
ENUMERATED = bytes.fromhex(
    "36 21 0001 00 07 02000000 A00F0000 A00F0000 00 00B00400 00B00400 00 FE000000 00000000 00000000"
    "FE000400 12000100 FF FF 0000 00 01"
)
# As lsusb prints the AU9540 reader (058f:9540): extended APDUs, 272 bytes, 53 data rates.
AU9540 = bytes.fromhex(
    "36 21 1001 00 07 03000000 740E0000 740E0000 01 DA260000 48DB0400 35 FE000000 07000000 00000000"
    "BE040400 10010000 FF FF 0000 00 01"
)
# As libccid's list of readers has the FT SCR310 (096e:0505): TPDUs, 271 bytes, no slot that may be busy.
SCR310 = bytes.fromhex(
    "36 21 0001 00 07 03000000 A00F0000 401F0000 00 002A0000 C0270900 00 F8000000 00000000 00000000"
    "30020100 0F010000 00 00 0000 00 00"
)


@pytest.mark.parametrize(("message", "expected"), LIBCCID)
def test_the_hosts_messages_are_libccids(message: Command, expected: str) -> None:
    assert message.encode() == bytes.fromhex(expected)


def test_an_answer_with_data() -> None:
    answer = Answer.decode(bytes.fromhex("80 02000000 00 05 00 00 00 9000"))
    assert answer == Answer(0x80, 0, 5, 0, 0, 0, b"\x90\x00")
    assert (answer.icc, answer.failed, answer.asks_time) == (ccid.IccStatus.ACTIVE, False, False)


def test_the_control_half_of_an_abort_has_slot_and_number_in_one_word() -> None:
    assert ccid.abort_value(7) == 0x0700


def test_a_failed_answer() -> None:
    answer = Answer.decode(bytes.fromhex("80 00000000 00 05 41 FE 00"))
    assert (answer.icc, answer.failed, answer.asks_time) == (ccid.IccStatus.INACTIVE, True, False)
    assert answer.error == ccid.SlotError.ICC_MUTE


def test_a_request_for_time() -> None:
    # libccid: bmCommandStatus 0x80, CCID_TIME_EXTENSION
    answer = Answer.decode(bytes.fromhex("80 00000000 00 05 80 01 00"))
    assert (answer.failed, answer.asks_time, answer.error) == (False, True, 1)


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "80 00000000 00 05 00 00",
        "80 02000000 00 05 00 00 00 90",
        "80 00000000 00 05 00 00 00 90",
        "80 FFFFFFFF 00 05 00 00 00",
    ],
)
def test_what_is_no_message(raw: str) -> None:
    with pytest.raises(CcidError):
        Answer.decode(bytes.fromhex(raw))


def test_a_message_is_not_longer_than_the_reader_said() -> None:
    raw = bytes.fromhex("80 02000000 00 05 00 00 00 9000")
    assert Answer.decode(raw, max_message=12).data == b"\x90\x00"
    with pytest.raises(CcidError):
        Answer.decode(raw, max_message=11)


@given(st.binary(max_size=40))
def test_any_bytes_are_an_answer_or_refused(raw: bytes) -> None:
    try:
        answer = Answer.decode(raw)
    except CcidError:
        return
    assert len(answer.data) == len(raw) - 10


@pytest.mark.parametrize(
    ("error", "name"),
    [(0xFE, "ICC_MUTE"), (0, "CMD_NOT_SUPPORTED"), (7, "bad field at offset 7"), (0x81, "0x81")],
)
def test_the_errors_names(error: int, name: str) -> None:
    assert ccid.error_name(error) == name


def test_an_apdu_in_pieces_as_libccid_sends_it() -> None:
    apdu = bytes(range(25))
    assert ccid.apdu_pieces(apdu, 35) == [(Level.WHOLE, apdu)]
    assert ccid.apdu_pieces(apdu, 30) == [(Level.FIRST, apdu[:20]), (Level.LAST, apdu[20:])]
    assert ccid.apdu_pieces(apdu, 20) == [
        (Level.FIRST, apdu[:10]),
        (Level.MIDDLE, apdu[10:20]),
        (Level.LAST, apdu[20:]),
    ]


def test_our_class_descriptor_is_the_one_that_was_enumerated() -> None:
    assert class_descriptor(max_message=65554, pin_support=0, lcd_layout=0) == ENUMERATED


def test_a_keypad_and_a_screen_stand_where_libccid_reads_them() -> None:
    raw = class_descriptor(max_message=271, pin_support=3, lcd_layout=0x0410)
    assert raw[44:48] == bytes.fromhex("0F010000")  # dwMaxCCIDMessageLength
    assert raw[50:52] == bytes.fromhex("1004")  # wLcdLayout
    assert raw[52] == 3  # bPINSupport


@pytest.mark.parametrize(
    ("raw", "takes_apdus", "expected"),
    [
        (ENUMERATED, True, ClassDescriptor(65554, 0x000400FE, False, False, 0)),
        (AU9540, True, ClassDescriptor(272, 0x000404BE, False, False, 0)),
        (SCR310, False, ClassDescriptor(271, 0x00010230, False, False, 0)),
    ],
)
def test_real_readers_descriptors(raw: bytes, takes_apdus: bool, expected: ClassDescriptor) -> None:
    reader = parse_class_descriptor(raw)
    assert reader == expected
    assert reader.short_apdus is takes_apdus


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        ENUMERATED[:-1],
        ENUMERATED + b"\0",
        b"\x35" + ENUMERATED[1:],
        b"\x36\x22" + ENUMERATED[2:],
        ENUMERATED[:44] + bytes.fromhex("0A000000") + ENUMERATED[48:],
    ],
)
def test_what_is_no_class_descriptor(raw: bytes) -> None:
    with pytest.raises(CcidError):
        parse_class_descriptor(raw)


def test_messages_and_slot_need_no_construct() -> None:
    code = "import sys, protocols.ccid; sys.exit('construct' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
