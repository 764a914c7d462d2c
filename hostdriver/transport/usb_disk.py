"""A key that carries APDUs over vendor commands to a USB disk (fact G38), through pyusb."""

from __future__ import annotations

import time
from array import array
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from hostdriver.errors import HostError, KeyRemovedError
from hostdriver.transport.usb_interface import UsbError, UsbInterface, UsbSilenceError, UsbStallError
from protocols.errors import ProtocolError
from protocols.i18n import N_
from protocols.massstorage import (
    FETCH_RESPONSE,
    SEND_APDU,
    DiskCommand,
    DiskRequest,
    DiskStatus,
    Status,
)
from protocols.payload import MAX_SIZE, unwrap, wrap

if TYPE_CHECKING:
    import usb.core

_READ_MS = 20_000
"""Longest time for data or a status: a key may take seconds for a pair of keys."""
_STALE_MS = 20
"""How long what nobody has fetched may take to come."""
_MAX_STALE = 256
"""Transfers of it; no command has more."""
_AGAIN_S = 0.05
"""Between two questions for an answer that depends on a person."""


class DiskTransport:
    """An open interface, which the system's disk driver has lost meanwhile."""

    def __init__(self, interface: UsbInterface, name: str) -> None:
        self._interface = interface
        self._name = name
        self._tag = 0
        self._buffer = array("B", bytes(MAX_SIZE))

    @classmethod
    def open(cls, device: usb.core.Device, number: int, name: str) -> Self:
        """Claim the interface; a disc of it that is mounted becomes unreadable until it is closed.

        The key is reset first: it may be waiting for the rest of a command whose host has died.

        :param name: as ``--token`` takes it.
        :raises KeyClaimedError: another program has it.
        :raises UsbError: the device has no such interface, or it has no bulk endpoint each way.
        """
        interface = UsbInterface.open(device, number)
        if not (interface.bulk_in and interface.bulk_out):
            interface.close()
            raise UsbError(N_("interface {number} does not take mass-storage commands"), number=number)
        transport = cls(interface, name)
        try:
            transport.reset()
        except BaseException:
            interface.close()
            raise
        return transport

    @property
    def name(self) -> str:
        """As ``--token`` takes it."""
        return self._name

    def exchange(self, apdu: bytes) -> bytes:
        """One APDU; blocks while the key waits for a person. Interrupted, it resets the key, which stops waiting.

        :raises KeyRemovedError: the key is gone, or lost its power meanwhile.
        :raises UsbError: the key does not take the commands.
        """
        try:
            self._send(apdu)
            while not (response := self._fetch()):
                time.sleep(_AGAIN_S)
        except ProtocolError as error:
            self.reset()
            raise UsbError(N_("the key's answer is not understood: {trouble}"), trouble=error) from None
        except KeyboardInterrupt:
            with suppress(HostError):
                self.reset()
            raise
        return response

    def reset(self) -> bytes:
        """Reset Recovery (BOT 1.0, 5.3.4), which resets the key too; no ATR comes this way: empty.

        :raises KeyRemovedError: the key is gone.
        """
        interface = self._interface
        with suppress(UsbSilenceError, UsbStallError):
            for _ in range(_MAX_STALE):  # what an interrupted command has left on the way
                interface.read(interface.bulk_in, self._buffer, _STALE_MS)
        with suppress(UsbStallError):  # BOT 1.0, 3.1 knows no device that does not take it
            interface.request(DiskRequest.RESET)
        interface.clear_halt(interface.bulk_in)
        interface.clear_halt(interface.bulk_out)
        return b""

    def close(self) -> None:
        """Reset the key, which ends every login, and give the interface back: the system finds its disc again."""
        with suppress(HostError):
            self.reset()
        self._interface.close()

    def _send(self, apdu: bytes) -> None:
        payload = wrap(apdu)
        command = self._begin(SEND_APDU, len(payload), is_in=False)
        self._interface.write(self._interface.bulk_out, payload)
        self._end(command)

    def _fetch(self) -> bytes:
        """The response, empty while there is none."""
        command = self._begin(FETCH_RESPONSE, MAX_SIZE, is_in=True)
        try:
            data = self._read()
        except UsbStallError:  # the status says why
            self._interface.clear_halt(self._interface.bulk_in)
            data = b""
        self._end(command)
        return unwrap(data)

    def _begin(self, cdb: bytes, length: int, *, is_in: bool) -> DiskCommand:
        self._tag = (self._tag + 1) & 0xFFFF_FFFF
        command = DiskCommand(self._tag, length, is_in, cdb)
        self._interface.write(self._interface.bulk_out, command.encode())
        return command

    def _end(self, command: DiskCommand) -> None:
        """Take the status; asked for twice, where it is refused once (BOT 1.0, figure 2).

        :raises UsbError: the command failed, or the status is another command's.
        """
        try:
            status = DiskStatus.decode(self._read())
        except UsbStallError:
            self._interface.clear_halt(self._interface.bulk_in)
            status = DiskStatus.decode(self._read())
        if status.tag == command.tag and status.status is Status.PASSED:
            return
        if status.tag == command.tag and status.status is Status.FAILED and command.is_in:
            raise KeyRemovedError(N_("the key was reset before it answered: try again"))
        self.reset()
        raise UsbError(N_("the USB disk does not take APDUs"))

    def _read(self) -> bytes:
        size = self._interface.read(self._interface.bulk_in, self._buffer, _READ_MS)
        return self._buffer[:size].tobytes()
