"""The reader's end of CCID: libccid's conversations, chaining, aborts, and whatever else a host may send."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.ccid import (
    Cancel,
    EnterPin,
    Event,
    PinVerify,
    PowerOff,
    PowerOn,
    Reply,
    Slot,
    SlotError,
    Transmit,
)
from protocols.usb import Setup

ATR = bytes.fromhex("3B80800101")
SELECT = bytes.fromhex("00A40000023F00")
XFR_SELECT = bytes.fromhex("6F 07000000 00 05 00 0000 00A40000023F00")
STATUS = bytes.fromhex("65 00000000 00 09 00 0000")
VERIFY = bytes.fromhex("00 00 82 04 00 0804 02 01 0409 00 000000 0020000008 3030303000000000")
SECURE = bytes.fromhex("69 1C000000 00 06 00 0000") + VERIFY


def hexed(text: str) -> bytes:
    return bytes.fromhex(text)


def make_slot(max_message: int = 65554, *, pin_pad: bool = True, powered: bool = True) -> Slot:
    slot = Slot(max_message=max_message, pin_pad=pin_pad, atr=ATR)
    if powered:
        assert slot.feed(hexed("62 00000000 00 00 00 0000")) == [PowerOn()]
        slot.powered()
    return slot


def replies(events: list[Event]) -> list[bytes]:
    """Their data; nothing but replies may be there."""
    assert all(isinstance(event, Reply) for event in events)
    return [event.data for event in events if isinstance(event, Reply)]


def abort_by_control(slot: Slot, seq: int) -> bytes | None:
    return slot.control(Setup(0x21, 1, seq << 8, 0, 0), b"")


def abort_by_bulk(slot: Slot, seq: int) -> list[Event]:
    return slot.feed(hexed("72 00000000 00") + bytes((seq, 0, 0, 0)))


def test_what_libccid_does_with_a_new_card() -> None:
    slot = make_slot(powered=False)
    # The card is there without power, its clock stands (bClockStatus 1).
    assert replies(slot.feed(hexed("65 00000000 00 00 00 0000"))) == [hexed("81 00000000 00 00 01 00 01")]
    assert slot.feed(hexed("62 00000000 00 01 00 0000")) == [PowerOn()]
    assert slot.powered() == hexed("80 05000000 00 01 00 00 00 3B80800101")
    # SetParameters for T=1, as libccid sends them.
    parameters = "11 10 00 4D 00 20 00"
    assert replies(slot.feed(hexed(f"61 07000000 00 02 01 0000 {parameters}"))) == [
        hexed(f"82 07000000 00 02 00 00 01 {parameters}")
    ]
    assert slot.feed(XFR_SELECT) == [Transmit(SELECT)]
    assert slot.respond(hexed("9000")) == hexed("80 02000000 00 05 00 00 00 9000")
    assert replies(slot.feed(hexed("65 00000000 00 06 00 0000"))) == [hexed("81 00000000 00 06 00 00 00")]
    assert slot.feed(hexed("63 00000000 00 07 00 0000")) == [PowerOff()]
    assert slot.unpowered() == hexed("81 00000000 00 07 01 00 01")


@pytest.mark.parametrize("size", [1, 2, 3, 9, 10, 11, 16, 64, 100])
def test_messages_cut_anywhere(size: int) -> None:
    slot = make_slot()
    stream = XFR_SELECT + STATUS
    events: list[Event] = []
    for start in range(0, len(stream), size):
        events += slot.feed(stream[start : start + size])
    assert events == [Transmit(SELECT), Reply(hexed("81 00000000 00 09 40 E0 00"))]
    assert slot.missing == 0


def test_what_is_missing_of_a_message() -> None:
    slot = make_slot()
    counts = []
    for byte in XFR_SELECT:
        slot.feed(bytes((byte,)))
        counts.append(slot.missing)
    assert counts == [9, 8, 7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1, 0]


def test_the_longest_extended_apdu_and_answer_in_one_message() -> None:
    slot = make_slot()
    apdu = bytes(range(256)) * 256 + bytes(8)
    assert len(apdu) == 65544
    assert slot.feed(hexed("6F 08000100 00 05 00 0000") + apdu) == [Transmit(apdu)]
    assert slot.respond(bytes(65535)) == hexed("80 FFFF0000 00 05 00 00 00") + bytes(65535)


def test_a_person_who_decides_costs_time_extensions() -> None:
    slot = make_slot()
    slot.feed(XFR_SELECT)
    assert slot.extension() == hexed("80 00000000 00 05 80 01 00")
    assert slot.extension(20) == hexed("80 00000000 00 05 80 14 00")
    assert slot.respond(hexed("6985")) == hexed("80 02000000 00 05 00 00 00 6985")
    assert slot.extension() == b""


def test_a_chained_command() -> None:
    # As libccid cuts it: 1, 3 and 2; what comes between is empty and asks for more (bChainParameter 0x10).
    slot = make_slot(max_message=271)
    apdu = bytes(600)
    pieces = apdu[:261], apdu[261:522], apdu[522:]
    first = slot.feed(hexed("6F 05010000 00 05 00 0100") + pieces[0])
    middle = slot.feed(hexed("6F 05010000 00 06 00 0300") + pieces[1])
    assert replies(first) == [hexed("80 00000000 00 05 00 00 10")]
    assert replies(middle) == [hexed("80 00000000 00 06 00 00 10")]
    assert slot.feed(hexed("6F 4E000000 00 07 00 0200") + pieces[2]) == [Transmit(apdu)]
    assert slot.respond(hexed("9000")) == hexed("80 02000000 00 07 00 00 00 9000")


def test_a_chained_answer() -> None:
    slot = make_slot(max_message=271)
    answer = bytes(range(250)) * 3
    slot.feed(XFR_SELECT)
    assert slot.respond(answer) == hexed("80 05010000 00 05 00 00 01") + answer[:261]
    more = hexed("6F 00000000 00 06 00 1000"), hexed("6F 00000000 00 07 00 1000")
    assert replies(slot.feed(more[0])) == [hexed("80 05010000 00 06 00 00 03") + answer[261:522]]
    assert replies(slot.feed(more[1])) == [hexed("80 E4000000 00 07 00 00 02") + answer[522:]]


def test_a_new_command_drops_the_rest_of_an_answer() -> None:
    slot = make_slot(max_message=271)
    slot.feed(XFR_SELECT)
    slot.respond(bytes(300))
    slot.feed(XFR_SELECT)
    slot.respond(hexed("9000"))
    assert replies(slot.feed(hexed("6F 00000000 00 06 00 1000"))) == [hexed("80 00000000 00 06 40 08 00")]


def test_a_chain_does_not_grow_beyond_the_longest_apdu() -> None:
    slot = make_slot()
    half = bytes(32773)  # twice this is two bytes too many
    slot.feed(hexed("6F 05800000 00 01 00 0100") + half)
    assert replies(slot.feed(hexed("6F 05800000 00 02 00 0300") + half)) == [
        hexed("80 00000000 00 02 40 01 00")
    ]
    assert replies(slot.feed(hexed("6F 00000000 00 03 00 0200"))) == [hexed("80 00000000 00 03 40 08 00")]


def test_a_second_command_finds_the_slot_busy_and_the_first_goes_on() -> None:
    slot = make_slot()
    slot.feed(XFR_SELECT)
    assert replies(slot.feed(STATUS)) == [hexed("81 00000000 00 09 40 E0 00")]
    assert slot.respond(hexed("9000")) == hexed("80 02000000 00 05 00 00 00 9000")


def test_an_abort_control_request_first() -> None:
    slot = make_slot()
    slot.feed(XFR_SELECT)
    assert abort_by_control(slot, 9) == b""
    assert slot.due() == [Cancel(), Reply(hexed("80 00000000 00 05 40 FF 00"))]
    assert slot.due() == []
    assert replies(slot.feed(XFR_SELECT)) == [hexed("80 00000000 00 05 40 FF 00")]
    assert replies(abort_by_bulk(slot, 8)) == [hexed("81 00000000 00 08 40 FF 00")]
    assert replies(abort_by_bulk(slot, 9)) == [hexed("81 00000000 00 09 00 00 00")]
    assert slot.feed(XFR_SELECT) == [Transmit(SELECT)]


def test_an_abort_bulk_message_first() -> None:
    slot = make_slot()
    slot.feed(XFR_SELECT)
    assert abort_by_bulk(slot, 9) == [Cancel(), Reply(hexed("80 00000000 00 05 40 FF 00"))]
    assert replies(slot.feed(STATUS)) == [hexed("81 00000000 00 09 40 FF 00")]
    assert abort_by_control(slot, 9) == b""
    assert slot.due() == [Reply(hexed("81 00000000 00 09 00 00 00"))]
    assert slot.feed(XFR_SELECT) == [Transmit(SELECT)]


def test_an_abort_of_nothing() -> None:
    slot = make_slot()
    assert abort_by_control(slot, 3) == b""
    assert slot.due() == []
    assert replies(abort_by_bulk(slot, 3)) == [hexed("81 00000000 00 03 00 00 00")]


def test_two_halves_that_do_not_belong_together() -> None:
    slot = make_slot()
    assert abort_by_bulk(slot, 7) == []
    assert abort_by_control(slot, 8) == b""
    assert slot.due() == [Reply(hexed("81 00000000 00 07 40 FF 00"))]
    assert replies(abort_by_bulk(slot, 8)) == [hexed("81 00000000 00 08 00 00 00")]


def test_the_later_of_two_bulk_aborts_counts() -> None:
    slot = make_slot()
    assert abort_by_bulk(slot, 1) == []
    assert replies(abort_by_bulk(slot, 2)) == [hexed("81 00000000 00 01 40 FF 00")]
    abort_by_control(slot, 2)
    assert slot.due() == [Reply(hexed("81 00000000 00 02 00 00 00"))]


def test_an_abort_ends_a_message_that_was_not_finished() -> None:
    slot = make_slot()
    slot.feed(XFR_SELECT[:12])
    abort_by_control(slot, 4)
    assert slot.missing == 0
    assert replies(abort_by_bulk(slot, 4)) == [hexed("81 00000000 00 04 00 00 00")]


@pytest.mark.parametrize("late", [lambda slot: slot.respond(b"\x90\0"), lambda slot: slot.extension()])
def test_what_comes_late_after_an_abort_is_not_sent(late: object) -> None:
    slot = make_slot()
    slot.feed(XFR_SELECT)
    abort_by_control(slot, 9)
    assert callable(late)
    assert late(slot) == b""
    assert slot.fail(SlotError.ICC_MUTE) == b""
    assert slot.powered() == b""


@pytest.mark.parametrize(
    ("setup", "answer"),
    [
        (Setup(0xA1, 2, 0, 0, 256), "A00F0000"),  # GET_CLOCK_FREQUENCIES: libccid's "Support 4000 kHz"
        (Setup(0xA1, 3, 0, 0, 256), "00B00400"),  # GET_DATA_RATES: 307200 bps
        (Setup(0x21, 2, 0, 0, 256), None),
        (Setup(0xA1, 1, 0, 0, 0), None),
        (Setup(0x21, 1, 0x0501, 0, 0), None),  # ABORT in slot 1
        (Setup(0x21, 9, 0, 0, 0), None),
    ],
)
def test_class_requests(setup: Setup, answer: str | None) -> None:
    assert make_slot().control(setup, b"") == (None if answer is None else hexed(answer))


def test_pin_entry_on_the_keypad() -> None:
    slot = make_slot()
    (event,) = slot.feed(SECURE)
    assert isinstance(event, EnterPin)
    assert isinstance(event.entry, PinVerify)
    assert event.entry.apdu == hexed("0020000008 3030303000000000")
    assert slot.extension() == hexed("80 00000000 00 06 80 01 00")
    assert slot.respond(hexed("9000")) == hexed("80 02000000 00 06 00 00 00 9000")


@pytest.mark.parametrize(("error", "code"), [(SlotError.PIN_TIMEOUT, "F0"), (SlotError.PIN_CANCELLED, "EF")])
def test_a_pin_entry_that_ends_without_a_pin(error: SlotError, code: str) -> None:
    # libccid makes 6400 of F0 and 6401 of EF.
    slot = make_slot()
    slot.feed(SECURE)
    assert slot.fail(error) == hexed(f"80 00000000 00 06 40 {code} 00")


def test_the_parameters_are_kept_until_they_are_reset() -> None:
    slot = make_slot()
    default, changed = "11 10 00 4D 00 FE 00", "95 11 02 45 00 80 00"
    get, reset = hexed("6C 00000000 00 01 00 0000"), hexed("6D 00000000 00 01 00 0000")
    answer = "82 07000000 00 01 00 00 01"
    assert replies(slot.feed(get)) == [hexed(f"{answer} {default}")]
    slot.feed(hexed(f"61 07000000 00 01 01 0000 {changed}"))
    assert replies(slot.feed(get)) == [hexed(f"{answer} {changed}")]
    assert replies(slot.feed(reset)) == [hexed(f"{answer} {default}")]


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("73 08000000 00 02 00 0000 A00F0000 00B00400", "84 08000000 00 02 00 00 00 A00F0000 00B00400"),
        ("6B 02000000 00 02 00 0000 1F01", "83 00000000 00 02 00 00 00"),  # an Escape says nothing
        ("6E 00000000 00 02 00 0000", "81 00000000 00 02 00 00 00"),  # the clock runs on
    ],
)
def test_commands_that_a_card_is_not_asked_for(command: str, answer: str) -> None:
    assert replies(make_slot().feed(hexed(command))) == [hexed(answer)]


def test_notices_on_the_interrupt_endpoint() -> None:
    slot = make_slot(powered=False)
    assert slot.slot_change(present=True) == hexed("50 03")
    assert slot.slot_change(present=False) == hexed("50 02")
    assert replies(slot.feed(STATUS)) == [hexed("81 00000000 00 09 02 00 01")]
    assert replies(slot.feed(hexed("63 00000000 00 01 00 0000"))) == [hexed("81 00000000 00 01 02 00 01")]


def test_a_reset_forgets_everything_but_faults_to_come() -> None:
    slot = make_slot(max_message=271)
    slot.inject(SlotError.BAD_ATR_TS)
    slot.feed(hexed("6F 01000000 00 05 00 0100 00"))
    slot.feed(XFR_SELECT)
    slot.feed(XFR_SELECT[:5])
    slot.reset()
    assert slot.missing == 0
    assert slot.respond(b"\x90\0") == b""
    assert replies(slot.feed(STATUS)) == [hexed("81 00000000 00 09 01 00 01")]
    power_on = hexed("62 00000000 00 01 00 0000")
    assert replies(slot.feed(power_on)) == [hexed("80 00000000 00 01 41 F8 00")]
    assert slot.feed(power_on) == [PowerOn()]


commands = st.tuples(
    st.sampled_from([0x61, 0x62, 0x63, 0x65, 0x69, 0x6A, 0x6B, 0x6C, 0x6D, 0x6E, 0x6F, 0x71, 0x72, 0x73, 0]),
    st.sampled_from([0, 0, 0, 1]),
    st.integers(0, 3),
    st.sampled_from([0, 1, 2]),
    st.sampled_from([0, 0, 1, 2, 3, 0x10]),
    st.one_of(st.binary(max_size=40), st.just(VERIFY)),
)


@settings(max_examples=300)
@given(st.lists(st.one_of(commands, st.binary(max_size=30)), max_size=30), st.integers(1, 70), st.data())
def test_no_bytes_upset_the_slot(sent: list[object], size: int, data: st.DataObject) -> None:
    """Every event is one that its docstring describes; every answer is a whole message within the bound."""
    slot = make_slot(max_message=40)
    for item in sent:
        if isinstance(item, bytes):
            stream = item
        else:
            assert isinstance(item, tuple)
            kind, number, seq, first, level, body = item
            stream = bytes((kind, len(body), 0, 0, 0, number, seq, first, level, 0)) + body
        for start in range(0, len(stream), size):
            for event in slot.feed(stream[start : start + size]):
                check_answer(finish(slot, event, data.draw(st.integers(0, 3))))
        if data.draw(st.booleans()):
            abort_by_control(slot, data.draw(st.integers(0, 3)))
            for event in slot.due():
                check_answer(finish(slot, event, 0))


def finish(slot: Slot, event: Event, how: int) -> bytes:
    """Do what the event asks for in one of the allowed ways, or leave it pending."""
    if isinstance(event, Reply):
        return event.data
    if isinstance(event, Cancel) or how == 0:
        return b""
    if how == 1:
        return slot.fail(SlotError.HW_ERROR)
    if isinstance(event, PowerOn):
        return slot.powered()
    if isinstance(event, PowerOff):
        return slot.unpowered()
    return slot.respond(bytes(100)) if how == 2 else slot.extension()


def check_answer(answer: bytes) -> None:
    if answer:
        assert 10 <= len(answer) <= 40
        assert int.from_bytes(answer[1:5], "little") == len(answer) - 10
        assert 0x80 <= answer[0] <= 0x84
