"""What ``--token ble:SERIAL[@ADAPTER]`` says, and opening it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from hostdriver.errors import MissingComponentError
from hostdriver.transport import Transport
from protocols.i18n import N_


class Person(Protocol):
    """Who sits at this computer."""

    def same_number(self, number: str) -> bool:
        """Whether the key shows these six digits; asked in a thread of its own, and may take as long as it takes."""
        ...

    def waits(self, status: int | None) -> None:
        """The key says that it is still at work, and at what (KeepAliveStatus); None: no longer. Not to be blocked."""
        ...


class Nobody:
    """No person: what was not paired before is not paired now."""

    def same_number(self, number: str) -> bool:
        """See `Person`."""
        return False

    def waits(self, status: int | None) -> None:
        """See `Person`."""


@dataclass(frozen=True, slots=True)
class BleName:
    """A key by Bluetooth.

    :param serial: the number on its back; empty: the first key found.
    :param adapter: as bumble names it, an adapter that no other program has; empty: the system's own Bluetooth.
    """

    serial: str
    adapter: str = ""

    @classmethod
    def parse(cls, spec: str) -> Self | None:
        """``ble``, ``ble:SERIAL`` or ``ble:SERIAL@ADAPTER``; None: something else."""
        kind, _, name = spec.partition(":")
        return cls(*name.split("@", 1)) if kind == "ble" else None

    def __str__(self) -> str:
        name = f"{self.serial}@{self.adapter}" if self.adapter else self.serial
        return f"ble:{name}" if name else "ble"

    def open(self, person: Person) -> Transport:
        """Find it, connect, and pair if that was not done before.

        :raises MissingComponentError: bleak, or bumble, is not installed.
        :raises HostError: see `transport.ble.Backend.connect`.
        """
        from hostdriver.transport.ble import Backend, BleTransport

        backend: Backend
        try:
            if self.adapter:
                from hostdriver.transport.ble_bumble import BumbleBackend, FileBonds

                backend = BumbleBackend(self.adapter, FileBonds(bonds_file(os.environ, Path.home())))
            else:
                from hostdriver.transport.ble_bleak import BleakBackend

                backend = BleakBackend()
        except ModuleNotFoundError as error:
            raise MissingComponentError(
                N_("Bluetooth needs the package {name}: pip install 'vukey[ble]'"), name=error.name
            ) from None
        return BleTransport.open(backend, self.serial, person.same_number, person.waits, name=str(self))


def bonds_file(environment: Mapping[str, str], home: Path) -> Path:
    """Where agreements with keys are kept, if it is we who keep them: ``$XDG_STATE_HOME/vukey/bonds.json``."""
    state = environment.get("XDG_STATE_HOME")
    return Path(state or home / ".local" / "state") / "vukey" / "bonds.json"
