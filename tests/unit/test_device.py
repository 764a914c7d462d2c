"""The device without a wire: exchanges, power, buttons, screens. No threads, no sleeps, but for one test of `wait`."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Callable

import pytest

from emulator.device import Device, Exchange, NoSuchButtonError, NotPoweredError, PowerLostError
from emulator.firmware.confirm import Ask
from emulator.hardware.buttons import DIGITS, Button
from emulator.hardware.clock import ManualClock, Timer
from emulator.hardware.display import Screen, ScreenKind
from emulator.hardware.storage_faulty import FaultyStorage, PowerCut
from emulator.links.inproc import InProcessLink
from emulator.profiles import Profile, ProfileError, load_profile
from hostdriver.gmt import GmtSession
from protocols.apdu import Command, encode_command
from protocols.gmt import Ins, PinType, SignInput
from tests.rig.key import stored
from tests.rig.messages import TRANSFER

GET_DEV_INFO = bytes.fromhex("80040000000000")
OK, BUSY, CANCELLED, TIMED_OUT = (bytes.fromhex(sw) for sw in ("9000", "6ff6", "6ff0", "6ff1"))

pytestmark = pytest.mark.limits(
    pin__user__cache="session", confirm__must_page_to_end=False, confirm__ok_dead_ms=0
)


@pytest.fixture
def powered(device: Device) -> Device:
    device.power_on()
    return device


def sign_command(device: Device) -> bytes:
    """A signature's APDU, after login; it will ask."""
    session = GmtSession(InProcessLink(device))
    application = session.open_application(device.profile.application)
    session.verify_pin(application, device.profile.ready_user_pin)
    container = session.open_container(application, "SM2-SIGN")
    data = container.handles + TRANSFER
    return encode_command(Command(0x80, Ins.ECC_SIGN_DATA, SignInput.MESSAGE, 0, data, 68))


@pytest.fixture
def asking(powered: Device) -> Exchange:
    """A signature that waits for a person."""
    exchange = powered.begin(sign_command(powered))
    assert (exchange.response, exchange.ended) == (None, False)
    assert powered.waiting
    return exchange


class TestPower:
    def test_without_power_nothing_is_answered(self, device: Device) -> None:
        assert not device.powered
        assert device.screen.lines == ()
        with pytest.raises(NotPoweredError):
            device.begin(GET_DEV_INFO)
        with pytest.raises(NotPoweredError):
            device.transmit(GET_DEV_INFO)

    def test_power_on_answers_the_atr_and_shows_the_bank(self, device: Device) -> None:
        """E10."""
        assert device.power_on() == device.reset() == device.profile.atr
        assert device.screen.lines == ("交通银行", "已连接")

    def test_power_off_shows_nothing_on_its_way(self, powered: Device) -> None:
        seen: list[Screen] = []
        powered.on_screen(seen.append)
        powered.power_off()
        assert [screen.kind for screen in seen] == [ScreenKind.OFF]

    def test_a_bus_lights_the_idle_screen_without_a_hosts_power(self, device: Device) -> None:
        """E10: plugged, not connected, connected, not connected, pulled out."""
        seen: list[Screen] = []
        device.on_screen(seen.append)
        device.bus_power(on=True)
        device.power_on()
        device.power_off()
        device.bus_power(on=False)
        assert [screen.lines[1:] for screen in seen] == [("未连接",), ("已连接",), ("未连接",), ()]

    def test_power_off_darkens_the_screen(self, powered: Device) -> None:
        powered.power_off()
        powered.power_off()
        assert powered.screen.lines == ()
        with pytest.raises(NotPoweredError):
            powered.begin(GET_DEV_INFO)

    @pytest.mark.parametrize("end", ["power_off", "power_on", "reset"])
    def test_it_ends_a_wait_at_once(self, powered: Device, asking: Exchange, end: str) -> None:
        """E11: and leaves nothing to press."""
        getattr(powered, end)()
        assert (asking.ended, asking.interrupted, asking.response) == (True, True, None)
        with pytest.raises(PowerLostError):
            asking.wait()
        assert powered.waiting is None
        powered.press("ok")
        assert powered.powered == (end != "power_off")


class TestExchange:
    def test_an_answer_at_once(self, powered: Device) -> None:
        exchange = powered.begin(GET_DEV_INFO)
        assert exchange.ended
        assert not exchange.interrupted
        assert exchange.wait() == exchange.response
        assert exchange.wait()[-2:] == OK

    def test_an_answer_after_ok(self, powered: Device, asking: Exchange) -> None:
        powered.press("ok")
        assert len(asking.wait()) == 4 + 64 + 2

    def test_on_end_is_called_when_it_ends(self, powered: Device, asking: Exchange) -> None:
        ends: list[bytes | None] = []
        asking.on_end(lambda: ends.append(asking.response))
        assert ends == []
        powered.press("cancel")
        assert ends == [CANCELLED]

    def test_on_end_is_called_at_once_when_it_has_ended(self, powered: Device, asking: Exchange) -> None:
        powered.press("cancel")
        ends: list[bytes | None] = []
        asking.on_end(lambda: ends.append(asking.response))
        powered.begin(GET_DEV_INFO).on_end(lambda: ends.append(b""))
        assert ends == [CANCELLED, b""]

    def test_on_end_is_called_when_power_is_lost(self, powered: Device, asking: Exchange) -> None:
        ends: list[bool] = []
        asking.on_end(lambda: ends.append(asking.interrupted))
        powered.power_off()
        assert ends == [True]

    def test_abandoned_by_its_link(self, powered: Device, asking: Exchange) -> None:
        asking.abandon()
        assert asking.interrupted
        assert powered.waiting is None
        assert powered.screen.kind is ScreenKind.IDLE
        assert powered.transmit(GET_DEV_INFO)[-2:] == OK

    def test_abandoning_an_old_one_does_not_touch_the_new_one(
        self, powered: Device, asking: Exchange
    ) -> None:
        powered.press("cancel")
        again = powered.begin(sign_command(powered))
        asking.abandon()
        assert powered.waiting
        powered.press("cancel")
        assert again.wait() == CANCELLED

    def test_wait_blocks_another_thread_until_the_press(self, powered: Device, asking: Exchange) -> None:
        answers: list[bytes] = []
        waiting = threading.Thread(target=lambda: answers.append(asking.wait()))
        waiting.start()
        powered.press("cancel")
        waiting.join(10)
        assert answers == [CANCELLED]


class TestBusy:
    def test_a_second_one_is_refused_and_disturbs_nothing(self, powered: Device, asking: Exchange) -> None:
        screen = powered.screen
        for apdu in (GET_DEV_INFO, b"", b"\x80", bytes(300)):
            assert powered.transmit(apdu) == BUSY
        assert powered.screen is screen
        powered.press("ok")
        assert asking.wait()[-2:] == OK
        assert powered.transmit(GET_DEV_INFO)[-2:] == OK


class TestTime:
    def test_the_deadline(self, powered: Device, clock: ManualClock, asking: Exchange) -> None:
        """E1, E10: 60 seconds."""
        clock.advance(59.99)
        assert not asking.ended
        clock.advance(0.01)
        assert asking.wait() == TIMED_OUT
        assert powered.screen.kind is ScreenKind.IDLE

    def test_an_answered_request_has_no_deadline_left(
        self, powered: Device, clock: ManualClock, asking: Exchange
    ) -> None:
        clock.advance(30)
        powered.press("cancel")
        again = powered.begin(sign_command(powered))
        clock.advance(59)  # the first one's deadline passes
        assert not again.ended
        clock.advance(1)
        assert again.wait() == TIMED_OUT

    def test_its_deadline_counts_before_anybody_sees_that_it_asks(
        self, powered: Device, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Who sees it, in another thread, may move the clock to the deadline at once."""
        seen: list[Ask | None] = []
        call_at = clock.call_at

        def watch(when: float, callback: Callable[[], None]) -> Timer:
            seen.append(powered.waiting)
            return call_at(when, callback)

        monkeypatch.setattr(clock, "call_at", watch)
        exchange = powered.begin(sign_command(powered))
        assert seen == [None]
        clock.advance(60)
        assert exchange.wait() == TIMED_OUT

    def test_paging_does_not_prolong_it(self, powered: Device, clock: ManualClock, asking: Exchange) -> None:
        for _ in range(6):
            clock.advance(10)
            powered.press("down")
        assert asking.wait() == TIMED_OUT

    def test_after_power_off_no_timer_is_left(
        self, powered: Device, clock: ManualClock, asking: Exchange
    ) -> None:
        powered.power_off()
        screen = powered.screen
        clock.advance(600)
        assert powered.screen is screen


class TestButtons:
    def test_a_button_that_the_model_lacks(self, powered: Device) -> None:
        with pytest.raises(NoSuchButtonError, match="no button power; it has: ok, cancel, up, down"):
            powered.press("power")
        with pytest.raises(NoSuchButtonError):
            powered.type("1")
        with pytest.raises(NoSuchButtonError):
            powered.press("no such thing")

    @pytest.mark.profile("icbc-1g-gd")
    @pytest.mark.parametrize("button", Button)
    def test_a_first_generation_key_has_none(self, device: Device, button: Button) -> None:
        """E10, C2."""
        assert device.buttons == ()
        with pytest.raises(NoSuchButtonError, match="it has: -"):
            device.press(button)

    @pytest.mark.profile("bocom-smart-feitian")
    def test_a_smart_key_has_digits(self, device: Device) -> None:
        assert device.buttons[-10:] == DIGITS

    def test_with_nothing_asked_a_press_does_nothing(self, device: Device) -> None:
        device.press("ok")
        device.power_on()
        screen = device.screen
        for button in device.buttons:
            device.press(button)
        assert device.screen is screen


class TestScreenListeners:
    @pytest.fixture
    def seen(self, powered: Device) -> list[Screen]:
        seen: list[Screen] = []
        powered.on_screen(seen.append)
        return seen

    def test_they_see_every_screen(self, powered: Device, seen: list[Screen]) -> None:
        powered.begin(sign_command(powered))
        powered.press("down")
        powered.press("cancel")
        assert [(screen.kind, screen.page) for screen in seen] == [
            (ScreenKind.CONFIRM, 1),
            (ScreenKind.CONFIRM, 2),
            (ScreenKind.IDLE, 1),
        ]

    def test_a_removed_one_sees_nothing_more(self, powered: Device) -> None:
        seen: list[Screen] = []
        remove = powered.on_screen(seen.append)
        remove()
        powered.reset()
        assert seen == []

    def test_one_may_remove_itself(self, powered: Device, seen: list[Screen]) -> None:
        once: list[Screen] = []

        def listener(screen: Screen) -> None:
            once.append(screen)
            remove()

        remove = powered.on_screen(listener)
        powered.reset()
        powered.reset()
        assert (len(once), len(seen)) == (1, 2)

    def test_one_may_press(self, powered: Device) -> None:
        """A robot at the buttons: the command is answered before `begin` returns."""
        remove = powered.on_screen(lambda screen: powered.press("ok"))
        exchange = powered.begin(sign_command(powered))
        remove()
        assert exchange.wait()[-2:] == OK
        assert powered.waiting is None
        assert powered.screen.kind is ScreenKind.IDLE

    def test_when_one_presses_the_others_see_the_screens_in_order(self, powered: Device) -> None:
        before: list[ScreenKind] = []
        after: list[ScreenKind] = []
        powered.on_screen(lambda screen: before.append(screen.kind))
        powered.on_screen(lambda screen: powered.press("cancel"))
        powered.on_screen(lambda screen: after.append(screen.kind))
        powered.begin(sign_command(powered))
        assert before == after == [ScreenKind.CONFIRM, ScreenKind.IDLE]

    def test_one_may_pull_the_key_out(self, powered: Device) -> None:
        powered.on_screen(lambda screen: powered.power_off())
        exchange = powered.begin(sign_command(powered))
        assert exchange.interrupted
        assert not powered.powered

    def test_one_that_fails_is_logged_and_the_key_goes_on(
        self, powered: Device, caplog: pytest.LogCaptureFixture
    ) -> None:
        def broken(screen: Screen) -> None:
            raise OSError("no terminal")

        powered.on_screen(broken)
        seen: list[Screen] = []
        powered.on_screen(seen.append)
        exchange = powered.begin(sign_command(powered))
        powered.press("ok")
        assert exchange.wait()[-2:] == OK
        assert len(seen) == 2
        assert caplog.record_tuples[0][1] == logging.ERROR


class TestApduListeners:
    @pytest.fixture
    def heard(self, powered: Device) -> list[tuple[bytes, Exchange]]:
        heard: list[tuple[bytes, Exchange]] = []
        powered.on_apdu(lambda apdu, exchange: heard.append((apdu, exchange)))
        return heard

    def test_they_hear_an_answered_one_with_its_answer(
        self, powered: Device, heard: list[tuple[bytes, Exchange]]
    ) -> None:
        answer = powered.transmit(GET_DEV_INFO)
        assert [(apdu, exchange.response) for apdu, exchange in heard] == [(GET_DEV_INFO, answer)]

    def test_they_hear_one_that_waits_and_everybody_hears_its_end(
        self, powered: Device, heard: list[tuple[bytes, Exchange]]
    ) -> None:
        command = sign_command(powered)
        heard.clear()
        powered.begin(command)
        ((apdu, exchange),) = heard
        ended: list[str] = []
        exchange.on_end(lambda: ended.append("first"))
        exchange.on_end(lambda: ended.append("second"))
        assert (apdu, exchange.ended, ended) == (command, False, [])
        powered.press("cancel")
        assert (exchange.response, ended) == (CANCELLED, ["first", "second"])

    def test_they_hear_what_is_refused_as_busy(
        self, powered: Device, heard: list[tuple[bytes, Exchange]]
    ) -> None:
        powered.begin(sign_command(powered))
        powered.begin(GET_DEV_INFO)
        assert (heard[-1][0], heard[-1][1].response) == (GET_DEV_INFO, BUSY)

    def test_a_removed_one_hears_nothing_more(self, powered: Device) -> None:
        heard: list[bytes] = []
        remove = powered.on_apdu(lambda apdu, exchange: heard.append(apdu))
        remove()
        powered.transmit(GET_DEV_INFO)
        assert heard == []

    def test_one_that_fails_is_logged_and_the_key_goes_on(
        self, powered: Device, caplog: pytest.LogCaptureFixture
    ) -> None:
        def broken(apdu: bytes, exchange: Exchange) -> None:
            raise OSError("no disk")

        powered.on_apdu(broken)
        assert powered.transmit(GET_DEV_INFO)[-2:] == OK
        assert caplog.record_tuples[0][1] == logging.ERROR


@pytest.mark.limits(pin__user__extra_press_at=6)
def test_what_breaks_a_waiting_command_ends_it(profile: Profile, clock: ManualClock) -> None:
    """No host waits for ever. The command is one that writes after the press (E5)."""
    storage = FaultyStorage(stored(profile, "ready"), cut_at=1)
    device = Device(profile, storage=storage, clock=clock)
    device.power_on()
    session = GmtSession(InProcessLink(device))
    application = session.open_application(profile.application)
    session.random(8)
    verify = Command(0x80, Ins.VERIFY_PIN, 0, PinType.USER, application.handle + bytes(16))
    exchange = device.begin(encode_command(verify))
    with pytest.raises(PowerCut):
        device.press("ok")
    assert exchange.interrupted
    assert device.waiting is None
    storage.restart()
    assert device.transmit(GET_DEV_INFO)[-2:] == OK


def test_a_closed_wait_holds_nothing_of_the_message(powered: Device, asking: Exchange) -> None:
    """E1: the data are wiped with the command that held them."""
    assert powered.waiting
    assert ("收款人账号:", "1234567890123456") in powered.waiting.items
    powered.power_off()
    gc.collect()
    asks = [thing for thing in gc.get_objects() if isinstance(thing, Ask)]
    assert not [ask for ask in asks if ("收款人账号:", "1234567890123456") in ask.items]


def test_a_serial_number_of_another_maker_is_refused() -> None:
    """A2."""
    with pytest.raises(ProfileError):
        Device(load_profile("bocom-2g-tendyron"), serial="6200000000")


def test_a_closed_device_leaves_no_thread_behind() -> None:
    """The clock that it made for itself ends with it."""
    before = set(threading.enumerate())  # keys of other tests may be up
    device = Device(load_profile("bocom-2g-tendyron"))
    device.clock.call_at(device.clock.now() + 3600, lambda: None)
    assert [thread.name for thread in set(threading.enumerate()) - before] == ["vukey-clock"]
    device.close()
    assert set(threading.enumerate()) <= before
