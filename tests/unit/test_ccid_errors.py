"""Every error of CCID 1.1, table 6.2-2: by a command that deserves it, or as a fault that was asked for."""

from __future__ import annotations

import tracemalloc

import pytest

from protocols.ccid import PowerOff, PowerOn, Reply, Slot, SlotError, Transmit

ATR = bytes.fromhex("3B80800101")
POWER_ON = bytes.fromhex("62 00000000 00 01 00 0000")
POWER_OFF = bytes.fromhex("63 00000000 00 02 00 0000")
STATUS = bytes.fromhex("65 00000000 00 03 00 0000")
XFR = bytes.fromhex("6F 04000000 00 05 00 0000 00A40000")
SECURE = bytes.fromhex(
    "69 1C000000 00 06 00 0000 00 00 82 04 00 0804 02 01 0409 00 000000 0020000008 3030303000000000"
)

# bError as the table of the specification has it, repeated in the manuals of readers (Gemalto Prox-DU, ACR89).
TABLE = {
    "CMD_ABORTED": 0xFF,
    "ICC_MUTE": 0xFE,
    "XFR_PARITY_ERROR": 0xFD,
    "XFR_OVERRUN": 0xFC,
    "HW_ERROR": 0xFB,
    "BAD_ATR_TS": 0xF8,
    "BAD_ATR_TCK": 0xF7,
    "ICC_PROTOCOL_NOT_SUPPORTED": 0xF6,
    "ICC_CLASS_NOT_SUPPORTED": 0xF5,
    "PROCEDURE_BYTE_CONFLICT": 0xF4,
    "DEACTIVATED_PROTOCOL": 0xF3,
    "BUSY_WITH_AUTO_SEQUENCE": 0xF2,
    "PIN_TIMEOUT": 0xF0,
    "PIN_CANCELLED": 0xEF,
    "CMD_SLOT_BUSY": 0xE0,
    "CMD_NOT_SUPPORTED": 0x00,
}
OF_POWER_ON = {"BAD_ATR_TS", "BAD_ATR_TCK", "ICC_PROTOCOL_NOT_SUPPORTED", "ICC_CLASS_NOT_SUPPORTED"}
OF_PIN_ENTRY = {"PIN_TIMEOUT", "PIN_CANCELLED"}


def make_slot(*, powered: bool = True, pin_pad: bool = True, max_message: int = 271) -> Slot:
    slot = Slot(max_message=max_message, pin_pad=pin_pad, atr=ATR)
    if powered:
        slot.feed(POWER_ON)
        slot.powered()
    return slot


def test_the_table_is_whole() -> None:
    assert {error.name: error.value for error in SlotError} == TABLE


@pytest.mark.parametrize("name", TABLE)
def test_a_fault_asked_for_is_met_once_by_the_first_command_that_it_fits(name: str) -> None:
    slot = make_slot()
    slot.inject(SlotError[name])
    slot.inject(SlotError[name])
    if name in OF_POWER_ON:
        assert slot.feed(XFR) == [Transmit(bytes.fromhex("00A40000"))]
        slot.respond(b"\x90\0")
        command, answer = POWER_ON, "80 00000000 00 01 40"
    elif name in OF_PIN_ENTRY:
        assert slot.feed(XFR) == [Transmit(bytes.fromhex("00A40000"))]
        slot.respond(b"\x90\0")
        command, answer = SECURE, "80 00000000 00 06 40"
    else:
        # What pcscd asks by itself does not use the fault up.
        assert slot.feed(STATUS) == [Reply(bytes.fromhex("81 00000000 00 03 00 00 00"))]
        command, answer = XFR, "80 00000000 00 05 40"
    assert slot.feed(command) == [Reply(bytes.fromhex(answer) + bytes((TABLE[name], 0)))]
    assert not isinstance(slot.feed(command)[0], Reply)


def test_several_faults_are_met_in_their_order() -> None:
    slot = make_slot()
    slot.inject(SlotError.XFR_PARITY_ERROR)
    slot.inject(SlotError.BAD_ATR_TCK)
    slot.inject(SlotError.ICC_MUTE)
    assert [slot.feed(XFR), slot.feed(POWER_ON), slot.feed(POWER_ON), slot.feed(XFR)] == [
        [Reply(bytes.fromhex("80 00000000 00 05 40 FD 00"))],
        [Reply(bytes.fromhex("80 00000000 00 01 40 F7 00"))],
        [Reply(bytes.fromhex("80 00000000 00 01 40 FE 00"))],
        [Transmit(bytes.fromhex("00A40000"))],
    ]


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        # Offset 0 is the message's type: unknown, and known but without an object here.
        ("00 00000000 00 07 00 0000", "81 00000000 00 07 40 00 00"),
        ("FF 01000000 00 07 00 0000 00", "81 00000000 00 07 40 00 00"),
        ("6A 00000000 00 07 00 0000", "81 00000000 00 07 40 00 00"),  # T0APDU: T=1 only
        ("71 00000000 00 07 01 0000", "81 00000000 00 07 40 00 00"),  # Mechanical: nothing moves
        # Offset 1: dwLength.
        ("62 01000000 00 07 00 0000 00", "80 00000000 00 07 40 01 00"),
        ("63 01000000 00 07 00 0000 00", "81 00000000 00 07 40 01 00"),
        ("65 01000000 00 07 00 0000 00", "81 00000000 00 07 40 01 00"),
        ("6C 01000000 00 07 00 0000 00", "82 00000000 00 07 40 01 01"),
        ("6D 01000000 00 07 00 0000 00", "82 00000000 00 07 40 01 01"),
        ("6E 01000000 00 07 00 0000 00", "81 00000000 00 07 40 01 00"),
        ("72 01000000 00 07 00 0000 00", "81 00000000 00 07 40 01 00"),
        ("6F 00000000 00 07 00 0000", "80 00000000 00 07 40 01 00"),  # an APDU without a byte
        ("61 06000000 00 07 01 0000 1110004D0020", "82 00000000 00 07 40 01 01"),
        ("69 00000000 00 07 00 0000", "80 00000000 00 07 40 01 00"),
        ("73 04000000 00 07 00 0000 A00F0000", "84 00000000 00 07 40 01 00"),
        # Offset 5: bSlot; a slot that is not there has no card.
        ("65 00000000 01 07 00 0000", "81 00000000 01 07 42 05 00"),
        ("6F 04000000 01 07 00 0000 00A40000", "80 00000000 01 07 42 05 00"),
        ("72 00000000 01 07 00 0000", "81 00000000 01 07 42 05 00"),
        # Offset 7: bPowerSelect, bProtocolNum, bClockCommand.
        ("62 00000000 00 07 04 0000", "80 00000000 00 07 40 07 00"),
        ("61 05000000 00 07 00 0000 1100000A00", "82 00000000 00 07 40 07 01"),
        ("6E 00000000 00 07 01 0000", "81 00000000 00 07 40 07 00"),
        # Offset 8: wLevelParameter.
        ("6F 01000000 00 07 00 0400 00", "80 00000000 00 07 40 08 00"),
        ("6F 01000000 00 07 00 0001 00", "80 00000000 00 07 40 08 00"),
        ("6F 01000000 00 07 00 0200 00", "80 00000000 00 07 40 08 00"),  # the end of no chain
        ("6F 00000000 00 07 00 1000", "80 00000000 00 07 40 08 00"),  # no answer to go on with
        ("6F 01000000 00 07 00 1000 00", "80 00000000 00 07 40 01 00"),
        ("69 01000000 00 07 00 0100 00", "80 00000000 00 07 40 08 00"),
        # Offset 10 and on: the T=1 parameters, one by one.
        ("61 07000000 00 07 01 0000 71 10 00 4D 00 20 00", "82 00000000 00 07 40 0A 01"),  # Fi 7 is reserved
        ("61 07000000 00 07 01 0000 10 10 00 4D 00 20 00", "82 00000000 00 07 40 0A 01"),  # Di 0 too
        ("61 07000000 00 07 01 0000 11 00 00 4D 00 20 00", "82 00000000 00 07 40 0B 01"),
        ("61 07000000 00 07 01 0000 11 10 00 AD 00 20 00", "82 00000000 00 07 40 0D 01"),  # BWI 10
        ("61 07000000 00 07 01 0000 11 10 00 4D 04 20 00", "82 00000000 00 07 40 0E 01"),
        ("61 07000000 00 07 01 0000 11 10 00 4D 00 00 00", "82 00000000 00 07 40 0F 01"),
        ("61 07000000 00 07 01 0000 11 10 00 4D 00 FF 00", "82 00000000 00 07 40 0F 01"),
        ("61 07000000 00 07 01 0000 11 10 00 4D 00 20 01", "82 00000000 00 07 40 10 01"),
        # The PIN entry's operation, and a clock and a rate that there is not.
        ("69 01000000 00 07 00 0000 04", "80 00000000 00 07 40 0A 00"),
        ("73 08000000 00 07 00 0000 A10F0000 00B00400", "84 00000000 00 07 40 0A 00"),
        ("73 08000000 00 07 00 0000 A00F0000 01B00400", "84 00000000 00 07 40 0E 00"),
    ],
)
def test_a_wrong_command(command: str, answer: str) -> None:
    slot = make_slot()
    assert slot.feed(bytes.fromhex(command)) == [Reply(bytes.fromhex(answer))]
    assert slot.feed(XFR) == [Transmit(bytes.fromhex("00A40000"))]


@pytest.mark.parametrize(
    ("command", "answer"),
    [(XFR, "80 00000000 00 05 41 FE 00"), (SECURE, "80 00000000 00 06 41 FE 00")],
)
def test_a_card_without_power_is_mute(command: bytes, answer: str) -> None:
    assert make_slot(powered=False).feed(command) == [Reply(bytes.fromhex(answer))]


def test_no_card_is_mute() -> None:
    slot = make_slot()
    slot.slot_change(present=False)
    assert slot.feed(POWER_ON) == [Reply(bytes.fromhex("80 00000000 00 01 42 FE 00"))]


def test_no_keypad_no_pin_entry() -> None:
    assert make_slot(pin_pad=False).feed(SECURE) == [Reply(bytes.fromhex("80 00000000 00 06 40 00 00"))]


@pytest.mark.parametrize(
    ("command", "event", "answer"),
    [
        (POWER_ON, PowerOn(), "80 00000000 00 01 40 FB 00"),
        (POWER_OFF, PowerOff(), "81 00000000 00 02 40 FB 00"),
        (XFR, Transmit(bytes.fromhex("00A40000")), "80 00000000 00 05 40 FB 00"),
    ],
)
def test_what_was_to_be_done_may_fail(command: bytes, event: object, answer: str) -> None:
    slot = make_slot()
    assert slot.feed(command) == [event]
    assert slot.fail(SlotError.HW_ERROR) == bytes.fromhex(answer)


@pytest.mark.parametrize("size", [1, 7, 64, 2000])
def test_a_message_that_is_too_long_is_refused_when_it_has_come_and_the_next_is_understood(size: int) -> None:
    slot = make_slot()
    stream = bytes.fromhex("6F 06010000 00 05 00 0000") + bytes(262) + STATUS
    events = [
        event for start in range(0, len(stream), size) for event in slot.feed(stream[start : start + size])
    ]
    assert events == [
        Reply(bytes.fromhex("80 00000000 00 05 40 01 00")),
        Reply(bytes.fromhex("81 00000000 00 03 00 00 00")),
    ]


def test_a_length_of_four_gigabytes_takes_no_memory() -> None:
    slot = make_slot()
    slot.feed(bytes.fromhex("6F FFFFFFFF 00 05 00 0000"))
    piece = bytes(65536)
    tracemalloc.start()
    try:
        for _ in range(64):
            assert slot.feed(piece) == []
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 1 << 17
    assert slot.missing == 0xFFFFFFFF - 64 * 65536
