"""V_Activate and V_GetActivation: the code from the host, the code on the key, a key that wants none."""

from __future__ import annotations

import ctypes

import pytest

from hostdriver.skf.functions import ULong
from tests.rig.key import activation_code
from tests.rig.skf import SkfKey
from tests.rig.skf_calls import DATA_LENGTH, OK, PIN_INCORRECT, Handle, Skf

NOT_SUPPORTED, USED_UP, NOT_ACTIVE, CANCELLED = 0x0A000003, 0x0A000033, 0x0A00003D, 0x0B000011
KEYPAD = "bocom-smart-feitian"
host = pytest.mark.limits(activation="host", pin__user__must_change=False)


@pytest.fixture
def container(skf: Skf, key: SkfKey, application: Handle) -> Handle:
    sm2 = key.rig.profile.containers.sm2
    assert sm2 is not None
    return skf.new("SKF_OpenContainer", application, sm2.name.encode())


def activate(skf: Skf, container: Handle, code: str | None) -> tuple[int, int]:
    """The SAR code, and the tries left where it told them."""
    tries = ULong(99)
    status = skf.V_Activate(container, code.encode() if code else None, ctypes.byref(tries))
    return status, tries.value


def state(skf: Skf, container: Handle) -> tuple[int, int]:
    """Whether it is activated, and the tries left."""
    activated, tries = ctypes.c_int32(99), ULong(99)
    assert skf.V_GetActivation(container, ctypes.byref(activated), ctypes.byref(tries)) == OK
    return activated.value, tries.value


@host
@pytest.mark.stage("issued")
def test_the_code_from_the_host(skf: Skf, key: SkfKey, application: Handle, container: Handle) -> None:
    most = key.rig.profile.activation_code.tries
    assert state(skf, container) == (0, most)
    assert skf.verify(application, key.rig.user_pin)[0] == OK
    size = ULong(128)
    message, signature = ctypes.create_string_buffer(b"text"), ctypes.create_string_buffer(128)
    signing = skf.V_SignMessage(container, 0, message, 4, signature, ctypes.byref(size))
    assert signing == NOT_ACTIVE
    assert activate(skf, container, "00000000") == (PIN_INCORRECT, most - 1)
    assert activate(skf, container, "1" * 65) == (DATA_LENGTH, 99)
    assert state(skf, container) == (0, most - 1)
    assert activate(skf, container, activation_code(key.rig.profile)) == (OK, 99)
    assert state(skf, container) == (1, 0)


@host
@pytest.mark.stage("issued")
def test_all_tries_used_up(skf: Skf, key: SkfKey, container: Handle) -> None:
    for left in reversed(range(key.rig.profile.activation_code.tries)):
        assert activate(skf, container, "00000000") == (PIN_INCORRECT, left)
    assert activate(skf, container, activation_code(key.rig.profile)) == (USED_UP, 99)


@pytest.mark.profile(KEYPAD)
@pytest.mark.stage("issued")
def test_the_code_on_the_key(skf: Skf, key: SkfKey, container: Handle) -> None:
    rig = key.rig
    assert rig.profile.activation == "keypad"
    with rig.pending(activate, skf, container, None) as future:
        rig.press("cancel")
    assert future.result()[0] == CANCELLED
    with rig.pending(activate, skf, container, None) as future:
        rig.press(*activation_code(rig.profile), "ok")
    assert future.result() == (OK, 99)
    assert state(skf, container)[0] == 1


def test_a_key_that_wants_none(skf: Skf, container: Handle) -> None:
    assert activate(skf, container, "12345678")[0] == NOT_SUPPORTED
