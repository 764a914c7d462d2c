"""§ 7.1 of GM/T 0016: devices."""

from __future__ import annotations

import ctypes
import struct

import pytest

from hostdriver.skf.functions import ULong
from tests.rig.skf import SkfKey
from tests.rig.skf_calls import (
    DATA_LENGTH,
    INVALID_HANDLE,
    INVALID_PARAMETER,
    OK,
    REMOVED,
    TOO_SMALL,
    Handle,
    Skf,
)

DEVINFO = "2s64s64s32s32s2s2s8I64s"
ABSENT, PRESENT = 0, 1
GEN_RANDOM_8 = bytes.fromhex("80500000000008")


def test_a_key_is_listed_by_its_serial_number(skf: Skf, key: SkfKey) -> None:
    assert skf.names("SKF_EnumDev", 1) == [key.name]
    assert skf.names("SKF_EnumDev", 0) == [key.name]


def test_too_small_a_list_is_told_its_size(skf: Skf, key: SkfKey) -> None:
    size = ULong(3)
    buffer = ctypes.create_string_buffer(b"....", 64)
    assert skf.SKF_EnumDev(1, buffer, ctypes.byref(size)) == TOO_SMALL
    assert size.value == len(key.name) + 2
    assert buffer.raw[:4] == b"...."
    assert skf.SKF_EnumDev(1, buffer, None) == INVALID_PARAMETER


def test_who_has_left_its_run_file_is_no_key(skf: Skf, key: SkfKey) -> None:
    """As a killed one does."""
    key.rig.pull_out()
    assert skf.names("SKF_EnumDev", 1) == []
    assert skf.number("SKF_GetDevState", key.name.encode()) == ABSENT


def test_others_may_not_say_where_keys_are(skf: Skf, key: SkfKey) -> None:
    (key.run / "vukey").chmod(0o755)
    assert skf.names("SKF_EnumDev", 1) == []
    assert skf.SKF_ConnectDev(key.name.encode(), ctypes.byref(Handle())) == REMOVED


def test_states(skf: Skf, key: SkfKey) -> None:
    assert skf.number("SKF_GetDevState", key.name.encode()) == PRESENT
    for name in (b"socket:1", b"pcsc:No such reader", b"nonsense", b"", b"socket:/no/such/path"):
        assert skf.number("SKF_GetDevState", name) == ABSENT
    assert skf.SKF_GetDevState(None, ctypes.byref(ULong())) == INVALID_PARAMETER
    assert skf.SKF_GetDevState(b"x", None) == INVALID_PARAMETER


@pytest.mark.parametrize("name", [None, b"", b"nonsense", b"x" * 300])
def test_names_that_no_device_has(skf: Skf, key: SkfKey, name: bytes | None) -> None:
    assert skf.SKF_ConnectDev(name, ctypes.byref(Handle())) == INVALID_PARAMETER


def test_no_such_key(skf: Skf, key: SkfKey) -> None:
    for name in (b"socket:1", b"socket:/no/such/path", b"socket:" + b"/" * 200, b"pcsc:No such reader"):
        assert skf.SKF_ConnectDev(name, ctypes.byref(Handle())) == REMOVED
    assert skf.SKF_ConnectDev(key.name.encode(), None) == INVALID_PARAMETER


def test_a_key_by_the_path_of_its_socket(skf: Skf, key: SkfKey) -> None:
    device = skf.new("SKF_ConnectDev", key.rig.wire.token.encode())
    assert len(skf.random(device)) == 8
    assert skf.SKF_DisConnectDev(device) == OK


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("bocom-2g-tendyron", marks=pytest.mark.profile("bocom-2g-tendyron")),
        pytest.param("ccb-shield-huada", marks=pytest.mark.profile("ccb-shield-huada")),
    ],
)
def test_what_the_key_says_of_itself(skf: Skf, key: SkfKey, device: Handle, name: str) -> None:
    """The 294 bytes of § 6.4.3, whatever the order of the key's integers."""
    raw = ctypes.create_string_buffer(struct.calcsize("<" + DEVINFO))
    assert len(raw) == 294
    assert skf.SKF_GetDevInfo(device, raw) == OK
    fields = struct.unpack("<" + DEVINFO, raw.raw)
    profile = key.rig.profile
    texts = [field.rstrip(b"\0").decode() for field in fields[1:5]]
    assert profile.id == name
    assert texts[3] == key.rig.device.serial
    assert texts[0]
    assert fields[13] == fields[14]
    assert 255 <= fields[14] <= 0xFFFF
    assert fields[7] & 0x0400  # SM4
    assert 0 < fields[12] <= fields[11]  # free and total space
    assert fields[-1] == bytes(64)
    assert skf.SKF_GetDevInfo(device, None) == INVALID_PARAMETER


def test_a_label_wants_device_authentication_first(skf: Skf, device: Handle) -> None:
    assert skf.SKF_SetLabel(device, b"mine") == 0x0A00002D
    assert skf.SKF_SetLabel(device, b"x" * 33) == DATA_LENGTH
    assert skf.SKF_SetLabel(device, None) == INVALID_PARAMETER


def test_a_bare_command(skf: Skf, device: Handle) -> None:
    answer, size = ctypes.create_string_buffer(16), ULong(16)
    assert skf.SKF_Transmit(device, GEN_RANDOM_8, 7, answer, ctypes.byref(size)) == OK
    assert size.value == 10
    assert answer.raw[8:10] == b"\x90\x00"
    size.value = 9
    assert skf.SKF_Transmit(device, GEN_RANDOM_8, 7, answer, ctypes.byref(size)) == TOO_SMALL
    assert size.value == 10


def test_a_bare_command_that_is_none(skf: Skf, device: Handle) -> None:
    answer, size = ctypes.create_string_buffer(16), ULong(16)
    arguments = (answer, ctypes.byref(size))
    assert skf.SKF_Transmit(device, GEN_RANDOM_8, 3, *arguments) == DATA_LENGTH
    assert skf.SKF_Transmit(device, bytes(0x10000), 0x10000, *arguments) == DATA_LENGTH
    assert skf.SKF_Transmit(device, None, 7, *arguments) == INVALID_PARAMETER
    assert skf.SKF_Transmit(device, GEN_RANDOM_8, 7, None, ctypes.byref(size)) == INVALID_PARAMETER
    assert skf.SKF_Transmit(device, GEN_RANDOM_8, 7, answer, None) == INVALID_PARAMETER


def test_a_closed_handle_means_nothing_ever_again(skf: Skf, key: SkfKey) -> None:
    seen = set()
    for _ in range(50):
        device = skf.connect(key)
        application = skf.open(device, key)
        assert device.value not in seen
        assert application.value not in seen
        seen |= {device.value, application.value}
        assert skf.SKF_DisConnectDev(device) == OK
    for value in seen:
        assert skf.SKF_DisConnectDev(Handle(value)) == INVALID_HANDLE
        assert skf.SKF_CloseApplication(Handle(value)) == INVALID_HANDLE
        assert skf.SKF_ClearSecureState(Handle(value)) == INVALID_HANDLE


def test_a_handle_of_another_kind(skf: Skf, device: Handle, application: Handle) -> None:
    info = ctypes.create_string_buffer(294)
    assert skf.SKF_GetDevInfo(application, info) == INVALID_HANDLE
    assert skf.SKF_ClearSecureState(device) == INVALID_HANDLE
    assert skf.SKF_CloseContainer(application) == INVALID_HANDLE


@pytest.mark.parametrize("value", [None, 1, 0x1000, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF, 2**64 - 1])
def test_handles_that_were_never_given_out(skf: Skf, device: Handle, value: int | None) -> None:
    info = ctypes.create_string_buffer(294)
    assert skf.SKF_GetDevInfo(Handle(value), info) == INVALID_HANDLE
    assert skf.SKF_DisConnectDev(Handle(value)) == INVALID_HANDLE
    assert skf.SKF_LockDev(Handle(value), 0) == INVALID_HANDLE
    assert skf.SKF_UnlockDev(Handle(value)) == INVALID_HANDLE


def test_two_handles_to_one_key(skf: Skf, key: SkfKey, device: Handle) -> None:
    """One connection: what the first has unlocked stays so while the second comes and goes."""
    application = skf.open(device, key)
    assert skf.verify(application, key.rig.user_pin) == (OK, None)
    second = skf.connect(key)
    other = skf.open(second, key)
    assert skf.SKF_CloseApplication(other) == OK
    assert skf.SKF_DisConnectDev(second) == OK
    container = Handle()
    assert skf.SKF_CreateContainer(application, b"NEW", ctypes.byref(container)) == OK


def test_a_key_that_was_pulled_out(skf: Skf, key: SkfKey, device: Handle, application: Handle) -> None:
    info = ctypes.create_string_buffer(294)
    key.pull_out()
    assert skf.SKF_GetDevInfo(device, info) == REMOVED
    assert skf.verify(application, "1") == (REMOVED, None)
    assert skf.SKF_LockDev(device, 100) == REMOVED
    assert skf.SKF_CloseApplication(application) == REMOVED
    assert skf.SKF_CloseApplication(application) == INVALID_HANDLE
    assert skf.SKF_DisConnectDev(device) == OK


def test_a_key_that_comes_back_is_connected_anew(skf: Skf, key: SkfKey, device: Handle) -> None:
    info = ctypes.create_string_buffer(294)
    key.pull_out()
    assert skf.SKF_GetDevInfo(device, info) == REMOVED
    key.rig.plug_in()
    key.rig.session.close()
    key.show()
    again = skf.connect(key)
    assert skf.SKF_GetDevInfo(again, info) == OK
    assert skf.SKF_GetDevInfo(device, info) == REMOVED  # the old handle was to the old plug
    assert skf.SKF_DisConnectDev(again) == OK
