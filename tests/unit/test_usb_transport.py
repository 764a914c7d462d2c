"""The host's end of CCID without PC/SC, against messages as CCID 1.1 lays them out; and names of keys on USB."""

from __future__ import annotations

from array import array
from collections import deque

import pytest

from hostdriver.errors import (
    AnswerError,
    CancelledError,
    ConfirmTimeoutError,
    HostError,
    KeyBusyError,
    KeyRemovedError,
    NoPinPadError,
)
from hostdriver.transport import PinPad, usb_ccid
from hostdriver.transport.pcsc_pin_pad import Feature, control_codes, encode_modify, encode_verify, refusal_of
from hostdriver.transport.usb import UsbName
from hostdriver.transport.usb_ccid import ReaderError, UsbCcidTransport
from hostdriver.transport.usb_interface import UsbError, UsbInterface, UsbSilenceError, UsbStallError
from protocols.ccid.descriptor import ClassDescriptor, class_descriptor
from protocols.ccid.pin import PinBlock, PinModify, PinVerify

IN, OUT, INTERRUPT = 0x81, 0x02, 0x83
EXTENDED_APDUS = 0x000400FE
GET_CHALLENGE = bytes.fromhex("0084000008")
VERIFY = PinVerify(bytes.fromhex("0020000008 3030303000000000"), pin=PinBlock(0x82, 4, 0, 4, 8), messages=1)


class Wire:
    """What `UsbInterface` is to the transport: a list of what must be sent, each with the transfers that answer it."""

    class_descriptor = class_descriptor(max_message=271, pin_support=0, lcd_layout=0)
    bulk_in, bulk_out, interrupt_in, packet_size, number = IN, OUT, INTERRUPT, 512, 0

    def __init__(self, *script: tuple[str, list[str]]) -> None:
        self._script = deque(script)
        self._transfers: deque[bytes] = deque()
        self.notices: deque[bytes] = deque()
        self.requests: list[tuple[int, int]] = []
        self.cleared: list[int] = []
        self.closed = False

    def write(self, endpoint: int, data: bytes) -> None:
        assert endpoint == OUT
        expected, answers = self._script.popleft()
        assert data == bytes.fromhex(expected)
        self._transfers += map(bytes.fromhex, answers)

    def read(self, endpoint: int, buffer: array[int], _milliseconds: int) -> int:
        queue = self._transfers if endpoint == IN else self.notices
        if not queue:
            raise UsbSilenceError("silence")
        transfer = queue.popleft()
        if transfer == STALL:
            raise UsbStallError("stall")
        if transfer == CTRL_C:
            raise KeyboardInterrupt
        buffer[: len(transfer)] = array("B", transfer)
        return len(transfer)

    def request(self, code: int, value: int) -> None:
        self.requests.append((code, value))

    def clear_halt(self, endpoint: int) -> None:
        self.cleared.append(endpoint)

    def close(self) -> None:
        self.closed = True

    @property
    def is_done(self) -> bool:
        return not self._script and not self._transfers


STALL = b"stall"
CTRL_C = b"ctrl-c"


def transport(wire: Wire, max_message: int = 65554, pin_pad: bool = False) -> UsbCcidTransport:
    reader = ClassDescriptor(max_message, EXTENDED_APDUS, pin_pad, pin_pad, 0)
    return UsbCcidTransport(wire, reader, "usb:1209:0001:5200000001")  # type: ignore[arg-type]


ASKED = "6F 05000000 00 01 00 0000 0084000008"
ANSWERED = "80 04000000 00 01 00 00 00 AABB9000"


def exchanged(*transfers: str) -> bytes:
    wire = Wire((ASKED, list(transfers)))
    answer = transport(wire).exchange(GET_CHALLENGE)
    assert wire.is_done
    return answer


@pytest.mark.parametrize(
    "transfers",
    [
        [ANSWERED],
        ["80 04000000", "00 01 00 00 00", "AABB9000"],
        ["", ANSWERED],
        ["80 02000000 00 00 00 00 00 6F00", ANSWERED],
        ["80 00000000 00 01 80 01 00", "80 00000000 00 01 80 FF 00", ANSWERED],
    ],
    ids=["whole", "in pieces", "behind an empty packet", "behind a stale answer", "after more time"],
)
def test_an_answer_however_it_comes(transfers: list[str]) -> None:
    assert exchanged(*transfers) == bytes.fromhex("AABB9000")


def test_a_long_command_and_its_long_answer_in_pieces() -> None:
    """wLevelParameter and bChainParameter 1, 3, 2 and 10h (CCID 1.1, 6.1.4 and 6.2.1); messages of 14 bytes here."""
    wire = Wire(
        ("6F 04000000 00 01 00 0100 80D60000", ["80 00000000 00 01 00 00 10"]),
        ("6F 04000000 00 02 00 0300 04A1A2A3", ["80 00000000 00 02 00 00 10"]),
        ("6F 01000000 00 03 00 0200 A4", ["80 02000000 00 03 00 00 01 B1B2"]),
        ("6F 00000000 00 04 00 1000", ["80 01000000 00 04 00 00 03 B3"]),
        ("6F 00000000 00 05 00 1000", ["80 02000000 00 05 00 00 02 9000"]),
    )
    answer = transport(wire, max_message=14).exchange(bytes.fromhex("80D60000 04 A1A2A3A4"))
    assert answer == bytes.fromhex("B1B2B3 9000")
    assert wire.is_done


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        ("80 00000000 00 01 40 FE 00", ReaderError, "ICC_MUTE"),
        ("80 00000000 00 01 40 FD 00", ReaderError, "XFR_PARITY_ERROR"),
        ("80 00000000 00 01 41 F3 00", ReaderError, "DEACTIVATED_PROTOCOL"),
        ("80 00000000 00 01 40 07 00", ReaderError, "7"),
        ("80 00000000 00 01 40 E0 00", KeyBusyError, "busy"),
        ("80 00000000 00 01 42 FE 00", KeyRemovedError, "removed"),
        ("82 00000000 00 01 00 00 00", AnswerError, "82"),
        ("80 FFFFFFFF 00 01 00 00 00", AnswerError, "4294967295"),
        ("80 00000000 00 01 00 00 00 9000", AnswerError, "0"),
    ],
)
def test_every_refusal_has_a_type(answer: str, error: type[HostError], text: str) -> None:
    with pytest.raises(error, match=text):
        exchanged(answer)


def test_answers_to_others_are_not_waited_out_for_ever() -> None:
    stale = "80 02000000 00 00 00 00 00 6F00"
    with pytest.raises(AnswerError):
        exchanged(*[stale] * 17)


def test_an_endless_answer_is_ended() -> None:
    wire = Wire((ASKED, ["80 01000000 00 01 00 00 01 AA"]),
                ("6F 00000000 00 02 00 1000", ["80 00000000 00 02 00 00 03"]))  # fmt: skip
    with pytest.raises(AnswerError, match="does not end"):
        transport(wire).exchange(GET_CHALLENGE)


def test_a_card_that_leaves_while_the_key_asks_for_time() -> None:
    wire = Wire((ASKED, ["80 00000000 00 01 80 01 00"]))
    wire.notices += [bytes.fromhex("5003"), bytes.fromhex("5002")]
    with pytest.raises(KeyRemovedError):
        transport(wire).exchange(GET_CHALLENGE)


def test_ctrl_c_aborts_by_request_and_message() -> None:
    """CCID 1.1, 5.3.1: wValue is bSeq and bSlot, that of the message; the command's own end comes before its answer."""
    wire = Wire(
        (ASKED, [CTRL_C.hex()]),
        (
            "72 00000000 00 02 00 0000",
            ["80 00000000 00 01 40 FF 00", "81 00000000 00 02 00 00 00"],
        ),
        ("6F 05000000 00 03 00 0000 0084000008", ["80 02000000 00 03 00 00 00 9000"]),
    )
    way = transport(wire)
    with pytest.raises(KeyboardInterrupt):
        way.exchange(GET_CHALLENGE)
    assert wire.requests == [(1, 0x0200)]
    assert way.exchange(GET_CHALLENGE) == b"\x90\x00"


def test_ctrl_c_just_when_the_answer_comes() -> None:
    wire = Wire((ASKED, ["80 00000000 00 01 80 01 00", CTRL_C.hex(), "80 00000000 00 01 80 01 00", ANSWERED]))
    with pytest.raises(KeyboardInterrupt):
        transport(wire).exchange(GET_CHALLENGE)
    assert wire.is_done
    assert not wire.requests


def test_a_silent_key_is_given_up_and_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usb_ccid, "SILENCE_S", 0.0)
    monkeypatch.setattr(usb_ccid, "_ABORT_S", 0.0)
    wire = Wire((ASKED, []), ("72 00000000 00 02 00 0000", []))
    with pytest.raises(UsbSilenceError):
        transport(wire).exchange(GET_CHALLENGE)
    assert wire.is_done


def test_a_stall_is_cleared() -> None:
    wire = Wire((ASKED, [STALL.hex()]))
    with pytest.raises(UsbStallError):
        transport(wire).exchange(GET_CHALLENGE)
    assert wire.cleared == [OUT, IN]


def test_reset_and_close() -> None:
    wire = Wire(
        ("63 00000000 00 01 00 0000", ["81 00000000 00 01 01 00 01"]),
        ("62 00000000 00 02 00 0000", ["80 06000000 00 02 00 00 00 3B8180018080"]),
        ("63 00000000 00 03 00 0000", ["81 00000000 00 03 01 00 01"]),
    )
    way = transport(wire)
    assert way.reset() == bytes.fromhex("3B8180018080")
    way.close()
    way.close()
    assert wire.is_done
    assert wire.closed
    with pytest.raises(KeyRemovedError):
        way.exchange(GET_CHALLENGE)


def test_a_silent_key_is_closed_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not after the time that a key may compute; the test's own limit is shorter."""
    monkeypatch.setattr(usb_ccid, "_ABORT_S", 0.0)
    wire = Wire(("63 00000000 00 01 00 0000", []))
    transport(wire).close()
    assert wire.closed


@pytest.mark.parametrize(("bulk_out", "packet_size"), [(0, 512), (OUT, 0)])
def test_a_device_without_what_it_takes_is_refused(
    monkeypatch: pytest.MonkeyPatch, bulk_out: int, packet_size: int
) -> None:
    wire = Wire()
    wire.bulk_out, wire.packet_size = bulk_out, packet_size
    monkeypatch.setattr(UsbInterface, "open", lambda _device, _number: wire)
    with pytest.raises(UsbError):
        UsbCcidTransport.open(None, 0, "usb:1209:0001")
    assert wire.closed


def test_what_a_program_left_behind_that_died_is_taken_back() -> None:
    """Nobody else can have it: the interface is ours. CCID 1.1, table 6.2-2: CMD_SLOT_BUSY."""
    wire = Wire(
        ("63 00000000 00 01 00 0000", ["80 00000000 00 4D 80 01 00", "81 00000000 00 01 40 E0 00"]),
        ("72 00000000 00 02 00 0000", ["80 00000000 00 4D 40 FF 00", "81 00000000 00 02 00 00 00"]),
        ("63 00000000 00 03 00 0000", ["81 00000000 00 03 01 00 01"]),
        ("62 00000000 00 04 00 0000", ["80 06000000 00 04 00 00 00 3B8180018080"]),
    )
    assert transport(wire).reset() == bytes.fromhex("3B8180018080")
    assert wire.requests == [(1, 0x0200)]
    assert wire.is_done


# PIN pads

SECURE_VERIFY = (
    "69 1C000000 00 01 00 0000 00 00 82 04 00 0804 02 01 0904 00 000000 0020000008 3030303000000000"
)


def entered(answer: str) -> bytes:
    wire = Wire((SECURE_VERIFY, ["80 00000000 00 01 80 01 00", answer]))
    return transport(wire, pin_pad=True).verify_pin(VERIFY)


def test_a_pin_is_typed_on_the_key() -> None:
    assert isinstance(transport(Wire()), PinPad)
    assert entered("80 02000000 00 01 00 00 00 9000") == b"\x90\x00"


def test_a_pin_that_nobody_types() -> None:
    with pytest.raises(CancelledError):
        entered("80 00000000 00 01 40 EF 00")
    with pytest.raises(ConfirmTimeoutError):
        entered("80 00000000 00 01 40 F0 00")


def test_a_key_without_a_keypad_is_not_asked() -> None:
    with pytest.raises(NoPinPadError):
        transport(Wire()).verify_pin(VERIFY)
    with pytest.raises(NoPinPadError):
        transport(Wire()).modify_pin(PinModify(b""))


def test_pc_scs_structures() -> None:
    """What libccid's example scardcontrol.c sends (wLangId 0x0904 there is 04 09 here)."""
    assert encode_verify(VERIFY) == bytes.fromhex(
        "00 00 82 04 00 0804 02 01 0904 00 000000 0D000000 0020000008 3030303000000000"
    )
    modify = PinModify(
        bytes.fromhex("0024000008 3030303000000000"), pin=PinBlock(0x82, 4, 0, 4, 8), new_offset=4, messages=3
    )
    assert encode_modify(modify) == bytes.fromhex(
        "00 00 82 04 00 00 04 0804 03 02 03 0904 00 01 02 000000 0D000000 0024000008 3030303000000000"
    )


def test_the_features_of_a_reader() -> None:
    """As libccid answers for a PIN pad: tag, 4, control code 0x42330000 + tag."""
    codes = control_codes(bytes.fromhex("06 04 42330006 07 04 42330007 12 04 42330012"))
    assert codes[Feature.VERIFY_PIN_DIRECT] == 0x42330006
    assert codes[Feature.MODIFY_PIN_DIRECT] == 0x42330007
    assert control_codes(b"") == {}
    assert control_codes(bytes.fromhex("06 02 4233")) == {}


@pytest.mark.parametrize(
    ("answer", "error"),
    [("6401", CancelledError), ("6400", ConfirmTimeoutError), ("9000", None), ("63C2", None)],
)
def test_what_the_reader_says_itself(answer: str, error: type[HostError] | None) -> None:
    assert type(refusal_of(bytes.fromhex(answer))) is (error or type(None))


# Names


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("usb:1209:0001", UsbName(0x1209, 1)),
        ("usb:23a0:1", UsbName(0x23A0, 1)),
        ("usb:23A0:0003:52:00", UsbName(0x23A0, 3, "52:00")),
    ],
)
def test_a_key_is_named_by_its_ids_and_number(text: str, name: UsbName) -> None:
    assert UsbName.parse(text) == name
    assert UsbName.parse(str(name)) == name


@pytest.mark.parametrize(
    "text", ["usb", "usb:", "usb:1209", "usb:12090:1", "usb:1209:0001:", "usb:x:1", "pcsc:1:2"]
)
def test_what_is_no_name(text: str) -> None:
    assert UsbName.parse(text) is None
