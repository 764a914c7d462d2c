"""§ 7.2 of GM/T 0016: PINs and the key of the device, as every maker reads the standard."""

from __future__ import annotations

import ctypes

import pytest

from emulator.profiles import Profile, load_profile
from hostdriver.skf.functions import ULong
from protocols import pin
from protocols.dialect import DIALECTS
from tests.rig.key import changed
from tests.rig.skf import SkfKey
from tests.rig.skf_calls import (
    ADMIN,
    DATA_LENGTH,
    FAIL,
    INVALID_PARAMETER,
    NO_RANDOM,
    NOT_LOGGED_IN,
    OK,
    PIN_INCORRECT,
    PIN_INVALID,
    PIN_LENGTH,
    PIN_LOCKED,
    USER,
    USER_TYPE,
    Handle,
    Skf,
)

NEW_PIN, WRONG_PIN = b"582047", b"999990"
LONG_PIN = b"58204716952304867123"
DEVICE_KEY = b"1234567812345678"


@pytest.fixture(params=sorted(DIALECTS))
def spoken(request: pytest.FixtureRequest) -> str:
    """A dialect."""
    return str(request.param)


@pytest.fixture
def profile(request: pytest.FixtureRequest) -> Profile:
    spoken = request.getfixturevalue("spoken") if "spoken" in request.fixturenames else "default"
    rules = {"weak": "refuse", "cache": "session", "extra_press_at": 0, "max": 32, "must_change": False}
    model = load_profile("bocom-2g-tendyron")
    return changed(model, dialect=spoken, **{f"pin__user__{name}": value for name, value in rules.items()})


def pin_info(skf: Skf, application: Handle, pin_type: int = USER) -> tuple[int, int, int]:
    most, left, initial = ULong(), ULong(), ctypes.c_int32()
    arguments = (ctypes.byref(most), ctypes.byref(left), ctypes.byref(initial))
    assert skf.SKF_GetPINInfo(application, pin_type, *arguments) == OK
    return most.value, left.value, initial.value


def change(
    skf: Skf, application: Handle, old: bytes, new: bytes, pin_type: int = USER
) -> tuple[int, int | None]:
    tries = ULong(0xDEAD)
    status = skf.SKF_ChangePIN(application, pin_type, old, new, ctypes.byref(tries))
    return status, None if tries.value == 0xDEAD else tries.value


def unblock(skf: Skf, application: Handle, admin: bytes, new: bytes) -> tuple[int, int | None]:
    tries = ULong(0xDEAD)
    status = skf.SKF_UnblockPIN(application, admin, new, ctypes.byref(tries))
    return status, None if tries.value == 0xDEAD else tries.value


def may_write(skf: Skf, application: Handle) -> bool:
    """Whether the user is logged in: a container wants it, and goes again."""
    container = Handle()
    status = skf.SKF_CreateContainer(application, b"PROBE", ctypes.byref(container))
    assert status in (OK, NOT_LOGGED_IN)
    assert status or skf.SKF_DeleteContainer(application, b"PROBE") == OK
    return status == OK


def test_a_pin_in_every_dialect(skf: Skf, key: SkfKey, spoken: str, application: Handle) -> None:
    own = key.rig.user_pin.encode()
    assert not may_write(skf, application)
    assert skf.verify(application, key.rig.user_pin) == (OK, None)
    assert may_write(skf, application)
    assert change(skf, application, own, NEW_PIN) == (OK, None)
    assert skf.SKF_ClearSecureState(application) == OK
    assert not may_write(skf, application)
    most, left, _ = pin_info(skf, application)
    assert left == most
    assert skf.verify(application, key.rig.user_pin) == (PIN_INCORRECT, most - 1)
    assert change(skf, application, own, NEW_PIN) == (PIN_INCORRECT, most - 2)
    assert pin_info(skf, application) == (most, most - 2, 0)
    assert skf.verify(application, NEW_PIN.decode()) == (OK, None)


def test_a_locked_pin_is_unblocked_in_every_dialect(
    skf: Skf, key: SkfKey, spoken: str, application: Handle
) -> None:
    most, _, _ = pin_info(skf, application)
    for left in reversed(range(1, most)):
        assert skf.verify(application, WRONG_PIN.decode()) == (PIN_INCORRECT, left)
    assert skf.verify(application, WRONG_PIN.decode())[1] == 0
    assert skf.verify(application, key.rig.user_pin) == (PIN_LOCKED, 0)
    assert change(skf, application, key.rig.user_pin.encode(), NEW_PIN) == (PIN_LOCKED, 0)
    admin_most, _, _ = pin_info(skf, application, ADMIN)
    assert unblock(skf, application, WRONG_PIN, NEW_PIN) == (PIN_INCORRECT, admin_most - 1)
    admin = key.rig.profile.pin.admin.initial.encode()
    assert unblock(skf, application, admin, NEW_PIN) == (OK, None)
    assert skf.verify(application, NEW_PIN.decode()) == (OK, None)


def test_the_administrator_logs_in_too(skf: Skf, key: SkfKey, application: Handle) -> None:
    assert skf.verify(application, key.rig.profile.pin.admin.initial, ADMIN) == (OK, None)
    assert not may_write(skf, application)


def test_pins_that_break_the_keys_rules(skf: Skf, key: SkfKey, application: Handle) -> None:
    own = key.rig.user_pin.encode()
    assert change(skf, application, own, b"111111") == (PIN_INVALID, None)
    assert change(skf, application, own, b"1") == (PIN_INVALID, None)
    assert unblock(skf, application, key.rig.profile.pin.admin.initial.encode(), b"111111") == (
        PIN_INVALID,
        None,
    )
    assert skf.verify(application, key.rig.user_pin) == (OK, None)  # they changed nothing


def test_pins_that_are_none(skf: Skf, key: SkfKey, application: Handle) -> None:
    own, tries = key.rig.user_pin.encode(), ctypes.byref(ULong())
    most, left, _ = pin_info(skf, application)
    assert skf.verify(application, "") == (PIN_LENGTH, None)
    assert skf.verify(application, "1" * 33) == (PIN_LENGTH, None)
    assert change(skf, application, own, b"") == (PIN_LENGTH, None)
    assert change(skf, application, own, b"1" * 33) == (PIN_LENGTH, None)
    assert skf.SKF_VerifyPIN(application, USER, None, tries) == INVALID_PARAMETER
    assert skf.SKF_VerifyPIN(application, USER, own, None) == INVALID_PARAMETER
    assert skf.SKF_ChangePIN(application, USER, own, None, tries) == INVALID_PARAMETER
    assert skf.SKF_ChangePIN(application, USER, None, own, tries) == INVALID_PARAMETER
    assert skf.SKF_ChangePIN(application, USER, own, own, None) == INVALID_PARAMETER
    assert skf.SKF_UnblockPIN(application, None, own, tries) == INVALID_PARAMETER
    assert skf.SKF_UnblockPIN(application, own, own, None) == INVALID_PARAMETER
    assert pin_info(skf, application)[:2] == (most, left)  # no try was spent


@pytest.mark.parametrize("pin_type", [2, 0xFF, 0x101])
def test_nobodys_pin(skf: Skf, key: SkfKey, application: Handle, pin_type: int) -> None:
    own, some = key.rig.user_pin.encode(), ctypes.byref(ULong())
    assert skf.verify(application, key.rig.user_pin, pin_type) == (USER_TYPE, None)
    assert change(skf, application, own, NEW_PIN, pin_type) == (USER_TYPE, None)
    assert skf.SKF_GetPINInfo(application, pin_type, some, some, some) == USER_TYPE


@pytest.mark.parametrize("missing", range(3))
def test_facts_of_a_pin_want_all_their_places(skf: Skf, application: Handle, missing: int) -> None:
    places = [None if number == missing else ctypes.byref(ULong()) for number in range(3)]
    assert skf.SKF_GetPINInfo(application, USER, *places) == INVALID_PARAMETER


def authenticate(skf: Skf, device: Handle, device_key: bytes) -> int:
    return skf.SKF_DevAuth(device, pin.device_cryptogram(device_key, skf.random(device, 16)), 16)


def test_device_authentication(skf: Skf, device: Handle) -> None:
    assert skf.SKF_DevAuth(device, bytes(16), 16) == NO_RANDOM
    assert authenticate(skf, device, b"another key 1234") == FAIL
    assert skf.SKF_SetLabel(device, b"mine") == NOT_LOGGED_IN
    assert authenticate(skf, device, DEVICE_KEY) == OK
    assert skf.SKF_SetLabel(device, b"mine") == OK
    info = ctypes.create_string_buffer(294)
    assert skf.SKF_GetDevInfo(device, info) == OK
    assert info.raw[130:135] == b"mine\0"


def test_device_authentication_with_what_is_none(skf: Skf, device: Handle) -> None:
    assert skf.SKF_DevAuth(device, None, 16) == INVALID_PARAMETER
    assert skf.SKF_DevAuth(device, bytes(15), 15) == DATA_LENGTH
    assert skf.SKF_ChangeDevAuthKey(device, None, 16) == INVALID_PARAMETER
    assert skf.SKF_ChangeDevAuthKey(device, bytes(24), 24) == DATA_LENGTH


def test_another_key_of_the_device(skf: Skf, device: Handle, spoken: str) -> None:
    """The command is sealed with the old key: 16 bytes replace the first one, 32 are the old one and the new one."""
    second, third = b"the second key..", b"the third key..."
    assert skf.SKF_ChangeDevAuthKey(device, second, 16) == NOT_LOGGED_IN
    assert authenticate(skf, device, DEVICE_KEY) == OK
    assert skf.SKF_ChangeDevAuthKey(device, second, 16) == OK
    assert authenticate(skf, device, second) == OK
    assert skf.SKF_ChangeDevAuthKey(device, second + third, 32) == OK
    assert authenticate(skf, device, third) == OK
    assert authenticate(skf, device, DEVICE_KEY) == FAIL


@pytest.mark.parametrize("spoken", sorted(set(DIALECTS) - {"synochip"}), indirect=True)
def test_another_key_of_the_device_under_a_wrong_one(skf: Skf, device: Handle, spoken: str) -> None:
    """Where commands have a MAC, that is wrong then."""
    assert authenticate(skf, device, DEVICE_KEY) == OK
    assert skf.SKF_ChangeDevAuthKey(device, bytes(32), 32) == FAIL
    assert authenticate(skf, device, DEVICE_KEY) == OK


def test_a_long_pin_in_every_dialect(skf: Skf, key: SkfKey, spoken: str, application: Handle) -> None:
    """More than 16 bytes go in two blocks, where the model takes them."""
    assert change(skf, application, key.rig.user_pin.encode(), LONG_PIN) == (OK, None)
    assert skf.verify(application, LONG_PIN[:16].decode())[0] == PIN_INCORRECT
    assert skf.verify(application, LONG_PIN.decode()) == (OK, None)
