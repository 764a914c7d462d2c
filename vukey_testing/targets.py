"""How a program reaches an emulated key: by function call, over its unix socket, in a reader of a real pcscd."""

from __future__ import annotations

import tempfile
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from emulator.device import Exchange
from emulator.links.states import LinkState
from emulator.links.unix_socket import SocketLink
from emulator.links.vpcd import Connect, VpcdLink
from emulator.sharing import SharedKey
from hostdriver.errors import KeyBusyError
from hostdriver.gmt import GmtSession
from hostdriver.transport import Transport
from hostdriver.transport.pcsc import PcscTransport, wait_for_cards
from hostdriver.transport.unix_socket import SocketTransport
from protocols.errors import VukeyError
from protocols.i18n import N_
from protocols.sw import SW

PATIENCE_S = 30.0
"""Longest wait for a reader: other tests may have their keys in it."""


class NoReaderError(VukeyError):
    """No reader took the key."""


class Wire(Protocol):
    """What an emulated key is plugged into; harmless to plug or unplug twice."""

    @property
    def plugged(self) -> bool:
        """Whether the key is plugged in."""
        ...

    def plug(self) -> None:
        """Plug the key in."""
        ...

    def unplug(self) -> None:
        """Pull the key out."""
        ...

    @property
    def token(self) -> str:
        """What a program takes to reach the key: ``socket:/path``, ``pcsc:READER``, ``usb:…`` or ``serial:/path``."""
        ...

    def open(self) -> Transport:
        """A way to the plugged key."""
        ...


class InProcess:
    """A function call. Programs that know none find a socket, which is made when it is first asked for."""

    def __init__(self, shared: SharedKey) -> None:
        self._shared = shared
        self._socket = UnixSocket(shared)
        self._calls: list[DirectTransport] = []
        self.plugged = False

    def plug(self) -> None:
        """See `Wire.plug`."""
        self.plugged = True

    def unplug(self) -> None:
        """See `Wire.unplug`."""
        self.plugged = False
        self._socket.unplug()
        while self._calls:
            self._calls.pop().close()

    @property
    def token(self) -> str:
        """See `Wire.token`."""
        self._socket.plug()
        return self._socket.token

    def open(self) -> Transport:
        """See `Wire.open`: one at a time has the key, as everywhere.

        :raises KeyBusyError: the test, or a program at the socket, has it already.
        """
        call = DirectTransport(self._shared)
        if not self._shared.lock(call):
            raise KeyBusyError(SW.BUSY)
        self._calls.append(call)
        call.reset()
        return call


class DirectTransport:
    """One user of a key beside others, who calls it directly."""

    def __init__(self, shared: SharedKey) -> None:
        self._shared = shared
        self._pending: Exchange | None = None
        self.name = f"inproc:{shared.device.serial}"

    def exchange(self, apdu: bytes) -> bytes:
        """One APDU; blocks while the key waits for a person.

        :raises PowerLostError: the key was pulled out meanwhile.
        """
        self._pending = exchange = self._shared.begin(self, apdu)
        return exchange.wait()

    def reset(self) -> bytes:
        """Reset the key; its ATR."""
        self._shared.reset(self)
        return self._shared.device.profile.atr

    def close(self) -> None:
        """Leave the key."""
        self._shared.leave(self, self._pending)


class WireAtPath(ABC):
    """What every way through a file has: it lies in a directory of its own for as long as the key is plugged in.

    Whoever takes part says in `_start` what it is.
    """

    def __init__(self, shared: SharedKey) -> None:
        self._shared = shared
        self._held = ExitStack()
        self.path: Path | None = None

    @property
    def plugged(self) -> bool:
        """See `Wire.plugged`."""
        return self.path is not None

    def plug(self) -> None:
        """See `Wire.plug`."""
        if self.path:
            return
        directory = self._held.enter_context(tempfile.TemporaryDirectory(prefix="vukey-"))
        path = Path(directory, "key")
        self._held.callback(self._start(path))
        self.path = path

    def unplug(self) -> None:
        """See `Wire.unplug`."""
        self.path = None
        self._held.close()

    @abstractmethod
    def _start(self, path: Path) -> Callable[[], None]:
        """Start the link at a path; returns what ends it."""


class UnixSocket(WireAtPath):
    """The key's own unix socket, in a directory of its own."""

    @property
    def token(self) -> str:
        """See `Wire.token`."""
        return f"socket:{self.path}"

    def open(self) -> Transport:
        """See `Wire.open`."""
        return SocketTransport.open(self.path or "")

    def _start(self, path: Path) -> Callable[[], None]:
        link = SocketLink(self._shared.device, path, self._shared)
        link.start()
        return link.close


class User(PcscTransport):
    """Knows whether it still has the key."""

    is_open = True

    def close(self) -> None:
        """See `PcscTransport.close`."""
        self.is_open = False
        super().close()


class PcscWire:
    """What every way into a reader of a real pcscd has: pyscard opens the key there.

    Whoever plugs the key in sets `_name`, the reader's; whoever pulls it out takes it back.
    """

    def __init__(self) -> None:
        self._name = ""
        self._user: User | None = None

    @property
    def token(self) -> str:
        """See `Wire.token`."""
        return f"pcsc:{self._name}"

    def open(self) -> Transport:
        """See `Wire.open`.

        :raises KeyBusyError: the test has it open already.
        """
        if self._user and self._user.is_open:
            raise KeyBusyError(SW.BUSY)  # PC/SC would have the test wait for itself for ever
        self._user = User.open(self._name)
        return self._user


class Reader(PcscWire):
    """A slot of vsmartcard's reader.

    :param slots: connects to each slot in turn.
    """

    def __init__(self, shared: SharedKey, slots: Sequence[Connect]) -> None:
        super().__init__()
        self._shared = shared
        self._slots = slots
        self._link: VpcdLink | None = None
        self._told = threading.Condition()
        self._state: LinkState | None = None
        self._slot = -1

    @property
    def plugged(self) -> bool:
        """See `Wire.plugged`."""
        return self._link is not None

    def plug(self) -> None:
        """See `Wire.plug`.

        :raises NoReaderError: no pcscd with vsmartcard there, or other keys are in its readers.
        """
        if self._link:
            return
        self._state = None
        self._link = VpcdLink(self._shared.device, self._slots, self._hear, self._shared)
        self._link.start()
        try:
            self._wait_until_taken()
            self._name = self._find_reader()
        except BaseException:
            self.unplug()
            raise

    def unplug(self) -> None:
        """See `Wire.unplug`: returns once pcscd has noticed."""
        if self._link:
            self._link.close()
            self._link = None
        if self._name:
            name, self._name, self._user = self._name, "", None
            wait_for_cards(lambda readers: name not in readers, PATIENCE_S)

    def _hear(self, state: LinkState, slot: int) -> None:
        with self._told:
            self._state, self._slot = state, slot
            self._told.notify_all()

    def _wait_until_taken(self) -> None:
        ended = (LinkState.PLUGGED, LinkState.NO_READER)
        with self._told:
            self._told.wait_for(lambda: self._state in ended, PATIENCE_S)
            state = self._state
        if state is LinkState.NO_READER:
            raise NoReaderError(
                N_(
                    "pcscd with vsmartcard-vpcd does not listen where --vukey-vpcd says; install and start both"
                )
            )
        if state is not LinkState.PLUGGED:
            raise NoReaderError(N_("other keys are in both virtual readers, and none came free"))

    def _find_reader(self) -> str:
        """The reader that pcscd calls our slot: of several of that number, the one in which we are."""
        ours = f" {self._slot:02}"

        def of_our_number(readers: list[str]) -> list[str]:
            return [name for name in readers if name.endswith(ours) and "Virtual PCD" in name]

        candidates = of_our_number(wait_for_cards(lambda readers: bool(of_our_number(readers)), PATIENCE_S))
        if len(candidates) == 1:
            return candidates[0]
        for name in candidates:
            with GmtSession(PcscTransport.open(name)) as session:
                if session.device_info().serial == self._shared.device.serial:
                    return name
        raise NoReaderError(N_("pcscd has taken the key, and shows it in none of its readers"))
