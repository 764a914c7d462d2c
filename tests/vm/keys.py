"""A key with its person and its host, on a bus of the guest, and what Linux makes of it. Inside the guest only."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from emulator.device import Device
from emulator.hardware.clock import ManualClock
from emulator.links.usb.ccid import CcidFunction
from emulator.links.usb.key import UsbKey
from emulator.links.usb.usbip import UsbIpLink
from emulator.links.usb.vhci import VhciLink
from emulator.profiles import Profile, load_profile
from emulator.sharing import SharedKey
from hostdriver.gmt import Container, GmtSession
from hostdriver.transport.pcsc import PcscTransport, wait_for_cards
from hostdriver.transport.usb import UsbName
from protocols.sm2 import PublicKey, Signature
from tests.rig.key import KeyRig, changed, stored, user_pin
from tests.rig.messages import TRANSFER
from tests.rig.patience import PATIENCE_S
from tests.rig.verifiers import sm2_verifies
from tests.vm.stack import load_modules
from vukey_testing.targets import Wire
from vukey_testing.usb_news import DeviceNews, directory_of
from vukey_testing.usb_targets import NewLink, UsbDirect, on_free_udc

MODEL = "bocom-2g-tendyron"
UNLISTED_PID = 0x5AFE
"""pcscd leaves alone what libccid has not in its list."""
LINKS: dict[str, NewLink] = {"vhci": VhciLink, "gadget": on_free_udc}
"""Both buses of the guest."""
GET_DEV_INFO = bytes.fromhex("80040000000000")

_DRIVERS = ("usbhid", "hid_generic", "usb_storage", "sr_mod", "sg", "isofs")
_PORTS = Path("/sys/devices/platform/vhci_hcd.0/status")


# The key


def small_profile(model: str = MODEL, /, **values: object) -> Profile:
    """A model without an RSA pair, which would take its time to make here."""
    return changed(load_profile(model), containers__rsa=None, pin__user__cache="session", **values)


@contextmanager
def small_key(model: str = MODEL, stage: str = "ready", /, **values: object) -> Iterator[Device]:
    """A key at no wire; "ready": its user has taken it over.

    :param values: of its profile, to be changed.
    """
    profile = small_profile(model, **values)
    device = Device(profile, storage=stored(profile, stage), clock=ManualClock())
    try:
        yield device
    finally:
        device.close()


@contextmanager
def key_on(wire: Callable[[SharedKey], Wire], model: str = MODEL, /, **values: object) -> Iterator[KeyRig]:
    """A key that its user has taken over, at a wire, with its person and its host."""
    with small_key(model, **values) as device:
        assert isinstance(device.clock, ManualClock)
        rig = KeyRig(device, device.clock, wire, user_pin(device.profile, "ready"))
        try:
            yield rig
        finally:
            rig.close()


def is_signed(rig: KeyRig, container: Container, signature: Signature) -> bool:
    """Whether that signs the transfer with the container's key (E2, G24)."""
    key = rig.session.public_key(container)
    assert isinstance(key, PublicKey)
    return sm2_verifies(key, TRANSFER, signature)


# Its functions, and Linux's drivers of them


class DrivenKey(UsbDirect):
    """A key whose functions Linux's own drivers have, until pyusb takes one from them."""

    def plug(self) -> None:
        """See `Wire.plug`: until the drivers have it too."""
        super().plug()
        with DeviceNews() as news:
            assert news.wait_until(self._is_driven, PATIENCE_S)

    def _is_driven(self) -> bool:
        """Whether each interface has its driver; none comes with the kernel for CCID."""
        directory = directory_of(self._name)
        drivers = list(directory.glob("*:1.*/driver")) if directory else []
        return len(drivers) == sum(not isinstance(each, CcidFunction) for each in self._bus.key.functions)


@contextmanager
def function_on(link: str, *kinds: str) -> Iterator[KeyRig]:
    """A key of these functions (ccid, hid, disk) on one of `LINKS`; pyusb has it."""
    load_modules(*_DRIVERS)
    with key_on(partial(DrivenKey, link=LINKS[link]), usb__interfaces=kinds) as rig:
        yield rig


def name_of(key: Device) -> UsbName:
    """As libusb finds it."""
    usb = key.profile.usb
    return UsbName(usb.vid, usb.pid, key.serial)


def node_of(key: Device, pattern: str) -> Path:
    """The node in /dev of what sysfs has below the key's own directory: hidraw/hidraw*, block/sr*."""

    def look() -> Path | None:
        directory = directory_of(name_of(key))
        found = next(directory.rglob(pattern), None) if directory else None
        node = Path("/dev", found.name) if found else None
        return node if node and node.exists() else None

    with DeviceNews() as news:
        node = news.wait_until(look, PATIENCE_S)
    assert node
    return node


# Programs


def run(*command: str) -> str:
    """Standard output of a program that must succeed."""
    done = subprocess.run(command, text=True, capture_output=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    return done.stdout


def usbip(port: str, *arguments: str) -> str:
    """What the usbip tool says, which must succeed."""
    return run("usbip", "--tcp-port", port, *arguments)


@contextmanager
def served(key: Device) -> Iterator[str]:
    """A key behind a USB/IP server; the server's port."""
    link = UsbIpLink(UsbKey(SharedKey(key)))
    link.start()
    try:
        yield str(link.port)
    finally:
        link.close()


def attach(port: str) -> None:
    """With the usbip tool."""
    usbip(port, "attach", "--remote", "127.0.0.1", "--busid", "1-1")


def detach() -> None:
    """With the usbip tool, the only key there is."""
    (port,) = attached_ports()
    run("usbip", "detach", "--port", port)


def attached_ports() -> list[str]:
    """Those of vhci_hcd with something in them: state 6, VDEV_ST_USED of the kernel's usbip_common.h."""
    lines = [line.split() for line in _PORTS.read_text().splitlines()[1:]]
    return [str(int(line[1])) for line in lines if line[2] == "006"]


def attach_and_detach(key: Device, port: str) -> None:
    """And a word with the key in its reader in between."""
    attach(port)
    with open_reader(key.serial) as session:
        assert session.device_info().serial == key.serial
    detach()
    assert readers_of(key.serial, present=False) == []


def open_reader(serial: str) -> GmtSession:
    """With the key of that number, once pcscd has a reader for it."""
    reader, *_ = readers_of(serial, present=True)
    return GmtSession(PcscTransport.open(reader))


def readers_of(serial: str, *, present: bool) -> list[str]:
    """Those of pcscd with that key in it, once there is one, or none."""
    names = wait_for_cards(lambda names: any(serial in name for name in names) == present, PATIENCE_S)
    return [name for name in names if serial in name]
