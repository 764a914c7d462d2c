"""What the commands on session keys, ciphers, MACs and digests carry (docs/facts.md G33, G34)."""

from __future__ import annotations

from typing import NamedTuple

from protocols import sm2
from protocols.dialect import DEFAULT, Dialect
from protocols.fields import Fields, FieldValueError, LayoutError, counted, u16, u32
from protocols.gmt.ecc import encode_point, take_id, take_point
from protocols.i18n import N_

KEY_ID_SIZE = 2
DEVICE_PLACE = bytes(4)
"""Both handles where a session key belongs to the device, not to a container (SetSymmKey)."""
_IV_FIELD = 32


def key_number(key_id: bytes, dialect: Dialect = DEFAULT) -> int:
    """A KeyID as the integer that the agreement commands answer."""
    return int.from_bytes(key_id, dialect.byte_order)


def key_id_of(number: int, dialect: Dialect = DEFAULT) -> bytes:
    """The KeyID back.

    :raises LayoutError: more than two bytes.
    """
    try:
        return number.to_bytes(KEY_ID_SIZE, dialect.byte_order)
    except OverflowError:
        raise LayoutError(N_("a KeyID has two bytes")) from None


class WrappedKey(NamedTuple):
    """ImportSessionKey's data after the handles: the key's algorithm, and the key wrapped as `wrapped` says.

    :param wrapped: an RSA block, or an SM2 cipher with its bits (`encode_counted_cipher`).
    """

    algorithm: int
    wrapped: bytes

    def encode(self, dialect: Dialect = DEFAULT) -> bytes:
        """Algorithm (4), length (4), wrapped key."""
        return u32(self.algorithm, dialect) + counted(self.wrapped, dialect)

    @classmethod
    def decode(cls, data: bytes, dialect: Dialect = DEFAULT) -> WrappedKey:
        """The same back.

        :raises LayoutError: too short, too long.
        """
        fields = Fields(data, dialect)
        key = cls(fields.number(4), fields.counted())
        fields.end()
        return key


class PlainKey(NamedTuple):
    """SetSymmKey's data after the handles: a key in clear."""

    algorithm: int
    key: bytes

    def __repr__(self) -> str:
        return f"PlainKey(algorithm={self.algorithm:04X})"

    def encode(self, dialect: Dialect = DEFAULT) -> bytes:
        """Algorithm (4), length (2), key."""
        return u32(self.algorithm, dialect) + u16(len(self.key), dialect) + self.key

    @classmethod
    def decode(cls, data: bytes, dialect: Dialect = DEFAULT) -> PlainKey:
        """The same back.

        :raises LayoutError: too short, too long.
        """
        fields = Fields(data, dialect)
        key = cls(fields.number(4), fields.take(fields.number(2)))
        fields.end()
        return key


class CipherStart(NamedTuple):
    """EncryptInit's, DecryptInit's and MACInit's data after the KeyID.

    :param algorithm: its code; None where the dialect leaves it to the key (see `names_algorithm`).
    :param padding: a value of `Padding`.
    :param feed_bits: of CFB and OFB; 0 stands for the whole block.
    """

    algorithm: int | None
    iv: bytes = b""
    padding: int = 0
    feed_bits: int = 0

    def encode(self, dialect: Dialect = DEFAULT) -> bytes:
        """The data field.

        :raises LayoutError: the IV is longer than its field.
        """
        algorithm = b"" if self.algorithm is None else u32(self.algorithm, dialect)
        tail = u32(self.padding, dialect) + u32(self.feed_bits, dialect)
        if dialect.cipher_parameters == "fields":
            return algorithm + u16(len(self.iv), dialect) + self.iv + tail
        if len(self.iv) > _IV_FIELD:
            raise LayoutError(N_("an IV has at most {limit} bytes"), limit=_IV_FIELD)
        return algorithm + self.iv.ljust(_IV_FIELD, b"\0") + u32(len(self.iv), dialect) + tail

    @classmethod
    def decode(cls, data: bytes, dialect: Dialect = DEFAULT, *, names_algorithm: bool = True) -> CipherStart:
        """The data field back.

        :param names_algorithm: whether it begins with the algorithm.
        :raises LayoutError: too short, too long; FieldValueError for an IV longer than its field.
        """
        fields = Fields(data, dialect)
        algorithm = fields.number(4) if names_algorithm else None
        start = cls(algorithm, _take_iv(fields, dialect), fields.number(4), fields.number(4))
        fields.end()
        return start


def _take_iv(fields: Fields, dialect: Dialect) -> bytes:
    if dialect.cipher_parameters == "fields":
        return fields.take(fields.number(2))
    field, size = fields.take(_IV_FIELD), fields.number(4)
    if size > _IV_FIELD:
        raise FieldValueError(N_("an IV has at most {limit} bytes"), limit=_IV_FIELD)
    return field[:size]


class DigestSigner(NamedTuple):
    """DigestInit's data where the digest is to begin with Z: the signer's public key and ID."""

    public: sm2.PublicKey
    signer_id: bytes

    def encode(self, dialect: Dialect = DEFAULT) -> bytes:
        """Bits, X, Y, length (4) and ID."""
        return encode_point(self.public, dialect) + counted(self.signer_id, dialect)

    @classmethod
    def decode(cls, data: bytes, dialect: Dialect = DEFAULT) -> DigestSigner:
        """The same back.

        :raises LayoutError: too short, too long.
        :raises Sm2Error: not a point of the curve.
        """
        fields = Fields(data, dialect)
        signer = cls(take_point(fields), take_id(fields))
        fields.end()
        return signer
