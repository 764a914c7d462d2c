"""A key with its person and its host, on a bus of the guest. Inside the guest only."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from emulator.device import Device
from emulator.hardware.clock import ManualClock
from emulator.links.usb.key import UsbKey
from emulator.links.usb.usbip import UsbIpLink
from emulator.profiles import Profile, load_profile
from emulator.sharing import SharedKey
from hostdriver.gmt import GmtSession
from hostdriver.transport.pcsc import PcscTransport, wait_for_cards
from tests.rig.key import PATIENCE_S, KeyRig, changed, stored, user_pin
from vukey_testing.targets import Wire

_PORTS = Path("/sys/devices/platform/vhci_hcd.0/status")


def small_profile(**values: object) -> Profile:
    """A model without an RSA pair, which would take its time to make here."""
    return changed(
        load_profile("bocom-2g-tendyron"), containers__rsa=None, pin__user__cache="session", **values
    )


@contextmanager
def small_key(**values: object) -> Iterator[Device]:
    """A key that its user has taken over, at no wire.

    :param values: of its profile, to be changed.
    """
    profile = small_profile(**values)
    device = Device(profile, storage=stored(profile, "ready"), clock=ManualClock())
    try:
        yield device
    finally:
        device.close()


@contextmanager
def key_on(wire: Callable[[SharedKey], Wire], **values: object) -> Iterator[KeyRig]:
    """The same at a wire, with its person and its host."""
    with small_key(**values) as device:
        assert isinstance(device.clock, ManualClock)
        rig = KeyRig(device, device.clock, wire, user_pin(device.profile, "ready"))
        try:
            yield rig
        finally:
            rig.close()


@contextmanager
def served_key() -> Iterator[tuple[Device, str]]:
    """A small key behind a USB/IP server, and the server's port."""
    with small_key() as device:
        link = UsbIpLink(UsbKey(SharedKey(device)))
        link.start()
        try:
            yield device, str(link.port)
        finally:
            link.close()


def attach_and_detach(key: Device, port: str) -> None:
    """With the usbip tool, and a word with the key in its reader in between."""

    def is_there(names: list[str]) -> bool:
        return any(key.serial in name for name in names)

    usbip(port, "attach", "--remote", "127.0.0.1", "--busid", "1-1")
    reader = next(name for name in wait_for_cards(is_there, PATIENCE_S) if key.serial in name)
    with GmtSession(PcscTransport.open(reader)) as session:
        assert session.device_info().serial == key.serial
    usbip(port, "detach", "--port", _attached_port())
    wait_for_cards(lambda names: not is_there(names), PATIENCE_S)


def usbip(port: str, *arguments: str) -> str:
    """What the usbip tool says, which must succeed."""
    return run("usbip", "--tcp-port", port, *arguments)


def run(*command: str) -> str:
    """Standard output of a program that must succeed."""
    done = subprocess.run(command, text=True, capture_output=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _attached_port() -> str:
    """The one port of vhci_hcd with something in it: state 6, VDEV_ST_USED of the kernel's usbip_common.h."""
    lines = [line.split() for line in _PORTS.read_text().splitlines()[1:]]
    (port,) = [line[1] for line in lines if line[2] == "006"]
    return str(int(port))
