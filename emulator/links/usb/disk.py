"""The key as a USB disk, Bulk-Only: a CD-ROM whose vendor commands carry the APDUs (fact G38, BOT 1.0)."""

from __future__ import annotations

import logging
import threading

from emulator.device import Exchange
from emulator.links.usb.disc import Disc, DiscError
from emulator.links.usb.function import Bus
from emulator.sharing import SharedKey
from protocols.errors import ProtocolError
from protocols.massstorage import (
    FETCH_RESPONSE,
    INVALID_FIELD,
    PROTOCOL_BULK_ONLY,
    SEND_APDU,
    SEQUENCE_ERROR,
    SUBCLASS_MMC,
    USB_CLASS,
    WAS_RESET,
    DiskCommand,
    DiskRequest,
    DiskStatus,
    Status,
)
from protocols.payload import MAX_SIZE, unwrap, wrap
from protocols.usb import Endpoint, Interface, Kind, Setup, Transfer

_log = logging.getLogger(__name__)

_IN = 0x80
_LEAD_SIZE = 2
"""Bytes of a vendor command that tell it."""


class DiskFunction:
    """Runs one command after the other, each at once: a key that waits for a person says so when it is asked.

    A command that is not valid halts the bulk-IN endpoint until the host resets the interface (BOT 1.0, 6.6.1).

    :param shared: the key as other links have it too.
    :param number: of the interface.
    :param endpoint: the first number that is free; one is taken, both ways.
    """

    def __init__(self, shared: SharedKey, number: int, endpoint: int) -> None:
        profile = shared.device.profile
        self._in = _IN | endpoint
        self.interface = Interface(
            number=number,
            usb_class=USB_CLASS,
            subclass=SUBCLASS_MMC,
            protocol=PROTOCOL_BULK_ONLY,
            name="Disk",
            class_descriptor=b"",
            endpoints=(Endpoint(self._in, Transfer.BULK), Endpoint(endpoint, Transfer.BULK)),
        )
        self._names = (profile.maker, profile.title)
        self._shared = shared
        self._guard = threading.Lock()
        self._bus: Bus | None = None
        self._disc = Disc(*self._names)
        self._command: DiskCommand | None = None
        self._data = bytearray()
        self._left = 0
        self._refusing = False
        self._exchange: Exchange | None = None
        self._aside: bytes | None = None
        """An answer to an APDU that came while the key waited for a person over another."""

    def start(self, bus: Bus) -> None:
        """The host has configured the device: the disc is in, and nothing is begun."""
        self.stop()
        self._disc = Disc(*self._names)
        self._bus = bus

    def stop(self) -> None:
        """The host has gone: so have its APDU and its login."""
        with self._guard:
            self._bus = None
            self._give_up()

    def missing(self, endpoint: int) -> int:
        """Bytes of data that are still to come before the next command."""
        return self._left

    def clear_halt(self, endpoint: int) -> None:
        """An invalid command is over with a reset alone: until then the halt comes back."""
        if self._refusing and endpoint == self._in and self._bus is not None:
            self._bus.halt(endpoint)

    def control(self, setup: Setup, data: bytes) -> bytes | None:
        """Get Max LUN and Bulk-Only Mass Storage Reset (BOT 1.0, 3)."""
        if setup.kind is not Kind.CLASS:
            return None
        if setup.request == DiskRequest.GET_MAX_LUN and setup.to_host:
            return b"\0"
        if setup.request == DiskRequest.RESET and not setup.to_host:
            with self._guard:
                self._give_up()
            return b""
        return None

    def receive(self, endpoint: int, data: bytes) -> None:
        """A command, or a piece of the data that it announced."""
        while data and not self._refusing:
            command = self._command
            if command is None:
                self._begin(data)
                return
            piece, data = data[: self._left], data[self._left :]
            self._left -= len(piece)
            if len(self._data) < MAX_SIZE:  # what nobody sends as an APDU is not kept
                self._data += piece[:MAX_SIZE]
            if not self._left:
                payload = bytes(self._data)
                self._data.clear()
                self._command = None
                self._run(command, payload)

    def _begin(self, data: bytes) -> None:
        try:
            command = DiskCommand.decode(data)
        except ProtocolError as error:
            _log.debug("%s", error)
            self._refusing = True
            if self._bus is not None:
                self._bus.halt(self._in)
            return
        if command.is_in or not command.length:
            self._run(command, b"")
        else:
            self._command, self._left = command, command.length

    def _run(self, command: DiskCommand, payload: bytes) -> None:
        """Run it; send the data and the status that its thirteen cases want (BOT 1.0, 6.7)."""
        _, length, is_in, cdb = command
        data, used, status = b"", 0, Status.PASSED
        try:
            if cdb[:_LEAD_SIZE] == SEND_APDU[:_LEAD_SIZE]:
                self._transmit(payload)
                used = length
            elif cdb[:_LEAD_SIZE] == FETCH_RESPONSE[:_LEAD_SIZE]:
                data = wrap(self._fetch())
            else:
                data = self._disc.execute(cdb)
        except DiscError as error:
            self._disc.sense = error.sense
            status = Status.FAILED
        if len(data) > (length if is_in else 0):
            status = Status.PHASE_ERROR
            data = data[:length]
        bus = self._bus
        if bus is None:
            return
        if is_in and length:
            bus.send(self._in, data, message=len(data) < length)
            used = len(data)
        bus.send(self._in, DiskStatus(command.tag, length - used, status).encode())

    def _transmit(self, payload: bytes) -> None:
        """Hand an APDU to the key.

        :raises DiscError: there is none in its envelope.
        """
        try:
            apdu = unwrap(payload)
        except ProtocolError as error:
            _log.debug("%s", error)
            raise DiscError(INVALID_FIELD) from None
        with self._guard:
            if self._bus is None:
                return
            waits = self._exchange is not None and not self._exchange.ended
            exchange = self._shared.begin(self, apdu)
            if waits and exchange.response is not None:
                self._aside = exchange.response
            else:
                self._exchange = exchange

    def _fetch(self) -> bytes:
        """The response, as often as the host asks; empty while the key waits for a person.

        :raises DiscError: no APDU was sent, or the key lost its power over it.
        """
        if self._aside is not None:
            response, self._aside = self._aside, None
            return response
        exchange = self._exchange
        if exchange is None:
            raise DiscError(SEQUENCE_ERROR)
        if exchange.interrupted:
            raise DiscError(WAS_RESET)
        return exchange.response or b""

    def _give_up(self) -> None:
        """Forget what is begun: the key stops asking the person, and nobody inherits the login."""
        self._command = None
        self._data.clear()
        self._left = 0
        self._refusing = False
        self._aside = None
        self._shared.leave(self, self._exchange)
        self._exchange = None
