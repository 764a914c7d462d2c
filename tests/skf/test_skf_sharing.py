"""Several threads, programs and processes at one key."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from emulator.profiles import Profile, load_profile
from hostdriver.skf.functions import ULong
from tests.rig.key import changed
from tests.rig.messages import TRANSFER
from tests.rig.patience import PATIENCE_S
from tests.rig.skf import SkfKey, library
from tests.rig.skf_calls import (
    FAIL,
    FOR_EVER,
    INVALID_HANDLE,
    NO_CONTAINER,
    NOT_LOGGED_IN,
    OK,
    TIMEOUT,
    Handle,
    Skf,
)

ECC, RSA = 2, 1
SM3 = 1
SIGNATURE = 128
ECC_KEY, RSA_KEY = 132, 268

PROCESS = """
import ctypes, sys
library, name, application, pin = sys.argv[1], *(word.encode() for word in sys.argv[2:])
skf = ctypes.CDLL(library)
device, opened, tries = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_uint32()
assert skf.SKF_ConnectDev(name, ctypes.byref(device)) == 0
print(hex(skf.SKF_LockDev(device, 0) & 0xFFFFFFFF), flush=True)
assert skf.SKF_OpenApplication(device, application, ctypes.byref(opened)) == 0
assert skf.SKF_VerifyPIN(opened, 1, pin, ctypes.byref(tries)) == 0
print("locked", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def profile() -> Profile:
    return changed(load_profile("bocom-2g-tendyron"), pin__user__cache="session")


@pytest.fixture
def other(tmp_path: Path) -> Skf:
    """The library as another program has it: a second copy shares nothing with the first."""
    return Skf(Path(shutil.copyfile(library(), tmp_path / "other.so")))


@pytest.fixture
def sm2(skf: Skf, key: SkfKey, application: Handle) -> Handle:
    names = key.rig.profile.containers
    assert names.sm2
    return skf.new("SKF_OpenContainer", application, names.sm2.name.encode())


def may_write(skf: Skf, application: Handle) -> bool:
    status = skf.SKF_CreateContainer(application, b"PROBE", ctypes.byref(Handle()))
    assert status in (OK, NOT_LOGGED_IN)
    assert status or skf.SKF_DeleteContainer(application, b"PROBE") == OK
    return status == OK


def visit(other: Skf, key: SkfKey) -> None:
    """Another program comes, logs in and leaves: that resets the key."""
    device = other.connect(key)
    assert other.verify(other.open(device, key), key.rig.user_pin) == (OK, None)
    assert other.SKF_DisConnectDev(device) == OK


def test_handles_mean_the_same_after_another_program_has_left(
    skf: Skf, other: Skf, key: SkfKey, application: Handle, sm2: Handle
) -> None:
    assert skf.verify(application, key.rig.user_pin) == (OK, None)
    visit(other, key)
    assert skf.number("SKF_GetContainerType", sm2) == ECC
    assert not may_write(skf, application)  # what it had unlocked is gone
    assert skf.verify(application, key.rig.user_pin) == (OK, None)
    assert may_write(skf, application)


@pytest.mark.parametrize("first", ["login", "container", "certificate", "files"])
def test_whichever_call_comes_first_after_that(
    skf: Skf, other: Skf, key: SkfKey, application: Handle, sm2: Handle, first: str
) -> None:
    visit(other, key)
    if first == "login":
        assert skf.verify(application, key.rig.user_pin) == (OK, None)
    elif first == "container":
        assert skf.number("SKF_GetContainerType", sm2) == ECC
    elif first == "certificate":
        assert skf.output("SKF_ExportCertificate", sm2, 1)[:1] == b"\x30"
    else:
        assert skf.names("SKF_EnumFiles", application) == []


def test_a_handle_never_comes_to_mean_something_else(
    skf: Skf, other: Skf, key: SkfKey, application: Handle, sm2: Handle
) -> None:
    """Another program opens another container first after the reset: the numbers on the key have gone on."""
    visit(other, key)
    names = key.rig.profile.containers
    assert names.rsa
    device = other.connect(key)
    rsa = other.new("SKF_OpenContainer", other.open(device, key), names.rsa.name.encode())
    assert other.number("SKF_GetContainerType", rsa) == RSA
    assert len(skf.output("SKF_ExportPublicKey", sm2, 1)) == ECC_KEY
    assert len(other.output("SKF_ExportPublicKey", rsa, 1)) == RSA_KEY
    assert skf.number("SKF_GetContainerType", sm2) == ECC
    assert other.SKF_DisConnectDev(device) == OK


def test_what_another_program_has_deleted(skf: Skf, other: Skf, key: SkfKey, application: Handle) -> None:
    assert skf.verify(application, key.rig.user_pin) == (OK, None)
    made = skf.new("SKF_CreateContainer", application, b"C")
    device = other.connect(key)
    assert other.SKF_DeleteContainer(other.open(device, key), b"C") == OK
    assert skf.SKF_GetContainerType(made, ctypes.byref(ULong())) == NO_CONTAINER
    assert other.SKF_DisConnectDev(device) == OK


def test_who_has_locked_the_key_keeps_what_it_unlocked(
    skf: Skf, other: Skf, key: SkfKey, device: Handle, application: Handle
) -> None:
    stranger = other.connect(key)
    other.open(stranger, key)
    assert skf.SKF_LockDev(device, 0) == OK
    assert skf.verify(application, key.rig.user_pin) == (OK, None)
    assert other.SKF_DisConnectDev(stranger) == OK
    assert may_write(skf, application)
    assert skf.SKF_UnlockDev(device) == OK
    assert not may_write(skf, application)


def test_a_lock_keeps_other_programs_out(skf: Skf, other: Skf, key: SkfKey, device: Handle) -> None:
    stranger = other.connect(key)
    assert skf.SKF_LockDev(device, 0) == OK
    assert skf.SKF_LockDev(device, 0) == OK  # its own thread may again
    assert other.SKF_LockDev(stranger, 20) == TIMEOUT
    assert skf.SKF_UnlockDev(device) == OK
    assert other.SKF_LockDev(stranger, 0) == TIMEOUT
    assert len(skf.random(device)) == 8
    with ThreadPoolExecutor(1) as waiting:
        locked = waiting.submit(other.SKF_LockDev, stranger, FOR_EVER)
        assert skf.SKF_UnlockDev(device) == OK
        assert locked.result(PATIENCE_S) == OK
        assert skf.SKF_LockDev(device, 0) == TIMEOUT
        assert waiting.submit(other.SKF_UnlockDev, stranger).result(PATIENCE_S) == OK
    assert skf.SKF_LockDev(device, 0) == OK
    assert skf.SKF_UnlockDev(device) == OK
    assert skf.SKF_UnlockDev(device) == FAIL
    assert other.SKF_DisConnectDev(stranger) == OK


def test_a_lock_is_its_threads(skf: Skf, device: Handle) -> None:
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(skf.SKF_LockDev, device, 0).result(PATIENCE_S) == OK
        assert skf.SKF_LockDev(device, 20) == TIMEOUT
        assert skf.SKF_UnlockDev(device) == FAIL
        here = threading.Thread(target=skf.random, args=(device,))
        here.start()  # waits
        assert thread.submit(skf.SKF_UnlockDev, device).result(PATIENCE_S) == OK
        here.join(PATIENCE_S)
    assert not here.is_alive()


def test_who_disconnects_has_unlocked(skf: Skf, other: Skf, key: SkfKey, device: Handle) -> None:
    second = skf.connect(key)
    assert skf.SKF_LockDev(second, 0) == OK
    assert skf.SKF_LockDev(second, 0) == OK
    assert skf.SKF_DisConnectDev(second) == OK
    stranger = other.connect(key)
    assert other.SKF_LockDev(stranger, 0) == OK
    assert other.SKF_DisConnectDev(stranger) == OK
    assert skf.SKF_LockDev(device, 0) == OK
    assert skf.SKF_UnlockDev(device) == OK


def test_another_process(skf: Skf, key: SkfKey, device: Handle, application: Handle) -> None:
    """Locks hold between processes, and one that is killed gives back its lock and its login."""
    assert skf.SKF_LockDev(device, 0) == OK
    command = [sys.executable, "-IS", "-c", PROCESS, str(library()), key.name, key.rig.profile.application]
    with subprocess.Popen(
        [*command, key.rig.user_pin], env=key.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        assert skf.SKF_UnlockDev(device) == OK  # it could not even connect before
        assert process.stdout.readline() == "0x0\n"
        assert skf.SKF_LockDev(device, 20) == TIMEOUT
        assert process.stdout.readline() == "locked\n"
        process.kill()
    assert skf.SKF_LockDev(device, FOR_EVER) == OK
    assert not may_write(skf, application)
    assert skf.SKF_UnlockDev(device) == OK


def test_threads_share_a_key(skf: Skf, key: SkfKey, device: Handle, sm2: Handle) -> None:
    wanted = skf.output("SKF_ExportCertificate", sm2, 1)

    def work(_: int) -> set[bytes]:
        return {skf.output("SKF_ExportCertificate", sm2, 1) for _ in range(10)} | {skf.random(device)[:0]}

    with ThreadPoolExecutor(8) as threads:
        assert set().union(*threads.map(work, range(8))) == {wanted, b""}


def test_threads_open_and_close_what_others_use(skf: Skf, key: SkfKey) -> None:
    """Whatever happens is an answer. Nobody guesses a handle: it could be one that another test has left open."""
    opened: list[Handle] = []

    def work(_: int) -> set[int]:
        device, application = Handle(), Handle()
        statuses = {skf.SKF_ConnectDev(key.name.encode(), ctypes.byref(device))}
        statuses.add(skf.SKF_OpenApplication(device, b"BOCOM", ctypes.byref(application)))
        opened.append(application)
        statuses |= {skf.SKF_ClearSecureState(handle) for handle in opened[-40:]}
        statuses.add(skf.SKF_DisConnectDev(device))
        return statuses

    with ThreadPoolExecutor(8) as threads:
        assert set().union(*threads.map(work, range(40))) == {OK, INVALID_HANDLE}


def test_a_device_is_disconnected_while_its_holder_reads(
    skf: Skf, key: SkfKey, device: Handle, application: Handle, sm2: Handle
) -> None:
    """The call that waits goes on to its end; nothing else means anything any more."""
    assert skf.verify(application, key.rig.user_pin) == (OK, None)
    signature, size = ctypes.create_string_buffer(SIGNATURE), ULong(SIGNATURE)
    arguments = (sm2, SM3, TRANSFER, len(TRANSFER), signature, ctypes.byref(size))
    with key.rig.pending(skf.V_SignMessage, *arguments) as signed:
        assert skf.SKF_DisConnectDev(device) == OK
        assert skf.SKF_CloseContainer(sm2) == INVALID_HANDLE
        assert not signed.done()
        key.rig.page_and_press_ok()
    assert signed.result() == OK
    assert any(signature.raw)


@pytest.mark.slow
def test_a_call_gives_up_while_another_program_has_the_key(
    skf: Skf, other: Skf, key: SkfKey, device: Handle
) -> None:
    """After ten seconds."""
    stranger = other.connect(key)
    assert other.SKF_LockDev(stranger, 0) == OK
    assert skf.SKF_GenRandom(device, ctypes.create_string_buffer(8), 8) == TIMEOUT
    assert other.SKF_DisConnectDev(stranger) == OK
    assert len(skf.random(device)) == 8


def test_a_child_process_has_no_handle_of_its_parent(
    skf: Skf, key: SkfKey, device: Handle, application: Handle
) -> None:
    """It would read the parent's answers; it connects by itself."""
    assert skf.verify(application, key.rig.user_pin) == (OK, None)
    child = os.fork()
    if not child:
        code = 1
        try:
            assert skf.SKF_GenRandom(device, ctypes.create_string_buffer(8), 8) == INVALID_HANDLE
            assert skf.SKF_DisConnectDev(device) == INVALID_HANDLE
            own = Handle()
            assert skf.SKF_ConnectDev(key.name.encode(), ctypes.byref(own)) == OK
            assert skf.SKF_GenRandom(own, ctypes.create_string_buffer(8), 8) == OK
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert skf.number("SKF_GetDevState", key.name.encode()) == 1
    assert len(skf.random(device)) == 8
