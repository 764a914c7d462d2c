"""Bluetooth by the operating system, through bleak: BlueZ, Windows, macOS. The system asks the person about the number
and keeps the bond; whoever connects over bleak is not asked again.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from bleak import BleakClient, BleakScanner
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakError

from hostdriver.transport.ble import (
    FIND_WITHIN_S,
    Arrivals,
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
    unknown_key,
)
from protocols.ble import decode_length, fragment_size
from protocols.ble.gatt import ATT_HEADER_SIZE
from protocols.errors import ProtocolError
from protocols.i18n import N_

_SERIAL_NUMBER = "00002a25-0000-1000-8000-00805f9b34fb"


class BleakBackend:
    """bleak as the central."""

    async def connect(self, serial: str, arrivals: Arrivals, confirm: ConfirmNumber) -> BleakLink:
        """See `Backend`; `confirm` is not called."""
        deadline = Deadline(FIND_WITHIN_S)
        device = await _find(serial, deadline.left)
        client = BleakClient(device, lambda _: arrivals.end(), timeout=deadline.left)
        link = BleakLink(client)
        try:
            await link.connect(serial, arrivals)
        except BaseException:
            await link.disconnect()
            raise
        return link


class BleakLink:
    """See `KeyLink`."""

    def __init__(self, client: BleakClient) -> None:
        self._client = client
        self._write: BleakGATTCharacteristic | None = None
        self.fragment_size = fragment_size(0)

    async def connect(self, serial: str, arrivals: Arrivals) -> None:
        """See `Backend.connect`."""
        try:
            await self._client.connect()
        except (BleakError, OSError, TimeoutError):
            raise not_connected(serial) from None
        await self._pair()
        try:
            await self._listen(serial, arrivals)
        except (BleakError, OSError, TimeoutError, ProtocolError) as error:
            raise unknown_key(error) from None

    async def send(self, fragment: bytes) -> None:
        """See `KeyLink.send`."""
        if self._write is None or not self._client.is_connected:
            raise disconnected()
        try:
            await self._client.write_gatt_char(self._write, fragment, response=False)
        except (BleakError, OSError):
            raise disconnected() from None

    async def disconnect(self) -> None:
        """See `KeyLink.disconnect`."""
        with suppress(BleakError, OSError, TimeoutError, asyncio.CancelledError):
            await self._client.disconnect()

    async def _pair(self) -> None:
        try:
            await self._client.pair()
        except NotImplementedError:
            return  # macOS pairs by itself, at the first thing that needs it
        except (BleakError, OSError, TimeoutError):
            raise _not_paired() from None

    async def _listen(self, serial: str, arrivals: Arrivals) -> None:
        profile = profile_of(service.uuid for service in self._client.services)
        number = self._client.services.get_characteristic(_SERIAL_NUMBER)
        if number is not None:
            check_serial(bytes(await self._client.read_gatt_char(number)), serial)
        length = profile.longest
        if profile.length:
            length = decode_length(bytes(await self._client.read_gatt_char(self._named(profile.length))))
        self._write = self._named(profile.write)
        mtu = self._write.max_write_without_response_size + ATT_HEADER_SIZE
        self.fragment_size = fragment_size(mtu, length)
        await self._client.start_notify(
            self._named(profile.notify), lambda _, value: arrivals.put(bytes(value))
        )

    def _named(self, uuid: str) -> BleakGATTCharacteristic:
        found = self._client.services.get_characteristic(uuid)
        if found is None:
            raise ProtocolError(N_("its service has no characteristic {uuid}"), uuid=uuid)
        return found


def _not_paired() -> PairingError:
    return PairingError(
        N_(
            "not paired: the number was refused, or nobody agreed to it in time, or the system had nobody to ask; "
            "without a desktop, run bluetoothctl and type default-agent there"
        )
    )


async def _find(serial: str, within_s: float) -> BLEDevice:
    def wanted(_: BLEDevice, seen: AdvertisementData) -> bool:
        return is_wanted(seen.local_name, seen.service_uuids, serial)

    try:
        found = await BleakScanner.find_device_by_filter(wanted, timeout=within_s)
    except (BleakError, OSError) as error:
        raise no_adapter(error) from None
    if found is None:
        raise not_found(serial)
    return found
