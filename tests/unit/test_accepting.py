"""Links that take connections go on doing so when the system has run out of files (accept(2), ERRORS)."""

from __future__ import annotations

import errno
import logging
import os
import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from emulator.device import Device
from emulator.links.accepting import Acceptor
from emulator.links.unix_socket import SocketLink
from emulator.links.usb.key import UsbKey
from emulator.links.usb.usbip import UsbIpLink
from emulator.links.vpcd import VpcdLink
from emulator.sharing import SharedKey
from hostdriver.gmt import GmtSession
from hostdriver.transport.unix_socket import SocketTransport
from tests.rig.patience import PATIENCE_S
from tests.rig.usbip_host import ask_for_list

TRANSIENT = (
    errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ECONNABORTED, errno.EINTR, errno.EPROTO,
)  # fmt: skip


class Told(logging.Handler):
    """What a link says of its trouble."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.heard = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        self.heard.set()


@pytest.fixture
def told() -> Iterator[Told]:
    logger, told = logging.getLogger("emulator.links.accepting"), Told()
    logger.addHandler(told)
    yield told
    logger.removeHandler(told)


@contextmanager
def no_more_files() -> Iterator[None]:
    """This process can open nothing, whatever its other threads close meanwhile, as when it has reached its limit.

    The limit is the standard streams, which nobody closes.
    """
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            os.dup(0)
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_the_socket_outlives_a_lack_of_files(device: Device, tmp_path: Path, told: Told) -> None:
    link = SocketLink(device, tmp_path / "key.sock")
    link.start()
    with socket.socket(socket.AF_UNIX) as client:
        with no_more_files():
            client.connect(str(tmp_path / "key.sock"))
            assert told.heard.wait(PATIENCE_S)
        with GmtSession(SocketTransport.open(tmp_path / "key.sock")) as session:
            assert session.device_info().serial == device.serial
    link.close()
    assert len(told.lines) == 1
    assert "Too many open files" in told.lines[0]


def test_usbip_outlives_a_lack_of_files(device: Device, told: Told) -> None:
    link = UsbIpLink(UsbKey(SharedKey(device)))
    link.start()
    address = ("127.0.0.1", link.port)
    with socket.socket() as client:
        with no_more_files():
            client.connect(address)
            assert told.heard.wait(PATIENCE_S)
        assert ask_for_list(address)[8:12] == bytes.fromhex("00000001")
    link.close()
    assert len(told.lines) == 1
    assert "Too many open files" in told.lines[0]


def test_vpcds_client_outlives_a_lack_of_files(device: Device) -> None:
    (short, first), (late, second) = socket.socketpair(), socket.socketpair()
    offered = [first]

    def connect() -> socket.socket:
        if not offered:
            raise ConnectionRefusedError
        return offered.pop()

    link = VpcdLink(device, [connect])
    with short, late:
        with no_more_files():
            link.start()
            assert short.recv(1) == b""
        offered.append(second)
        late.settimeout(PATIENCE_S)
        late.sendall(b"\x00\x01\x04")  # vpcd asks for the ATR
        assert late.recv(2 + len(device.profile.atr))[2:] == device.profile.atr
        link.close()


def test_a_link_is_closed_at_once_in_its_trouble(device: Device, tmp_path: Path, told: Told) -> None:
    link = SocketLink(device, tmp_path / "key.sock")
    link.start()
    with socket.socket(socket.AF_UNIX) as client, no_more_files():
        client.connect(str(tmp_path / "key.sock"))
        assert told.heard.wait(PATIENCE_S)
        link.close()


class Listener(socket.socket):
    """Fails in one way after the other before it takes each connection."""

    def __init__(self, path: Path) -> None:
        super().__init__(socket.AF_UNIX)
        self.bind(str(path))
        self.listen()
        self.errors = list(TRANSIENT)

    def accept(self) -> tuple[socket.socket, object]:
        if self.errors:
            number = self.errors.pop(0)
            raise OSError(number, os.strerror(number))
        return super().accept()


def test_no_error_ends_it_but_its_own_end(tmp_path: Path, told: Told) -> None:
    taken: list[bytes] = []
    done = threading.Event()

    def take(connection: socket.socket) -> None:
        if not taken:
            taken.append(b"no thread")
            raise RuntimeError("can't start new thread")
        with connection:
            taken.append(connection.recv(9))
        done.set()

    path = tmp_path / "listener"
    acceptor = Acceptor(Listener(path), take, "listener")
    with socket.socket(socket.AF_UNIX) as first, socket.socket(socket.AF_UNIX) as second:
        first.connect(str(path))
        assert first.recv(1) == b""
        second.connect(str(path))
        second.sendall(b"something")
        assert done.wait(PATIENCE_S)
    acceptor.close()
    assert taken == [b"no thread", b"something"]
    assert len(told.lines) == 1
    assert os.strerror(errno.EMFILE) in told.lines[0]
