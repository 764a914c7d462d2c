"""The host's end of a USB disk's vendor commands (G38), against the emulator's function."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from emulator.links.usb.disk import DiskFunction
from hostdriver.errors import KeyRemovedError
from hostdriver.gmt import GmtSession
from hostdriver.transport.usb_disk import DiskTransport
from hostdriver.transport.usb_interface import UsbInterface
from protocols.i18n import N_
from tests.rig.key import user_pin
from tests.rig.usb_functions import FunctionInterface, QueueBus, shared_key

OUT, IN = 4, 0x84
RESET = 0xFF
SEND = bytes.fromhex("55534243 01000000 0A000000 00 00 10 FE01474D43415049444653 0000000000")
FETCH = bytes.fromhex("55534243 02000000 00100000 80 00 10 FE02").ljust(31, b"\0")
ENVELOPE = bytes.fromhex("12 0007 80040000000000")
GET_DEV_INFO = bytes.fromhex("80040000000000")


class Plugged:
    """A key whose disk no program has."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shared = shared_key()
        bus = QueueBus()
        self.function = DiskFunction(self.shared, 0, OUT)
        self.function.start(bus)
        self.interface = FunctionInterface(self.function, bus)
        monkeypatch.setattr(UsbInterface, "open", lambda _device, _number: self.interface)

    def open(self) -> DiskTransport:
        return DiskTransport.open(None, 0, "usb:1209:0001")


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> Iterator[Plugged]:
    key = Plugged(monkeypatch)
    yield key
    key.function.stop()
    key.shared.device.close()


@pytest.mark.parametrize(
    "left",
    [
        (SEND,),
        (SEND, ENVELOPE[:3]),
        (SEND, ENVELOPE),
        (SEND, ENVELOPE, FETCH),
        (b"USBX" + bytes(27),),
    ],
    ids=["data to come", "data cut", "its status", "data and status", "a halt"],
)
def test_what_a_host_left_behind_that_died(key: Plugged, left: tuple[bytes, ...]) -> None:
    """Reset Recovery in its order (BOT 1.0, 5.3.4), whatever the key was waiting for or had to say."""
    for data in left:
        key.function.receive(OUT, data)
    transport = key.open()
    assert key.interface.sent == [RESET, IN, OUT]
    answer = transport.exchange(GET_DEV_INFO)
    assert (len(answer), answer[-2:]) == (290, b"\x90\x00")


def test_a_key_that_knows_no_reset_is_taken_as_it_is(key: Plugged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key.function, "control", lambda *_: None)
    assert key.open().exchange(GET_DEV_INFO)[-2:] == b"\x90\x00"


def test_a_key_that_has_just_gone_is_let_go(key: Plugged, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        raise KeyRemovedError(N_("the key was let go"))

    monkeypatch.setattr(FunctionInterface, "request", gone)
    with pytest.raises(KeyRemovedError):
        key.open()
    assert not key.interface.is_open


def test_nobody_inherits_a_login(key: Plugged) -> None:
    """E8: neither of who left, nor of who died."""
    device = key.shared.device
    for is_tidy in (True, False):
        transport = key.open()
        session = GmtSession(transport)
        session.verify_pin(
            session.open_application(device.profile.application), user_pin(device.profile, "ready")
        )
        assert device.inspect()[0].user_pin.verified
        if is_tidy:
            transport.close()
            assert not key.interface.is_open
        else:
            key.open()
        assert not device.inspect()[0].user_pin.verified
