"""The peripheral: it advertises, takes one central at a time, and carries its fragments."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial

from bumble.core import BaseBumbleError
from bumble.device import Connection, DeviceConfiguration
from bumble.device import Device as Peripheral
from bumble.hci import Address, HCI_ErrorCode, OwnAddressType
from bumble.host import Host
from bumble.pairing import PairingConfig
from bumble.transport import open_transport
from bumble.transport.common import Transport

from emulator.links.ble.central import Central
from emulator.links.ble.pairing import Bonds, NumericComparison, pairing_config
from emulator.links.ble.radio import open_beside_kernel
from emulator.links.ble.services import (
    FragmentService,
    add_battery,
    add_information,
    advertisement,
    scan_response,
)
from emulator.links.errors import LinkError
from emulator.links.states import LinkState, OnState
from emulator.sharing import SharedKey
from protocols.ble import GATT_PROFILES, fragment_size
from protocols.i18n import N_

_log = logging.getLogger(__name__)

_FIRMWARE = "1.0"
"""*Assumed*."""
_IRK_SIZE = 16
_ADVERTISES_EVERY_MS = 100.0
_SECURED_WITHIN_S = 60.0
"""How long a central may be connected without encryption: as long as a pairing, with its 25 s of reading, may take."""
_FAREWELL_S = 5.0
"""How long a central may take to be gone."""
_ROOM = 1 << 20
"""Bytes to a central that may wait; who does not take them is sent away."""

_POWERED_OFF = HCI_ErrorCode.REMOTE_DEVICE_TERMINATED_CONNECTION_DUE_TO_POWER_OFF_ERROR
_NO_ROOM = HCI_ErrorCode.REMOTE_DEVICE_TERMINATED_CONNECTION_DUE_TO_LOW_RESOURCES_ERROR
_NOT_PAIRED = HCI_ErrorCode.AUTHENTICATION_FAILURE_ERROR

_KERNEL = "vhci"
"""bumble opens it for a controller; a key is no controller, so it is given one."""

OpenTransport = Callable[[], Awaitable[Transport]]
"""Opens the way to a Bluetooth adapter."""


class BleLink:
    """The key as a Bluetooth peripheral: found while it is switched on and nobody is connected.

    It has a thread with an event loop, and another in which alone it calls the key.

    :param shared: the key as other links have it too.
    :param transport: the adapter, as bumble names it (`usb:0`, `hci-socket:0`), or what opens it; `vhci`: see
        `open_beside_kernel`.
    :param on_state: LISTENING: it advertises; CONFIGURED: a paired central is there; WAITING: neither.
    """

    def __init__(self, shared: SharedKey, transport: str | OpenTransport, on_state: OnState) -> None:
        profile = shared.device.profile
        if profile.bluetooth is None:
            raise LinkError(N_("{profile} has no Bluetooth"), profile=profile.id)
        self._shared = shared
        self._on_state = on_state
        self._gatt = GATT_PROFILES[profile.bluetooth.gatt]
        self._name = profile.bluetooth.name_prefix + shared.device.serial
        identity = shared.device.bluetooth_identity()
        self._irk = identity[:_IRK_SIZE]
        self._address = Address(
            identity[: _IRK_SIZE - 1 : -1]
        )  # bumble wants its least significant byte first
        self._open_transport = _opener(transport, self._address)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="vukey-ble-key")
        self._started: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="vukey-ble", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed = asyncio.Event()
        self._closing = False
        self._was_off = False
        self._connection: Connection | None = None
        self._state: LinkState | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """The key's own, the same over every adapter."""
        return str(self._address)

    def start(self) -> None:
        """Switch the adapter on.

        :raises LinkError: it cannot be had.
        """
        self._thread.start()
        try:
            self._started.result()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Send the central away and let the adapter go."""
        self._closing = True
        self._wake()
        if self._thread.ident is not None:
            self._thread.join()
        self._worker.shutdown()

    # The loop's thread

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except LinkError as error:
            self._fail(error)
        except (BaseBumbleError, TimeoutError) as error:
            self._fail(_not_to_be_had(error))
        except Exception as error:
            _log.exception("the Bluetooth link failed")
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        if not self._started.done():
            self._started.set_exception(error)
        else:
            _log.error("%s", error)
            self._tell(LinkState.UNPLUGGED)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        transport = await self._open()
        lost = asyncio.ensure_future(transport.source.terminated)
        lost.add_done_callback(lambda _: self._changed.set())
        stop_listening = self._shared.device.on_switched(self._switched)
        try:
            peripheral = await self._power_on(transport)
            self._started.set_result(None)
            while not (self._closing or lost.done()):
                await self._settle(peripheral)
                await self._changed.wait()
                self._changed.clear()
            if not lost.done():
                await self._say_goodbye(peripheral)
            self._tell(LinkState.UNPLUGGED)
        finally:
            stop_listening()
            self._disconnected()
            await transport.close()

    async def _open(self) -> Transport:
        try:
            return await self._open_transport()
        except Exception as error:  # bumble's transports raise what the libraries below them do
            raise _not_to_be_had(error) from None

    async def _power_on(self, transport: Transport) -> Peripheral:
        device = self._shared.device
        peripheral = Peripheral(
            config=DeviceConfiguration(name=self._name, irk=self._irk, address=self._address),
            host=Host(transport.source, transport.sink),
        )
        peripheral.keystore = Bonds(device, self._worker)
        peripheral.smp_session_proxy = NumericComparison
        peripheral.pairing_config_factory = self._pairing_of
        server = peripheral.gatt_server
        self._service = FragmentService(self._gatt, server, self._receive)
        add_information(
            server,
            maker=device.profile.maker,
            model=device.profile.title,
            serial=device.serial,
            firmware=_FIRMWARE,
        )
        battery = device.battery
        if battery is not None:
            add_battery(server, lambda: battery.level)
        peripheral.on(Peripheral.EVENT_CONNECTION, self._connected)
        await peripheral.power_on()
        return peripheral

    async def _settle(self, peripheral: Peripheral) -> None:
        """Advertise, or not, as the key is switched on and alone."""
        on = self._shared.device.is_on
        was_off, self._was_off = self._was_off, False
        connection = self._connection
        if connection is not None and was_off:
            await self._send_away(connection, _POWERED_OFF)
        wanted = on and self._connection is None
        if wanted and not peripheral.is_advertising:
            await peripheral.start_advertising(
                own_address_type=OwnAddressType.RANDOM,
                advertising_data=advertisement(self._gatt),
                scan_response_data=scan_response(self._name),
                advertising_interval_min=_ADVERTISES_EVERY_MS,
                advertising_interval_max=_ADVERTISES_EVERY_MS,
            )
        elif not wanted and peripheral.is_advertising:
            await peripheral.stop_advertising()
        connection = self._connection
        if connection is None:
            self._tell(LinkState.LISTENING if wanted else LinkState.WAITING)
        else:
            self._tell(LinkState.CONFIGURED if connection.is_encrypted else LinkState.WAITING)

    async def _say_goodbye(self, peripheral: Peripheral) -> None:
        with suppress(BaseBumbleError, TimeoutError):
            await peripheral.stop_advertising()
            if self._connection is not None:
                await self._send_away(self._connection, _POWERED_OFF)
            await peripheral.power_off()

    # A central

    def _connected(self, connection: Connection) -> None:
        if self._connection is not None:  # advertising stops too late for one of two at once
            self._start(self._send_away(connection, HCI_ErrorCode.REMOTE_USER_TERMINATED_CONNECTION_ERROR))
            return
        self._connection = connection
        self._outgoing: asyncio.Queue[bytes] = asyncio.Queue()
        self._waiting_bytes = 0
        self._central = Central(self._shared, self._worker, self._send)
        self._sender = self._start(self._send_all(connection, self._outgoing))
        self._secured = asyncio.get_running_loop().call_later(
            _SECURED_WITHIN_S, self._expect_encryption, connection
        )
        connection.on(Connection.EVENT_DISCONNECTION, lambda _: self._disconnected())
        connection.on(Connection.EVENT_CONNECTION_ATT_MTU_UPDATE, lambda: self._resize(connection))
        connection.on(Connection.EVENT_CONNECTION_ENCRYPTION_CHANGE, self._changed.set)
        connection.on(Connection.EVENT_PAIRING_FAILURE, lambda _: self._pairing_failed(connection))
        self._changed.set()

    def _disconnected(self) -> None:
        if self._connection is None:
            return
        self._connection = None
        self._secured.cancel()
        self._sender.cancel()
        self._central.leave()
        self._changed.set()

    def _resize(self, connection: Connection) -> None:
        self._central.resize(fragment_size(connection.att_mtu, self._gatt.longest))

    def _receive(self, connection: Connection, fragment: bytes) -> None:
        if connection is self._connection:
            self._central.receive(fragment)

    def _send(self, fragments: list[bytes]) -> None:
        for fragment in fragments:
            self._waiting_bytes += len(fragment)
            self._outgoing.put_nowait(fragment)
        if self._waiting_bytes > _ROOM and self._connection is not None:
            self._start(self._send_away(self._connection, _NO_ROOM))

    async def _send_all(self, connection: Connection, outgoing: asyncio.Queue[bytes]) -> None:
        while True:
            fragment = await outgoing.get()
            await connection.device.notify_subscriber(connection, self._service.notify, fragment)
            self._waiting_bytes -= len(fragment)
            if outgoing.empty():
                await connection.drain()

    def _pairing_of(self, connection: Connection) -> PairingConfig:
        async def ask(number: int) -> bool:
            return connection is self._connection and await self._central.compare(number)

        return pairing_config(ask)

    def _pairing_failed(self, connection: Connection) -> None:
        """bumble takes no second pairing in the same connection."""
        if connection is self._connection:
            self._central.end_pairing()
            self._start(self._send_away(connection, _NOT_PAIRED))

    def _expect_encryption(self, connection: Connection) -> None:
        if connection is self._connection and not connection.is_encrypted:
            self._start(self._send_away(connection, _NOT_PAIRED))

    # Helpers

    async def _send_away(self, connection: Connection, reason: HCI_ErrorCode) -> None:
        """Disconnect, after what has been sent already; harmless where it has gone by itself."""
        with suppress(BaseBumbleError, TimeoutError, asyncio.CancelledError):
            await asyncio.wait_for(connection.drain(), _FAREWELL_S)
            await asyncio.wait_for(connection.disconnect(reason), _FAREWELL_S)

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _switched(self, on: bool) -> None:
        """However short it was off: who was connected is no longer."""
        if not on:
            self._was_off = True
        self._wake()

    def _wake(self) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._changed.set)

    def _tell(self, state: LinkState) -> None:
        if state is not self._state:
            self._state = state
            self._on_state(state)


def _opener(transport: str | OpenTransport, own: Address) -> OpenTransport:
    if not isinstance(transport, str):
        return transport
    if transport == _KERNEL:
        return partial(open_beside_kernel, own)
    return partial(open_transport, transport)


def _not_to_be_had(error: Exception) -> LinkError:
    return LinkError(
        N_("the Bluetooth adapter cannot be had: {error}"), error=str(error) or type(error).__name__
    )
