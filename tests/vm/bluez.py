"""BlueZ in the guest, and keys that bring it an adapter within their reach. Inside the guest only."""

from __future__ import annotations

import subprocess
import threading
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from emulator.hardware.buttons import Button
from emulator.links.ble.link import BleLink
from emulator.links.states import LinkState
from emulator.sharing import SharedKey
from hostdriver.transport.ble import BleTransport
from hostdriver.transport.ble_bleak import BleakBackend
from tests.rig.cli import Lines, Terminal
from tests.rig.patience import PATIENCE_S

_BLUETOOTHD = "/usr/libexec/bluetooth/bluetoothd"


class Bluez:
    """Linux's Bluetooth, no adapter yet, and a person at bluetoothctl: ``with Bluez() as bluez:``."""

    def __enter__(self) -> Self:
        with ExitStack() as held:
            subprocess.run(["modprobe", "--all", "bluetooth", "hci_vhci"], check=True)
            self._start_bus(held)
            self._running = held.enter_context(ExitStack())
            self._start()
            self._held = held.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    def restart(self) -> None:
        """As when the computer starts anew: what was agreed on is on its disk."""
        self._running.close()
        self._start()

    def await_adapter(self) -> None:
        """Until the adapter that a key brings is on: there is no other."""
        self.person.wait_for(r"NEW\W+Controller")
        self.person.type("power on\n")
        self.person.wait_for("Changing power on succeeded|Powered: yes")

    def await_departure(self) -> None:
        """Until the adapter has gone with its key."""
        self.person.wait_for(r"DEL\W+Controller")

    def _start_bus(self, held: ExitStack) -> None:
        command = ["dbus-daemon", "--system", "--nofork", "--print-address"]
        bus = subprocess.Popen(command, stdout=subprocess.PIPE)
        held.callback(_end, bus)
        assert bus.stdout is not None
        with bus.stdout as address:
            assert address.readline()

    def _start(self) -> None:
        """Who comes to the daemon before it is ready may not be heard: so first the one, then the other."""
        daemon = subprocess.Popen([_BLUETOOTHD, "--nodetach"], stderr=subprocess.PIPE, text=True)
        assert daemon.stderr is not None
        said = Lines(daemon.stderr)
        self._running.callback(said.close)
        self._running.callback(_end, daemon)
        said.wait_for("management interface")
        person = Terminal(Path("/run"), "--agent", "DisplayYesNo", program=("bluetoothctl",))
        self.person = self._running.enter_context(person)
        person.wait_for("Agent registered")
        person.type("default-agent\n")
        person.wait_for("Default agent request successful")


def _end(process: subprocess.Popen[Any]) -> None:
    process.terminate()
    process.wait(PATIENCE_S)


class WithinReach:
    """A `Wire`: the key by BlueZ, through bleak."""

    def __init__(self, shared: SharedKey, bluez: Bluez) -> None:
        self._shared = shared
        self._bluez = bluez
        self._link: BleLink | None = None
        self._found = threading.Event()

    @property
    def plugged(self) -> bool:
        """See `Wire.plugged`."""
        return self._link is not None

    def plug(self) -> None:
        """See `Wire.plug`: switch it on, and wait until it can be found."""
        if self._link:
            return
        self._found.clear()
        self._link = BleLink(self._shared, "vhci", self._hear)
        self._link.start()
        if not self._shared.device.is_on:
            self._shared.device.press(Button.POWER)
        assert self._found.wait(PATIENCE_S)
        self._bluez.await_adapter()

    def unplug(self) -> None:
        """See `Wire.unplug`."""
        if self._link:
            self._link.close()
            self._link = None
            self._bluez.await_departure()

    @property
    def token(self) -> str:
        """See `Wire.token`."""
        return f"ble:{self._shared.device.serial}"

    def open(self) -> BleTransport:
        """See `Wire.open`; BlueZ pairs if that was not done before."""
        return BleTransport.open(BleakBackend(), self._shared.device.serial, lambda number: False)

    def _hear(self, state: LinkState) -> None:
        if state is LinkState.LISTENING:
            self._found.set()
