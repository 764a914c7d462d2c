"""CCID without PC/SC in a real kernel: our transport over libusb, a key on vhci_hcd and on dummy_hcd."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from hostdriver.errors import (
    CancelledError,
    ConfirmTimeoutError,
    NewPinsDifferError,
    NoPinPadError,
    PinIncorrectError,
)
from hostdriver.tokens import find_tokens, open_session
from hostdriver.transport.usb_ccid import ReaderError
from hostdriver.transport.usb_interface import KeyClaimedError
from protocols.ccid import SlotError
from protocols.gmt import SignInput
from tests.rig.key import KeyRig
from tests.rig.messages import TRANSFER
from tests.vm.keys import LINKS, UNLISTED_PID, key_on
from tests.vm.stack import UsbPcscd, enter_our_keys, load_modules
from vukey_testing.usb_targets import UsbDirect, direct, on_vhci

pytestmark = pytest.mark.slow

MODEL = "bocom-smart-tendyron"
"""It has a keypad."""
NEW_PIN = "314159"
SHORTEST_MESSAGES = 271


@pytest.fixture(autouse=True, scope="module")
def _bus() -> None:
    load_modules()


@pytest.fixture(params=LINKS)
def rig(request: pytest.FixtureRequest) -> Iterator[KeyRig]:
    """A key that pyusb takes; the mark `limits` changes its model."""
    mark = request.node.get_closest_marker("limits")
    wire = partial(UsbDirect, link=LINKS[request.param])
    with key_on(wire, MODEL, usb__pid=UNLISTED_PID, **(mark.kwargs if mark else {})) as rig:
        yield rig


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


def test_the_longest_apdu(rig: KeyRig) -> None:
    apdu = bytes.fromhex("8004000000FFFF") + bytes(0xFFFF) + b"\0\0"
    assert rig.raw(apdu) == b"\x67\x00"
    assert rig.session.random(8)


@pytest.mark.limits(usb__max_message=SHORTEST_MESSAGES)
def test_long_apdus_go_in_pieces_both_ways(rig: KeyRig) -> None:
    assert rig.raw(bytes.fromhex("8004000000FFFF") + bytes(0xFFFF) + b"\0\0") == b"\x67\x00"
    assert len(rig.raw("80500000000FFE")) == 0x0FFE + 2


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
    """One that pyusb has, and one in pcscd's hands."""
    if request.param == "usb":
        with key_on(direct, MODEL, usb__pid=UNLISTED_PID) as rig:
            yield rig
    else:
        enter_our_keys()
        with UsbPcscd(), key_on(on_vhci, MODEL) as rig:
            yield rig


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
