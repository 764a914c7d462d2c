"""A key that carries APDUs over HID reports (fact G37), through pyusb."""

from __future__ import annotations

import math
import secrets
import time
from array import array
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from hostdriver.errors import HostError
from hostdriver.transport.usb_interface import UsbError, UsbInterface, UsbSilenceError, libusb
from protocols.errors import ProtocolError
from protocols.hid import REPORT_SIZE, HidDecoder, Way, reports
from protocols.i18n import N_

if TYPE_CHECKING:
    import usb.core

_LOOK_MS = 1000
"""Longest uninterrupted wait for an answer: Ctrl-C counts in between."""
_STALE_MS = 20
"""How long what a program before us did not fetch may take to come."""
_MAX_STALE = 4096
"""Reports of it; the longest answer has fewer."""
_FAREWELL_S = 5.0
"""How long a key may take for a command that no person is asked about."""


class HidTransport:
    """An open interface. A key's answer may be as late as a person: nothing but the key's own time-out bounds it."""

    def __init__(self, device: usb.core.Device, interface: UsbInterface, name: str) -> None:
        self._device = device
        self._interface = interface
        self._name = name
        self._sequence = secrets.randbelow(
            0x100
        )  # so that a late answer to another program is not taken for ours
        self._buffer = array("B", bytes(REPORT_SIZE))

    @classmethod
    def open(cls, device: usb.core.Device, number: int, name: str) -> Self:
        """Claim the interface.

        :param name: as ``--token`` takes it.
        :raises KeyClaimedError: another program has it.
        :raises UsbError: the device has no such interface, or it has no endpoint for reports each way.
        """
        interface = UsbInterface.open(device, number)
        if not (interface.interrupt_in and interface.interrupt_out):
            interface.close()
            raise UsbError(N_("interface {number} does not take reports both ways"), number=number)
        transport = cls(device, interface, name)
        transport._drop_stale_reports()
        return transport

    @property
    def name(self) -> str:
        """As ``--token`` takes it."""
        return self._name

    def exchange(self, apdu: bytes) -> bytes:
        """One APDU; blocks while the key waits for a person. Interrupted, it resets the key, which stops waiting.

        :raises KeyRemovedError: the key is gone.
        :raises UsbError: the key answers what is no message.
        """
        try:
            return self._exchange(apdu, math.inf)
        except KeyboardInterrupt:
            self.reset()
            raise
        except ProtocolError as error:
            raise UsbError(N_("the key's answer is not understood: {trouble}"), trouble=error) from None

    def last_words(self, apdu: bytes) -> bytes:
        """See `LeavesPower.last_words`.

        :raises UsbSilenceError: no answer came within some seconds.
        """
        return self._exchange(apdu, time.monotonic() + _FAREWELL_S)

    def reset(self) -> bytes:
        """Reset the whole device on its bus, which is all that HID knows; no ATR comes this way: empty."""
        with suppress(libusb().USBError):
            self._device.reset()
        return b""

    def close(self) -> None:
        """Give the interface back to the system; the key keeps its power, and the logins that nobody has ended."""
        self._interface.close()

    def _exchange(self, apdu: bytes, deadline: float) -> bytes:
        self._sequence = (self._sequence + 1) & 0xFF
        for report in reports(Way.TO_KEY, self._sequence, apdu):
            self._interface.write(self._interface.interrupt_out, report)
        decoder = HidDecoder(Way.FROM_KEY)
        while True:
            message = decoder.feed(self._next_report(deadline))
            if message is not None and message.sequence == self._sequence:
                return message.apdu

    def _next_report(self, deadline: float) -> bytes:
        while True:
            try:
                return self._read(_LOOK_MS)
            except UsbSilenceError:
                if time.monotonic() >= deadline:
                    raise

    def _drop_stale_reports(self) -> None:
        with suppress(HostError):
            for _ in range(_MAX_STALE):
                self._read(_STALE_MS)

    def _read(self, milliseconds: int) -> bytes:
        size = self._interface.read(self._interface.interrupt_in, self._buffer, milliseconds)
        return self._buffer[:size].tobytes()
