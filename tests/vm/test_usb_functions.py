"""What every function does that carries APDUs, in a real kernel: on both buses, with our transports over libusb."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from emulator.hardware.display import Screen, ScreenKind
from hostdriver.errors import NotLoggedInError
from hostdriver.gmt import GmtSession
from protocols.gmt import SignInput
from tests.rig.key import REMOVED, KeyRig
from tests.rig.messages import TRANSFER
from tests.vm.keys import GET_DEV_INFO, LINKS, function_on, is_signed

pytestmark = pytest.mark.slow

ANSWERS = {
    "ccid": (1, 254, 255, 256, 500, 501, 1012, 4094),
    "hid": (1, 38, 39, 101, 102, 510, 4094),
    "disk": (1, 507, 508, 1019, 4091),
}
"""Sizes of answers, by kind; with headers and the status word some make whole packets, reports and sectors."""
COMMANDS = (502, 1014, 0xFFF8)
"""The last is of 65,535 bytes in all: the longest without Le."""


@pytest.fixture(params=ANSWERS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=LINKS)
def rig(request: pytest.FixtureRequest, kind: str) -> Iterator[KeyRig]:
    with function_on(request.param, kind) as rig:
        yield rig


@contextmanager
def interrupted_when_it_asks(rig: KeyRig) -> Iterator[None]:
    """Ctrl-C, as soon as the key asks its person."""
    main = threading.main_thread().ident
    assert main is not None

    def interrupt(screen: Screen) -> None:
        if screen.kind is ScreenKind.CONFIRM:
            signal.pthread_kill(main, signal.SIGINT)

    remove = rig.device.on_screen(interrupt)
    try:
        yield
    finally:
        remove()


def test_answers_of_every_length(rig: KeyRig, kind: str) -> None:
    for size in ANSWERS[kind]:
        answer = rig.raw(bytes.fromhex("8050000000") + size.to_bytes(2))
        assert (len(answer), answer[-2:]) == (size + 2, b"\x90\x00")


def test_commands_of_every_length(rig: KeyRig) -> None:
    for size in COMMANDS:
        assert rig.raw(bytes.fromhex("8004000000") + size.to_bytes(2) + bytes(size)) == b"\x67\x00"


def test_it_is_asked_again_while_the_person_reads(rig: KeyRig) -> None:
    rig.log_in()
    container = rig.container()
    with rig.pending(rig.session.sign_sm2, container, TRANSFER, SignInput.MESSAGE) as signature:
        rig.clock.advance(20)
        rig.page_and_press_ok()
    assert is_signed(rig, container, signature.result())


def test_pulled_out_while_it_asks(rig: KeyRig) -> None:
    rig.log_in()
    container = rig.container()
    with rig.ending_in(REMOVED, lambda: rig.session.sign_sm2(container, TRANSFER, SignInput.MESSAGE)):
        rig.pull_out()
    rig.plug_in()
    assert rig.status(GET_DEV_INFO) == 0x9000


def test_interrupted_it_asks_no_longer(rig: KeyRig) -> None:
    rig.log_in()
    container = rig.container()
    with interrupted_when_it_asks(rig), pytest.raises(KeyboardInterrupt):
        rig.session.sign_sm2(container, TRANSFER, SignInput.MESSAGE)
    assert not rig.asks
    assert rig.status(GET_DEV_INFO) == 0x9000


def test_nobody_inherits_a_login(rig: KeyRig) -> None:
    """E8."""
    rig.log_in()
    name = rig.container().name
    rig.session.close()
    with GmtSession(rig.wire.open()) as session:
        container = session.open_container(session.open_application(rig.profile.application), name)
        with pytest.raises(NotLoggedInError):
            session.sign_sm2(container, TRANSFER, SignInput.MESSAGE)


@pytest.mark.parametrize("kind", ["disk"])
@pytest.mark.parametrize("left", [0, 3, 10])
def test_a_host_that_died_in_mid_command(rig: KeyRig, left: int) -> None:
    """BOT 1.0, 5.3.4: the next one begins with Reset Recovery."""
    interface = rig.session.transport._interface  # type: ignore[attr-defined]
    send = bytes.fromhex("55534243 01000000 0A000000 00 00 10 FE01474D43415049444653 0000000000")
    interface.write(interface.bulk_out, send)
    if left:
        interface.write(interface.bulk_out, bytes.fromhex("120007 80040000000000")[:left])
    interface.close()
    with GmtSession(rig.wire.open()) as session:
        assert session.device_info().serial == rig.device.serial


def test_the_issuer_leaves(rig: KeyRig) -> None:
    rig.authenticate_device()
    rig.session.set_label("a")
    rig.session.close()
    with GmtSession(rig.wire.open()) as session, pytest.raises(NotLoggedInError):
        session.set_label("b")
