"""Many keys and many tests at once: none learns anything of another, and nothing is left over."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

import pytest

from hostdriver.errors import PinIncorrectError
from protocols.gmt import SignInput
from protocols.sm2 import PublicKey, Signature
from tests.plugin.suite import Suite
from tests.rig.messages import TRANSFER
from tests.rig.verifiers import sm2_verifies
from vukey_testing.emulated import EmulatedKey
from vukey_testing.key import Key
from vukey_testing.states import made, wanted
from vukey_testing.targets import UnixSocket

KEYS = 64
TESTS = 200

LEAKS = """
import os, shutil, tempfile, threading
import pytest

@pytest.fixture(scope="session", autouse=True)
def own_folder():
    tempfile.tempdir = tempfile.mkdtemp(prefix="vk")  # each worker's own, in a short path
    yield
    os.rmdir(tempfile.tempdir)

def held():
    threads = {thread.name for thread in threading.enumerate()}
    files = [os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd") if
             os.path.exists(f"/proc/self/fd/{name}")]
    return threads, sorted(files), os.listdir(tempfile.tempdir)

@pytest.fixture(autouse=True)
def no_leak(own_folder):
    before = held()
    yield
    assert held() == before
"""
EACH = """
import sys
from hostdriver.errors import PinIncorrectError

@pytest.mark.parametrize("number", range({tests}))
def test_it(key, session, clock, press, screen, number):
    (application,) = key.device.inspect()
    assert (application.user_pin.left, clock.now(), key.profile.confirm.timeout_s) == (6, 0, 60)
    assert len(key.recorder.apdus()) == 0
    opened = session.open_application("BOCOM")
    what = number % 4
    if what == 0:
        with pytest.raises(PinIncorrectError):
            session.verify_pin(opened, "999999")
    elif what == 1:
        session.change_pin(opened, key.user_pin, "314159")
    elif what == 2:
        clock.advance("24h")
        key.unplug()
    else:
        with key.pending(sign, key, session):
            screen.wait_for("张三")
            press("down", "down", "ok")
"""


@pytest.mark.slow
def test_200_tests_in_random_order_on_two_workers(suite: Suite) -> None:
    suite.write(EACH.format(tests=TESTS // 2))
    suite.path.joinpath("conftest.py").write_text(LEAKS)
    ended = suite.run("-n", "2", "--token", "inproc,socket", "-p", "randomly", "--durations=0")
    assert ended.outcomes == {"passed": TESTS}, ended.text
    setups = [float(found) for found in re.findall(r"([\d.]+)s setup", ended.text)]
    assert len([seconds for seconds in setups if seconds > 1]) <= 4, "each worker makes its key once"


def test_the_leak_check_sees_a_leak(suite: Suite) -> None:
    suite.write(
        """
import tempfile, threading

kept = []

def test_file(key): kept.append(open("/dev/null"))

def test_folder(key): kept.append(tempfile.mkdtemp())

def test_thread(key):
    kept.append(threading.Event())
    threading.Thread(target=kept[-1].wait, daemon=True).start()

def test_nothing(key, session): session.device_info()
"""
    )
    suite.path.joinpath("conftest.py").write_text(LEAKS.replace("os.rmdir", "shutil.rmtree"))
    assert suite.run("-p", "no:randomly").outcomes == {"passed": 4, "error": 3}


@pytest.mark.slow
def test_64_keys_in_one_process_at_once() -> None:
    """Each has its own PIN tries, its own signature, its own screen."""
    before = set(threading.enumerate())
    keys = [
        Key(EmulatedKey(made(wanted([{}]), number), "socket", UnixSocket), no_goldens)
        for number in range(KEYS)
    ]
    assert len({key.serial for key in keys}) == KEYS
    with ThreadPoolExecutor(KEYS) as hosts:
        signed = list(hosts.map(_sign_after_some_wrong_pins, range(KEYS), keys))
    for number, (key, signature) in enumerate(zip(keys, signed, strict=True)):
        assert key.device
        (application,) = key.device.inspect()
        assert application.user_pin.left == 6 - number % 4
        with key.session() as session:
            public = session.public_key(session.open_container(session.open_application("BOCOM"), "SM2-SIGN"))
        assert isinstance(public, PublicKey)
        assert sm2_verifies(public, TRANSFER, signature)
        key.close()
    assert [thread.name for thread in set(threading.enumerate()) - before] == []


def no_goldens() -> NoReturn:
    raise AssertionError


def _sign_after_some_wrong_pins(number: int, key: Key) -> Signature:
    with key.session() as session:
        application = session.open_application("BOCOM")
        session.verify_pin(application, key.user_pin)
        container = session.open_container(application, "SM2-SIGN")
        with key.pending(session.sign_sm2, container, TRANSFER, SignInput.MESSAGE) as signature:
            key.screen.wait_for("张三")
            key.press("down", "down", "ok")
        for _ in range(number % 4):
            with pytest.raises(PinIncorrectError):
                session.verify_pin(application, "999999")
    return signature.result()
