"""What answers without being a key: by Bluetooth, a peripheral that notifies the same fragment after each write; on a
line, a thread that writes the same piece after each that came, and a ping back.
"""

from __future__ import annotations

import asyncio
import os
import pty
import threading
import tty
from concurrent.futures import Future

from bumble.core import UUID, AdvertisingData
from bumble.device import Connection, Device, DeviceConfiguration
from bumble.gatt import Characteristic, CharacteristicValue, Service
from bumble.hci import Address, OwnAddressType
from bumble.host import Host
from bumble.keys import MemoryKeyStore

from emulator.links.ble.radio import Adapter
from protocols.ble import FEITIAN, FrameCommand, enclose, fragments

ANSWER = bytes(8) + b"\x90\x00"
_MESSAGE = b"\x12" + len(ANSWER).to_bytes(2, "big") + ANSWER
_REPLY = fragments(FrameCommand.MESSAGE, _MESSAGE, 20)[0]
_FLAG = b"\x7e"
_OPEN = Characteristic.Permissions.READABLE | Characteristic.Permissions.WRITEABLE


class BarePeripheral:
    """As found and encrypted as a key; the name is the serial number that a host looks for."""

    def __init__(self, name: str, adapter: Adapter, bonds: MemoryKeyStore) -> None:
        self.address = Address.generate_static_address()
        self._name, self._adapter, self._bonds = name, adapter, bonds
        self._started: Future[None] = Future()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_until_complete, args=(self._serve(),), daemon=True
        )

    def start(self) -> None:
        """Advertise, for ever: again after each connection."""
        self._thread.start()
        self._started.result()

    async def _serve(self) -> None:
        transport = await self._adapter.open()
        config = DeviceConfiguration(name=self._name, address=self.address)
        device = Device(config=config, host=Host(transport.source, transport.sink))
        device.keystore = self._bonds
        notify = Characteristic[bytes](FEITIAN.notify, Characteristic.Properties.NOTIFY, _OPEN)

        async def reply(connection: Connection, fragment: bytes) -> None:
            await device.notify_subscriber(connection, notify, _REPLY)

        write = Characteristic[bytes](
            FEITIAN.write,
            Characteristic.Properties.WRITE_WITHOUT_RESPONSE,
            _OPEN,
            CharacteristicValue(write=reply),
        )
        device.gatt_server.add_service(Service(FEITIAN.service, [write, notify]))
        await device.power_on()
        await device.start_advertising(
            own_address_type=OwnAddressType.RANDOM,
            auto_restart=True,
            advertising_data=_advertised(
                AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS, bytes(UUID(FEITIAN.service))
            ),
            scan_response_data=_advertised(AdvertisingData.COMPLETE_LOCAL_NAME, self._name.encode()),
        )
        self._started.set_result(None)
        await transport.source.terminated


def _advertised(kind: int, data: bytes) -> bytes:
    return bytes(AdvertisingData([(AdvertisingData.Type(kind), data)]))


class BareLine:
    """A pseudo-terminal: `path` is what a host opens."""

    def __init__(self) -> None:
        self._end, inner = pty.openpty()
        tty.setraw(inner)
        self.path = os.ttyname(inner)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        reply, rest = enclose(_REPLY), b""
        while True:
            *pieces, rest = (rest + os.read(self._end, 4096)).split(_FLAG)
            for piece in filter(None, pieces):
                is_ping = piece[0] == FrameCommand.PING
                os.write(self._end, _FLAG + piece + _FLAG if is_ping else reply)
