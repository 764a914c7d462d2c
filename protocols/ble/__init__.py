"""A Bluetooth key's wire: GATT services, frames in fragments, both ends as state machines; serial lines too."""

from protocols.ble.events import Cancel, Failed, HostEvent, KeepAlive, KeyEvent, Reply, Response, Transmit
from protocols.ble.frames import (
    FRAGMENT_TIMEOUT_S,
    KEEP_ALIVE_S,
    WHOLE,
    FrameCommand,
    FrameError,
    KeepAliveStatus,
    fragments,
)
from protocols.ble.gatt import (
    FEITIAN,
    GATT_PROFILES,
    MAX_FRAGMENT,
    MIN_FRAGMENT,
    VUKEY,
    GattProfile,
    decode_length,
    encode_length,
    fragment_size,
)
from protocols.ble.host import HostEnd
from protocols.ble.key import KeyEnd
from protocols.ble.serial import BAUD_RATE, FragmentStream, enclose

__all__ = [
    "BAUD_RATE",
    "FEITIAN",
    "FRAGMENT_TIMEOUT_S",
    "GATT_PROFILES",
    "KEEP_ALIVE_S",
    "MAX_FRAGMENT",
    "MIN_FRAGMENT",
    "VUKEY",
    "WHOLE",
    "Cancel",
    "Failed",
    "FragmentStream",
    "FrameCommand",
    "FrameError",
    "GattProfile",
    "HostEnd",
    "HostEvent",
    "KeepAlive",
    "KeepAliveStatus",
    "KeyEnd",
    "KeyEvent",
    "Reply",
    "Response",
    "Transmit",
    "decode_length",
    "enclose",
    "encode_length",
    "fragment_size",
    "fragments",
]
