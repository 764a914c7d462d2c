"""What the key shows of itself over GATT, and what it advertises."""

from __future__ import annotations

from collections.abc import Callable

from bumble import att, gatt, gatt_server
from bumble.core import UUID, AdvertisingData
from bumble.device import Connection
from bumble.profiles.device_information_service import DeviceInformationService

from protocols.ble import GattProfile, encode_length

_GENERAL_DISCOVERABLE_LE_ONLY = 0x06
"""The flags of an advertisement (Supplement to the Bluetooth Core, part A, 1.3)."""

_READ = gatt.Characteristic.Properties.READ
_ON_AUTHENTICATED_LINKS = (
    att.Attribute.READABLE
    | att.Attribute.WRITEABLE
    | att.Attribute.READ_REQUIRES_AUTHENTICATION
    | att.Attribute.WRITE_REQUIRES_AUTHENTICATION
)
"""A link without encryption has no authentication either, and its host learns with one error what to do: pair."""


class FragmentService:
    """The service that carries fragments.

    :param on_fragment: told of each that a central writes.
    """

    def __init__(
        self,
        profile: GattProfile,
        server: gatt_server.Server,
        on_fragment: Callable[[Connection, bytes], None],
    ) -> None:
        properties = gatt.Characteristic.Properties
        write = gatt.Characteristic[bytes](
            profile.write,
            properties.WRITE | properties.WRITE_WITHOUT_RESPONSE,
            _ON_AUTHENTICATED_LINKS,
            gatt.CharacteristicValue(write=on_fragment),
        )
        self.notify = gatt.Characteristic[bytes](
            profile.notify, properties.NOTIFY, _ON_AUTHENTICATED_LINKS, b""
        )
        self.notify.descriptors = [
            gatt.Descriptor(  # bumble's own would let anybody listen
                gatt.GATT_CLIENT_CHARACTERISTIC_CONFIGURATION_DESCRIPTOR,
                _ON_AUTHENTICATED_LINKS,
                server.make_descriptor_value(self.notify),
            )
        ]
        characteristics = [write, self.notify]
        if profile.length:
            longest = encode_length(profile.longest)
            characteristics.append(
                gatt.Characteristic(profile.length, _READ, _ON_AUTHENTICATED_LINKS, longest)
            )
        server.add_service(gatt.Service(profile.service, characteristics))


def add_information(
    server: gatt_server.Server, *, maker: str, model: str, serial: str, firmware: str
) -> None:
    """The device information service (180A), which anybody may read."""
    server.add_service(
        DeviceInformationService(
            manufacturer_name=maker, model_number=model, serial_number=serial, firmware_revision=firmware
        )
    )


def add_battery(server: gatt_server.Server, level: Callable[[], int]) -> None:
    """The battery service (180F), which anybody may read; nobody is told of changes."""
    battery_level = gatt.Characteristic[bytes](
        gatt.GATT_BATTERY_LEVEL_CHARACTERISTIC,
        _READ,
        att.Attribute.READABLE,
        gatt.CharacteristicValue(read=lambda connection: bytes((level(),))),
    )
    server.add_service(gatt.Service(gatt.GATT_BATTERY_SERVICE, [battery_level]))


def advertisement(profile: GattProfile) -> bytes:
    """What says that a key is there."""
    return bytes(
        AdvertisingData(
            [
                (AdvertisingData.FLAGS, bytes((_GENERAL_DISCOVERABLE_LE_ONLY,))),
                (
                    AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
                    bytes(UUID(profile.service)),
                ),
            ]
        )
    )


def scan_response(name: str) -> bytes:
    """Which key it is."""
    return bytes(AdvertisingData([(AdvertisingData.COMPLETE_LOCAL_NAME, name.encode())]))
