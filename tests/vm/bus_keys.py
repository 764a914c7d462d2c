"""A key of chosen functions on a bus of the guest, and what Linux makes of it. Inside the guest only."""

from __future__ import annotations

import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Literal, TypeVar

from emulator.device import Device
from emulator.hardware.clock import ManualClock
from emulator.hardware.display import Screen, ScreenKind
from emulator.links.states import LinkState, OnState
from emulator.links.usb.gadget import GadgetLink
from emulator.links.usb.key import UsbKey
from emulator.links.usb.vhci import VhciLink
from emulator.profiles import load_profile
from emulator.sharing import SharedKey
from hostdriver.errors import NoKeyError
from hostdriver.gmt import Container
from hostdriver.transport import Transport
from hostdriver.transport.usb import UsbName, find_one
from hostdriver.transport.usb_disk import DiskTransport
from hostdriver.transport.usb_hid import HidTransport
from protocols.sm2 import PublicKey, Signature
from tests.rig.key import PATIENCE_S, KeyRig, changed, stored, user_pin
from tests.rig.messages import TRANSFER
from tests.rig.verifiers import sm2_verifies
from tests.vm.stack import load_modules

Found = TypeVar("Found")
Kind = Literal["hid", "disk"]
BUSES = ("vhci", "gadget")
_DRIVERS = ["usbhid", "hid_generic", "usb_storage", "sr_mod", "sg", "isofs"]
_UEVENTS, _UDEV = 15, 2
"""NETLINK_KOBJECT_UEVENT of linux/netlink.h, and the group of udevd's messages: by them libusb learns of devices."""
_DEVICES = Path("/sys/bus/usb/devices")


class BusWire:
    """A bus as a wire: with every plug a new device for Linux."""

    def __init__(self, shared: SharedKey, bus: str, kind: Kind) -> None:
        self._shared = shared
        self._bus = bus
        self._kind = kind
        self._link: VhciLink | GadgetLink | None = None

    @property
    def plugged(self) -> bool:
        """See `Wire.plugged`."""
        return self._link is not None

    @property
    def token(self) -> str:
        """See `Wire.token`."""
        return str(self._name)

    def plug(self) -> None:
        """See `Wire.plug`; until Linux has configured the device and its drivers have looked at it."""
        if self._link:
            return
        configured = threading.Event()
        with closing(_uevents()) as events:
            self._link = self._new_link(
                lambda state: configured.set() if state is LinkState.CONFIGURED else None
            )
            self._link.start()
            assert configured.wait(PATIENCE_S)
            _await(events, self._is_ready)

    def unplug(self) -> None:
        """See `Wire.unplug`."""
        link, self._link = self._link, None
        if link:
            link.close()

    def open(self) -> Transport:
        """See `Wire.open`."""
        device = find_one(self._name).device
        interfaces = self._shared.device.profile.usb.interfaces
        transport = HidTransport if self._kind == "hid" else DiskTransport
        return transport.open(device, interfaces.index(self._kind), self.token)

    def find(self, pattern: str) -> Path:
        """The node in /dev of what sysfs has below the key's own directory: hidraw/hidraw*, block/sr*."""
        with closing(_uevents()) as events:
            return _await(events, lambda: self._node(pattern))

    def sysfs(self) -> Path | None:
        """The key's own directory."""
        for serial in _DEVICES.glob("*/serial"):
            if serial.read_text().strip() == self._shared.device.serial:
                return serial.parent
        return None

    def _node(self, pattern: str) -> Path | None:
        directory = self.sysfs()
        found = next(directory.rglob(pattern), None) if directory else None
        node = Path("/dev", found.name) if found else None
        return node if node and node.exists() else None

    def _is_ready(self) -> bool:
        """Whether each interface has its driver, and libusb knows the device."""
        directory = self.sysfs()
        drivers = list(directory.glob("*:1.*/driver")) if directory else []
        if len(drivers) != len(self._shared.device.profile.usb.interfaces):
            return False
        with suppress(NoKeyError):
            return bool(find_one(self._name).device)
        return False

    @property
    def _name(self) -> UsbName:
        usb = self._shared.device.profile.usb
        return UsbName(usb.vid, usb.pid, self._shared.device.serial)

    def _new_link(self, on_state: OnState) -> VhciLink | GadgetLink:
        key = UsbKey(self._shared)
        return VhciLink(key, on_state) if self._bus == "vhci" else GadgetLink(key, None, on_state)


class BusRig(KeyRig):
    """A rig whose wire is a bus."""

    wire: BusWire


@contextmanager
def key_on(bus: str, kind: Kind, *interfaces: str) -> Iterator[BusRig]:
    """A key with its bank's SM2 pair on it, reached through one of its functions; the host has it open."""
    load_modules()
    subprocess.run(["modprobe", "--all", *_DRIVERS], check=True)
    profile = changed(
        load_profile("bocom-2g-tendyron"),
        usb__interfaces=interfaces or (kind,),
        containers__rsa=None,  # which would take minutes to make here
        pin__user__cache="session",
    )
    clock = ManualClock()
    device = Device(profile, storage=stored(profile, "ready"), clock=clock)
    wires: list[BusWire] = []

    def wire(shared: SharedKey) -> BusWire:
        wires.append(BusWire(shared, bus, kind))
        return wires[-1]

    try:
        rig = BusRig(device, clock, wire, user_pin(profile, "ready"))
        try:
            yield rig
        finally:
            rig.close()
    finally:
        wires[0].unplug()
        device.close()


def _uevents() -> socket.socket:
    """News of devices, once udevd is through with them, from now on."""
    events = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _UEVENTS)
    events.bind((0, _UDEV))
    return events


def _await(events: socket.socket, find: Callable[[], Found | None]) -> Found:
    """What is found, at once or after one of the news."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := find()):
        events.settimeout(max(deadline - time.monotonic(), 0.01))
        events.recv(0x4000)
    return found


def is_signed(rig: BusRig, container: Container, signature: Signature) -> bool:
    """Whether that signs the transfer with the container's key (E2, G24)."""
    key = rig.session.public_key(container)
    assert isinstance(key, PublicKey)
    return sm2_verifies(key, TRANSFER, signature)


@contextmanager
def interrupted_when_it_asks(rig: KeyRig) -> Iterator[None]:
    """Ctrl-C, as soon as the key asks its person."""
    main = threading.main_thread().ident
    assert main is not None

    def interrupt(screen: Screen) -> None:
        if screen.kind is ScreenKind.CONFIRM:
            signal.pthread_kill(main, signal.SIGINT)

    remove = rig.device.on_screen(interrupt)
    try:
        yield
    finally:
        remove()
