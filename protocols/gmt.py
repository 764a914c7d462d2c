"""GM/T 0017 commands: numbers, and the layouts of what they carry (docs/facts.md G1–G6, G14–G18, G23).

Everything that both sides read or write stands here once. Integers follow the dialect's byte order; identifiers
(application, container) are two opaque bytes.
"""

from __future__ import annotations

import struct
from enum import IntEnum, unique
from typing import NamedTuple

from protocols.dialect import DEFAULT, Dialect
from protocols.fields import Fields, LayoutError, fixed_text, parse_name, parse_text, u16, u32
from protocols.i18n import N_

CLA_PLAIN = 0x80
CLA_MAC = 0x84
RSA_EXPONENT = 65537


@unique
class Ins(IntEnum):
    """Instruction numbers (GM/T 0017 §9; ACTIVATION is private, its number a dialect's)."""

    SET_LABEL = 0x02
    GET_DEV_INFO = 0x04
    DEV_AUTH = 0x10
    GET_PIN_INFO = 0x14
    CHANGE_PIN = 0x16
    VERIFY_PIN = 0x18
    UNBLOCK_PIN = 0x1A
    CLEAR_SECURE_STATE = 0x1C
    CREATE_APPLICATION = 0x20
    ENUM_APPLICATION = 0x22
    DELETE_APPLICATION = 0x24
    OPEN_APPLICATION = 0x26
    CLOSE_APPLICATION = 0x28
    CREATE_CONTAINER = 0x40
    OPEN_CONTAINER = 0x42
    CLOSE_CONTAINER = 0x44
    ENUM_CONTAINER = 0x46
    DELETE_CONTAINER = 0x48
    GET_CONTAINER_INFO = 0x4A
    IMPORT_CERTIFICATE = 0x4C
    EXPORT_CERTIFICATE = 0x4E
    GEN_RANDOM = 0x50
    GENERATE_RSA_KEY_PAIR = 0x54
    RSA_SIGN_DATA = 0x58
    RSA_VERIFY = 0x5E
    GEN_ECC_KEY_PAIR = 0x70
    ECC_SIGN_DATA = 0x74
    ECC_VERIFY = 0x76
    EXPORT_PUBLIC_KEY = 0x88
    ACTIVATION = 0xF6


@unique
class PinType(IntEnum):
    """P2 of the PIN commands."""

    ADMIN = 0
    USER = 1


@unique
class SignInput(IntEnum):
    """P1 of the signing commands: a whole message that the key hashes, or a ready digest."""

    MESSAGE = 1
    DIGEST = 2


@unique
class HashAlgorithm(IntEnum):
    """Hash codes (SGD values); 3 is taken as SHA-256 too, as some implementations send it."""

    SM3 = 1
    SHA1 = 2
    SHA256_ALIAS = 3
    SHA256 = 4


@unique
class ContainerType(IntEnum):
    """What a container holds."""

    EMPTY = 0
    RSA = 1
    ECC = 2


@unique
class ActivationAction(IntEnum):
    """P1 of the private activation command."""

    STATUS = 0
    SUBMIT = 1
    KEYPAD = 2
    INSTALL = 3


@unique
class AsymmetricAlgorithm(IntEnum):
    """Algorithm identifiers of GM/T 0016."""

    RSA = 0x00010000
    SM2_SIGN = 0x00020100


SM4_ECB = 0x00000401
DEV_AUTH_SM4 = 2
ANYONE = 0xFF

PIN_FIELD = 16
"""Width of a PIN in CreateApplication, and of a new PIN in ChangePIN and UnblockPIN."""
LONG_PIN_FIELD = 32
"""Width of a new PIN on keys that allow more than 16 bytes."""

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


class NewApplication(NamedTuple):
    """CreateApplication's data. PINs travel in clear here, at most 16 bytes each."""

    name: str
    admin_pin: bytes
    admin_tries: int
    user_pin: bytes
    user_tries: int
    create_file_rights: int = ANYONE
    max_containers: int = 16
    max_certificates: int = 16
    max_files: int = 16

    def encode(self, dialect: Dialect = DEFAULT) -> bytes:
        """The data field: 80 bytes with names of 32."""
        if max(len(self.admin_pin), len(self.user_pin)) > PIN_FIELD:
            raise LayoutError(N_("CreateApplication carries PINs of at most 16 bytes"))
        return (
            fixed_text(self.name, dialect.application_name)
            + self.admin_pin.ljust(PIN_FIELD, b"\0")
            + u32(self.admin_tries, dialect)
            + self.user_pin.ljust(PIN_FIELD, b"\0")
            + u32(self.user_tries, dialect)
            + u32(self.create_file_rights, dialect)
            + bytes((self.max_containers, self.max_certificates))
            + u16(self.max_files, dialect)
        )

    @classmethod
    def decode(cls, data: bytes, dialect: Dialect = DEFAULT) -> NewApplication:
        """The data field back.

        :raises LayoutError: too short, too long, a name that is not UTF-8.
        """
        fields = Fields(data, dialect)
        new = cls(
            parse_name(fields.take(dialect.application_name)),
            fields.take(PIN_FIELD).rstrip(b"\0"),
            fields.number(4),
            fields.take(PIN_FIELD).rstrip(b"\0"),
            fields.number(4),
            fields.number(4),
            fields.number(1),
            fields.number(1),
            fields.number(2),
        )
        fields.end()
        return new


class ApplicationInfo(NamedTuple):
    """OpenApplication's answer, 10 bytes."""

    create_file_rights: int
    max_containers: int
    max_certificates: int
    max_files: int
    handle: bytes

    def encode(self, dialect: Dialect = DEFAULT) -> bytes:
        """The answer."""
        counts = bytes((self.max_containers, self.max_certificates))
        return u32(self.create_file_rights, dialect) + counts + u16(self.max_files, dialect) + self.handle

    @classmethod
    def decode(cls, raw: bytes, dialect: Dialect = DEFAULT) -> ApplicationInfo:
        """The answer back.

        :raises LayoutError: not 10 bytes.
        """
        fields = Fields(raw, dialect)
        info = cls(fields.number(4), fields.number(1), fields.number(1), fields.number(2), fields.take(2))
        fields.end()
        return info


class PinInfo(NamedTuple):
    """GetPINInfo's answer: tries at most, tries left, and whether the PIN is still the initial one."""

    tries: int
    left: int
    initial: bool

    def encode(self) -> bytes:
        """Three bytes."""
        return bytes((self.tries, self.left, self.initial))

    @classmethod
    def decode(cls, raw: bytes) -> PinInfo:
        """The answer back.

        :raises LayoutError: not three bytes.
        """
        fields = Fields(raw)
        info = cls(fields.number(1), fields.number(1), bool(fields.number(1)))
        fields.end()
        return info


class ContainerInfo(NamedTuple):
    """GetContainerInfo's answer, 11 bytes; bits are 0 where there is no key."""

    type: int
    sign_bits: int
    exchange_bits: int
    sign_certificate: bool
    exchange_certificate: bool

    def encode(self, dialect: Dialect = DEFAULT) -> bytes:
        """The answer."""
        bits = u32(self.sign_bits, dialect) + u32(self.exchange_bits, dialect)
        return bytes((self.type,)) + bits + bytes((self.sign_certificate, self.exchange_certificate))

    @classmethod
    def decode(cls, raw: bytes, dialect: Dialect = DEFAULT) -> ContainerInfo:
        """The answer back.

        :raises LayoutError: not 11 bytes.
        """
        fields = Fields(raw, dialect)
        info = cls(
            fields.number(1),
            fields.number(4),
            fields.number(4),
            bool(fields.number(1)),
            bool(fields.number(1)),
        )
        fields.end()
        return info


class RsaPublicKey(NamedTuple):
    """An RSA public key as the commands carry it."""

    n: int
    e: int

    @property
    def bits(self) -> int:
        """The modulus' length."""
        return self.n.bit_length()

    def encode_modulus(self) -> bytes:
        """n, as long as the modulus."""
        return self.n.to_bytes((self.bits + 7) // 8)


SALT_LENGTH = 16
VERIFIER_LENGTH = 32


class ActivationVerifier(NamedTuple):
    """What INSTALL carries: the key checks SM3(salt ‖ code) and never holds the code itself (assumed)."""

    salt: bytes
    digest: bytes
    tries: int

    def encode(self) -> bytes:
        """49 bytes."""
        return self.salt + self.digest + bytes((self.tries,))

    @classmethod
    def decode(cls, raw: bytes) -> ActivationVerifier:
        """The same back.

        :raises LayoutError: not 49 bytes.
        """
        fields = Fields(raw)
        verifier = cls(fields.take(SALT_LENGTH), fields.take(VERIFIER_LENGTH), fields.number(1))
        fields.end()
        return verifier
