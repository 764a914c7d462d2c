"""What Linux says of devices that come and go."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from hostdriver.errors import NoKeyError
from hostdriver.transport.usb import UsbName, find_one

_KOBJECT_UEVENT = 15
_KERNEL_AND_UDEV = 1 | 2
"""A netlink family of Linux, and its groups: what the kernel has seen, and what udev has settled."""
_LOOK_S = 1.0
"""Longest uninterrupted wait for news."""
_NEWS_SIZE = 8192
_DEVICES = Path("/sys/bus/usb/devices")

Seen = TypeVar("Seen")


class DeviceNews:
    """The news from when it is entered on, so that nothing is missed that one does meanwhile."""

    def __enter__(self) -> DeviceNews:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _KOBJECT_UEVENT)
        self._socket.bind((0, _KERNEL_AND_UDEV))
        self._socket.settimeout(_LOOK_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def wait_for(self, name: UsbName, seconds: float, *, present: bool) -> bool:
        """Whether libusb sees a key of that name, or sees it no longer, within a time."""
        if present:
            return self.wait_until(lambda: _is_there(name), seconds)
        return self.wait_until(lambda: not (directory_of(name) or _is_there(name)), seconds)

    def wait_until(self, look: Callable[[], Seen], seconds: float) -> Seen:
        """Look again after every piece of news; what was seen last: what is wanted (it is true), or time was up."""
        deadline = time.monotonic() + seconds
        while not (seen := look()) and time.monotonic() < deadline:
            with suppress(OSError):  # silence, or more news than fit
                self._socket.recv(_NEWS_SIZE)
        return seen


def directory_of(name: UsbName) -> Path | None:
    """A device's own directory in sysfs; None without a device of that name, or without a serial number.

    Nothing is asked of the device: Linux complains of every word to one that is just going.
    """
    for directory in _DEVICES.glob("*"):
        with suppress(OSError):  # what has no such file, or has just gone
            vid, pid, serial = (
                (directory / file).read_text().strip() for file in ("idVendor", "idProduct", "serial")
            )
            if (int(vid, 16), int(pid, 16)) == (name.vid, name.pid) and name.serial in ("", serial):
                return directory
    return None


def _is_there(name: UsbName) -> bool:
    with suppress(NoKeyError):
        find_one(name)
        return True
    return False
