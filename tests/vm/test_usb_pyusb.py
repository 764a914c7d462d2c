"""CCID without PC/SC in a real kernel: our transport over libusb, a key on vhci_hcd and on dummy_hcd."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from emulator.device import Device
from emulator.hardware.clock import ManualClock
from emulator.links.usb.gadget import GadgetLink
from emulator.profiles import load_profile
from emulator.sharing import SharedKey
from hostdriver.errors import (
    CancelledError,
    ConfirmTimeoutError,
    KeyRemovedError,
    NewPinsDifferError,
    NoPinPadError,
    NotLoggedInError,
    PinIncorrectError,
)
from hostdriver.gmt import GmtSession
from hostdriver.tokens import find_tokens, open_session
from hostdriver.transport.usb_ccid import ReaderError
from hostdriver.transport.usb_interface import KeyClaimedError
from protocols.ccid import SlotError
from protocols.gmt import SignInput
from tests.rig.key import KeyRig, changed, stored, user_pin
from tests.rig.messages import TRANSFER
from tests.vm.bus_keys import interrupted_when_it_asks
from tests.vm.stack import UsbPcscd, enter_our_keys, load_modules
from vukey_testing.targets import Wire
from vukey_testing.usb_targets import UsbDirect, direct, on_vhci

pytestmark = pytest.mark.slow

UNLISTED_PID = 0x5AFE
"""pcscd lets keys alone that libccid has not in its list."""
NEW_PIN = "314159"
SHORTEST_MESSAGES = 271


@pytest.fixture(autouse=True, scope="module")
def _bus() -> None:
    if not Path("/run/udev/control").exists():
        subprocess.run(["/lib/systemd/systemd-udevd", "--daemon"], check=True)
    load_modules()


def on_dummy_hcd(shared: SharedKey) -> Wire:
    """As the target usb, on the other bus."""
    return UsbDirect(shared, lambda key, on_state: GadgetLink(key, None, on_state))


BUSES = {"vhci": direct, "gadget": on_dummy_hcd}


@pytest.fixture(params=BUSES)
def rig(request: pytest.FixtureRequest) -> Iterator[KeyRig]:
    """A smart key (it has a keypad) that pyusb takes; the mark `limits` changes its model."""
    mark = request.node.get_closest_marker("limits")
    yield from plugged(BUSES[request.param], usb__pid=UNLISTED_PID, **(mark.kwargs if mark else {}))


def plugged(wire: Callable[[SharedKey], Wire], **values: object) -> Iterator[KeyRig]:
    profile = changed(
        load_profile("bocom-smart-tendyron"), containers__rsa=None, pin__user__cache="session", **values
    )
    clock = ManualClock()
    device = Device(profile, storage=stored(profile, "ready"), clock=clock)
    rig = KeyRig(device, clock, wire, user_pin(profile, "ready"))
    yield rig
    rig.close()


def test_it_is_listed_and_opened_by_name(rig: KeyRig) -> None:
    name = f"usb:1209:5afe:{rig.device.serial}"
    assert rig.wire.token == name
    rig.session.transport.close()
    assert name in [token.name for token in find_tokens()[0]]
    for spec in (name, "usb:1209:5AFE", "usb"):
        with open_session(spec) as session:
            assert session.device_info().serial == rig.device.serial
            assert session.transport.name == name


def test_another_program_that_has_it_is_told_of(rig: KeyRig) -> None:
    with pytest.raises(KeyClaimedError):
        open_session(rig.wire.token)
    assert rig.wire.token not in [token.name for token in find_tokens()[0]]


@pytest.mark.parametrize("size", [1, 254, 255, 256, 500, 501, 1012, 4094])
def test_answers_of_every_length(rig: KeyRig, size: int) -> None:
    """500 and 1012 bytes make whole packets of 512 with the header and the status word."""
    answer = rig.raw(bytes.fromhex("8050000000") + size.to_bytes(2))
    assert (len(answer), answer[-2:]) == (size + 2, b"\x90\x00")


def test_the_longest_apdu(rig: KeyRig) -> None:
    apdu = bytes.fromhex("8004000000FFFF") + bytes(0xFFFF) + b"\0\0"
    assert rig.raw(apdu) == b"\x67\x00"
    assert rig.session.random(8)


@pytest.mark.limits(usb__max_message=SHORTEST_MESSAGES)
def test_long_apdus_go_in_pieces_both_ways(rig: KeyRig) -> None:
    assert rig.raw(bytes.fromhex("8004000000FFFF") + bytes(0xFFFF) + b"\0\0") == b"\x67\x00"
    assert len(rig.raw("80500000000FFE")) == 0x0FFE + 2


def test_a_transfer_is_confirmed_on_the_key(rig: KeyRig) -> None:
    rig.log_in()
    with rig.pending(rig.session.sign_sm2, rig.container(), TRANSFER, SignInput.MESSAGE) as signature:
        rig.page_and_press_ok()
    assert signature.result()


def test_ctrl_c_takes_the_request_back(rig: KeyRig) -> None:
    rig.log_in()
    container = rig.container()
    with interrupted_when_it_asks(rig), pytest.raises(KeyboardInterrupt):
        rig.session.sign_sm2(container, TRANSFER, SignInput.MESSAGE)
    assert not rig.asks
    assert rig.session.random(8)


def test_a_key_that_is_pulled_out_while_it_waits(rig: KeyRig) -> None:
    rig.log_in()
    container = rig.container()
    with rig.ending_in(KeyRemovedError, lambda: rig.session.sign_sm2(container, TRANSFER, SignInput.MESSAGE)):
        rig.pull_out()
    rig.plug_in()
    assert rig.session.device_info().serial == rig.device.serial


def test_nobody_inherits_a_login(rig: KeyRig) -> None:
    rig.log_in()
    name = rig.container().name
    rig.session.transport.close()
    with GmtSession(rig.wire.open()) as session:
        container = session.open_container(session.open_application(rig.profile.application), name)
        with pytest.raises(NotLoggedInError):
            session.sign_sm2(container, TRANSFER, SignInput.MESSAGE)


@pytest.mark.parametrize("error", [SlotError.XFR_PARITY_ERROR, SlotError.HW_ERROR, SlotError.ICC_MUTE])
def test_errors_of_the_usb_side_have_their_names(rig: KeyRig, error: SlotError) -> None:
    rig.shared.fault(error)
    with pytest.raises(ReaderError, match=error.name) as raised:
        rig.session.random(8)
    assert raised.value.code == error
    assert rig.session.random(8)


# The keypad


@pytest.fixture(params=["usb", "pcscd"])
def keypad_rig(request: pytest.FixtureRequest) -> Iterator[KeyRig]:
    """A smart key that pyusb has, and one in pcscd's hands."""
    if request.param == "usb":
        yield from plugged(direct, usb__pid=UNLISTED_PID)
    else:
        enter_our_keys()
        with UsbPcscd():
            yield from plugged(on_vhci)


def test_the_pin_is_typed_on_the_key(keypad_rig: KeyRig) -> None:
    rig = keypad_rig
    application = rig.open()
    with rig.pending(rig.session.verify_pin_on_keypad, application):
        rig.press(*rig.user_pin, "ok")
    with rig.pending(rig.session.sign_sm2, rig.container(), TRANSFER, SignInput.MESSAGE) as signature:
        rig.page_and_press_ok()
    assert signature.result()


def test_a_wrong_pin_costs_a_try(keypad_rig: KeyRig) -> None:
    rig = keypad_rig
    application = rig.open()
    left = rig.session.pin_info(application).left
    with rig.ending_in(PinIncorrectError, lambda: rig.session.verify_pin_on_keypad(application)):
        rig.press(*NEW_PIN, "ok")
    assert rig.session.pin_info(application).left == left - 1


def test_the_pin_is_changed_on_the_key(keypad_rig: KeyRig) -> None:
    rig = keypad_rig
    application = rig.open()
    with rig.pending(rig.session.change_pin_on_keypad, application):
        rig.press(*rig.user_pin, "ok", *NEW_PIN, "ok", *NEW_PIN, "ok")
    rig.session.verify_pin(application, NEW_PIN)


def test_two_new_pins_that_differ_change_nothing(keypad_rig: KeyRig) -> None:
    rig = keypad_rig
    application = rig.open()
    with rig.ending_in(NewPinsDifferError, lambda: rig.session.change_pin_on_keypad(application)):
        rig.press(*rig.user_pin, "ok", *NEW_PIN, "ok", *reversed(NEW_PIN), "ok", "ok")
    rig.session.verify_pin(application, rig.user_pin)


@pytest.mark.parametrize("ended_by", ["cancel", "time"])
def test_an_entry_without_a_pin_costs_nothing(keypad_rig: KeyRig, ended_by: str) -> None:
    rig = keypad_rig
    application = rig.open()
    left = rig.session.pin_info(application).left
    error = CancelledError if ended_by == "cancel" else ConfirmTimeoutError
    with rig.ending_in(error, lambda: rig.session.verify_pin_on_keypad(application)):
        if ended_by == "cancel":
            rig.press("cancel")
        else:
            rig.clock.advance(3600)
    assert rig.session.pin_info(application).left == left


@pytest.mark.limits(keypad=False, activation="bank")
def test_a_key_without_a_keypad_says_so(rig: KeyRig) -> None:
    with pytest.raises(NoPinPadError):
        rig.session.verify_pin_on_keypad(rig.open())
