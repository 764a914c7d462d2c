"""Keys on USB without PC/SC, through pyusb (extra ``usb``): finding them, and the function that carries APDUs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum, unique
from typing import TYPE_CHECKING

from hostdriver.errors import MissingComponentError, NoKeyError, SeveralKeysError
from hostdriver.printable import printable
from hostdriver.transport import Transport
from hostdriver.transport.usb_interface import libusb
from protocols.i18n import N_

if TYPE_CHECKING:
    import usb.core

_NAME = re.compile(r"usb:([0-9a-fA-F]{1,4}):([0-9a-fA-F]{1,4})(?::(.+))?", re.DOTALL)
_BOOT_SUBCLASS = 1
"""Of a HID interface: a keyboard or mouse that firmware understands (HID 1.11, 4.2)."""


@unique
class UsbClass(IntEnum):
    """bInterfaceClass of a function that may carry APDUs, best first (usb.org, defined class codes)."""

    CCID = 0x0B
    HID = 0x03
    DISK = 0x08


@dataclass(frozen=True, slots=True)
class UsbName:
    """What ``--token usb:VID:PID[:SERIAL]`` says.

    :param serial: iSerialNumber's string; empty: any.
    """

    vid: int
    pid: int
    serial: str = ""

    @classmethod
    def parse(cls, text: str) -> UsbName | None:
        """The parts; None where it is written in another way."""
        match = _NAME.fullmatch(text)
        if match is None:
            return None
        vid, pid, serial = match.groups()
        return cls(int(vid, 16), int(pid, 16), serial or "")

    def __str__(self) -> str:
        serial = f":{self.serial}" if self.serial else ""
        return f"usb:{self.vid:04x}:{self.pid:04x}{serial}"


@dataclass(frozen=True, slots=True)
class UsbKey:
    """A device on USB that may be a key.

    :param interface: the number of the function that carries the APDUs.
    """

    name: UsbName
    device: usb.core.Device
    kind: UsbClass
    interface: int

    def open(self) -> Transport:
        """Claim it and power the key.

        :raises KeyClaimedError: another program has it.
        :raises UsbRightError: this user may not use it.
        :raises MissingComponentError: no `construct`.
        """
        return _openers()[self.kind](self.device, self.interface, str(self.name))


def find_readers() -> list[UsbKey]:
    """Every device with a CCID function. What only has HID or a disk may be anything: it must be named.

    :raises MissingComponentError: no pyusb or no libusb.
    """
    return [key for key in _keys(libusb().find(find_all=True)) if key.kind is UsbClass.CCID]


def find_one(name: UsbName) -> UsbKey:
    """The only key of that name.

    :raises NoKeyError: there is none.
    :raises SeveralKeysError: there are several; the message lists them.
    :raises MissingComponentError: no pyusb or no libusb.
    """
    devices = libusb().find(find_all=True, idVendor=name.vid, idProduct=name.pid)
    found = [key for key in _keys(devices) if name.serial in ("", key.name.serial)]
    if not found:
        raise NoKeyError(N_("no key at {spec}; see: vukey host list"), spec=name)
    if len(found) > 1:
        names = printable(", ".join(str(key.name) for key in found))
        raise SeveralKeysError(N_("several keys found; choose one with --token: {names}"), names=names)
    return found[0]


def _openers() -> dict[UsbClass, Callable[[usb.core.Device, int, str], Transport]]:
    """They need `construct`: nobody loads it who opens no key on USB."""
    try:
        from hostdriver.transport.usb_ccid import UsbCcidTransport
        from hostdriver.transport.usb_disk import DiskTransport
        from hostdriver.transport.usb_hid import HidTransport
    except ImportError as error:
        raise MissingComponentError(
            N_("USB needs the package {name}: pip install 'vukey[usb]'"), name=error.name
        ) from None
    return {
        UsbClass.CCID: UsbCcidTransport.open,
        UsbClass.HID: HidTransport.open,
        UsbClass.DISK: DiskTransport.open,
    }


def _keys(devices: Iterator[usb.core.Device]) -> Iterator[UsbKey]:
    for device in devices:
        functions = dict(_functions(device))
        for kind in UsbClass:
            if kind in functions:
                name = UsbName(device.idVendor, device.idProduct, _serial(device))
                yield UsbKey(name, device, kind, functions[kind])
                break


def _functions(device: usb.core.Device) -> Iterator[tuple[UsbClass, int]]:
    """The functions that may carry APDUs, of the configuration that the host has chosen or would choose."""
    try:
        configuration = device[0]
    except (libusb().USBError, IndexError):  # it has just gone
        return
    for interface in configuration:
        number, kind = interface.bInterfaceNumber, interface.bInterfaceClass
        if kind == UsbClass.HID and interface.bInterfaceSubClass == _BOOT_SUBCLASS:
            continue
        if kind in iter(UsbClass):
            yield UsbClass(kind), number


def _serial(device: usb.core.Device) -> str:
    """Empty where it has none, or this user may not ask."""
    try:
        return device.serial_number or ""
    except (libusb().USBError, ValueError):  # ValueError: pyusb could not read the languages of the strings
        return ""
