"""What Linux says of devices that come and go."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from hostdriver.errors import NoKeyError
from hostdriver.transport.usb import UsbName, find_one

_KOBJECT_UEVENT = 15
_KERNEL_AND_UDEV = 1 | 2
"""A netlink family of Linux, and its groups: what the kernel has seen, and what udev has settled."""
_LOOK_S = 1.0
"""Longest uninterrupted wait for news."""
_NEWS_SIZE = 8192

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
        return self.wait_until(lambda: _is_there(name) == present, seconds)

    def wait_until(self, look: Callable[[], Seen], seconds: float) -> Seen:
        """Look again after every piece of news; what was seen last: what is wanted (it is true), or time was up."""
        deadline = time.monotonic() + seconds
        while not (seen := look()) and time.monotonic() < deadline:
            with suppress(OSError):  # silence, or more news than fit
                self._socket.recv(_NEWS_SIZE)
        return seen


def _is_there(name: UsbName) -> bool:
    with suppress(NoKeyError):
        find_one(name)
        return True
    return False
