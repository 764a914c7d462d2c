"""The key as a HID whose reports carry the APDUs (fact G37)."""

from __future__ import annotations

import logging
import threading

from emulator.device import Exchange, PowerLostError
from emulator.links.usb.function import Bus
from emulator.sharing import SharedKey
from protocols.errors import ProtocolError
from protocols.hid import (
    HID_DESCRIPTOR,
    REPORT_DESCRIPTOR,
    REPORT_SIZE,
    USB_CLASS,
    HidDecoder,
    HidDescriptor,
    HidRequest,
    Way,
    reports,
)
from protocols.usb import Endpoint, Interface, Kind, Request, Setup, Transfer

_log = logging.getLogger(__name__)

_IN = 0x80


class HidFunction:
    """Answers each message of the host with one. An answer leaves in the thread that brought the question; where the
    key waits for a person, a thread of its own sends it later.

    What is no message is dropped without an answer (*assumed*).

    :param shared: the key as other links have it too.
    :param number: of the interface.
    :param endpoint: the first number that is free; one is taken, both ways.
    """

    def __init__(self, shared: SharedKey, number: int, endpoint: int) -> None:
        self._in = _IN | endpoint
        self.interface = Interface(
            number=number,
            usb_class=USB_CLASS,
            subclass=0,
            protocol=0,
            name="HID",
            class_descriptor=HID_DESCRIPTOR,
            endpoints=(
                Endpoint(self._in, Transfer.INTERRUPT, REPORT_SIZE, interval_ms=1),
                Endpoint(endpoint, Transfer.INTERRUPT, REPORT_SIZE, interval_ms=1),
            ),
        )
        self._descriptors: dict[int, bytes] = {
            HidDescriptor.HID: self.interface.class_descriptor,
            HidDescriptor.REPORT: REPORT_DESCRIPTOR,
        }
        self._shared = shared
        self._guard = threading.Lock()
        self._sending = threading.Lock()
        self._decoder = HidDecoder(Way.TO_KEY)
        self._bus: Bus | None = None
        self._waiting: Exchange | None = None

    def start(self, bus: Bus) -> None:
        """The host has configured the device: nothing is begun."""
        self.stop()
        self._decoder = HidDecoder(Way.TO_KEY)
        self._bus = bus

    def stop(self) -> None:
        """The host has gone: so have its APDU and its login."""
        with self._guard:
            self._bus = None
            waiting, self._waiting = self._waiting, None
            self._shared.leave(self, waiting)

    def missing(self, endpoint: int) -> int:
        """A report is one packet: nothing is ever still to come."""
        return 0

    def clear_halt(self, endpoint: int) -> None:
        """Nothing halts."""

    def control(self, setup: Setup, data: bytes) -> bytes | None:
        """The descriptors, and the class requests: reports may come this way too (HID 1.11, 7.1 and 7.2)."""
        if setup.kind is Kind.STANDARD:
            if setup.request != Request.GET_DESCRIPTOR:
                return None
            return self._descriptors.get(setup.value >> 8)
        if setup.kind is not Kind.CLASS:
            return None
        return self._class_request(setup, data)

    def _class_request(self, setup: Setup, data: bytes) -> bytes | None:
        match setup.request:
            case HidRequest.GET_REPORT if setup.to_host:
                return bytes(REPORT_SIZE)
            case HidRequest.GET_IDLE if setup.to_host:
                return b"\0"
            case HidRequest.SET_IDLE:
                return b""
            case HidRequest.SET_REPORT:
                self._take(data[:REPORT_SIZE])
                return b""
        return None

    def receive(self, endpoint: int, data: bytes) -> None:
        """Reports to the key."""
        for start in range(0, len(data), REPORT_SIZE):
            self._take(data[start : start + REPORT_SIZE])

    def _take(self, report: bytes) -> None:
        try:
            message = self._decoder.feed(report)
        except ProtocolError as error:
            _log.debug("%s", error)
            return
        if message is not None:
            self._transmit(*message)

    def _transmit(self, sequence: int, apdu: bytes) -> None:
        with self._guard:
            bus = self._bus
            if bus is None:
                return
            exchange = self._shared.begin(self, apdu)
            if exchange.response is None:
                self._waiting = exchange
        if exchange.response is not None:
            self._send(bus, sequence, exchange.response)
            return
        threading.Thread(
            target=self._answer_later, args=(bus, sequence, exchange), name="vukey-hid", daemon=True
        ).start()

    def _answer_later(self, bus: Bus, sequence: int, exchange: Exchange) -> None:
        """Wait for the person; whatever ends the link ends this too."""
        try:
            response = exchange.wait()
        except PowerLostError as error:
            _log.debug("%s", error)
            return
        with self._guard:
            if self._waiting is not exchange:
                return
            self._waiting = None
        self._send(bus, sequence, response)

    def _send(self, bus: Bus, sequence: int, response: bytes) -> None:
        with self._sending:  # the reports of two answers do not mix
            for report in reports(Way.FROM_KEY, sequence, response):
                bus.send(self._in, report, message=False)
