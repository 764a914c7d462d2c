"""A virtual key on its own unix socket, found through its run file."""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from hostdriver.errors import KeyBusyError, KeyRemovedError, NoKeyError
from protocols.errors import ProtocolError
from protocols.i18n import N_
from protocols.runfile import RunFile, is_private, run_directory
from protocols.sw import SW
from protocols.vpcd import Control, FrameDecoder, encode

_CHUNK = 0x10000 + 2
_GRANTED = b"\x00"
_LOOK_S = 0.05
"""How often to look whether a key that has gone is back."""
_FAREWELL_S = 2.0
"""How long a key may take to let go; a living one takes microseconds."""


def run_files() -> Iterator[RunFile]:
    """What the virtual keys of this user say of themselves, by serial number; a killed one may have left its file."""
    directory = run_directory(os.environ, Path.home())
    if not directory.exists() or not is_private(directory.lstat(), os.getuid()):
        return
    for path in sorted(directory.glob("*.json")):
        with suppress(OSError, ProtocolError):
            yield RunFile.decode(path.read_bytes())


def running_keys() -> list[RunFile]:
    """The virtual keys of this user that listen on a socket; dead ones are left out."""
    return [key for key in run_files() if key.socket and _answers(key.socket)]


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


def _wait_for_answer(path: str, timeout: float | None) -> bool:
    deadline = None if timeout is None else time.monotonic() + timeout
    while not _answers(path):
        if deadline is not None and time.monotonic() >= deadline:
            return False
        time.sleep(_LOOK_S)
    return True


class SocketTransport:
    """An open connection to a virtual key; it holds the key's lock from `open` to `close`."""

    def __init__(self, connection: socket.socket, name: str) -> None:
        self._socket = connection
        self._decoder = FrameDecoder()
        self._frames: list[bytes] = []
        self._name = name
        self._path: str = connection.getpeername()

    @classmethod
    def open(cls, path: Path | str, name: str | None = None) -> SocketTransport:
        """Connect, lock and power the key.

        :raises NoKeyError: nothing listens there.
        :raises KeyBusyError: another program has the key.
        """
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(path))
        except OSError:
            connection.close()
            raise NoKeyError(N_("no virtual key listens at {path}"), path=path) from None
        transport = cls(connection, name or f"socket:{path}")
        try:
            if transport._ask(Control.LOCK) != _GRANTED:
                raise KeyBusyError(SW.BUSY)
            transport.reset()
        except BaseException:
            transport.close()
            raise
        return transport

    @property
    def name(self) -> str:
        """As ``--token`` takes it."""
        return self._name

    def exchange(self, apdu: bytes) -> bytes:
        """One APDU; blocks while the key waits for a person.

        :raises KeyRemovedError: the key is gone.
        """
        self._send(apdu)
        return self._receive()

    def reset(self) -> bytes:
        """Reset; the ATR.

        :raises KeyRemovedError: the key is gone.
        :raises KeyBusyError: it answers somebody else's request.
        """
        self._send(bytes((Control.POWER_ON,)))
        self._send(bytes((Control.RESET,)))
        atr = self._ask(Control.ATR)
        if not atr:
            raise KeyBusyError(SW.BUSY)
        return atr

    def wait_until(self, *, present: bool, timeout: float | None) -> bool:
        """See `TellsPresence.wait_until`: one that has come back is there for a new transport."""
        if present:
            return _wait_for_answer(self._path, timeout)
        hangup = select.poll()
        hangup.register(self._socket, select.POLLRDHUP)
        return bool(hangup.poll(None if timeout is None else 1000 * timeout))

    def close(self) -> None:
        """Unlock by leaving, and wait until the key has noticed: whoever comes next finds it free."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
            self._socket.settimeout(_FAREWELL_S)
            while self._socket.recv(_CHUNK):
                continue
        self._socket.close()

    def _ask(self, control: Control) -> bytes:
        self._send(bytes((control,)))
        return self._receive()

    def _send(self, frame: bytes) -> None:
        try:
            self._socket.sendall(encode(frame))
        except OSError:
            raise _removed() from None

    def _receive(self) -> bytes:
        while not self._frames:
            try:
                data = self._socket.recv(_CHUNK)
            except OSError:
                raise _removed() from None
            if not data:
                raise _removed()
            self._frames += self._decoder.feed(data)
        return self._frames.pop(0)


def _removed() -> KeyRemovedError:
    return KeyRemovedError(N_("the virtual key has gone: start it again with vukey up"))
