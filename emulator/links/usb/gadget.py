"""The key as a USB device of this computer's own controller, for whatever its cable is plugged into.

Behind a Raspberry Pi's USB-C socket is such a controller. `dummy_hcd` is one whose cable leads back into the same
computer.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from queue import Queue
from typing import TYPE_CHECKING

from emulator.links.states import LinkState, OnState
from emulator.links.usb.function import Function
from emulator.links.usb.gadget_configfs import Controller, Gadget, GadgetError, claim_controller
from emulator.links.usb.gadget_functionfs import Event, FunctionFs, InEndpoint, read_size
from protocols.i18n import N_
from protocols.usb import Endpoint, Recipient, Setup, Speed, Transfer

if TYPE_CHECKING:
    from emulator.links.usb.key import UsbKey

_log = logging.getLogger(__name__)

_INTERFACE = 0xFF
"""The interface's number in wIndex (USB 2.0, 9.3.4)."""
_QUEUED = 16
"""Transfers that wait on an interrupt endpoint before their sender has to wait too."""


class GadgetLink:
    """Plugs the key into a controller (UDC) when started, and pulls it out when closed. Needs root.

    :param udc: the controller's name in /sys/class/udc; None takes the first that is free.
    """

    def __init__(self, key: UsbKey, udc: str | None, on_state: OnState = lambda state: None) -> None:
        self._key = key
        self._wanted = udc
        self._on_state = on_state
        self._undo = ExitStack()

    def start(self) -> None:
        """Plug it in; the host configures it later.

        :raises GadgetError: not root, no controller, or it is in use, or the kernel refuses the device.
        """
        try:
            with ExitStack() as undo:
                self._plug_in(undo)
                self._undo = undo.pop_all()
        except OSError as error:
            raise GadgetError(
                N_("the kernel refuses this USB device: {reason}"),
                reason=f"{error.strerror} ({error.filename})" if error.filename else error.strerror,
            ) from None

    def close(self) -> None:
        """Pull it out and leave nothing behind; harmless when it is out."""
        self._undo.close()

    def _plug_in(self, undo: ExitStack) -> None:
        model = self._key.model
        controller = claim_controller(self._wanted)
        undo.callback(controller.release)
        gadget = Gadget(controller.name)
        undo.callback(gadget.remove)
        gadget.create(model)
        files = FunctionFs(gadget.mount_point, model.interfaces)
        undo.callback(files.close)
        service = _Service(self._key.functions, files, controller, self._on_state)
        self._on_state(LinkState.WAITING)
        service.start()
        undo.callback(service.join)
        undo.callback(gadget.unbind)
        undo.callback(service.end)
        gadget.bind()


class _Bus:
    """What the functions send through from the time when the host configures the key until it does so no longer."""

    def __init__(self, writers: dict[int, _Writer], speed: Speed) -> None:
        self._writers = writers
        self.speed = speed
        self.ended = False

    def send(self, endpoint: int, data: bytes, *, message: bool = True) -> None:
        """Hand data to the host; wait until it has them, except on an interrupt endpoint."""
        self._writers[endpoint].send(self, data, message)

    def is_taken(self, endpoint: int) -> bool:
        """Always: whoever sends on a bulk endpoint waits for that."""
        return True

    def halt(self, endpoint: int) -> None:
        """Stall an IN endpoint."""
        self._writers[endpoint].halt(self)


class _Writer:
    """A bulk IN endpoint: the thread that has an answer hands it over itself."""

    def __init__(self, endpoint: InEndpoint) -> None:
        self._endpoint = endpoint

    def send(self, bus: _Bus, data: bytes, message: bool) -> None:
        """Write it, unless the host has gone since the bus was handed out."""
        if not bus.ended:
            self._endpoint.write(data, bus.speed, message=message)

    def halt(self, bus: _Bus) -> None:
        """Stall it."""
        self._endpoint.halt(lambda: bus.ended)

    def end(self) -> None:
        """Nothing waits here."""


class _Notifier(_Writer):
    """An interrupt IN endpoint: whether the host ever asks for its data is the host's affair, so nobody waits."""

    def __init__(self, endpoint: InEndpoint) -> None:
        super().__init__(endpoint)
        self._queue: Queue[tuple[_Bus, bytes, bool] | None] = Queue(_QUEUED)
        self._thread = threading.Thread(target=self._write_queued, name="vukey-gadget-interrupt", daemon=True)
        self._thread.start()

    def send(self, bus: _Bus, data: bytes, message: bool) -> None:
        """Queue it."""
        self._queue.put((bus, data, message))

    def end(self) -> None:
        """End the thread; the endpoint must be disabled."""
        self._queue.put(None)
        self._thread.join()

    def _write_queued(self) -> None:
        while (item := self._queue.get()) is not None:
            super().send(*item)


class _Service:
    """The threads between the functions and their files: one for endpoint 0, one for each OUT endpoint."""

    def __init__(
        self, functions: Sequence[Function], files: FunctionFs, controller: Controller, on_state: OnState
    ) -> None:
        self._functions = {function.interface.number: (function, threading.Lock()) for function in functions}
        self._files = files
        self._controller = controller
        self._on_state = on_state
        self._writers: dict[int, _Writer] = {}
        self._threads = [threading.Thread(target=self._serve_control, name="vukey-gadget-0", daemon=True)]
        self._bus: _Bus | None = None
        self._speed = Speed.FULL
        self._changed = threading.Condition()
        self._enabled = 0
        self._ending = False

    def start(self) -> None:
        """Start the threads; the descriptors are written, and the gadget is not bound yet."""
        for function, guard in self._functions.values():
            for endpoint in function.interface.endpoints:
                if endpoint.is_in:
                    self._writers[endpoint.address] = self._writer(endpoint)
                else:
                    self._threads.append(self._reader(function, guard, endpoint))
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Have the threads end, once nothing makes them wait for the host."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        self._files.end()

    def join(self) -> None:
        """Wait until they have; the gadget must be unbound."""
        for thread in self._threads:
            thread.join()
        for writer in self._writers.values():
            writer.end()

    def _writer(self, endpoint: Endpoint) -> _Writer:
        opened = InEndpoint(endpoint, self._files.descriptor(endpoint.address))
        return _Notifier(opened) if endpoint.transfer is Transfer.INTERRUPT else _Writer(opened)

    def _reader(self, function: Function, guard: threading.Lock, endpoint: Endpoint) -> threading.Thread:
        name = f"vukey-gadget-{endpoint.address}"
        return threading.Thread(
            target=self._serve_out, args=(function, guard, endpoint), name=name, daemon=True
        )

    def _serve_control(self) -> None:
        while (notice := self._files.next_notice()) is not None:
            _log.debug("gadget: %s", notice.event.name)
            if notice.event is Event.SETUP:
                self._request(notice.setup)
            elif notice.event is Event.ENABLE:
                self._stop_functions()
                self._start_functions()
                self._on_state(LinkState.CONFIGURED)
            elif (
                notice.event in (Event.DISABLE, Event.UNBIND) and self._stop_functions() and not self._ending
            ):
                self._on_state(LinkState.WAITING)
        self._stop_functions()

    def _start_functions(self) -> None:
        """The host has configured the key, or has reset one of its interfaces, which resets them all."""
        self._speed = self._controller.speed
        self._bus = bus = _Bus(self._writers, self._speed)
        for function, guard in self._functions.values():
            with guard:
                function.start(bus)
        with self._changed:
            self._enabled += 1
            self._changed.notify_all()

    def _stop_functions(self) -> bool:
        """Whether they were running."""
        bus, self._bus = self._bus, None
        if bus is None:
            return False
        bus.ended = True
        for function, _ in self._functions.values():
            function.stop()
        return True

    def _request(self, setup: Setup) -> None:
        """A request that the kernel does not answer by itself: the class's, or for a class's descriptor."""
        found = self._functions.get(setup.index & _INTERFACE)
        try:
            if found is None or setup.recipient != Recipient.INTERFACE:
                self._files.reply(setup, None)
                return
            function, guard = found
            taken = not setup.to_host and setup.length > 0
            data = self._files.take(setup) if taken else b""
            with guard:
                answer = function.control(setup, data)
            if not taken:
                self._files.reply(setup, answer)
        except OSError as error:
            _log.debug("gadget: request %s: %s", setup, error)

    def _serve_out(self, function: Function, guard: threading.Lock, endpoint: Endpoint) -> None:
        """Pass on what comes on an OUT endpoint, in every configuration."""
        address = endpoint.address
        descriptor = self._files.descriptor(address)
        enabled = 0
        while self._wait_enabled(after=enabled):
            packet = endpoint.packet_size(self._speed)
            while True:
                enabled = self._enabled
                try:
                    data = os.read(descriptor, read_size(function.missing(address), packet))
                except OSError as error:
                    _log.debug("endpoint %02x: %s", address, error)
                    break
                with guard:
                    function.receive(address, data)

    def _wait_enabled(self, *, after: int) -> bool:
        """Wait until the host has configured the key once more; False when it is pulled out."""
        with self._changed:
            self._changed.wait_for(lambda: self._ending or self._enabled > after)
            return not self._ending
