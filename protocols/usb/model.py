"""What a USB device says of itself, before it is bytes (USB 2.0, chapter 9)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, unique


@unique
class Speed(IntEnum):
    """How fast the bus is; the numbers are the Linux kernel's (enum usb_device_speed), as USB/IP carries them."""

    FULL = 2
    HIGH = 3


@unique
class Transfer(IntEnum):
    """bmAttributes of an endpoint (USB 2.0, table 9-13)."""

    BULK = 2
    INTERRUPT = 3


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One way data go.

    :param address: bEndpointAddress; bit 7 set: IN, to the host.
    :param max_packet: of an interrupt endpoint, in bytes; a bulk endpoint has what the speed gives it (64, 512).
    :param interval_ms: how often the host looks at an interrupt endpoint: 1, 2, 4, 8, 16 or 32.
    """

    address: int
    transfer: Transfer
    max_packet: int = 0
    interval_ms: int = 8

    @property
    def is_in(self) -> bool:
        """Whether it goes to the host."""
        return bool(self.address & 0x80)

    def packet_size(self, speed: Speed) -> int:
        """wMaxPacketSize at that speed, in bytes."""
        if self.transfer is Transfer.INTERRUPT:
            return self.max_packet
        return 512 if speed is Speed.HIGH else 64

    def interval(self, speed: Speed) -> int:
        """bInterval: frames of 1 ms, at high speed 2 ** (n - 1) eighths of one (USB 2.0, table 9-13); bulk: 0."""
        if self.transfer is Transfer.BULK:
            return 0
        return 3 + self.interval_ms.bit_length() if speed is Speed.HIGH else self.interval_ms


@dataclass(frozen=True, slots=True)
class Interface:
    """One function of a device.

    :param name: iInterface's string; empty: none.
    :param class_descriptor: goes between the interface's descriptor and its endpoints'.
    """

    number: int
    usb_class: int
    subclass: int
    protocol: int
    name: str
    class_descriptor: bytes
    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True)
class DeviceModel:
    """The device: who it is and its interfaces, numbered from 0.

    :param release: bcdDevice.
    """

    vid: int
    pid: int
    release: int
    manufacturer: str
    product: str
    serial: str
    interfaces: tuple[Interface, ...]
