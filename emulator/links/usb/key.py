"""The key as a USB device: its descriptors and its functions, as its profile has them."""

from __future__ import annotations

from collections.abc import Callable

from emulator.links.usb.ccid import CcidFunction
from emulator.links.usb.disk import DiskFunction
from emulator.links.usb.function import Function
from emulator.links.usb.hid import HidFunction
from emulator.sharing import SharedKey
from protocols.usb import DeviceModel

_RELEASE = 0x0100
"""bcdDevice: 1.00."""
_NUMBER = 0x0F
"""The number in an endpoint's address (USB 2.0, table 9-13)."""
_KINDS: dict[str, Callable[[SharedKey, int, int], Function]] = {
    "ccid": CcidFunction,
    "hid": HidFunction,
    "disk": DiskFunction,
}
"""A function from the key, its interface's number and the first endpoint number that is free."""


class UsbKey:
    """What one bus carries. A key on several buses has one of these for each.

    :param shared: the key as other links have it too.
    """

    def __init__(self, shared: SharedKey) -> None:
        device = shared.device
        profile = device.profile
        self.functions = _functions(shared)
        self.model = DeviceModel(
            vid=profile.usb.vid,
            pid=profile.usb.pid,
            release=_RELEASE,
            manufacturer=profile.maker,
            product=profile.title,
            serial=device.serial,
            interfaces=tuple(function.interface for function in self.functions),
        )


def _functions(shared: SharedKey) -> tuple[Function, ...]:
    """The profile's interfaces in its order, their endpoints numbered over all of them."""
    functions: list[Function] = []
    free = 1
    for number, kind in enumerate(shared.device.profile.usb.interfaces):
        function = _KINDS[kind](shared, number, free)
        functions.append(function)
        free = 1 + max(endpoint.address & _NUMBER for endpoint in function.interface.endpoints)
    return tuple(functions)
