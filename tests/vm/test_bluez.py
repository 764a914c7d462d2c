"""The key by Bluetooth, with Linux's own stack at the other end: the kernel, BlueZ, its bluetoothctl, and bleak.

Each key is at `ble:vhci`: it gives the kernel an adapter of its own, on a radio without waves, which only signals
encryption.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial

import pytest

from emulator.control.keycontrol import KeyControl
from emulator.device import Device
from emulator.hardware.clock import ManualClock
from emulator.sharing import SharedKey
from hostdriver.control import KeyApi
from hostdriver.transport.ble import BleTransport, PairingError
from protocols.gmt import SignInput
from tests.rig.cli import Started, Up, run_directory
from tests.rig.key import KeyRig, user_pin
from tests.rig.messages import TRANSFER
from tests.rig.patience import PATIENCE_S
from tests.vm.bluez import Bluez, WithinReach
from tests.vm.keys import GET_DEV_INFO, is_signed, small_key
from vukey_testing.calls import Calls
from vukey_testing.operators import ApiOperator, DeviceOperator

MODEL = "bocom-ble-tendyron"


@pytest.fixture(scope="module")
def bluez() -> Iterator[Bluez]:
    with Bluez() as bluez:
        yield bluez


@pytest.fixture
def device() -> Iterator[Device]:
    with small_key(MODEL) as device:
        yield device


@contextmanager
def paired(bluez: Bluez, device: Device, answer: str, button: str) -> Iterator[BleTransport]:
    """Both sides show the same number; what the person at bluetoothctl answers, and the one at the key presses."""
    asks_no_more = threading.Event()
    shared = SharedKey(device)
    with ExitStack() as held:
        wire = WithinReach(shared, bluez)
        held.callback(wire.unplug)
        control = held.enter_context(closing(KeyControl(shared, wire)))
        operator = held.enter_context(closing(DeviceOperator(control)))
        calls = held.enter_context(closing(Calls(operator)))
        wire.plug()
        with calls.pending(wire.open) as opening:
            number = bluez.person.wait_for(r"Confirm passkey (\d{6})")[1]
            assert number in device.screen.text
            held.callback(device.on_screen(lambda _: None if device.waiting else asks_no_more.set()))
            bluez.person.type(f"{answer}\n")
            device.press(button)
            assert asks_no_more.wait(PATIENCE_S)
        yield held.enter_context(closing(opening.result()))


def test_it_is_found_paired_and_signs(bluez: Bluez, device: Device) -> None:
    """A person compares the numbers once; then the computer has the key, also after both have started anew."""
    assert device.profile.bluetooth is not None
    with paired(bluez, device, "yes", "ok") as transport:
        assert transport.exchange(GET_DEV_INFO)[-2:] == b"\x90\x00"
    bluez.restart()
    assert isinstance(device.clock, ManualClock)
    rig = KeyRig(device, device.clock, partial(WithinReach, bluez=bluez), user_pin(device.profile, "ready"))
    with closing(rig):
        assert "Confirm passkey" not in bluez.person.text
        rig.log_in()
        container = rig.container()
        signature = rig.confirmed(rig.session.sign_sm2, container, TRANSFER, SignInput.MESSAGE)
        assert is_signed(rig, container, signature)


@pytest.mark.slow
@pytest.mark.parametrize(("answer", "button"), [("no", "up"), ("yes", "cancel")])
def test_another_number_is_refused(bluez: Bluez, device: Device, answer: str, button: str) -> None:
    with pytest.raises(PairingError), paired(bluez, device, answer, button):
        pass
    assert device.bonds() == {}


@pytest.mark.slow
def test_vukey_up_is_all_that_a_computer_without_an_adapter_needs(
    bluez: Bluez, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once both show the number there are 30 s, of which no program's start may take any here."""
    with run_directory() as run, Up(run, "--profile", MODEL, "--link", "ble:vhci", "--panel") as key:
        bluez.await_adapter()
        key.err.wait_for("ble: can be found")
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(run))
        person = ApiOperator(KeyApi.find(key.serial))
        info = ("host", "info", "--json", "--token", f"ble:{key.serial}")
        with closing(person), Started(*info, run=run) as host:
            number = bluez.person.wait_for(r"Confirm passkey (\d{6})")[1]
            person.wait_for(number, regexp=False, timeout=PATIENCE_S)
            bluez.person.type("yes\n")
            person.press("ok")
            assert host.wait() == 0
        assert f'"serial": "{key.serial}"' in "\n".join(host.out.all())
        for _ in range(2):  # and so do the programs after it, which nobody asks anything
            with Started(*info, run=run) as host:
                assert host.wait() == 0
    bluez.await_departure()
