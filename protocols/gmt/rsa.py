"""RSA keys as the commands carry them (docs/facts.md G18, G28, G29).

The numbers of a key are big-endian in every dialect.
"""

from __future__ import annotations

from typing import NamedTuple

from protocols.dialect import DEFAULT, Dialect
from protocols.fields import Fields, FieldValueError, counted, u16, u32
from protocols.i18n import N_

RSA_BITS = (1024, 2048, 3072, 4096)
"""Lengths of a modulus that a key makes or takes, in bits."""


def _check_bits(bits: int) -> None:
    if bits not in RSA_BITS:
        raise FieldValueError(N_("an RSA modulus has 1024, 2048, 3072 or 4096 bits, not {bits}"), bits=bits)


def _take_modulus(fields: Fields, bits: int) -> int:
    """A modulus of just so many bits: a shorter one could have prime factors that a guess hits."""
    _check_bits(bits)
    n = int.from_bytes(fields.take(bits // 8))
    if n.bit_length() != bits:
        raise FieldValueError(
            N_("an RSA modulus of {bits} bits has only {found}"), bits=bits, found=n.bit_length()
        )
    return n


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

    def encode(self, dialect: Dialect = DEFAULT) -> bytes:
        """Bits (4), n, e (4): how a command takes a public key from outside."""
        return u32(self.bits, dialect) + self.encode_modulus() + u32(self.e, dialect)

    @classmethod
    def take(cls, fields: Fields) -> RsaPublicKey:
        """The next fields: bits (4), n, e (4).

        :raises LayoutError: too short.
        :raises FieldValueError: a length that no key takes, or another than the modulus has.
        """
        return cls(_take_modulus(fields, fields.number(4)), fields.number(4))

    def encode_exported(self, dialect: Dialect = DEFAULT) -> bytes:
        """Bits (2), e (4), n: ExportPublicKey's answer."""
        return u16(self.bits, dialect) + u32(self.e, dialect) + self.encode_modulus()

    @classmethod
    def decode_exported(cls, raw: bytes, dialect: Dialect = DEFAULT) -> RsaPublicKey:
        """The same back.

        :raises LayoutError: too short.
        """
        fields = Fields(raw, dialect)
        fields.number(2)
        exponent = fields.number(4)
        return cls(int.from_bytes(fields.rest()), exponent)


class RsaPrivateKey(NamedTuple):
    """A whole RSA pair, as GenExtRSAKey answers it and the external operation takes it."""

    n: int
    e: int
    d: int
    p: int
    q: int
    dp: int
    dq: int
    qinv: int

    def __repr__(self) -> str:
        return f"RsaPrivateKey({self.n.bit_length()} bits)"

    def encode(self, dialect: Dialect = DEFAULT) -> bytes:
        """n, e (4), d, p, q, d mod p-1, d mod q-1, q⁻¹ mod p; the last five are half as long as n."""
        whole = (self.n.bit_length() + 7) // 8
        halves = b"".join(value.to_bytes(whole // 2) for value in self[3:])
        return self.n.to_bytes(whole) + u32(self.e, dialect) + self.d.to_bytes(whole) + halves

    @classmethod
    def take(cls, fields: Fields, bits: int) -> RsaPrivateKey:
        """The next fields, for a modulus of so many bits.

        :raises LayoutError: too short.
        :raises FieldValueError: a length that no key takes, or another than the modulus has.
        """
        whole = bits // 8

        def number(size: int) -> int:
            return int.from_bytes(fields.take(size))

        n, e, d = _take_modulus(fields, bits), fields.number(4), number(whole)
        return cls(n, e, d, *(number(whole // 2) for _ in range(5)))


class WrappedRsaPair(NamedTuple):
    """ImportRSAKeyPair's data after the handles.

    :param algorithm: the symmetric algorithm's code; ECB.
    :param wrapped_key: its key under the container's signature public key, PKCS#1 v1.5 (assumed).
    :param encrypted: the pair as PKCS#1's RSAPrivateKey in DER, zero-padded, under that key (assumed).
    :param bits: of the modulus, where the dialect names it.
    """

    algorithm: int
    wrapped_key: bytes
    encrypted: bytes
    bits: int

    def encode(self, dialect: Dialect = DEFAULT) -> bytes:
        """Algorithm (4), the wrapped key with its length (4), [bits (4),] the pair with its length (4)."""
        bits = u32(self.bits, dialect) if dialect.rsa_import_bits else b""
        parts = (counted(self.wrapped_key, dialect), bits, counted(self.encrypted, dialect))
        return u32(self.algorithm, dialect) + b"".join(parts)

    @classmethod
    def decode(cls, data: bytes, dialect: Dialect = DEFAULT) -> WrappedRsaPair:
        """The same back; `bits` is 0 where the dialect does not name it.

        :raises LayoutError: too short, too long.
        """
        fields = Fields(data, dialect)
        algorithm, wrapped = fields.number(4), fields.counted()
        bits = fields.number(4) if dialect.rsa_import_bits else 0
        pair = cls(algorithm, wrapped, fields.counted(), bits)
        fields.end()
        return pair
