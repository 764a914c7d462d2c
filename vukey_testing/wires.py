"""From a target's name to what plugs an emulated key in there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from emulator.sharing import SharedKey
from hostdriver.errors import HostError, MissingComponentError
from protocols.i18n import N_
from vukey_testing.errors import skip
from vukey_testing.library_targets import SkfLibrary
from vukey_testing.serial_targets import SerialLine
from vukey_testing.targets import InProcess, NoReaderError, UnixSocket, Wire


def wire_of(target: str) -> Callable[[SharedKey], Wire]:
    """Makes the wire of a target that needs to be told nothing more: all but vpcd.

    :raises MissingComponentError: the packages of USB are not installed.
    """
    if target == "inproc":
        return InProcess
    if target == "socket":
        return UnixSocket
    if target == "serial":
        return SerialLine
    if target == "skf":
        return SkfLibrary
    if target == "ble":
        return _bluetooth()
    try:
        from vukey_testing import usb_targets
    except ImportError as error:
        raise MissingComponentError(
            N_("USB needs the package {name}: pip install 'vukey[usb]'"), name=error.name
        ) from None
    wires: dict[str, Callable[[SharedKey], Wire]] = {
        "gadget": usb_targets.on_gadget,
        "usbip": usb_targets.on_vhci,
        "usb": usb_targets.direct,
    }
    return wires[target]


def _bluetooth() -> Callable[[SharedKey], Wire]:
    try:
        from vukey_testing.ble_targets import Bluetooth
    except ImportError as error:
        raise MissingComponentError(
            N_("Bluetooth needs the package {name}: pip install 'vukey[ble]'"), name=error.name
        ) from None
    return Bluetooth


@contextmanager
def skipping_where_impossible(target: str) -> Iterator[None]:
    """Plug a key in, or skip the test with the reason why that cannot be done on this machine."""
    try:
        yield
    except (NoReaderError, HostError) as error:
        if target in ("inproc", "socket"):
            raise
        skip(N_("--token {target} is not possible here: {error}"), target=target, error=error.localized())
