"""What the commands on applications, PINs, containers and activation carry (docs/facts.md G6, G14, G15, G23)."""

from __future__ import annotations

from typing import NamedTuple

from protocols.dialect import DEFAULT, Dialect
from protocols.fields import Fields, LayoutError, fixed_text, parse_name, u16, u32
from protocols.gmt.numbers import ANYONE, PIN_FIELD, KeyUse
from protocols.i18n import N_


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

    def __repr__(self) -> str:
        return f"NewApplication({self.name!r})"

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

    def has_certificate(self, use: KeyUse) -> bool:
        """Whether there is one for this pair."""
        return self.sign_certificate if use is KeyUse.SIGN else self.exchange_certificate

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
