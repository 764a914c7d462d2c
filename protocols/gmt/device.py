"""GetDevInfo's block (docs/facts.md G5)."""

from __future__ import annotations

import struct
from typing import NamedTuple

from protocols.dialect import DEFAULT, Dialect
from protocols.fields import LayoutError, fixed_text, parse_text
from protocols.i18n import N_

DEVICE_INFO_SIZE = 288
_DEVICE_INFO = "2s2s64s64s32s32s2s2sIIIIIIHHHBBH54s"
_STRUCT_VERSION = b"\x01\x00"


class DeviceInfo(NamedTuple):
    """GetDevInfo's block of 288 bytes (G5). Versions are (major, minor); spaces are bytes."""

    manufacturer: str
    issuer: str
    label: str
    serial: str
    hardware_version: tuple[int, int]
    firmware_version: tuple[int, int]
    symmetric: int
    asymmetric: int
    hashes: int
    dev_auth_algorithm: int
    total_space: int
    free_space: int
    max_apdu_data: int
    max_containers: int
    max_certificates: int
    max_files: int
    user_auth_method: int = 0
    device_type: int = 0

    def encode(self, dialect: Dialect = DEFAULT) -> bytes:
        """The block."""
        return struct.pack(
            _order_mark(dialect) + _DEVICE_INFO,
            _STRUCT_VERSION,
            _STRUCT_VERSION,
            fixed_text(self.manufacturer, 64),
            fixed_text(self.issuer, 64),
            fixed_text(self.label, 32),
            fixed_text(self.serial, 32),
            bytes(self.hardware_version),
            bytes(self.firmware_version),
            self.symmetric,
            self.asymmetric,
            self.hashes,
            self.dev_auth_algorithm,
            self.total_space,
            self.free_space,
            self.max_apdu_data,
            self.user_auth_method,
            self.device_type,
            self.max_containers,
            self.max_certificates,
            self.max_files,
            bytes(54),
        )

    @classmethod
    def decode(cls, raw: bytes, dialect: Dialect = DEFAULT) -> DeviceInfo:
        """The block back.

        :raises LayoutError: not 288 bytes, or a text that is not UTF-8.
        """
        if len(raw) != DEVICE_INFO_SIZE:
            raise LayoutError(N_("GetDevInfo answers 288 bytes, these are {size}"), size=len(raw))
        texts = [parse_text(raw[start:end]) for start, end in ((4, 68), (68, 132), (132, 164), (164, 196))]
        manufacturer, issuer, label, serial = texts
        (
            symmetric,
            asymmetric,
            hashes,
            dev_auth,
            total,
            free,
            max_apdu,
            auth,
            kind,
            containers,
            certs,
            files,
        ) = struct.unpack_from(_order_mark(dialect) + "IIIIIIHHHBBH", raw, 200)
        return cls(
            manufacturer,
            issuer,
            label,
            serial,
            (raw[196], raw[197]),
            (raw[198], raw[199]),
            symmetric,
            asymmetric,
            hashes,
            dev_auth,
            total,
            free,
            max_apdu,
            containers,
            certs,
            files,
            auth,
            kind,
        )


def _order_mark(dialect: Dialect) -> str:
    return ">" if dialect.byte_order == "big" else "<"
