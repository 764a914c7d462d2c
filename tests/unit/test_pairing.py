"""A pairing's number on the key's screen: no radio, no threads, no sleeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.control.answers import key_json
from emulator.control.automation import Automation
from emulator.control.keycontrol import KeyControl
from emulator.control.operator import AutoApproval
from emulator.device import Device, Exchange, PowerLostError
from emulator.firmware.pairing import ACCEPTED, PAIRING_S, REFUSED
from emulator.hardware.clock import ManualClock
from emulator.hardware.display import ScreenKind
from emulator.profiles import load_profile
from emulator.sharing import SharedKey
from tests.rig.cordless import (
    BLUETOOTH,
    BUSY,
    COMPUTER,
    CONNECTED,
    GET_DEV_INFO,
    IDLE,
    OK,
    PHONE,
    battery_of,
    begin_signature,
    switched_on,
)
from tests.rig.key import changed

NUMBER = 63_314


@pytest.fixture
def key(clock: ManualClock) -> Device:
    return switched_on(clock)


@pytest.fixture
def shared(key: Device) -> SharedKey:
    return SharedKey(key)


class TestNumber:
    def test_the_key_shows_six_digits_and_ok_accepts_them(self, key: Device) -> None:
        pairing = key.begin_pairing(NUMBER)
        assert key.screen.kind is ScreenKind.CONFIRM
        assert key.screen.lines == ("请核对配对码", "配对码:063314")
        assert key.screen.soft_keys == ("C取消", "OK确认")
        key.press("ok")
        assert pairing.wait() == ACCEPTED == b"\x01"
        assert key.screen.lines == IDLE

    def test_in_english(self, clock: ManualClock) -> None:
        device = Device(changed(BLUETOOTH, display__language="en"), clock=clock)
        device.press("power")
        device.begin_pairing(0)
        assert device.screen.lines == ("Check pairing", "Number:000000")

    def test_cancel_refuses(self, key: Device) -> None:
        pairing = key.begin_pairing(NUMBER)
        key.press("cancel")
        assert pairing.wait() == REFUSED == b"\x00"

    def test_nobody_at_the_key_refuses_in_time(self, key: Device, clock: ManualClock) -> None:
        pairing = key.begin_pairing(NUMBER)
        clock.advance(PAIRING_S - 0.01)
        assert not pairing.ended
        clock.advance(0.01)
        assert pairing.wait() == REFUSED
        assert key.waiting is None

    def test_the_other_side_hears_of_it_before_it_gives_up(self) -> None:
        """Bluetooth Core 5.4, vol 3, part H, 3.4: 30 seconds."""
        assert PAIRING_S < 30

    def test_one_press_is_enough_where_signing_wants_two(self, clock: ManualClock) -> None:
        device = Device(changed(BLUETOOTH, confirm__presses=2), clock=clock)
        device.press("power")
        pairing = device.begin_pairing(NUMBER)
        device.press("ok")
        assert pairing.wait() == ACCEPTED

    @pytest.mark.parametrize("number", [-1, 1_000_000])
    def test_no_other_number_of_digits(self, key: Device, number: int) -> None:
        with pytest.raises(ValueError, match="six digits"):
            key.begin_pairing(number)
        assert key.waiting is None

    @given(st.integers(0, 999_999))
    def test_any_number_is_on_one_page(self, number: int) -> None:
        device = Device(BLUETOOTH, clock=ManualClock())
        device.press("power")
        device.begin_pairing(number)
        assert device.screen.pages == 1
        assert f"{number:06}" in device.screen.lines[1]

    def test_it_is_no_apdu(self, key: Device) -> None:
        heard: list[bytes] = []
        key.on_apdu(lambda apdu, exchange: heard.append(apdu))
        key.begin_pairing(NUMBER)
        key.press("ok")
        assert heard == []

    def test_the_card_needs_no_power_and_gets_none(self, key: Device) -> None:
        key.begin_pairing(NUMBER)
        key.press("ok")
        assert not key.powered


class TestRefusedAtOnce:
    def test_a_second_pairing(self, key: Device) -> None:
        first = key.begin_pairing(NUMBER)
        screen = key.screen
        assert key.begin_pairing(1).response == REFUSED
        assert (key.screen, first.ended) == (screen, False)

    def test_while_a_command_waits_for_a_person(self, shared: SharedKey) -> None:
        shared.power_on(COMPUTER)
        signature = begin_signature(shared, COMPUTER)
        assert shared.begin_pairing(PHONE, NUMBER).response == REFUSED
        assert not signature.ended

    def test_while_another_holds_the_key(self, shared: SharedKey) -> None:
        shared.lock(COMPUTER)
        assert shared.begin_pairing(PHONE, NUMBER).response == REFUSED
        shared.unlock(COMPUTER)
        assert shared.begin_pairing(PHONE, NUMBER).response is None

    def test_a_key_that_is_switched_off(self, key: Device) -> None:
        key.press("power")
        assert key.begin_pairing(NUMBER).response == REFUSED

    @pytest.mark.parametrize("name", ["icbc-1g-gd"])
    def test_a_key_without_screen_and_buttons(self, name: str, clock: ManualClock) -> None:
        device = Device(load_profile(name), clock=clock)
        device.power_on()
        assert device.begin_pairing(NUMBER).response == REFUSED


class TestBesideOthers:
    @pytest.fixture
    def pairing(self, shared: SharedKey) -> Exchange:
        """The phone's, while the key is on the computer's bus too, whose host has powered it."""
        shared.device.bus_power(on=True)
        shared.power_on(COMPUTER)
        assert shared.begin(COMPUTER, GET_DEV_INFO).wait()[-2:] == OK
        return shared.begin_pairing(PHONE, NUMBER)

    def test_every_apdu_is_busy_meanwhile(self, shared: SharedKey, pairing: Exchange) -> None:
        for user in (COMPUTER, PHONE):
            assert shared.begin(user, GET_DEV_INFO).wait() == BUSY
        shared.device.press("ok")
        assert pairing.wait() == ACCEPTED
        assert shared.begin(COMPUTER, GET_DEV_INFO).wait()[-2:] == OK

    @pytest.mark.parametrize(
        "call", [SharedKey.power_on, SharedKey.reset, SharedKey.power_off, SharedKey.leave]
    )
    def test_no_other_host_ends_it(
        self, shared: SharedKey, pairing: Exchange, call: Callable[[SharedKey, str], None]
    ) -> None:
        call(shared, COMPUTER)
        assert not pairing.ended
        shared.device.press("ok")
        assert pairing.wait() == ACCEPTED
        assert shared.begin(COMPUTER, GET_DEV_INFO).wait()[-2:] == OK

    def test_nor_does_a_host_that_comes_meanwhile(self, shared: SharedKey) -> None:
        pairing = shared.begin_pairing(PHONE, NUMBER)
        number = shared.device.screen
        shared.device.bus_power(on=True)
        shared.power_on(COMPUTER)
        assert shared.begin(COMPUTER, GET_DEV_INFO).wait() == BUSY
        assert (shared.device.screen, pairing.ended) == (number, False)
        shared.device.press("ok")
        assert pairing.wait() == ACCEPTED
        assert shared.begin(COMPUTER, GET_DEV_INFO).wait()[-2:] == OK

    def test_the_idle_screen_is_as_before(self, shared: SharedKey, pairing: Exchange) -> None:
        shared.device.press("cancel")
        assert shared.device.screen.lines == CONNECTED


class TestInterrupted:
    @pytest.fixture(params=["pairing alone", "with the card's power"])
    def pairing(self, request: pytest.FixtureRequest, shared: SharedKey) -> Exchange:
        if request.param == "with the card's power":
            shared.power_on_battery(PHONE)
        return shared.begin_pairing(PHONE, NUMBER)

    @pytest.mark.parametrize(
        "end",
        [
            lambda shared: shared.device.press("power"),
            lambda shared: battery_of(shared).set_level(0),
            lambda shared: shared.device.close(),
        ],
        ids=["power button", "empty battery", "end of the key"],
    )
    def test_by_the_loss_of_power(
        self, shared: SharedKey, pairing: Exchange, end: Callable[[SharedKey], None]
    ) -> None:
        end(shared)
        assert (pairing.interrupted, pairing.response) == (True, None)
        with pytest.raises(PowerLostError):
            pairing.wait()
        assert shared.device.waiting is None
        assert shared.device.screen.kind is ScreenKind.OFF

    def test_by_removal_from_a_bus(self, shared: SharedKey, pairing: Exchange) -> None:
        shared.device.bus_power(on=True)
        assert not pairing.ended
        shared.device.bus_power(on=False)
        assert pairing.interrupted
        assert shared.device.screen.kind is ScreenKind.OFF

    def test_by_the_end_of_the_connection(self, shared: SharedKey, pairing: Exchange) -> None:
        shared.leave(PHONE, pairing)
        assert pairing.interrupted
        assert shared.device.screen.lines == IDLE

    def test_abandoned(self, shared: SharedKey, pairing: Exchange) -> None:
        lines = CONNECTED if shared.device.powered else IDLE
        pairing.abandon()
        assert pairing.interrupted
        assert shared.device.screen.lines == lines
        shared.device.press("ok")
        assert pairing.response is None

    def test_by_a_cards_power_off_or_reset(self, clock: ManualClock) -> None:
        for end in (Device.power_off, Device.power_on):
            device = Device(BLUETOOTH, clock=clock)
            device.power_on()
            pairing = device.begin_pairing(NUMBER)
            end(device)
            assert pairing.interrupted


class StillPlugged:
    """A plug for who only looks on."""

    plugged = True

    def plug(self) -> None: ...

    def unplug(self) -> None: ...


class TestBesideTheWire:
    @pytest.fixture
    def control(self, shared: SharedKey) -> Iterator[KeyControl]:
        control = KeyControl(shared, StillPlugged())
        yield control
        control.close()

    def test_the_panel_sees_a_question(self, control: KeyControl) -> None:
        pairing = control.device.begin_pairing(NUMBER)
        waiting = key_json(control)["waiting"]
        assert (waiting["title"], waiting["items"]) == ("请核对配对码", [["配对码:", "063314"]])
        assert (waiting["digits"], waiting["presses"], waiting["seconds_left"]) == (0, 1, PAIRING_S)
        assert (waiting["ok_in"], waiting["unread"]) == (0, False)
        assert "063314" in control.screens.now.screen.text
        control.press("ok")
        assert pairing.wait() == ACCEPTED
        assert control.apdus.since(0) == []

    def test_a_rule_may_accept_one_number(self, control: KeyControl) -> None:
        rule = {"contains": "063314", "actions": [["press", "ok"]]}
        other = {"text": "请核对配对码", "actions": [["press", "cancel"]]}
        with Automation(control) as automation:
            for number, answer in ((NUMBER, ACCEPTED), (NUMBER + 1, REFUSED)):
                automation.follow({"version": 1, "rules": [rule, other]})
                assert control.device.begin_pairing(number).wait() == answer

    def test_approve_never_cancels(self, control: KeyControl) -> None:
        with AutoApproval(control.device, "never"):
            assert control.device.begin_pairing(NUMBER).wait() == REFUSED
