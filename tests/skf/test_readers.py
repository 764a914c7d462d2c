"""libskf_vukey over a real pcscd."""

from __future__ import annotations

import ctypes
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from emulator.device import Device
from emulator.profiles import Profile, load_profile
from emulator.sharing import SharedKey
from protocols.runfile import RunFile
from tests.rig.cli import Up
from tests.rig.key import changed, user_pin
from tests.rig.patience import PATIENCE_S
from tests.rig.pcscd import PrivatePcscd, wait_for_card
from tests.rig.skf import library
from tests.rig.skf_calls import FOR_EVER, NOT_LOGGED_IN, OK, REMOVED, TIMEOUT, Handle, Skf
from vukey_testing.targets import Reader

ECC = 2


@pytest.fixture
def profile() -> Profile:
    return changed(load_profile("bocom-2g-tendyron"), pin__user__cache="session")


@pytest.fixture
def reader(card: Device, run: Path, fresh_pcscd: PrivatePcscd) -> Iterator[Reader]:
    """The key in a reader."""
    reader = Reader(SharedKey(card), [fresh_pcscd.connect])
    reader.plug()
    yield reader
    reader.unplug()


class User:
    """A program at the key in the reader, logged in if it wishes."""

    def __init__(self, skf: Skf, reader: Reader, profile: Profile) -> None:
        self.skf = skf
        self.pin = user_pin(profile, "ready")
        self.device = skf.new("SKF_ConnectDev", reader.token.encode())
        self.application = skf.new("SKF_OpenApplication", self.device, profile.application.encode())

    def log_in(self) -> None:
        assert self.skf.verify(self.application, self.pin) == (OK, None)

    def may_write(self) -> bool:
        status = self.skf.SKF_CreateContainer(self.application, b"PROBE", ctypes.byref(Handle()))
        assert status in (OK, NOT_LOGGED_IN)
        assert status or self.skf.SKF_DeleteContainer(self.application, b"PROBE") == OK
        return status == OK

    def leave(self) -> None:
        assert self.skf.SKF_DisConnectDev(self.device) == OK


@pytest.fixture
def one(skf: Skf, reader: Reader, profile: Profile) -> Iterator[User]:
    """A program."""
    user = User(skf, reader, profile)
    yield user
    skf.SKF_DisConnectDev(user.device)


@pytest.fixture
def other(reader: Reader, profile: Profile, tmp_path: Path) -> User:
    """Another program: a copy of the library shares nothing with the first."""
    return User(Skf(Path(shutil.copyfile(library(), tmp_path / "other.so"))), reader, profile)


def test_a_key_in_a_reader(skf: Skf, reader: Reader, one: User, profile: Profile) -> None:
    assert skf.names("SKF_EnumDev", 1) == [reader.token]
    assert skf.number("SKF_GetDevState", reader.token.encode()) == 1
    one.log_in()
    assert one.may_write()
    assert profile.containers.sm2
    sm2 = skf.new("SKF_OpenContainer", one.application, profile.containers.sm2.name.encode())
    assert skf.number("SKF_GetContainerType", sm2) == ECC
    assert len(skf.output("SKF_ExportCertificate", sm2, 1)) == 729
    reader.unplug()
    assert skf.SKF_GenRandom(one.device, ctypes.create_string_buffer(8), 8) == REMOVED


def test_who_leaves_resets_the_key_and_the_others_handles_go_on(one: User, other: User) -> None:
    one.log_in()
    other.log_in()
    other.leave()
    assert not one.may_write()
    one.log_in()
    assert one.may_write()


def test_who_unlocked_nothing_resets_nobody(one: User, other: User) -> None:
    one.log_in()
    other.leave()
    assert one.may_write()


def test_a_lock_keeps_other_programs_out(one: User, other: User) -> None:
    assert one.skf.SKF_LockDev(one.device, 0) == OK
    assert other.skf.SKF_LockDev(other.device, 20) == TIMEOUT
    with ThreadPoolExecutor(1) as waiting:
        locked = waiting.submit(other.skf.SKF_LockDev, other.device, FOR_EVER)
        assert one.skf.SKF_UnlockDev(one.device) == OK
        assert locked.result(PATIENCE_S) == OK
        assert waiting.submit(other.skf.SKF_UnlockDev, other.device).result(PATIENCE_S) == OK
    assert one.skf.SKF_LockDev(one.device, 1000) == OK
    assert one.skf.SKF_UnlockDev(one.device) == OK
    other.leave()


@pytest.mark.parametrize("dialect", ["sunyard"])
def test_a_virtual_keys_dialect_is_its_run_files(
    skf: Skf, run: Path, fresh_pcscd: PrivatePcscd, profile: Profile, dialect: str
) -> None:
    """Also where the reader says nothing of it."""
    spoken = changed(profile, dialect=dialect)
    device = Device(spoken)
    told = RunFile(1, device.serial, spoken.id, spoken.id, ("vpcd",), None, dialect=dialect)
    directory = run / "vukey"
    directory.mkdir(mode=0o700)
    (directory / f"{device.serial}.json").write_bytes(told.encode())
    reader = Reader(SharedKey(device), [fresh_pcscd.connect])
    reader.plug()
    handle = skf.new("SKF_ConnectDev", reader.token.encode())
    info = ctypes.create_string_buffer(294)
    assert skf.SKF_GetDevInfo(handle, info) == OK
    assert int.from_bytes(info.raw[198:202], "little") & 0x0400  # SM4, in this computer's order
    assert skf.SKF_DisConnectDev(handle) == OK
    reader.unplug()


def test_a_key_that_can_be_reached_in_two_ways_is_found_once(
    skf: Skf, run: Path, fresh_pcscd: PrivatePcscd
) -> None:
    with Up(run, "--link", "socket", "--link", "vpcd", inside=fresh_pcscd) as key:
        wait_for_card()
        assert skf.names("SKF_EnumDev", 1) == [f"socket:{key.serial}"]
