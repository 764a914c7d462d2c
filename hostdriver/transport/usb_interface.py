"""One interface of a USB device, claimed through pyusb (extra ``usb``): what every USB transport stands on."""

from __future__ import annotations

import errno
from array import array
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Self

from hostdriver.errors import Exit, HostError, KeyRemovedError, MissingComponentError
from protocols.i18n import N_

if TYPE_CHECKING:
    import usb.core

WRITE_MS = 5000
"""Longest time that a key may leave a transfer to it, or a control request, untaken."""
_TO_INTERFACE = 0x21
"""bmRequestType of a class request to an interface, host to device (USB 2.0, 9.3.1)."""
_DIRECTION_IN = 0x80
_TRANSFER_TYPE = 0x03
_BULK, _INTERRUPT = 2, 3
"""bmAttributes of an endpoint (USB 2.0, table 9-13)."""


class UsbError(HostError):
    """USB failed in a way that no other error names."""


class UsbStallError(UsbError):
    """The key refused a transfer or request by a stall (USB 2.0, 8.4.5)."""


class UsbSilenceError(UsbError):
    """The key did not move in the time that it has."""


class UsbRightError(UsbError):
    """This user may not use the device."""


class KeyClaimedError(HostError):
    """Another program, or the system, has the key."""

    exit_code = Exit.BUSY


@cache
def libusb() -> ModuleType:
    """`usb.core`, with a libusb behind it.

    :raises MissingComponentError: one of them is not installed.
    """
    try:
        import usb.core
        import usb.util
        from usb.backend import libusb1
    except ImportError:
        raise MissingComponentError(N_("USB without PC/SC needs pyusb: pip install pyusb")) from None
    if libusb1.get_backend() is None:
        raise MissingComponentError(N_("pyusb finds no libusb: apt-get install libusb-1.0-0"))
    return usb.core  # type: ignore[no-any-return]


def removed() -> KeyRemovedError:
    """The key is gone, or gone for this program."""
    return KeyRemovedError(N_("the key was removed from USB, or another program reset it: try again"))


@contextmanager
def _usb_errors() -> Iterator[None]:
    """Let what pyusb raises come out as our errors."""
    try:
        yield
    except libusb().USBError as error:
        raise _error_of(error) from None


def _error_of(error: usb.core.USBError) -> HostError:
    if isinstance(error, libusb().USBTimeoutError):
        return UsbSilenceError(N_("the key does not answer on USB; plug it in again"))
    if error.errno in (errno.ENODEV, errno.EIO, errno.ENOENT, errno.ESHUTDOWN):
        return removed()
    if error.errno == errno.EPIPE:
        return UsbStallError(N_("the key refuses the transfer (stall)"))
    if error.errno == errno.EACCES:
        return UsbRightError(N_("this user may not use the USB device; a udev rule allows it: docs/usb.md"))
    if error.errno == errno.EBUSY:
        return KeyClaimedError(
            N_(
                "another program has the key on USB: pcscd perhaps; then reach it with --token pcsc, or stop pcscd"
            )
        )
    return UsbError(N_("USB says: {text}"), text=error.strerror)


class UsbInterface:
    """A claimed interface with at most one endpoint of each kind; the kernel's driver comes back at the end.

    `bulk_in`, `bulk_out`, `interrupt_in` and `interrupt_out` are their addresses, 0 where there is none.

    :param device: as pyusb finds it.
    :param descriptor: pyusb's interface.
    :raises KeyClaimedError: another program has it.
    :raises UsbRightError: this user may not open it.
    """

    def __init__(self, device: usb.core.Device, descriptor: usb.core.Interface) -> None:
        self._device = device
        self.number: int = descriptor.bInterfaceNumber
        self.class_descriptor = bytes(descriptor.extra_descriptors)
        kinds = {_kind_of(endpoint): endpoint for endpoint in descriptor}
        answers = kinds.get((_BULK, True))
        self.bulk_in = _address(answers)
        self.bulk_out = _address(kinds.get((_BULK, False)))
        self.interrupt_in = _address(kinds.get((_INTERRUPT, True)))
        self.interrupt_out = _address(kinds.get((_INTERRUPT, False)))
        self.packet_size: int = answers.wMaxPacketSize if answers is not None else 64
        with _usb_errors():
            self._had_driver = self._detach()
            try:
                libusb_util().claim_interface(device, self.number)
            except BaseException:
                self._give_back()
                raise

    @classmethod
    def open(cls, device: usb.core.Device, number: int) -> Self:
        """Claim an interface by its number.

        :raises UsbError: the device has no such interface.
        """
        with _usb_errors():
            configuration = device.get_active_configuration()
            descriptor = libusb_util().find_descriptor(
                configuration, bInterfaceNumber=number, bAlternateSetting=0
            )
        if descriptor is None:
            raise UsbError(N_("the USB device has no interface {number}"), number=number)
        return cls(device, descriptor)

    def write(self, endpoint: int, data: bytes, milliseconds: int = WRITE_MS) -> None:
        """Send data; nothing is added where they end with a whole packet.

        :raises UsbSilenceError: the key did not take them all.
        :raises UsbStallError: it refuses them.
        :raises KeyRemovedError: it is gone.
        """
        with _usb_errors():
            if self._device.write(endpoint, data, milliseconds) != len(data):
                raise UsbSilenceError(N_("the key does not answer on USB; plug it in again"))

    def read(self, endpoint: int, buffer: array[int], milliseconds: int) -> int:
        """One transfer, or what came of it in that time: how many bytes lie in the buffer now.

        :raises UsbSilenceError: nothing came.
        :raises UsbStallError: the key refuses to answer.
        :raises KeyRemovedError: it is gone.
        """
        with _usb_errors():
            return int(self._device.read(endpoint, buffer, milliseconds))

    def request(self, code: int, value: int = 0, data: bytes = b"") -> None:
        """A class request to the interface, with data to the key.

        :raises UsbStallError: the key does not know it.
        """
        with _usb_errors():
            self._device.ctrl_transfer(_TO_INTERFACE, code, value, self.number, data, WRITE_MS)

    def clear_halt(self, endpoint: int) -> None:
        """End a stall of an endpoint (USB 2.0, 9.4.1)."""
        with _usb_errors():
            self._device.clear_halt(endpoint)

    def close(self) -> None:
        """Release it, and give it back to the kernel's driver; harmless when repeated or when the key is gone."""
        with suppress(libusb().USBError):
            libusb_util().release_interface(self._device, self.number)
        self._give_back()

    def _detach(self) -> bool:
        """Take it from the kernel's driver; whether there was one. Only Linux and macOS can."""
        with suppress(NotImplementedError):
            if self._device.is_kernel_driver_active(self.number):
                self._device.detach_kernel_driver(self.number)
                return True
        return False

    def _give_back(self) -> None:
        if self._had_driver:
            self._had_driver = False
            with suppress(libusb().USBError):
                self._device.attach_kernel_driver(self.number)
        libusb_util().dispose_resources(self._device)


def libusb_util() -> ModuleType:
    """`usb.util`."""
    return libusb().util  # type: ignore[no-any-return]


def _kind_of(endpoint: usb.core.Endpoint) -> tuple[int, bool]:
    return endpoint.bmAttributes & _TRANSFER_TYPE, bool(endpoint.bEndpointAddress & _DIRECTION_IN)


def _address(endpoint: usb.core.Endpoint | None) -> int:
    return endpoint.bEndpointAddress if endpoint is not None else 0
