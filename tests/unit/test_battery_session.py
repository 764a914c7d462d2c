"""Who has no power to give uses the key on its battery, beside hosts that have some."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from emulator.device import Device, NotPoweredError, PowerLostError
from emulator.hardware.battery import LOW
from emulator.hardware.clock import ManualClock
from emulator.hardware.display import ScreenKind
from emulator.profiles import load_profile
from emulator.sharing import SharedKey
from tests.rig.cordless import (
    AUTO_OFF_S,
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
    is_logged_in,
    log_in,
    switched_on,
)
from tests.rig.key import changed, stored

NUMBER = 63_314


@pytest.fixture
def key(clock: ManualClock) -> Device:
    return switched_on(clock)


@pytest.fixture
def shared(key: Device) -> SharedKey:
    return SharedKey(key)


class TestBatterySession:
    def test_the_battery_stays_on(self, shared: SharedKey) -> None:
        shared.power_on_battery(PHONE)
        assert battery_of(shared).on
        assert shared.device.powered
        assert shared.device.screen.lines == CONNECTED
        assert shared.begin(PHONE, GET_DEV_INFO).wait()[-2:] == OK
        assert battery_of(shared).on

    def test_without_it_a_host_takes_the_batterys_place(self, shared: SharedKey) -> None:
        shared.begin(COMPUTER, GET_DEV_INFO)
        assert not battery_of(shared).on

    def test_a_key_that_is_switched_off_gives_none(self, shared: SharedKey) -> None:
        shared.device.press("power")
        with pytest.raises(NotPoweredError, match="switched off"):
            shared.power_on_battery(PHONE)
        with pytest.raises(NotPoweredError):
            shared.begin(PHONE, GET_DEV_INFO)
        assert not shared.device.powered

    def test_each_apdu_is_a_touch(self, shared: SharedKey, clock: ManualClock) -> None:
        shared.power_on_battery(PHONE)
        for _ in range(3):
            clock.advance(AUTO_OFF_S - 1)
            assert shared.begin(PHONE, GET_DEV_INFO).wait()[-2:] == OK
        clock.advance(AUTO_OFF_S - 1)
        assert shared.device.screen.lines == CONNECTED
        clock.advance(1)
        assert not shared.device.powered
        assert shared.device.screen.kind is ScreenKind.OFF

    def test_so_is_an_apdu_of_one_who_calls_the_key_itself(self, key: Device, clock: ManualClock) -> None:
        key.power_on_battery()
        clock.advance(AUTO_OFF_S - 1)
        assert key.transmit(GET_DEV_INFO)[-2:] == OK
        clock.advance(AUTO_OFF_S - 1)
        assert key.is_on

    @pytest.mark.parametrize("act", ["press", "pair", "connect"])
    def test_so_is_whatever_else_a_person_does(self, shared: SharedKey, clock: ManualClock, act: str) -> None:
        clock.advance(AUTO_OFF_S - 1)
        if act == "press":
            shared.device.press("up")
        elif act == "pair":
            shared.begin_pairing(PHONE, NUMBER)
        else:
            shared.power_on_battery(PHONE)
        clock.advance(AUTO_OFF_S - 1)
        assert shared.device.is_on
        clock.advance(1)
        assert not shared.device.is_on

    @pytest.mark.parametrize("end", ["button", "auto-off", "empty", "removal"])
    def test_switched_off_it_loses_its_power_and_everybody_hears_of_it(
        self, clock: ManualClock, end: str
    ) -> None:
        """E11: the command that waited too; the listener comes last. Auto-off is before the prompt's own end here."""
        model = changed(BLUETOOTH, auto_off_s=30)
        shared = SharedKey(Device(model, storage=stored(BLUETOOTH, "ready"), clock=clock))
        device, battery = shared.device, battery_of(shared)
        device.press("power")
        shared.power_on_battery(PHONE)
        signature = begin_signature(shared, PHONE)
        told: list[tuple[bool, bool, bool]] = []
        device.on_switched(lambda on: told.append((on, device.powered, signature.interrupted)))
        match end:
            case "button":
                device.press("power")
            case "auto-off":
                clock.advance(30)
            case "empty":
                battery.set_level(0)
            case "removal":
                device.bus_power(on=True)
                assert told == []
                device.bus_power(on=False)
        assert told == [(False, False, True)]
        with pytest.raises(PowerLostError):
            signature.wait()
        assert device.screen.kind is ScreenKind.OFF
        with pytest.raises(NotPoweredError):
            shared.begin(PHONE, GET_DEV_INFO)

    def test_switched_on_again_nobody_is_logged_in(self, shared: SharedKey) -> None:
        """E8."""
        shared.power_on_battery(PHONE)
        log_in(shared, PHONE)
        assert is_logged_in(shared)
        shared.device.press("power")
        shared.device.press("power")
        assert shared.begin(PHONE, GET_DEV_INFO).wait()[-2:] == OK
        assert not is_logged_in(shared)

    def test_when_its_user_leaves_the_key_stays_on(self, shared: SharedKey) -> None:
        shared.power_on_battery(PHONE)
        log_in(shared, PHONE)
        shared.leave(PHONE)
        assert (shared.device.powered, shared.device.is_on) == (False, True)
        assert shared.device.screen.lines == IDLE
        assert not is_logged_in(shared)

    def test_a_reset_is_no_hosts_power(self, shared: SharedKey) -> None:
        shared.power_on_battery(PHONE)
        log_in(shared, PHONE)
        shared.reset(PHONE)
        assert battery_of(shared).on
        assert not is_logged_in(shared)

    def test_who_left_and_comes_again_may_be_a_host(self, shared: SharedKey) -> None:
        shared.power_on_battery(PHONE)
        shared.leave(PHONE)
        shared.power_on(PHONE)
        assert not battery_of(shared).on


class TestBatteryAndHost:
    """One key, two ways: the phone's and the computer's."""

    def test_a_host_that_comes_takes_the_batterys_place_and_resets_nothing(
        self, shared: SharedKey, clock: ManualClock
    ) -> None:
        shared.power_on_battery(PHONE)
        signature = begin_signature(shared, PHONE)
        shared.power_on(COMPUTER)
        assert not battery_of(shared).on
        shared.device.press("power")
        assert not signature.ended
        shared.device.press("cancel")
        clock.advance(AUTO_OFF_S)
        assert shared.device.powered

    def test_on_the_bus_its_power_is_enough(self, shared: SharedKey) -> None:
        shared.device.bus_power(on=True)
        shared.power_on(COMPUTER)
        shared.power_on_battery(PHONE)
        shared.power_off(COMPUTER)
        assert shared.begin(PHONE, GET_DEV_INFO).wait()[-2:] == OK

    @pytest.mark.parametrize("end", [SharedKey.power_off, SharedKey.leave])
    def test_without_a_bus_all_ends_with_the_host(
        self, shared: SharedKey, end: Callable[[SharedKey, str], None]
    ) -> None:
        """Somebody has to switch it on again."""
        shared.power_on(COMPUTER)
        shared.power_on_battery(PHONE)
        told: list[bool] = []
        shared.device.on_switched(told.append)
        end(shared, COMPUTER)
        assert (told, shared.device.powered) == ([False], False)
        assert shared.device.screen.kind is ScreenKind.OFF
        with pytest.raises(NotPoweredError):
            shared.begin(PHONE, GET_DEV_INFO)
        shared.device.press("power")
        assert shared.begin(PHONE, GET_DEV_INFO).wait()[-2:] == OK

    def test_nobody_inherits_a_login(self, shared: SharedKey) -> None:
        """E8."""
        shared.device.bus_power(on=True)
        shared.power_on(COMPUTER)
        shared.power_on_battery(PHONE)
        log_in(shared, PHONE)
        shared.leave(PHONE)
        assert not is_logged_in(shared)
        log_in(shared, COMPUTER)
        shared.power_on_battery(PHONE)
        shared.leave(COMPUTER)
        assert not is_logged_in(shared)

    def test_one_waits_the_other_is_busy(self, shared: SharedKey) -> None:
        shared.device.bus_power(on=True)
        shared.power_on_battery(PHONE)
        signature = begin_signature(shared, PHONE)
        assert shared.begin(COMPUTER, GET_DEV_INFO).wait() == BUSY
        shared.device.press("cancel")
        assert signature.ended
        assert shared.begin(COMPUTER, GET_DEV_INFO).wait()[-2:] == OK


class TestSwitched:
    @pytest.fixture
    def told(self, key: Device) -> list[bool]:
        told: list[bool] = []
        key.press("power")
        key.on_switched(told.append)
        return told

    def test_each_change_is_told_once(self, key: Device, told: list[bool]) -> None:
        key.press("power")
        key.press("up")
        key.power_on()
        key.power_on()
        key.bus_power(on=True)
        key.power_off()
        assert told == [True]
        key.bus_power(on=False)
        key.bus_power(on=False)
        key.press("power")
        key.close()
        assert told == [True, False, True, False]

    def test_an_empty_battery_changes_nothing(self, key: Device, told: list[bool]) -> None:
        assert key.battery is not None
        key.battery.set_level(0)
        key.press("power")
        assert (told, key.is_on) == ([], False)

    def test_a_removed_listener_hears_nothing(self, key: Device, told: list[bool]) -> None:
        others: list[bool] = []
        remove = key.on_switched(others.append)
        remove()
        key.press("power")
        assert (told, others) == ([True], [])


class TestLowBattery:
    @pytest.mark.parametrize(("level", "is_low"), [(LOW + 1, False), (LOW, True), (1, True)])
    def test_from_which_level(self, key: Device, level: int, is_low: bool) -> None:
        assert key.battery is not None
        key.battery.set_level(level)
        assert key.battery_low is is_low

    def test_power_from_outside_is_never_low(self, key: Device) -> None:
        assert key.battery is not None
        key.battery.set_level(1)
        key.bus_power(on=True)
        assert not key.battery_low

    def test_a_key_without_battery_is_never_low(self, clock: ManualClock) -> None:
        assert not Device(load_profile("bocom-2g-feitian"), clock=clock).battery_low
