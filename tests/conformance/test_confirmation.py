"""The key asks, a person answers: paging, OK, cancel, time-out, busy, late presses, removal (E1, E2, E9-E11, C10)."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial

import pytest

from emulator.hardware.display import ScreenKind
from hostdriver.errors import (
    CancelledError,
    ConfirmTimeoutError,
    DigestRefusedError,
    KeyBusyError,
    NotLoggedInError,
)
from hostdriver.transport.unix_socket import SocketTransport
from protocols import vpcd
from protocols.gmt import SignInput
from protocols.sm2 import PublicKey, Signature
from tests.rig.key import REMOVED, KeyRig
from tests.rig.messages import TRANSFER, transfer
from tests.rig.verifiers import sm2_verifies
from vukey_testing.targets import UnixSocket

BUSY = bytes.fromhex("6ff6")
GET_DEV_INFO = bytes.fromhex("80040000000000")

pytestmark = pytest.mark.limits(pin__user__cache="session")


def signing(rig: KeyRig, message: bytes = TRANSFER) -> Callable[[], Signature]:
    """The host's call for a signature, after login."""
    rig.log_in()
    return partial(rig.session.sign_sm2, rig.container(), message, SignInput.MESSAGE)


def test_ok_signs_and_the_screen_goes_back(rig: KeyRig) -> None:
    """C10: compare on the display, press confirm."""
    with rig.pending(signing(rig)) as future:
        assert (rig.device.screen.kind, rig.device.screen.title) == (ScreenKind.CONFIRM, "请核对交易")
        assert not future.done()
        rig.page_and_press_ok()
    key = rig.session.public_key(rig.container())
    assert isinstance(key, PublicKey)
    assert sm2_verifies(key, TRANSFER, future.result())
    assert rig.device.screen.kind is ScreenKind.IDLE


def test_the_signature_is_over_exactly_the_bytes_sent(rig: KeyRig) -> None:
    """E2, G24: declaration and hidden part included; another amount is another message."""
    signature = rig.confirmed(signing(rig))
    key = rig.session.public_key(rig.container())
    assert isinstance(key, PublicKey)
    assert sm2_verifies(key, TRANSFER, signature)
    for old, new in ((b"123.23", b"923.23"), (b"<v>1234567890</v>", b"<v>1234567891</v>"), (b"1.0", b"1.1")):
        assert old in TRANSFER
        assert not sm2_verifies(key, TRANSFER.replace(old, new), signature)
    assert not sm2_verifies(key, TRANSFER + b"\n", signature)


def test_ok_counts_only_after_every_page(rig: KeyRig) -> None:
    """E10, on a model that wants every page seen."""
    with rig.pending(signing(rig)):
        rig.clock.advance(1)
        assert rig.device.screen.pages > 1
        rig.press("ok")
        assert rig.asks
        rig.press("up", "ok")
        assert rig.asks
        rig.press(*["down"] * (rig.device.screen.pages - 1), "up", "ok")  # seen once is seen


def test_ok_is_dead_for_its_first_second(rig: KeyRig) -> None:
    """E10: paging is not."""
    with rig.pending(signing(rig)):
        rig.press(*["down"] * rig.device.screen.pages, "ok")
        rig.clock.advance(0.999)
        rig.press("ok")
        assert rig.asks
        rig.clock.advance(0.001)
        rig.press("ok")


@pytest.mark.profile("icbc-2g-feitian")
@pytest.mark.limits(confirm__presses=2)
def test_two_presses_where_the_model_wants_two(rig: KeyRig) -> None:
    """E10, G26."""
    with rig.pending(signing(rig)):
        rig.press("ok")
        assert "请再按一次OK" in rig.device.screen.text
        assert rig.asks
        rig.press("ok")
    with rig.ending_in(CancelledError, signing(rig)):
        rig.press("ok", "cancel")


@pytest.mark.profile("icbc-2g-feitian")
def test_where_nothing_is_demanded_the_first_press_signs(rig: KeyRig) -> None:
    with rig.pending(signing(rig)):
        rig.press("ok")


def test_cancel(rig: KeyRig) -> None:
    with rig.ending_in(CancelledError, signing(rig)):
        rig.press("cancel")
    assert rig.device.screen.kind is ScreenKind.IDLE


def test_nobody_presses(rig: KeyRig) -> None:
    """E1: no press in time, and the key is where it was."""
    with rig.ending_in(ConfirmTimeoutError, signing(rig)):
        rig.clock.advance(59.999)
        assert rig.asks
        rig.clock.advance(0.001)
        assert rig.device.screen.kind is ScreenKind.IDLE
    rig.confirmed(signing(rig))


def test_a_late_press_is_worth_nothing(rig: KeyRig) -> None:
    """E11: neither after a time-out nor for the next request."""
    with rig.ending_in(ConfirmTimeoutError, signing(rig)):
        rig.press(*["down"] * 9)
        rig.clock.advance(60)
    rig.press("ok", "ok")
    with rig.ending_in(CancelledError, signing(rig)):
        assert rig.device.screen.page == 1
        assert rig.asks
        rig.press("cancel")


def test_a_retry_asks_again(rig: KeyRig) -> None:
    """E11: the same command once more is a new request with its own press."""
    call = signing(rig)
    first = rig.confirmed(call)
    with rig.ending_in(CancelledError, call):
        rig.press("cancel")
    assert rig.confirmed(call) != first  # a fresh nonce, too


def test_whoever_comes_meanwhile_is_told_busy(rig: KeyRig) -> None:
    with rig.pending(signing(rig)) as future:
        before = rig.device.screen
        for apdu in (GET_DEV_INFO, b"\x80", bytes.fromhex("00A4040000")):
            assert rig.device.begin(apdu).response == BUSY
        assert rig.device.screen == before
        rig.page_and_press_ok()
    key = rig.session.public_key(rig.container())
    assert isinstance(key, PublicKey)
    assert sm2_verifies(key, TRANSFER, future.result())


@pytest.mark.parametrize("token", ["socket"])
def test_a_second_client_disturbs_nobody(rig: KeyRig) -> None:
    """Neither by APDUs nor by reset, power-off or leaving."""
    assert isinstance(rig.wire, UnixSocket)
    assert rig.wire.path
    with rig.pending(signing(rig)), socket.socket(socket.AF_UNIX) as other:
        other.connect(str(rig.wire.path))
        for control in (vpcd.Control.RESET, vpcd.Control.POWER_OFF, vpcd.Control.POWER_ON):
            other.sendall(vpcd.encode(bytes((control,))))
        other.sendall(vpcd.encode(GET_DEV_INFO))
        assert other.recv(4) == vpcd.encode(BUSY)
        with pytest.raises(KeyBusyError):
            SocketTransport.open(rig.wire.path)
        assert rig.asks
        rig.page_and_press_ok()


def test_pulled_out_in_mid_wait(rig: KeyRig) -> None:
    """E11: the host learns at once, the login is gone, no try is lost, an old press is worth nothing."""
    with rig.ending_in(REMOVED, signing(rig)):
        rig.pull_out()
    rig.press("ok")
    rig.plug_in()
    assert rig.session.pin_info(rig.open()).left == 6
    with pytest.raises(NotLoggedInError):
        rig.session.sign_sm2(rig.container(), TRANSFER, SignInput.MESSAGE)
    rig.confirmed(signing(rig))


@pytest.mark.limits(ready_digest="refuse")
def test_a_key_that_refuses_digests(rig: KeyRig) -> None:
    """E9."""
    rig.log_in()
    with pytest.raises(DigestRefusedError):
        rig.unasked(rig.session.sign_sm2, rig.container(), bytes(32), SignInput.DIGEST)
    with pytest.raises(DigestRefusedError):
        rig.unasked(rig.session.sign_rsa, rig.container("rsa"), bytes(32), SignInput.DIGEST)


@pytest.mark.limits(ready_digest="free")
def test_a_key_that_signs_digests_freely(rig: KeyRig) -> None:
    """E9: messages still need their press."""
    rig.log_in()
    rig.unasked(rig.session.sign_sm2, rig.container(), bytes(32), SignInput.DIGEST)
    rig.confirmed(signing(rig))


def test_a_long_message_is_shown_to_its_last_character(rig: KeyRig) -> None:
    """E2: nothing is cut; what does not fit goes to the next page."""
    note = "".join(chr(0x4E00 + number) for number in range(300))
    with rig.pending(signing(rig, transfer(("附言:", note)))):
        assert note in rig.shown_pages()
        rig.page_and_press_ok()
