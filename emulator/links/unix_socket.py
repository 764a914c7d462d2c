"""The key's own unix socket: vpcd's frames, several clients, one lock between them."""

from __future__ import annotations

import os
import socket
import stat
import threading
from pathlib import Path

from emulator.device import Device, Exchange
from emulator.links.accepting import Acceptor
from emulator.links.framed import FramedConnection
from emulator.sharing import SharedKey
from protocols.errors import VukeyError
from protocols.i18n import N_
from protocols.vpcd import Control

_BACKLOG = 16
_MAX_CLIENTS = 16
_MAX_PATH = 107
"""Longest path of a unix socket on Linux."""
GRANTED, HELD = b"\x00", b"\x01"
"""Answers to LOCK."""


class SocketLinkError(VukeyError):
    """The unix socket cannot be made."""


class SocketLink:
    """Listens on a path of mode 0600. Power stays on while any client is there; the last one takes it along.

    :param shared: the key as other links have it too.
    """

    def __init__(self, device: Device, path: Path, shared: SharedKey | None = None) -> None:
        self.shared = shared or SharedKey(device)
        self._path = path
        self._guard = threading.Lock()
        self._clients: dict[_Client, FramedConnection] = {}
        self._threads: list[threading.Thread] = []  # a client's thread outlives its place for a moment

    def start(self) -> None:
        """Listen.

        :raises SocketLinkError: the path is too long, or another key lives there.
        """
        if len(os.fsencode(self._path)) > _MAX_PATH:
            raise SocketLinkError(N_("{path} is too long for a unix socket"), path=self._path)
        _remove_dead_socket(self._path)
        listener = socket.socket(socket.AF_UNIX)
        before = os.umask(0o177)
        try:
            listener.bind(str(self._path))
        finally:
            os.umask(before)
        listener.listen(_BACKLOG)
        os.utime(self._path)  # who watches the directory saw it made before anybody listened
        self._acceptor = Acceptor(listener, self._take, "vukey-socket")

    def close(self) -> None:
        """Send every client away, wait until the last of their threads has ended, and remove the path."""
        self._acceptor.close()
        with self._guard:
            connections = list(self._clients.values())
        for connection in connections:
            connection.close()
        for thread in self._threads:
            thread.join()
        self._path.unlink(missing_ok=True)

    def _take(self, connection: socket.socket) -> None:
        client = _Client(self)
        framed = FramedConnection(connection, client)
        with self._guard:
            if len(self._clients) >= _MAX_CLIENTS:
                connection.close()
                return
            client.thread.start()
            self._clients[client] = framed
        self._threads = [thread for thread in self._threads if thread.is_alive()] + [client.thread]

    def serve(self, client: _Client) -> None:
        """A client's thread, from its first frame to its last."""
        with self._guard:
            framed = self._clients[client]
        framed.serve()

    def forget(self, client: _Client) -> None:
        """Make room for another one."""
        with self._guard:
            del self._clients[client]


class _Client:
    """One client's view of the key."""

    def __init__(self, link: SocketLink) -> None:
        self._link = link
        self._key = link.shared
        self._refused = False
        self.thread = threading.Thread(target=link.serve, args=(self,), name="vukey-client", daemon=True)

    def control(self, control: Control) -> bytes | None:
        """Power, reset, ATR and the lock; nobody resets a key that another client is using."""
        key = self._key
        if control is Control.LOCK:
            self._refused = not key.lock(self)
            return HELD if self._refused else GRANTED
        if control is Control.UNLOCK:
            self._refused = False
            key.unlock(self)
        elif control is Control.POWER_ON:
            key.power_on(self)
        elif control in (Control.RESET, Control.POWER_OFF):
            key.reset(self)
        elif control is Control.ATR:
            return key.device.profile.atr if key.is_free_for(self) else b""
        return None

    def begin(self, apdu: bytes) -> Exchange:
        """Hand an APDU over; *busy* while another client holds the lock, and after a LOCK that was refused.

        A client may send its LOCK and its first APDU in one go: only under the lock is the APDU carried out.
        """
        return self._key.device.refuse_busy(apdu) if self._refused else self._key.begin(self, apdu)

    def leave(self, pending: Exchange | None) -> None:
        """Give back the lock, the power and the place among the clients."""
        try:
            self._key.leave(self, pending)
        finally:
            self._link.forget(self)


def _remove_dead_socket(path: Path) -> None:
    """Make room after a key that was killed.

    :raises SocketLinkError: a living key answers there, or it is no socket.
    """
    if not path.exists():
        return
    if not stat.S_ISSOCK(path.lstat().st_mode):
        raise SocketLinkError(N_("{path} is in the way and is no socket of a key"), path=path)
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except OSError:
            raise SocketLinkError(N_("{path} is in the way and is no socket of a key"), path=path) from None
    raise SocketLinkError(N_("a key with this serial number is running already ({path})"), path=path)
