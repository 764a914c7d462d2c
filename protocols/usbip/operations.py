"""USB/IP's first phase: which devices there are, and the import of one.

Source: the protocol text of the Linux kernel (Documentation/usb/usbip_protocol.rst, OP_*), and the status codes of
its usbip tool (tools/usb/usbip/libsrc/usbip_common.h).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from enum import IntEnum, unique
from typing import NamedTuple

from protocols.errors import ProtocolError
from protocols.i18n import N_
from protocols.usb.model import DeviceModel, Speed

VERSION = 0x0111
_MAJOR = 0x0100

_HEADER = struct.Struct(">HHI")
_COUNT = struct.Struct(">I")
_DEVICE = struct.Struct(">256s32s3I3H6B")
_INTERFACE = struct.Struct(">3Bx")

_BUS, _NUMBER = 1, 2
"""busnum and devnum: of no meaning to a host, which only sends them back."""

HEADER_SIZE = _HEADER.size
"""Bytes of the header that every request begins with."""
IMPORT_BODY_SIZE = 32
"""Bytes of the bus id that follow the header of an import."""


@unique
class OpCode(IntEnum):
    """What a client asks for."""

    LIST = 0x8005
    IMPORT = 0x8003


_REPLY = 0x7FFF
"""A reply's code is its request's without the highest bit."""


@unique
class Status(IntEnum):
    """How a request ended (ST_*)."""

    OK = 0
    NOT_AVAILABLE = 1
    BUSY = 2
    DEVICE_ERROR = 3
    NO_DEVICE = 4
    ERROR = 5


class ExportedDevice(NamedTuple):
    """A device as a client sees it in the list.

    :param bus_id: what `usbip attach -b` takes.
    """

    model: DeviceModel
    bus_id: str
    speed: Speed


def parse_operation(header: bytes) -> OpCode:
    """What the 8 bytes ask for; the minor version and the status, which a request leaves 0, do not matter.

    :raises ProtocolError: another version or another request.
    """
    version, code, _ = _HEADER.unpack(header)
    if version & 0xFF00 != _MAJOR:
        raise ProtocolError(N_("USB/IP of version {version:#06x} is not spoken here"), version=version)
    try:
        return OpCode(code)
    except ValueError:
        raise ProtocolError(N_("{code:#06x} is not a request of USB/IP"), code=code) from None


def parse_bus_id(body: bytes) -> str:
    """The bus id of an import; what is no ASCII stands as question marks, and fits no device."""
    return body.partition(b"\0")[0].decode("ascii", "replace")


def list_reply(devices: Sequence[ExportedDevice]) -> bytes:
    """OP_REP_DEVLIST: every device with its interfaces."""
    pieces = [_reply(OpCode.LIST, Status.OK), _COUNT.pack(len(devices))]
    for device in devices:
        pieces.append(_describe(device))
        pieces += (
            _INTERFACE.pack(interface.usb_class, interface.subclass, interface.protocol)
            for interface in device.model.interfaces
        )
    return b"".join(pieces)


def import_reply(status: Status, device: ExportedDevice | None = None) -> bytes:
    """OP_REP_IMPORT: the device goes with Status.OK and with no other."""
    return _reply(OpCode.IMPORT, status) + (_describe(device) if device else b"")


def _reply(code: OpCode, status: Status) -> bytes:
    return _HEADER.pack(VERSION, code & _REPLY, status)


def _describe(device: ExportedDevice) -> bytes:
    model = device.model
    path = f"/sys/devices/vukey/usb{_BUS}/{device.bus_id}"
    return _DEVICE.pack(
        path.encode(), device.bus_id.encode(),
        _BUS, _NUMBER, device.speed,
        model.vid, model.pid, model.release,
        0, 0, 0,  # class, subclass and protocol: the interfaces say them
        0, 1, len(model.interfaces),  # not configured yet, of one configuration
    )  # fmt: skip
