"""The control request that begins every transfer on endpoint 0 (USB 2.0, 9.3 and 9.4)."""

from __future__ import annotations

import struct
from enum import IntEnum, unique
from typing import NamedTuple

from protocols.errors import ProtocolError
from protocols.i18n import N_

_LAYOUT = struct.Struct("<BBHHH")

SETUP_SIZE = _LAYOUT.size
"""Bytes of a setup packet."""


@unique
class Request(IntEnum):
    """bRequest of a standard request (USB 2.0, table 9-4)."""

    GET_STATUS = 0
    CLEAR_FEATURE = 1
    SET_FEATURE = 3
    SET_ADDRESS = 5
    GET_DESCRIPTOR = 6
    SET_DESCRIPTOR = 7
    GET_CONFIGURATION = 8
    SET_CONFIGURATION = 9
    GET_INTERFACE = 10
    SET_INTERFACE = 11
    SYNCH_FRAME = 12


@unique
class Kind(IntEnum):
    """Bits 6 and 5 of bmRequestType: whose request it is (USB 2.0, table 9-2)."""

    STANDARD = 0
    CLASS = 1
    VENDOR = 2
    RESERVED = 3


@unique
class Recipient(IntEnum):
    """Bits 4 to 0 of bmRequestType: to whom the request goes (USB 2.0, table 9-2)."""

    DEVICE = 0
    INTERFACE = 1
    ENDPOINT = 2
    OTHER = 3


class Setup(NamedTuple):
    """A setup packet: bmRequestType, bRequest, wValue, wIndex, wLength."""

    request_type: int
    request: int
    value: int
    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody asks of a packet
    length: int

    @classmethod
    def decode(cls, raw: bytes) -> Setup:
        """The packet from its 8 bytes.

        :raises ProtocolError: not 8 bytes.
        """
        if len(raw) != SETUP_SIZE:
            raise ProtocolError(N_("A setup packet has 8 bytes, this one has {size}."), size=len(raw))
        return cls._make(_LAYOUT.unpack(raw))

    def encode(self) -> bytes:
        """Its 8 bytes."""
        return _LAYOUT.pack(*self)

    @property
    def to_host(self) -> bool:
        """Whether the data go to the host."""
        return bool(self.request_type & 0x80)

    @property
    def kind(self) -> Kind:
        """Whose request it is."""
        return Kind(self.request_type >> 5 & 3)

    @property
    def recipient(self) -> int:
        """To whom it goes: a Recipient, or a reserved number (4 to 31)."""
        return self.request_type & 0x1F
