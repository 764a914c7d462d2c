"""The link into a real pcscd: a client of vsmartcard's virtual reader (vpcd)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from functools import partial

from emulator.device import Device, Exchange
from emulator.links.framed import FramedConnection
from emulator.links.states import LinkState
from emulator.sharing import SharedKey
from protocols.vpcd import Control

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 35963
SLOTS = 2
"""Readers of one vpcd: its port and the next one (fixed when Debian builds it)."""

_RETRY_S = 0.25
_PATIENCE_S = 3.0
"""How long pcscd may take to ask a new card for its ATR; a taken reader never asks."""

Connect = Callable[[], socket.socket]


def tcp_slots(host: str = DEFAULT_HOST, port: int = DEFAULT_PORT) -> tuple[Connect, ...]:
    """How to connect to each slot of a vpcd."""

    return tuple(partial(_connect, host, port + number) for number in range(SLOTS))


def _connect(host: str, port: int) -> socket.socket:
    """Connect to a slot.

    vpcd's port lies among those that Linux hands out by itself: with pcscd away, a connection can reach itself.
    """
    connection = socket.create_connection((host, port), timeout=_PATIENCE_S)
    if connection.getsockname() == connection.getpeername():
        connection.close()
        raise ConnectionRefusedError
    return connection


class VpcdLink:
    """Keeps a key plugged into the first free slot, for as long as pcscd comes and goes.

    :param slots: connects to each slot in turn; a refused connection is an OSError.
    :param on_state: told of every change, in the link's thread.
    :param shared: the key as other links have it too.
    """

    def __init__(
        self,
        device: Device,
        slots: Sequence[Connect],
        on_state: Callable[[LinkState, int], None] = lambda state, slot: None,
        shared: SharedKey | None = None,
    ) -> None:
        self._shared = shared or SharedKey(device)
        self._slots = slots
        self._on_state = on_state
        self._state: LinkState | None = None
        self._closed = threading.Event()
        self._connection: FramedConnection | None = None
        self._thread = threading.Thread(target=self._run, name="vukey-vpcd", daemon=True)

    def start(self) -> None:
        """Begin to look for a slot."""
        self._thread.start()

    def close(self) -> None:
        """Pull the key out and end the thread."""
        self._closed.set()
        connection = self._connection
        if connection is not None:
            connection.close()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed.is_set():
            found = [self._try(number) for number in range(len(self._slots))]
            if True in found:
                continue
            self._tell(LinkState.TAKEN if False in found else LinkState.NO_READER, -1)
            self._closed.wait(_RETRY_S)

    def _try(self, number: int) -> bool | None:
        """Serve a slot: True if it was ours for a while, False if it is taken, None if nothing listens."""
        if self._closed.is_set():
            return None
        try:
            connection = self._slots[number]()
        except OSError:
            return None
        service = _Slot(self._shared, lambda: self._tell(LinkState.PLUGGED, number))
        framed = FramedConnection(connection, service, first_frame_within=_PATIENCE_S)
        self._connection = framed
        try:
            if self._closed.is_set():
                framed.close()
            framed.serve()
        finally:
            self._connection = None
        return service.plugged or (False if framed.was_silent else None)

    def _tell(self, state: LinkState, slot: int) -> None:
        if state is not self._state:
            self._state = state
            self._on_state(state, slot)


class _Slot:
    """What vpcd's frames do to the key.

    `begin` hands an APDU over; a reader that forgot to power the key gets it powered.
    """

    def __init__(self, key: SharedKey, on_plugged: Callable[[], None]) -> None:
        self._key = key
        self.begin = partial(key.begin, self)
        self._on_plugged = on_plugged
        self.plugged = False

    def control(self, control: Control) -> bytes | None:
        """Power off, power on, reset, or the ATR."""
        if not self.plugged:
            self.plugged = True
            self._on_plugged()
        if control is Control.POWER_OFF:
            self._key.power_off(self)
        elif control is Control.POWER_ON or control is Control.RESET:
            self._key.reset(self)
        elif control is Control.ATR:
            return self._key.device.profile.atr
        return None

    def leave(self, pending: Exchange | None) -> None:
        """The key is out of the reader."""
        self._key.leave(self, pending)
