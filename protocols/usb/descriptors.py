"""The standard descriptors as bytes (USB 2.0, 9.6)."""

from __future__ import annotations

from enum import IntEnum, unique

from construct import Const, Int8ul, Int16ul, Struct

from protocols.errors import ProtocolError
from protocols.i18n import N_
from protocols.usb.model import DeviceModel, Endpoint, Interface, Speed


@unique
class DescriptorType(IntEnum):
    """bDescriptorType (USB 2.0, table 9-5)."""

    DEVICE = 1
    CONFIGURATION = 2
    STRING = 3
    INTERFACE = 4
    ENDPOINT = 5
    DEVICE_QUALIFIER = 6
    OTHER_SPEED_CONFIGURATION = 7


USB_2_0 = 0x0200
CONTROL_PACKET = 64
"""bMaxPacketSize0: the only value at high speed, and allowed at full speed (USB 2.0, 5.5.3)."""
CONFIGURATION_VALUE = 1
"""bConfigurationValue of the only configuration."""
ENGLISH_US = 0x0409
"""The only LANGID: under it the texts stand as they are, Chinese ones too."""
MAX_TEXT = 126
"""UTF-16 units of the longest string: bLength is one byte (USB 2.0, 9.6.7)."""

_BUS_POWERED = 0x80
_MAX_POWER = 50
"""bMaxPower in units of 2 mA: 100 mA, what a device may draw before it asks for more."""
_DEVICE_TEXTS = 3
"""Manufacturer, product and serial number have the string indexes 1, 2 and 3; the interfaces' names follow."""

_DEVICE = Struct(
    "bLength" / Const(18, Int8ul),
    "bDescriptorType" / Const(DescriptorType.DEVICE.value, Int8ul),
    "bcdUSB" / Const(USB_2_0, Int16ul),
    "bDeviceClass" / Const(0, Int8ul),  # each interface says its own
    "bDeviceSubClass" / Const(0, Int8ul),
    "bDeviceProtocol" / Const(0, Int8ul),
    "bMaxPacketSize0" / Const(CONTROL_PACKET, Int8ul),
    "idVendor" / Int16ul,
    "idProduct" / Int16ul,
    "bcdDevice" / Int16ul,
    "iManufacturer" / Int8ul,
    "iProduct" / Int8ul,
    "iSerialNumber" / Int8ul,
    "bNumConfigurations" / Const(1, Int8ul),
)

_QUALIFIER = Struct(
    "bLength" / Const(10, Int8ul),
    "bDescriptorType" / Const(DescriptorType.DEVICE_QUALIFIER.value, Int8ul),
    "bcdUSB" / Const(USB_2_0, Int16ul),
    "bDeviceClass" / Const(0, Int8ul),
    "bDeviceSubClass" / Const(0, Int8ul),
    "bDeviceProtocol" / Const(0, Int8ul),
    "bMaxPacketSize0" / Const(CONTROL_PACKET, Int8ul),
    "bNumConfigurations" / Const(1, Int8ul),
    "bReserved" / Const(0, Int8ul),
)

_CONFIGURATION = Struct(
    "bLength" / Const(9, Int8ul),
    "bDescriptorType" / Int8ul,
    "wTotalLength" / Int16ul,
    "bNumInterfaces" / Int8ul,
    "bConfigurationValue" / Const(CONFIGURATION_VALUE, Int8ul),
    "iConfiguration" / Const(0, Int8ul),
    "bmAttributes" / Const(_BUS_POWERED, Int8ul),
    "bMaxPower" / Const(_MAX_POWER, Int8ul),
)

_INTERFACE = Struct(
    "bLength" / Const(9, Int8ul),
    "bDescriptorType" / Const(DescriptorType.INTERFACE.value, Int8ul),
    "bInterfaceNumber" / Int8ul,
    "bAlternateSetting" / Const(0, Int8ul),
    "bNumEndpoints" / Int8ul,
    "bInterfaceClass" / Int8ul,
    "bInterfaceSubClass" / Int8ul,
    "bInterfaceProtocol" / Int8ul,
    "iInterface" / Int8ul,
)

_ENDPOINT = Struct(
    "bLength" / Const(7, Int8ul),
    "bDescriptorType" / Const(DescriptorType.ENDPOINT.value, Int8ul),
    "bEndpointAddress" / Int8ul,
    "bmAttributes" / Int8ul,
    "wMaxPacketSize" / Int16ul,
    "bInterval" / Int8ul,
)


def texts(model: DeviceModel) -> tuple[str, ...]:
    """The strings that the descriptors speak of; index 1 is the first. An empty one has no descriptor."""
    return model.manufacturer, model.product, model.serial, *(each.name for each in model.interfaces)


def device_descriptor(model: DeviceModel, speed: Speed) -> bytes:
    """The 18 bytes of table 9-8. They are the same at both speeds."""
    return bytes(
        _DEVICE.build(
            {
                "idVendor": model.vid,
                "idProduct": model.pid,
                "bcdDevice": model.release,
                "iManufacturer": _index(1, model.manufacturer),
                "iProduct": _index(2, model.product),
                "iSerialNumber": _index(3, model.serial),
            }
        )
    )


def device_qualifier(model: DeviceModel) -> bytes:
    """The 10 bytes of table 9-9: what the device would be at the other speed; the same."""
    return bytes(_QUALIFIER.build({}))


def configuration_descriptor(model: DeviceModel, speed: Speed) -> bytes:
    """The configuration of table 9-10 with all that belongs to it, as it is at `speed`."""
    return _configuration(model, speed, DescriptorType.CONFIGURATION)


def other_speed_configuration(model: DeviceModel, speed: Speed) -> bytes:
    """The same for the speed that the device does not run at (table 9-11).

    :param speed: the one that it does run at.
    """
    other = Speed.FULL if speed is Speed.HIGH else Speed.HIGH
    return _configuration(model, other, DescriptorType.OTHER_SPEED_CONFIGURATION)


def interface_descriptors(interface: Interface, speed: Speed, *, name_index: int) -> bytes:
    """The interface's descriptor, its class's, its endpoints' (tables 9-12 and 9-13).

    :param name_index: the string index of its name; not told if it has none.
    """
    head = bytes(
        _INTERFACE.build(
            {
                "bInterfaceNumber": interface.number,
                "bNumEndpoints": len(interface.endpoints),
                "bInterfaceClass": interface.usb_class,
                "bInterfaceSubClass": interface.subclass,
                "bInterfaceProtocol": interface.protocol,
                "iInterface": _index(name_index, interface.name),
            }
        )
    )
    return (
        head + interface.class_descriptor + b"".join(_endpoint(each, speed) for each in interface.endpoints)
    )


def string_descriptor(text: str) -> bytes:
    """A text as UTF-16LE (9.6.7).

    :raises ProtocolError: longer than 126 UTF-16 units.
    """
    units = text.encode("utf-16-le")
    if len(units) > 2 * MAX_TEXT:
        raise ProtocolError(
            N_("A USB string has at most {limit} characters, this one has {size}."),
            limit=MAX_TEXT,
            size=len(units) // 2,
        )
    return bytes((2 + len(units), DescriptorType.STRING)) + units


def language_descriptor() -> bytes:
    """String 0: the languages (9.6.7)."""
    return bytes((4, DescriptorType.STRING)) + ENGLISH_US.to_bytes(2, "little")


def _configuration(model: DeviceModel, speed: Speed, kind: DescriptorType) -> bytes:
    body = b"".join(
        interface_descriptors(each, speed, name_index=_DEVICE_TEXTS + position)
        for position, each in enumerate(model.interfaces, start=1)
    )
    head = bytes(
        _CONFIGURATION.build(
            {
                "bDescriptorType": kind.value,
                "wTotalLength": _CONFIGURATION.sizeof() + len(body),
                "bNumInterfaces": len(model.interfaces),
            }
        )
    )
    return head + body


def _endpoint(endpoint: Endpoint, speed: Speed) -> bytes:
    return bytes(
        _ENDPOINT.build(
            {
                "bEndpointAddress": endpoint.address,
                "bmAttributes": endpoint.transfer.value,
                "wMaxPacketSize": endpoint.packet_size(speed),
                "bInterval": endpoint.interval(speed),
            }
        )
    )


def _index(index: int, text: str) -> int:
    return index if text else 0
