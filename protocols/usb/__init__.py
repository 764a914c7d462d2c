"""What a USB device says on endpoint 0: descriptors and standard requests (USB 2.0, chapter 9).

Needs `construct` (the extra `usb`).
"""

from protocols.usb.control import ControlEndpoint, ControlledFunction
from protocols.usb.descriptors import (
    CONFIGURATION_VALUE,
    DescriptorType,
    configuration_descriptor,
    device_descriptor,
    device_qualifier,
    interface_descriptors,
    language_descriptor,
    other_speed_configuration,
    string_descriptor,
    texts,
)
from protocols.usb.model import DeviceModel, Endpoint, Interface, Speed, Transfer
from protocols.usb.setup import SETUP_SIZE, Kind, Recipient, Request, Setup

__all__ = [
    "CONFIGURATION_VALUE",
    "SETUP_SIZE",
    "ControlEndpoint",
    "ControlledFunction",
    "DescriptorType",
    "DeviceModel",
    "Endpoint",
    "Interface",
    "Kind",
    "Recipient",
    "Request",
    "Setup",
    "Speed",
    "Transfer",
    "configuration_descriptor",
    "device_descriptor",
    "device_qualifier",
    "interface_descriptors",
    "language_descriptor",
    "other_speed_configuration",
    "string_descriptor",
    "texts",
]
