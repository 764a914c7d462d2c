"""The lock of a key's unix socket."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from emulator.device import Device
from emulator.links.unix_socket import GRANTED, HELD, SocketLink, _Client
from emulator.profiles import load_profile
from protocols.sw import SW
from protocols.vpcd import Control
from tests.rig.cli import run_directory
from tests.rig.patience import PATIENCE_S

GET_DEV_INFO = bytes.fromhex("80040000000000")
BUSY = SW.BUSY.to_bytes(2)


class Client:
    """Frames as they go over the wire."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._file = self._socket.makefile("rb")

    def send(self, *frames: bytes) -> None:
        self._socket.sendall(b"".join(len(frame).to_bytes(2) + frame for frame in frames))

    def receive(self) -> bytes:
        return self._file.read(int.from_bytes(self._file.read(2)))

    def leave(self) -> None:
        """Say so, and wait until the key has left too."""
        self._socket.shutdown(socket.SHUT_WR)
        assert self._file.read() == b""
        self.close()

    def close(self) -> None:
        self._file.close()
        self._socket.close()


@pytest.fixture
def connect() -> Iterator[Callable[[], Client]]:
    with run_directory() as directory:
        link = SocketLink(Device(load_profile("bocom-2g-tendyron")), directory / "key.sock")
        link.start()
        clients: list[Client] = []

        def new() -> Client:
            clients.append(Client(directory / "key.sock"))
            return clients[-1]

        yield new
        for client in clients:
            client.close()
        link.close()


def lock(client: Client) -> bytes:
    client.send(bytes((Control.LOCK,)))
    return client.receive()


def test_a_command_may_follow_its_lock_without_waiting(connect: Callable[[], Client]) -> None:
    client = connect()
    client.send(bytes((Control.LOCK,)), GET_DEV_INFO)
    assert client.receive() == GRANTED
    assert client.receive()[-2:] == SW.OK.to_bytes(2)


def test_it_is_carried_out_under_the_lock_alone(connect: Callable[[], Client]) -> None:
    """Also when the other one lets go between the two."""
    holder, client = connect(), connect()
    assert lock(holder) == GRANTED
    assert lock(client) == HELD
    holder.send(bytes((Control.UNLOCK,)), GET_DEV_INFO)
    assert holder.receive()[-2:] == SW.OK.to_bytes(2)  # it has let go
    client.send(GET_DEV_INFO)
    assert client.receive() == BUSY
    client.send(bytes((Control.LOCK,)), GET_DEV_INFO)
    assert client.receive() == GRANTED
    assert client.receive()[-2:] == SW.OK.to_bytes(2)


def test_who_gives_up_a_refused_lock_is_as_before(connect: Callable[[], Client]) -> None:
    holder, client = connect(), connect()
    assert lock(holder) == GRANTED
    assert lock(client) == HELD
    holder.send(bytes((Control.UNLOCK,)), GET_DEV_INFO)
    holder.receive()
    client.send(bytes((Control.UNLOCK,)), GET_DEV_INFO)
    assert client.receive()[-2:] == SW.OK.to_bytes(2)


def test_who_sees_its_connection_closed_may_come_again_at_once(connect: Callable[[], Client]) -> None:
    """Its place is free by then, however late its thread ends, and fifteen others have the other places."""
    for _ in range(15):
        assert lock(connect())
    for _ in range(500):
        client = connect()
        assert lock(client) == HELD
        client.leave()


def test_a_closed_link_has_no_thread_left() -> None:
    """Not even one that has given its client's place back, and is on its way to its end."""
    gone, may_end = threading.Event(), threading.Event()

    class Link(SocketLink):
        def serve(self, client: _Client) -> None:
            super().serve(client)
            gone.set()
            may_end.wait(PATIENCE_S)

    before = set(threading.enumerate())
    with run_directory() as directory:
        link = Link(Device(load_profile("bocom-2g-tendyron")), directory / "key.sock")
        link.start()
        client = Client(directory / "key.sock")
        client.leave()
        assert gone.wait(PATIENCE_S)
        later = threading.Timer(0.1, may_end.set)
        later.start()
        link.close()
        assert set(threading.enumerate()) - before - {later} == set()
        later.join()
