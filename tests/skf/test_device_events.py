"""SKF_WaitForDevEvent: keys that are plugged, pulled out and killed, with nobody polling."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Barrier

import pytest

from emulator.device import Device
from emulator.profiles import Profile
from emulator.sharing import SharedKey
from hostdriver.skf.functions import ULong
from tests.rig.cli import Up
from tests.rig.patience import PATIENCE_S
from tests.rig.pcscd import PrivatePcscd
from tests.rig.skf import SkfKey, skf_key
from tests.rig.skf_calls import GONE, INSERTED, INVALID_PARAMETER, NO_EVENT, OK, TOO_SMALL, Skf
from vukey_testing.targets import Reader

Told = tuple[int, str, int]
Wait = Callable[[], "Future[Told]"]
CANCELLED = (NO_EVENT, "", 0)


def event(skf: Skf) -> Told:
    name, size, what = ctypes.create_string_buffer(256), ULong(256), ULong()
    status = skf.SKF_WaitForDevEvent(name, ctypes.byref(size), ctypes.byref(what))
    return status, name.value.decode(), what.value


@pytest.fixture
def wait(skf: Skf, run: Path) -> Iterator[Wait]:
    """Wait in a thread; what there was before is known."""
    skf.names("SKF_EnumDev", 1)
    with ThreadPoolExecutor(1) as thread:
        yield lambda: thread.submit(event, skf)
        skf.SKF_CancelWaitForDevEvent()


@pytest.fixture
def plug(profile: Profile, stage: str, run: Path) -> Iterator[Callable[[], SkfKey]]:
    """Plug a key in."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(skf_key(profile, stage, run))


def test_a_key_comes_and_goes(wait: Wait, plug: Callable[[], SkfKey]) -> None:
    told = wait()
    key = plug()
    assert told.result(PATIENCE_S) == (OK, key.name, INSERTED)
    told = wait()
    key.pull_out()
    assert told.result(PATIENCE_S) == (OK, key.name, GONE)


def test_what_happens_between_two_waits_is_told(wait: Wait, plug: Callable[[], SkfKey]) -> None:
    first = plug()
    assert wait().result(PATIENCE_S) == (OK, first.name, INSERTED)
    first.pull_out()
    assert wait().result(PATIENCE_S) == (OK, first.name, GONE)


def test_everybody_who_waits_is_told(skf: Skf, wait: Wait, plug: Callable[[], SkfKey]) -> None:
    """Also who begins to wait only when another has been told already: each of them knows what there was."""
    know = Barrier(5)

    def look_and_wait() -> Told:
        skf.names("SKF_EnumDev", 1)
        know.wait(PATIENCE_S)
        return event(skf)

    with ThreadPoolExecutor(4) as threads:
        told = [threads.submit(look_and_wait) for _ in range(4)]
        know.wait(PATIENCE_S)
        key = plug()
        assert {each.result(PATIENCE_S) for each in told} == {(OK, key.name, INSERTED)}


def test_too_small_a_buffer_loses_no_event(skf: Skf, wait: Wait, plug: Callable[[], SkfKey]) -> None:
    key = plug()
    name, size, what = ctypes.create_string_buffer(256), ULong(3), ULong()
    arguments = (name, ctypes.byref(size), ctypes.byref(what))
    assert skf.SKF_WaitForDevEvent(*arguments) == TOO_SMALL
    assert size.value == len(key.name) + 1
    assert skf.SKF_WaitForDevEvent(*arguments) == OK
    assert (name.value.decode(), what.value) == (key.name, INSERTED)


@pytest.mark.parametrize("missing", range(3))
def test_a_wait_wants_all_its_places(skf: Skf, missing: int) -> None:
    places = [ctypes.create_string_buffer(256), ctypes.byref(ULong(256)), ctypes.byref(ULong())]
    places[missing] = None
    assert skf.SKF_WaitForDevEvent(*places) == INVALID_PARAMETER


def test_a_wait_is_cancelled(skf: Skf, wait: Wait) -> None:
    told = wait()
    while not told.done():
        skf.SKF_CancelWaitForDevEvent()  # it may not have begun to wait
    assert told.result() == CANCELLED
    skf.SKF_CancelWaitForDevEvent()  # nobody waits: nothing happens


def test_a_killed_key_is_gone_and_waiting_costs_nothing(wait: Wait, run: Path) -> None:
    """Its run file stays; and the run directory is made only now, by itself."""
    told = wait()
    before, began = time.process_time(), time.monotonic()
    with Up(run, "--link", "socket") as key:
        name = f"socket:{key.serial}"
        assert told.result(PATIENCE_S) == (OK, name, INSERTED)
        assert time.process_time() - before < (time.monotonic() - began) / 2
        told = wait()
        key.process.kill()
        assert told.result(PATIENCE_S) == (OK, name, GONE)
        assert key.run_files == [f"{key.serial}.json", f"{key.serial}.sock"]


def test_a_key_in_a_reader_comes_and_goes(
    wait: Wait, fresh_pcscd: PrivatePcscd, card: Device, skf: Skf
) -> None:
    told = wait()
    reader = Reader(SharedKey(card), [fresh_pcscd.connect])
    reader.plug()
    assert told.result(PATIENCE_S) == (OK, reader.token, INSERTED)
    assert skf.names("SKF_EnumDev", 1) == [reader.token]
    told = wait()
    name = reader.token
    reader.unplug()
    assert told.result(PATIENCE_S) == (OK, name, GONE)
