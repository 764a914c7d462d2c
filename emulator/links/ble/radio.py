"""A radio without waves: bumble's simulated controllers in one process. Encryption is only signalled."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable

from bumble import hci, ll
from bumble.controller import Controller
from bumble.link import LocalLink
from bumble.transport import open_transport
from bumble.transport.common import BaseSource, Transport, TransportSink

from emulator.links.ble.bumble_fixes import FixedController, FixedLink

PATIENCE_S = 30.0
"""Longest wait for the radio's own thread."""


new_air: Callable[[], LocalLink] = FixedLink  # which bumble does not type


class Radio:
    """The air between controllers, in a thread of its own: its users have their loops where they want."""

    def __init__(self) -> None:
        self._link = new_air()
        self._lent: list[Transport] = []
        self._numbers = itertools.count(1)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="vukey-radio", daemon=True)
        self._thread.start()

    def new_adapter(self) -> Adapter:
        """A Bluetooth adapter with a public address of its own; nobody is at it yet."""
        return Adapter(self, self._new_address())

    def lend_adapter(self, transport: str, address: hci.Address | None = None) -> None:
        """Give an adapter to whoever is at the other end of a bumble transport: `vhci` gives it to this machine's
        kernel, `pty:PATH` to a program that opens that path as `file:PATH`.

        :param address: its public one; None: the next of the radio's own.
        :raises OSError: there is no such transport.
        """
        public = address or self._new_address()

        async def lend() -> None:
            way = await open_transport(transport)
            self._lent.append(way)
            FixedController(str(public), way.source, way.sink, link=self._link, public_address=public)

        asyncio.run_coroutine_threadsafe(lend(), self._loop).result(PATIENCE_S)

    def _new_address(self) -> hci.Address:
        return hci.Address(f"F0:F1:F2:F3:F4:{next(self._numbers):02X}/P")

    def close(self) -> None:
        """Switch it off: harmless when repeated."""
        if self._loop.is_closed():
            return
        for way in self._lent:
            asyncio.run_coroutine_threadsafe(way.close(), self._loop).result(PATIENCE_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _in_its_loop(self, call: Callable[[], None]) -> None:
        async def run() -> None:
            call()

        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(run(), self._loop))

    def do(self, call: Callable[[], None]) -> None:
        """Run a call in the radio's loop, after what has been sent before."""
        self._loop.call_soon_threadsafe(call)

    def _switch_on(self, address: hci.Address, host: TransportSink) -> Controller:
        return FixedController(str(address), host_sink=host, link=self._link, public_address=address)

    def _switch_off(self, controller: Controller) -> None:
        _lose(controller)
        for advertising in controller.advertising_sets.values():
            advertising.stop()
        controller.le_legacy_advertiser.stop()
        self._link.remove_controller(controller)


async def open_beside_kernel(own: hci.Address) -> Transport:
    """An adapter within reach of another one, which this machine's kernel is given for as long: its own Bluetooth finds
    who is at ours.

    :param own: of who will be at ours. The kernel's has one that is made of it: the same each time, as bonds need it.
    :raises OSError: the kernel takes none.
    """
    radio = Radio()
    try:
        theirs = hci.Address(f"F0:F1:F2:{str(own)[9:17]}/P")
        await asyncio.to_thread(radio.lend_adapter, "vhci", theirs)
        return _WithItsRadio(await radio.new_adapter().open(), radio)
    except BaseException:
        radio.close()
        raise


class Adapter:
    """What bumble takes for a transport: `open` is its `open_transport`."""

    def __init__(self, radio: Radio, address: hci.Address) -> None:
        self._radio = radio
        self.address = address
        self._transport: _Transport | None = None

    async def open(self) -> Transport:
        """Switch a controller on; each time a new one, with the same address."""
        source = _Source(asyncio.get_running_loop())
        transport = _Transport(self._radio, source)
        await self._radio._in_its_loop(lambda: transport.attach(self._radio._switch_on(self.address, source)))
        self._transport = transport
        return transport

    def lose(self) -> None:
        """Get out of range: both ends of each connection notice."""
        if self._transport is not None:
            self._radio.do(self._transport.lose)

    def break_off(self) -> None:
        """Pull the adapter out of its computer."""
        if self._transport is not None:
            self._radio.do(self._transport.break_off)


class _Source(BaseSource):
    """From the controller to its host, in the host's loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop

    def on_packet(self, packet: bytes) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._deliver, packet)

    def _deliver(self, packet: bytes) -> None:
        if self.sink is not None:
            self.sink.on_packet(packet)

    def break_off(self) -> None:
        self._loop.call_soon_threadsafe(self.on_transport_lost)

    def close(self) -> None:
        self.sink = None
        super().close()


class _Transport(Transport):
    """A host's way to its controller; it is its own sink."""

    def __init__(self, radio: Radio, source: _Source) -> None:
        super().__init__(source, self)
        self._radio = radio
        self._own_source = source
        self._controller: Controller | None = None

    def attach(self, controller: Controller) -> None:
        self._controller = controller

    def detach(self) -> None:
        controller, self._controller = self._controller, None
        if controller is not None:
            self._radio._switch_off(controller)

    def lose(self) -> None:
        if self._controller is not None:
            _lose(self._controller)

    def break_off(self) -> None:
        self.detach()
        self._own_source.break_off()

    def on_packet(self, packet: bytes) -> None:
        self._radio.do(lambda: self._controller.on_packet(packet) if self._controller else None)

    async def close(self) -> None:
        await self._radio._in_its_loop(self.detach)
        self._own_source.close()


class _WithItsRadio(Transport):
    """A way to an adapter whose radio nobody else needs."""

    def __init__(self, transport: Transport, radio: Radio) -> None:
        super().__init__(transport.source, transport.sink)
        self._transport = transport
        self._radio = radio

    async def close(self) -> None:
        await self._transport.close()
        await asyncio.to_thread(self._radio.close)


def _lose(controller: Controller) -> None:
    """As by the supervision time-out."""
    reason = hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR
    for connection in list(controller.le_connections.values()):
        connection.send_ll_control_pdu(ll.TerminateInd(reason))
        controller.on_le_disconnected(connection, reason)
