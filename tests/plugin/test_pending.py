"""A call left pending while the test looks and presses: how it ends, whatever the test or the call does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import NoReturn

import pytest

from emulator.control.patterns import PatternError
from emulator.control.watch import NotShownError
from hostdriver.errors import CancelledError, ConfirmTimeoutError, NotLoggedInError
from hostdriver.gmt import GmtSession
from protocols.errors import ProtocolError
from protocols.gmt import SignInput
from tests.rig.messages import TRANSFER
from vukey_testing.calls import Calls
from vukey_testing.emulated import EmulatedKey
from vukey_testing.errors import CallError
from vukey_testing.key import Key
from vukey_testing.states import made, wanted
from vukey_testing.targets import InProcess, UnixSocket


def no_goldens() -> NoReturn:
    raise AssertionError


@pytest.fixture(params=[InProcess, UnixSocket])
def key(request: pytest.FixtureRequest) -> Iterator[Key]:
    before = threading.enumerate()
    side = EmulatedKey(made(wanted([{"values": {"pin.user.cache": "session"}}])), "test", request.param)
    key = Key(side, no_goldens)
    yield key
    key.close()
    begun = set(threading.enumerate()) - set(before)
    assert not [thread for thread in begun if thread.name.startswith("vukey")]


@pytest.fixture
def session(key: Key) -> Iterator[GmtSession]:
    with key.session() as session:
        yield session


@pytest.fixture
def sign(key: Key, session: GmtSession) -> Callable[[], object]:
    application = session.open_application(key.profile.application)
    session.verify_pin(application, key.user_pin)
    container = session.open_container(application, "SM2-SIGN")
    return partial(session.sign_sm2, container, TRANSFER, SignInput.MESSAGE)


def test_a_call_that_ends_in_an_error_before_the_key_asks(key: Key, session: GmtSession) -> None:
    container = session.open_container(session.open_application("BOCOM"), "SM2-SIGN")
    with (
        pytest.raises(NotLoggedInError),
        key.pending(session.sign_sm2, container, TRANSFER, SignInput.MESSAGE),
    ):
        pytest.fail("the block ran")


def test_a_call_that_asks_nothing(key: Key, session: GmtSession) -> None:
    with pytest.raises(CallError, match="the key asked nothing"), key.pending(session.device_info):
        pytest.fail("the block ran")


def test_what_the_call_raises_comes_out(key: Key, sign: Callable[[], object]) -> None:
    with pytest.raises(CancelledError), key.pending(sign):
        key.press("cancel")


def test_a_test_that_forgets_to_press(key: Key, sign: Callable[[], object]) -> None:
    with pytest.raises(CallError, match="the key still asks"), key.pending(sign) as answer:
        pass
    assert isinstance(answer.exception(0), CancelledError)


def test_a_test_that_fails_in_the_block(key: Key, sign: Callable[[], object]) -> None:
    with pytest.raises(NotShownError, match="did not show “李四”"), key.pending(sign) as answer:
        key.screen.wait_for("李四", timeout=0)
    assert isinstance(answer.exception(0), CancelledError)
    assert key.device
    assert key.device.waiting is None


def test_a_failure_says_how_the_call_had_ended(key: Key, sign: Callable[[], object]) -> None:
    def look_too_late() -> None:
        with key.pending(sign) as answer:
            key.press("cancel")
            answer.exception(30)
            key.screen.wait_for("张三", timeout=0)

    with pytest.raises(NotShownError) as caught:
        look_too_late()
    [note] = caught.value.__notes__
    assert note == "the call ended with CancelledError: cancelled on the key"


def test_a_screen_by_regular_expression(key: Key, sign: Callable[[], object]) -> None:
    with key.pending(sign):
        assert key.screen.wait_for(r"收款人:.{1,2}三", regexp=True).kind.value == "confirm"
        key.press("down", "down", "ok")
    with pytest.raises(PatternError):
        key.screen.wait_for("(", regexp=True)


def test_ok_waits_until_it_is_alive(key: Key, sign: Callable[[], object]) -> None:
    """E10: this model's is dead for a second."""
    with key.pending(sign):
        key.press("down", "down")
        before = key.clock.now()
        assert key.device
        key.device.press("ok")
        assert key.device.waiting
        key.press("ok")
    assert key.clock.now() - before == pytest.approx(1)


def test_time_passes_when_the_test_says_so(key: Key, sign: Callable[[], object]) -> None:
    def wait_for_a_minute() -> None:
        with key.pending(sign):
            key.clock.advance("59s")
            assert key.device
            assert key.device.waiting
            key.clock.advance(1)

    with pytest.raises(ConfirmTimeoutError):
        wait_for_a_minute()
    with pytest.raises(ProtocolError, match="no duration"):
        key.clock.advance("soon")


def test_a_call_that_never_ends(key: Key) -> None:
    stop = threading.Event()
    calls = Calls(key.operator, patience=0.05)
    with pytest.raises(CallError, match="the call has not ended"), calls.pending(stop.wait):
        pytest.fail("the block ran")
    with pytest.raises(CallError, match="still runs"):
        calls.close()
    stop.set()
    calls.close()


def test_a_call_that_never_ends_takes_its_time_once(key: Key, sign: Callable[[], object]) -> None:
    """Not again at the end of the test, when the key is out and it can have no answer any more."""
    stop = threading.Event()
    calls = Calls(key.operator, patience=3)

    def sign_and_linger() -> None:
        try:
            sign()
        finally:
            stop.wait()

    begun = time.monotonic()
    with pytest.raises(ValueError, match="the test's own"), calls.pending(sign_and_linger):
        raise ValueError("the test's own")
    with pytest.raises(CallError, match="still runs"):
        calls.close()
    assert time.monotonic() - begun < 5
    stop.set()
    calls.close()


def test_a_call_that_outlives_the_press(key: Key, sign: Callable[[], object]) -> None:
    stop = threading.Event()
    calls = Calls(key.operator, patience=0.05)

    def sign_and_linger() -> None:
        sign()
        stop.wait()

    with pytest.raises(CallError, match="has not ended within"), calls.pending(sign_and_linger):
        key.press("down", "down", "ok")
    stop.set()
    calls.close()


def test_a_call_that_asks_again(key: Key, sign: Callable[[], object]) -> None:
    """The second question is not taken for the end."""
    with pytest.raises(CallError, match="the key still asks"), key.pending(lambda: (sign(), sign())):
        key.press("down", "down", "ok")
