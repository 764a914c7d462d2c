"""Bluetooth by bumble, which needs an adapter of its own that no other program has: `usb:0`, `hci-socket:0`, …"""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from bumble import gatt, smp
from bumble.att import ATT_Error
from bumble.core import UUID, AdvertisingData, BaseBumbleError
from bumble.core import TimeoutError as BumbleTimeoutError
from bumble.device import Advertisement, Connection, Device, DeviceConfiguration, Peer
from bumble.gatt_client import CharacteristicProxy, ServiceProxy
from bumble.hci import Address, HCI_Error, HCI_ErrorCode, OwnAddressType
from bumble.host import Host
from bumble.keys import KeyStore, PairingKeys
from bumble.pairing import PairingConfig, PairingDelegate
from bumble.transport import open_transport
from bumble.transport.common import Transport

from hostdriver.printable import printable
from hostdriver.transport.ble import (
    FIND_WITHIN_S,
    Arrivals,
    BleError,
    ConfirmNumber,
    Deadline,
    PairingError,
    check_serial,
    disconnected,
    is_wanted,
    no_adapter,
    not_connected,
    not_found,
    profile_of,
    refused_on_key,
    unknown_key,
)
from protocols.ble import decode_length, fragment_size
from protocols.errors import ProtocolError
from protocols.i18n import N_

Value = TypeVar("Value")

OpenTransport = Callable[[], Awaitable[Transport]]
"""Opens the way to an adapter."""

DEFAULT_MTU = 247
_SMALLEST_MTU = 23
_PAIR_WITHIN_S = 60.0
_ANSWER_WITHIN_S = 10.0
"""How long a key may take for what is no command: services, encryption, its leave."""


class BumbleBackend:
    """bumble as the central.

    :param transport: the adapter, as bumble names it, or what opens it.
    :param bonds: where the agreements with keys are kept; None: nowhere.
    :param mtu: what is asked for; 23 asks for nothing.
    """

    def __init__(
        self, transport: str | OpenTransport, bonds: KeyStore | None = None, mtu: int = DEFAULT_MTU
    ) -> None:
        self._transport = transport
        self._bonds = bonds or _Forgetful()
        self._mtu = mtu

    async def connect(self, serial: str, arrivals: Arrivals, confirm: ConfirmNumber) -> BumbleLink:
        """See `Backend`."""
        transport = await self._open()
        try:
            device = await self._power_on(transport)
        except BaseException:
            await transport.close()
            raise
        link = BumbleLink(device, transport, arrivals)
        try:
            await link.connect(serial, confirm, self._mtu)
        except BaseBumbleError as error:  # what is nobody's fault in particular
            await link.disconnect()
            raise no_adapter(error) from None
        except BaseException:
            await link.disconnect()
            raise
        return link

    async def _open(self) -> Transport:
        try:
            if isinstance(self._transport, str):
                return await open_transport(self._transport)
            return await self._transport()
        except Exception as error:  # bumble's transports raise what the libraries below them do
            raise no_adapter(error) from None

    async def _power_on(self, transport: Transport) -> Device:
        own = Address.generate_static_address()
        device = Device(
            config=DeviceConfiguration(name="vukey host", address=own),
            host=Host(transport.source, transport.sink),
        )
        device.keystore = self._bonds
        device.smp_session_proxy = NumericComparison
        try:
            await device.power_on()
        except (BaseBumbleError, TimeoutError) as error:
            raise no_adapter(error) from None
        return device


class BumbleLink:
    """See `KeyLink`."""

    def __init__(self, device: Device, transport: Transport, arrivals: Arrivals) -> None:
        self._device = device
        self._transport = transport
        self._arrivals = arrivals
        self._write: CharacteristicProxy[bytes] | None = None
        self._closed = False
        self.fragment_size = fragment_size(_SMALLEST_MTU)

    async def connect(self, serial: str, confirm: ConfirmNumber, mtu: int) -> None:
        """See `Backend.connect`."""
        connection = await self._find_and_connect(serial)
        connection.on(Connection.EVENT_DISCONNECTION, lambda _: self._arrivals.end())
        peer = Peer(connection)
        try:
            await self._secure(connection, confirm)
            if mtu > _SMALLEST_MTU:
                await peer.request_mtu(mtu)
            await self._listen(peer, serial)
        except (ATT_Error, HCI_Error, BumbleTimeoutError, TimeoutError, ProtocolError) as error:
            raise unknown_key(error) from None
        except asyncio.CancelledError:
            if connection.handle in self._device.connections:
                raise
            raise disconnected() from None  # bumble cancels what waits for a connection that ends

    async def send(self, fragment: bytes) -> None:
        """See `KeyLink.send`."""
        if self._write is None or not self._device.connections:
            raise disconnected()
        try:
            await self._write.write_value(fragment)
        except BaseBumbleError:
            raise disconnected() from None

    async def disconnect(self) -> None:
        """See `KeyLink.disconnect`."""
        if self._closed:
            return
        self._closed = True
        with suppress(BaseBumbleError, TimeoutError):
            for connection in list(self._device.connections.values()):
                await asyncio.wait_for(connection.disconnect(), _ANSWER_WITHIN_S)
            await self._device.power_off()
        await self._transport.close()

    # From nothing to a connection

    async def _find_and_connect(self, serial: str) -> Connection:
        deadline = Deadline(FIND_WITHIN_S)
        address = await self._find(serial, deadline.left)
        own = OwnAddressType.RANDOM if self._device.public_address == Address.ANY else OwnAddressType.PUBLIC
        try:
            return await self._device.connect(address, own_address_type=own, timeout=deadline.left)
        except (BaseBumbleError, TimeoutError):
            raise not_connected(serial) from None

    async def _find(self, serial: str, within_s: float) -> Address:
        found: asyncio.Future[Address] = asyncio.get_running_loop().create_future()

        def see(advertisement: Advertisement) -> None:
            if is_wanted(*_heard(advertisement), serial) and not found.done():
                found.set_result(advertisement.address)

        self._device.on(Device.EVENT_ADVERTISEMENT, see)
        await self._device.start_scanning()
        try:
            return await asyncio.wait_for(found, within_s)
        except TimeoutError:
            raise not_found(serial) from None
        finally:
            self._device.remove_listener(Device.EVENT_ADVERTISEMENT, see)
            await self._device.stop_scanning()

    async def _secure(self, connection: Connection, confirm: ConfirmNumber) -> None:
        """Encrypt with what was agreed on before, else agree now: also where the key has forgotten it. What was kept is
        replaced only by what the person has compared, so that nobody else can have it forgotten.
        """
        keystore = self._device.keystore
        if keystore is not None and await keystore.get(str(connection.peer_address)) is not None:
            try:
                await asyncio.wait_for(connection.encrypt(), _ANSWER_WITHIN_S)
            except HCI_Error as error:
                if error.error_code != HCI_ErrorCode.PIN_OR_KEY_MISSING_ERROR:
                    raise
            else:
                return
        await self._pair(connection, confirm)

    async def _pair(self, connection: Connection, confirm: ConfirmNumber) -> None:
        delegate = _Comparison(confirm)
        self._device.pairing_config_factory = lambda _: PairingConfig(delegate=delegate)
        try:
            await asyncio.wait_for(connection.pair(), _PAIR_WITHIN_S)
        except (BaseBumbleError, TimeoutError):
            if delegate.refused:
                raise PairingError(
                    N_("not paired: here nobody has said that the numbers are the same")
                ) from None
            raise refused_on_key() from None

    # From a connection to a key

    async def _listen(self, peer: Peer, serial: str) -> None:
        services = {_text(service.uuid): service for service in await _wait(peer.discover_services())}
        profile = profile_of(services)
        service = services[profile.service]
        await _wait(service.discover_characteristics())
        check_serial(await self._serial_of(peer), serial)
        self._write = _characteristic(service, profile.write)
        length = profile.longest
        if profile.length:
            length = decode_length(await _wait(peer.read_value(_characteristic(service, profile.length))))
        self.fragment_size = fragment_size(peer.gatt_client.mtu, length)
        notify = _characteristic(service, profile.notify)
        await _wait(peer.subscribe(notify, lambda value: self._arrivals.put(bytes(value))))

    async def _serial_of(self, peer: Peer) -> bytes | None:
        for service in peer.get_services_by_uuid(gatt.GATT_DEVICE_INFORMATION_SERVICE):
            await _wait(service.discover_characteristics())
            for found in service.get_characteristics_by_uuid(gatt.GATT_SERIAL_NUMBER_STRING_CHARACTERISTIC):
                return await _wait(peer.read_value(found))
        return None


def _heard(advertisement: Advertisement) -> tuple[str | None, list[str]]:
    """The name and the services of who advertises."""
    name = advertisement.data.get(AdvertisingData.Type.COMPLETE_LOCAL_NAME)
    services = advertisement.data.get(AdvertisingData.Type.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS)
    return name if isinstance(name, str) else None, [_text(service) for service in services or []]


def _text(uuid: UUID) -> str:
    return str(uuid).lower()


async def _wait(work: Awaitable[Value]) -> Value:
    return await asyncio.wait_for(work, _ANSWER_WITHIN_S)


def _characteristic(service: ServiceProxy, uuid: str) -> CharacteristicProxy[bytes]:
    for found in service.get_characteristics_by_uuid(UUID(uuid)):
        return found
    raise ProtocolError(N_("its service has no characteristic {uuid}"), uuid=uuid)


class NumericComparison(smp.Session):
    """The host's end of a pairing. Nothing weaker is accepted; bumble alone would fall back to one that asks nobody."""

    def on_smp_pairing_response_command(self, command: smp.SMP_Pairing_Response_Command) -> None:
        """As the key answers, it pairs."""
        with_buttons = (smp.IoCapability.DISPLAY_YES_NO, smp.IoCapability.KEYBOARD_DISPLAY)
        if not command.auth_req & smp.AuthReq.SC or command.io_capability not in with_buttons:
            self.send_pairing_failed(smp.ErrorCode.AUTHENTICATION_REQUIREMENTS)
            return
        super().on_smp_pairing_response_command(command)


class _Comparison(PairingDelegate):
    """Has the person at this computer compare the numbers."""

    def __init__(self, confirm: ConfirmNumber) -> None:
        super().__init__(PairingDelegate.IoCapability.DISPLAY_OUTPUT_AND_YES_NO_INPUT)
        self._confirm = confirm
        self.refused = False

    async def compare_numbers(self, number: int, digits: int) -> bool:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bool] = loop.create_future()

        def settle(accepted: bool) -> None:
            if not answer.done():
                answer.set_result(accepted)

        def ask() -> None:
            accepted = self._confirm(f"{number:0{digits}}")
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(settle, accepted)

        threading.Thread(target=ask, name="vukey-ble-number", daemon=True).start()
        accepted = await answer
        self.refused = not accepted
        return accepted

    async def confirm(self, auto: bool = False) -> bool:
        return False


class _Forgetful(KeyStore):
    """Keeps nothing."""


class FileBonds(KeyStore):
    """Agreements with keys, in a file that only its owner may read.

    :param path: made where it is not there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    async def delete(self, name: str) -> None:
        """See `KeyStore`."""
        bonds = self._read()
        bonds.pop(name, None)
        self._replace(bonds)

    async def update(self, name: str, keys: PairingKeys) -> None:
        """See `KeyStore`."""
        self._replace(self._read() | {name: keys.to_dict()})

    async def get(self, name: str) -> PairingKeys | None:
        """See `KeyStore`."""
        bond = self._read().get(name)
        return None if bond is None else PairingKeys.from_dict(bond)

    async def get_all(self) -> list[tuple[str, PairingKeys]]:
        """See `KeyStore`."""
        return [(name, PairingKeys.from_dict(bond)) for name, bond in self._read().items()]

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            bonds = json.loads(self._path.read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise BleError(
                N_("{file} cannot be read: {reason}"), file=self._path, reason=printable(str(error))
            ) from None
        return dict(bonds)

    def _replace(self, bonds: dict[str, dict[str, Any]]) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = self._path.with_name(self._path.name + ".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(bonds, file)
        new.replace(self._path)
