"""A Bluetooth key on its battery: switched by a person, switches itself off on the key's clock (assumed: 180 s)."""

from __future__ import annotations

import pytest

from emulator.device import Device
from emulator.hardware.battery import Battery
from emulator.hardware.clock import ManualClock
from emulator.hardware.display import ScreenKind
from emulator.profiles import load_profile

AUTO_OFF_S = 180
BLUETOOTH = load_profile("bocom-ble-feitian")


@pytest.fixture
def key(clock: ManualClock) -> Device:
    return Device(BLUETOOTH, clock=clock)


def battery_of(key: Device) -> Battery:
    assert key.battery is not None
    return key.battery


def test_the_power_button_switches_it_on_and_off(key: Device) -> None:
    key.press("power")
    assert battery_of(key).on
    assert key.screen.lines == ("交通银行", "未连接")
    key.press("power")
    assert not battery_of(key).on
    assert key.screen.kind is ScreenKind.OFF


def test_it_switches_itself_off_on_the_keys_clock(key: Device, clock: ManualClock) -> None:
    key.press("power")
    clock.advance(AUTO_OFF_S - 1)
    assert battery_of(key).on
    clock.advance(1)
    assert not battery_of(key).on
    assert key.screen.kind is ScreenKind.OFF


def test_a_touch_keeps_it_awake(key: Device, clock: ManualClock) -> None:
    key.press("power")
    clock.advance(AUTO_OFF_S - 1)
    key.press("up")
    clock.advance(AUTO_OFF_S - 1)
    assert battery_of(key).on
    clock.advance(1)
    assert not battery_of(key).on


def test_a_touch_does_not_switch_it_on(key: Device) -> None:
    key.press("ok")
    assert not battery_of(key).on


def test_a_hosts_power_takes_the_batterys_place(key: Device, clock: ManualClock) -> None:
    key.press("power")
    key.power_on()
    key.press("power")
    clock.advance(AUTO_OFF_S)
    assert key.powered
    assert key.screen.lines == ("交通银行", "已连接")
    key.power_off()
    assert key.screen.kind is ScreenKind.OFF


def test_it_never_switches_itself_off_where_the_profile_says_so(clock: ManualClock) -> None:
    battery = Battery(clock, 0, lambda: pytest.fail("switched off"))
    battery.switch(on=True)
    clock.advance(86_400)
    assert battery.on


@pytest.mark.parametrize("level", [-1, 101])
def test_no_level_beyond_its_limits(clock: ManualClock, level: int) -> None:
    battery = Battery(clock, 0, lambda: None)
    with pytest.raises(ValueError, match="0 to 100"):
        battery.set_level(level)
    battery.set_level(7)
    assert battery.level == 7


def test_an_empty_battery_lights_no_screen(key: Device) -> None:
    key.press("power")
    battery_of(key).set_level(0)
    assert not battery_of(key).on
    assert key.screen.kind is ScreenKind.OFF
    key.press("power")
    assert not battery_of(key).on
    assert key.screen.kind is ScreenKind.OFF
    battery_of(key).set_level(1)
    key.press("power")
    assert battery_of(key).on


def test_an_empty_battery_is_nothing_to_a_key_on_the_bus(key: Device) -> None:
    key.bus_power(on=True)
    battery_of(key).set_level(0)
    assert key.screen.lines == ("交通银行", "未连接")


def test_a_key_without_a_power_button_has_none(clock: ManualClock) -> None:
    assert Device(load_profile("bocom-2g-feitian"), clock=clock).battery is None
