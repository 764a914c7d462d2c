"""The key as a CCID reader, without a bus: messages as CCID 1.1 writes them, and what they do to the key."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial

import pytest

from emulator.device import Device
from emulator.hardware.clock import ManualClock
from emulator.links.usb.ccid import CcidFunction
from emulator.links.usb.key import UsbKey
from emulator.profiles import load_profile
from emulator.sharing import NoReaderError, SharedKey
from hostdriver.gmt import GmtSession
from protocols.apdu import Command, encode_command
from protocols.ccid import SlotError
from protocols.gmt import Ins, SignInput
from protocols.usb import Setup, Transfer
from tests.rig.key import changed
from tests.rig.messages import TRANSFER
from tests.rig.patience import PATIENCE_S
from tests.rig.reader import (
    ABORT,
    INTERRUPT_IN,
    POWER_OFF,
    POWER_ON,
    SECURE,
    STATUS,
    XFR,
    Reader,
    ReaderTransport,
    failed,
    message,
)

GET_CHALLENGE = bytes.fromhex("8050000008")
BUSY = bytes.fromhex("6ff6")
FITTING = {
    SlotError.BAD_ATR_TS: POWER_ON,
    SlotError.BAD_ATR_TCK: POWER_ON,
    SlotError.ICC_PROTOCOL_NOT_SUPPORTED: POWER_ON,
    SlotError.ICC_CLASS_NOT_SUPPORTED: POWER_ON,
    SlotError.PIN_TIMEOUT: SECURE,
    SlotError.PIN_CANCELLED: SECURE,
}
"""The command that an error is for, where that is not XfrBlock (CCID 1.1, table 6.2-2)."""
ICC_MUTE = 0xFE
CMD_ABORTED = 0xFF

pytestmark = pytest.mark.limits(
    pin__user__cache="session", confirm__must_page_to_end=False, confirm__ok_dead_ms=0
)


def assert_set(event: threading.Event) -> None:
    assert event.wait(PATIENCE_S)


@pytest.fixture
def shared(device: Device) -> Iterator[SharedKey]:
    yield SharedKey(device)
    device.close()  # ends what waits for a person


@pytest.fixture
def new_reader(shared: SharedKey) -> Iterator[Callable[..., Reader]]:
    """Makes readers of the one key; each stops with the test."""
    with ExitStack() as stack:
        yield lambda **how: stack.enter_context(closing(Reader(shared, **how)))


@pytest.fixture
def reader(new_reader: Callable[..., Reader]) -> Reader:
    reader = new_reader()
    reader.wire.read(INTERRUPT_IN)
    reader.power_on()
    return reader


def sign_command(reader: Reader, device: Device) -> bytes:
    """A signature's APDU after login; the key asks before it signs."""
    session = GmtSession(ReaderTransport(reader))
    application = session.open_application(device.profile.application)
    session.verify_pin(application, device.profile.ready_user_pin)
    data = session.open_container(application, "SM2-SIGN").handles + TRANSFER
    return encode_command(Command(0x80, Ins.ECC_SIGN_DATA, SignInput.MESSAGE, 0, data, 68))


@pytest.fixture
def asking(reader: Reader, device: Device) -> Reader:
    """Command 7 waits for a person."""
    reader.send(XFR, sign_command(reader, device), seq=7)
    assert device.waiting
    return reader


class TestCard:
    def test_a_host_hears_at_once_that_a_card_is_in(self, new_reader: Callable[..., Reader]) -> None:
        """CCID 1.1, 6.3.1: NotifySlotChange, slot 0 present and changed."""
        assert new_reader().wire.read(INTERRUPT_IN).hex() == "5003"

    def test_power_on_answers_the_atr(self, new_reader: Callable[..., Reader], device: Device) -> None:
        answer = new_reader().ask(POWER_ON, seq=5)
        atr = device.profile.atr
        assert answer == bytes((0x80, len(atr), 0, 0, 0, 0, 5, 0, 0, 0)) + atr
        assert device.powered

    def test_power_off_and_the_status_tell_that_the_card_is_there(
        self, reader: Reader, device: Device
    ) -> None:
        assert reader.ask(STATUS, seq=1).hex() == "81000000000001000000"
        assert reader.ask(POWER_OFF, seq=2)[7] == 1  # present, inactive
        assert not device.powered

    def test_an_apdu_without_power_finds_a_mute_card(self, new_reader: Callable[..., Reader]) -> None:
        answer = new_reader().ask(XFR, GET_CHALLENGE)
        assert (answer[0], failed(answer)) == (0x80, ICC_MUTE)

    def test_an_answer_leaves_in_the_thread_that_brought_the_question(self, reader: Reader) -> None:
        assert len(reader.apdu(GET_CHALLENGE)) == 10
        assert set(reader.wire.senders) == {threading.current_thread()}

    def test_a_message_in_packets(self, reader: Reader) -> None:
        whole = message(XFR, bytes(150), seq=9)
        for start in (0, 64):
            reader.raw(whole[start : start + 64])
            assert reader.function.missing(2) == len(whole) - start - 64
            assert reader.wire.silent
        reader.raw(whole[128:])
        assert reader.wire.read()[6] == 9
        assert reader.function.missing(2) == 0

    @pytest.mark.parametrize(
        ("pieces", "refused"),
        [
            (["6F 05000000 00 09 000000 8050"], True),
            (["6F 00010000 00 09 000000" + "00" * 54, ""], True),
            (["6F 00010000 00 09 000000" + "00" * 54, "65 00000000 00 0A 000000"], True),
            (["6F 00100100 00 09 000000" + "00" * 54, "00"], True),
            (["6F 0500"], False),
        ],
        ids=["data", "ends with an empty packet", "another host begins", "too long", "header"],
    )
    def test_a_short_packet_ends_a_message(self, reader: Reader, pieces: list[str], refused: bool) -> None:
        """USB 2.0, 5.8.3; CCID 1.1, 6.2.6: dwLength, at offset 1, is wrong. The next message is nobody's rest."""
        for piece in pieces:
            reader.raw(bytes.fromhex(piece))
        if refused:
            assert reader.wire.read().hex(" ") == "80 00 00 00 00 00 09 40 01 00"
        assert reader.function.missing(2) == 0
        assert reader.ask(STATUS, seq=11)[6] == 11

    def test_power_on_again_is_a_reset(self, reader: Reader, device: Device) -> None:
        """E8: nothing is logged in after it."""
        sign = sign_command(reader, device)
        reader.power_on()
        assert reader.apdu(sign).hex() == "6a82"

    def test_another_ones_request_makes_the_key_busy(
        self, reader: Reader, shared: SharedKey, device: Device
    ) -> None:
        shared.lock("another")
        assert reader.apdu(GET_CHALLENGE) == BUSY
        shared.leave("another")
        assert len(reader.apdu(GET_CHALLENGE)) == 10

    def test_what_a_host_may_ask_of_endpoint_0(self, reader: Reader) -> None:
        """CCID 1.1, 5.3.2: the clock's frequencies in kHz; another request stalls."""
        assert len(reader.function.control(Setup(0xA1, 2, 0, 0, 4), b"") or b"") == 4
        assert reader.function.control(Setup(0x21, 9, 0, 0, 0), b"") is None


class TestWaiting:
    def test_the_host_is_asked_for_time_until_the_person_has_decided(
        self, new_reader: Callable[..., Reader], device: Device
    ) -> None:
        """CCID 1.1, 6.2.6: bmCommandStatus 2 with bError = 1 times the waiting time, under the command's number."""
        reader = new_reader(extension_s=0.001)
        reader.power_on()
        reader.send(XFR, sign_command(reader, device), seq=7)
        for _ in range(3):
            assert reader.wire.read().hex() == "80000000000007800100"
        device.press("ok")
        answer = reader.answer()
        assert answer[:10].hex() == "80460000000007000000"
        assert answer[-2:].hex() == "9000"
        assert len(reader.apdu(GET_CHALLENGE)) == 10

    def test_the_host_is_asked_for_time_while_the_card_computes(
        self, new_reader: Callable[..., Reader], device: Device
    ) -> None:
        reader = new_reader(extension_s=0.001)
        reader.power_on()
        computed = threading.Event()
        forget = device.on_apdu(lambda apdu, exchange: assert_set(computed))
        asking = threading.Thread(target=reader.send, args=(XFR, GET_CHALLENGE), kwargs={"seq": 9})
        asking.start()
        for _ in range(3):
            assert reader.wire.read().hex() == "80000000000009800100"
        computed.set()
        assert reader.answer()[:10].hex() == "800a0000000009000000"
        asking.join()
        forget()
        assert len(reader.apdu(GET_CHALLENGE)) == 10

    def test_a_host_that_does_not_read_is_asked_for_time_once(
        self, new_reader: Callable[..., Reader], device: Device
    ) -> None:
        """It may have died: what lies unread would stop the next one's messages on a bus that keeps it all."""
        reader = new_reader(extension_s=0.001)
        reader.power_on()
        reader.send(XFR, sign_command(reader, device), seq=7)
        reader.wire.wait_until_unread_is_seen(3)
        device.press("ok")
        assert [reader.wire.read()[7] & 0xC0 for _ in range(2)] == [0x80, 0]

    def test_no_comes_back_as_the_card_says_it(self, asking: Reader, device: Device) -> None:
        device.press("cancel")
        assert asking.answer()[10:].hex() == "6ff0"

    def test_a_second_command_is_refused_and_disturbs_nothing(self, asking: Reader, device: Device) -> None:
        """CCID 1.1, table 6.2-2: CMD_SLOT_BUSY."""
        assert failed(asking.ask(XFR, GET_CHALLENGE, seq=8)) == 0xE0
        device.press("ok")
        assert asking.answer()[6] == 7

    @pytest.mark.parametrize("control_first", [True, False])
    def test_abort_by_both_endpoints_ends_the_wait(
        self, asking: Reader, device: Device, control_first: bool
    ) -> None:
        """CCID 1.1, 5.3.1 and 6.1.13: the first half ends the command, the second is answered with a SlotStatus."""
        halves = (partial(asking.abort_by_control, 8), partial(asking.send, ABORT, seq=8))
        first, second = halves if control_first else reversed(halves)
        first()
        assert device.waiting is None
        answer = asking.wire.read()
        assert (answer[6], failed(answer)) == (7, CMD_ABORTED)
        assert asking.wire.silent
        second()
        answer = asking.wire.read()
        assert (answer[0], answer[6], answer[7]) == (0x81, 8, 0)
        assert device.screen.lines == ("交通银行", "已连接")
        assert len(asking.apdu(GET_CHALLENGE)) == 10
        assert asking.wire.silent

    def test_between_two_halves_of_an_abort_nothing_is_done(self, asking: Reader) -> None:
        asking.abort_by_control(8)
        assert failed(asking.ask(XFR, GET_CHALLENGE, seq=9)) == CMD_ABORTED

    def test_abort_while_the_host_does_not_read(
        self, new_reader: Callable[..., Reader], device: Device
    ) -> None:
        """The control request must not wait for a time extension that nobody takes."""
        reader = new_reader(extension_s=0.001)
        reader.power_on()
        sign = sign_command(reader, device)
        with reader.wire.unread():
            reader.send(XFR, sign, seq=7)
            assert reader.wire.blocked.wait(30)
            reader.abort_by_control(8)
            reader.send(ABORT, seq=8)
            assert device.waiting is None
        assert failed(reader.answer()) == CMD_ABORTED
        assert reader.answer()[6] == 8

    def test_a_host_that_asks_on_and_on_and_never_reads_has_to_wait(
        self, new_reader: Callable[..., Reader], device: Device
    ) -> None:
        """It cannot fill the key's memory: its further messages are not taken."""
        reader = new_reader(extension_s=0.001)
        reader.power_on()
        sign = sign_command(reader, device)

        def ask_on() -> None:
            for _ in range(50):
                reader.send(STATUS)

        flood = threading.Thread(target=ask_on)
        with reader.wire.unread():
            reader.send(XFR, sign, seq=7)
            assert reader.wire.blocked.wait(30)
            flood.start()
            flood.join(0.5)  # without that wait it takes a millisecond
            assert flood.is_alive()
        flood.join(30)
        assert not flood.is_alive()

    def test_a_key_reset_by_another_hand_is_mute(self, asking: Reader, device: Device) -> None:
        device.reset()
        answer = asking.answer()
        assert (answer[6], failed(answer)) == (7, ICC_MUTE)

    @pytest.mark.parametrize("again", [False, True])
    def test_the_host_goes_away(self, asking: Reader, shared: SharedKey, device: Device, again: bool) -> None:
        """E11: the wait ends, the key is dark and free; a new configuration finds no power in it."""
        asking.function.stop()
        asking.function.stop()
        assert (device.waiting, device.powered) == (None, False)
        asking.raw(message(POWER_ON))
        assert asking.function.control(Setup(0x21, 1, 8 << 8, 0, 0), b"") is None
        assert asking.wire.silent
        if again:
            asking.function.start(asking.wire)
            assert asking.ask(STATUS)[7] == 1
            asking.power_on()
        assert len(shared.begin("another", GET_CHALLENGE).wait()) == 10

    def test_configured_again_without_a_goodbye(self, asking: Reader, device: Device) -> None:
        asking.function.start(asking.wire)
        assert (device.waiting, device.powered) == (None, False)
        assert asking.power_on() == device.profile.atr

    def test_half_a_message_is_forgotten_with_the_host(self, reader: Reader) -> None:
        reader.raw(message(XFR, bytes(100))[:64])
        reader.function.start(reader.wire)
        assert reader.power_on()


class TestFaults:
    """CCID 1.1, table 6.2-2."""

    @pytest.mark.profile("bocom-smart-feitian")
    @pytest.mark.parametrize("error", SlotError)
    def test_each_comes_once(self, reader: Reader, shared: SharedKey, error: SlotError) -> None:
        shared.fault(error)
        assert failed(reader.ask(FITTING.get(error, XFR))) == error
        assert len(reader.apdu(GET_CHALLENGE)) == 10

    def test_a_key_in_no_reader_of_its_own_has_none(self, reader: Reader, shared: SharedKey) -> None:
        reader.function.stop()
        with pytest.raises(NoReaderError, match="--link usbip"):
            shared.fault(SlotError.HW_ERROR)


class TestUsbKey:
    @pytest.mark.profile("bocom-smart-feitian")
    def test_the_device_is_the_profiles(self, shared: SharedKey, device: Device) -> None:
        key = UsbKey(shared)
        model, usb = key.model, device.profile.usb
        assert (model.vid, model.pid, model.serial) == (usb.vid, usb.pid, device.serial)
        assert (model.manufacturer, model.product) == (device.profile.maker, device.profile.title)
        (function,) = key.functions
        assert isinstance(function, CcidFunction)
        (interface,) = model.interfaces
        assert interface is function.interface
        assert (interface.usb_class, interface.subclass, interface.protocol) == (0x0B, 0, 0)
        assert [(end.address, end.transfer) for end in interface.endpoints] == [
            (0x81, Transfer.BULK),
            (0x02, Transfer.BULK),
            (0x83, Transfer.INTERRUPT),
        ]

    @pytest.mark.parametrize(
        ("model", "support", "layout"),
        [("bocom-smart-feitian", 3, "1004"), ("bocom-2g-tendyron", 0, "1004"), ("icbc-1g-gd", 0, "0000")],
    )
    def test_pin_pad_and_screen_stand_in_the_class_descriptor(
        self, model: str, support: int, layout: str
    ) -> None:
        """CCID 1.1, table 5.1-1: wLcdLayout at offset 50, characters before lines; bPINSupport at 52."""
        shared = SharedKey(Device(load_profile(model), clock=ManualClock()))
        descriptor = UsbKey(shared).model.interfaces[0].class_descriptor
        assert (len(descriptor), descriptor[50:52].hex(), descriptor[52]) == (54, layout, support)

    def test_endpoints_are_numbered_over_all_interfaces(self) -> None:
        profile = changed(load_profile("bocom-2g-tendyron"), usb__interfaces=("hid", "ccid", "disk"))
        key = UsbKey(SharedKey(Device(profile, clock=ManualClock())))
        addresses = [end.address for interface in key.model.interfaces for end in interface.endpoints]
        assert len(set(addresses)) == len(addresses)
        assert max(address & 0x7F for address in addresses) <= 15
        assert [interface.number for interface in key.model.interfaces] == [0, 1, 2]
        assert [interface.usb_class for interface in key.model.interfaces] == [3, 0x0B, 8]

    def test_each_bus_has_its_own(self, shared: SharedKey, new_reader: Callable[..., Reader]) -> None:
        """The key in two buses: one host at a time has it."""
        first, second = new_reader(), new_reader()
        first.power_on()
        second.power_on()
        shared.lock(first.function)
        assert second.apdu(GET_CHALLENGE) == BUSY
        first.function.stop()
        assert len(second.apdu(GET_CHALLENGE)) == 10
