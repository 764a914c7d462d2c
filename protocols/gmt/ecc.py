"""SM2 keys, ciphers, envelopes and agreements as the commands carry them (docs/facts.md G30 to G32).

Coordinates, r, s and d are 32 bytes, big-endian in every dialect.
"""

from __future__ import annotations

from typing import NamedTuple

from protocols import sm2
from protocols.dialect import DEFAULT, Dialect
from protocols.fields import Fields, FieldValueError, LayoutError, counted, u32
from protocols.i18n import N_

_POINT = 2 * sm2.SIZE
_UNCOMPRESSED = b"\x04"
_ENVELOPE_VERSION = 1


def encode_point(key: sm2.PublicKey, dialect: Dialect = DEFAULT) -> bytes:
    """Bits (4), X, Y."""
    return u32(sm2.BITS, dialect) + key.encode()


def _take_bits(fields: Fields) -> None:
    bits = fields.number(4)
    if bits != sm2.BITS:
        raise FieldValueError(N_("an SM2 key has 256 bits, not {bits}"), bits=bits)


def take_point(fields: Fields) -> sm2.PublicKey:
    """The next fields: bits (4), X, Y.

    :raises LayoutError: too short, or other bits than 256.
    :raises Sm2Error: not a point of the curve.
    """
    _take_bits(fields)
    return sm2.PublicKey.parse(fields.take(_POINT))


def take_private(fields: Fields) -> sm2.PrivateKey:
    """The next fields: bits (4), d.

    :raises LayoutError: too short, or other bits than 256.
    :raises Sm2Error: not a private key.
    """
    _take_bits(fields)
    return sm2.PrivateKey.from_bytes(fields.take(sm2.SIZE))


def encode_cipher(cipher: sm2.Ciphertext, dialect: Dialect = DEFAULT) -> bytes:
    """C1 as X ‖ Y, C3 (32), the length of C2 (4), C2."""
    return cipher.point.encode() + cipher.hash + counted(cipher.data, dialect)


def take_cipher(fields: Fields) -> sm2.Ciphertext:
    """The next fields: C1 as X ‖ Y, C3 (32), the length of C2 (4), C2.

    :raises LayoutError: too short.
    :raises Sm2Error: not a point of the curve, or no C2.
    """
    point, tag = fields.take(_POINT), fields.take(sm2.SIZE)
    return sm2.Ciphertext.parse(point + tag + fields.counted())


def encode_counted_cipher(cipher: sm2.Ciphertext, dialect: Dialect = DEFAULT) -> bytes:
    """Bits (4), then as `encode_cipher`: how a command takes or answers a cipher that stands alone."""
    return u32(sm2.BITS, dialect) + encode_cipher(cipher, dialect)


def take_counted_cipher(fields: Fields) -> sm2.Ciphertext:
    """The next fields: bits (4), then as `take_cipher`.

    :raises LayoutError: too short, or other bits than 256.
    :raises Sm2Error: not a point of the curve, or no C2.
    """
    _take_bits(fields)
    return take_cipher(fields)


def encode_encrypted(cipher: sm2.Ciphertext, dialect: Dialect = DEFAULT) -> bytes:
    """ExtECCEncrypt's answer."""
    if dialect.ext_cipher == "point":
        return _UNCOMPRESSED + cipher.encode()
    return encode_counted_cipher(cipher, dialect)


def decode_encrypted(raw: bytes, dialect: Dialect = DEFAULT) -> sm2.Ciphertext:
    """The same back.

    :raises LayoutError: another layout.
    :raises Sm2Error: not a point of the curve.
    """
    if dialect.ext_cipher == "point":
        return sm2.Ciphertext.parse(raw)
    fields = Fields(raw, dialect)
    cipher = take_counted_cipher(fields)
    fields.end()
    return cipher


def encode_signed(signature: bytes, dialect: Dialect = DEFAULT) -> bytes:
    """ExtECCSign's answer; the signature is r ‖ s."""
    return (u32(sm2.BITS, dialect) if dialect.ext_signature_bits else b"") + signature


def decode_signed(raw: bytes, dialect: Dialect = DEFAULT) -> sm2.Signature:
    """The same back.

    :raises LayoutError: too short.
    :raises Sm2Error: no signature.
    """
    fields = Fields(raw, dialect)
    if dialect.ext_signature_bits:
        _take_bits(fields)
    return sm2.Signature.parse(fields.rest())


def encode_verification(
    key: sm2.PublicKey, digest: bytes, signature: sm2.Signature, dialect: Dialect = DEFAULT
) -> bytes:
    """ECCVerify's data: bits, X, Y, the digest with its length (4), r, s."""
    return encode_point(key, dialect) + counted(digest, dialect) + signature.encode()


class ExportedKey(NamedTuple):
    """ECCExportSessionKey's answer: the new session key's KeyID (2 bytes), and the key enciphered."""

    key_id: bytes
    cipher: sm2.Ciphertext

    def encode(self, dialect: Dialect = DEFAULT) -> bytes:
        """The answer, in the dialect's order."""
        point, bits = self.cipher.point.encode(), u32(sm2.BITS, dialect)
        tail = self.cipher.hash + counted(self.cipher.data, dialect) + self.key_id
        return tail + bits + point if dialect.session_key_answer == "hash-first" else bits + point + tail

    @classmethod
    def decode(cls, raw: bytes, dialect: Dialect = DEFAULT) -> ExportedKey:
        """The answer back.

        :raises LayoutError: another layout.
        :raises Sm2Error: not a point of the curve.
        """
        fields = Fields(raw, dialect)
        if dialect.session_key_answer == "hash-first":
            tag, data, key_id = fields.take(sm2.SIZE), fields.counted(), fields.take(2)
            _take_bits(fields)
            cipher = sm2.Ciphertext.parse(fields.take(_POINT) + tag + data)
        else:
            cipher = take_counted_cipher(fields)
            key_id = fields.take(2)
        fields.end()
        return cls(key_id, cipher)


def _encode_envelope_key(encrypted: bytes, dialect: Dialect) -> bytes:
    return counted(encrypted.ljust(dialect.envelope_key, b"\0"), dialect)


def _take_envelope_key(fields: Fields) -> bytes:
    """32 bytes; in a field of 64 they stand at either end, and zeros at the other (G32)."""
    field = fields.counted()
    if len(field) == sm2.SIZE:
        return field
    if len(field) != _POINT:
        raise LayoutError(
            N_("an encrypted private key has 32 or 64 bytes, this one has {size}"), size=len(field)
        )
    head, tail = field[: sm2.SIZE], field[sm2.SIZE :]
    if any(head) and any(tail):
        raise FieldValueError(N_("an encrypted SM2 private key is longer than 32 bytes"))
    return head if any(head) else tail


def encode_envelope(enveloped: sm2.EnvelopedKey, dialect: Dialect = DEFAULT) -> bytes:
    """ImportECCKeyPair's data after the handles: version, algorithm, bits (4 each), the rest in the dialect's order."""
    bits = u32(sm2.BITS, dialect)
    head = u32(_ENVELOPE_VERSION, dialect) + u32(enveloped.algorithm, dialect) + bits
    encrypted = _encode_envelope_key(enveloped.encrypted, dialect)
    public, cipher = enveloped.public.encode(), encode_cipher(enveloped.wrapped, dialect)
    if dialect.envelope == "cipher-first":
        return head + cipher + bits + public + encrypted
    return head + encrypted + public + bits + cipher


def decode_envelope(data: bytes, dialect: Dialect = DEFAULT) -> sm2.EnvelopedKey:
    """The same back.

    :raises LayoutError: too short, too long; FieldValueError for another version or other bits.
    :raises Sm2Error: not points of the curve.
    """
    fields = Fields(data, dialect)
    version, algorithm = fields.number(4), fields.number(4)
    if version != _ENVELOPE_VERSION:
        raise FieldValueError(N_("an enveloped key pair has version 1, not {version}"), version=version)
    _take_bits(fields)
    if dialect.envelope == "cipher-first":
        cipher, public = take_cipher(fields), take_point(fields)
        encrypted = _take_envelope_key(fields)
    else:
        encrypted = _take_envelope_key(fields)
        public = sm2.PublicKey.parse(fields.take(_POINT))
        cipher = take_counted_cipher(fields)
    fields.end()
    return sm2.EnvelopedKey(algorithm, cipher, public, encrypted)


def take_id(fields: Fields) -> bytes:
    """The next fields: the length of an ID (4), the ID.

    :raises LayoutError: too short.
    :raises FieldValueError: longer than Z can count.
    """
    signer_id = fields.counted()
    if len(signer_id) > sm2.MAX_ID:
        raise FieldValueError(N_("an ID has at most {limit} bytes"), limit=sm2.MAX_ID)
    return signer_id


class AgreementKeys(NamedTuple):
    """One side's public keys: its encryption pair's, and the temporary one."""

    public: sm2.PublicKey
    temporary: sm2.PublicKey

    def encode(self, dialect: Dialect = DEFAULT) -> bytes:
        """Bits, X, Y of each."""
        return encode_point(self.public, dialect) + encode_point(self.temporary, dialect)

    @classmethod
    def take(cls, fields: Fields) -> AgreementKeys:
        """The next fields.

        :raises LayoutError: too short.
        :raises Sm2Error: not points of the curve.
        """
        return cls(take_point(fields), take_point(fields))


class AgreementStart(NamedTuple):
    """GenerateAgreementDataWithECC's data after the handles: the session key's algorithm, and the sponsor's ID."""

    algorithm: int
    sponsor_id: bytes

    def encode(self, dialect: Dialect = DEFAULT) -> bytes:
        """Algorithm (4), length (4) and ID."""
        return u32(self.algorithm, dialect) + counted(self.sponsor_id, dialect)

    @classmethod
    def decode(cls, data: bytes, dialect: Dialect = DEFAULT) -> AgreementStart:
        """The same back.

        :raises LayoutError: too short, too long.
        """
        fields = Fields(data, dialect)
        start = cls(fields.number(4), take_id(fields))
        fields.end()
        return start


class AgreementReply(NamedTuple):
    """GenerateAgreementDataAndKeyWithECC's data after the handles, at the responder."""

    algorithm: int
    sponsor: AgreementKeys
    sponsor_id: bytes
    responder_id: bytes

    def encode(self, dialect: Dialect = DEFAULT) -> bytes:
        """Algorithm (4), the sponsor's two keys, the sponsor's ID, the responder's ID."""
        ids = counted(self.sponsor_id, dialect) + counted(self.responder_id, dialect)
        return u32(self.algorithm, dialect) + self.sponsor.encode(dialect) + ids

    @classmethod
    def decode(cls, data: bytes, dialect: Dialect = DEFAULT) -> AgreementReply:
        """The same back.

        :raises LayoutError: too short, too long.
        :raises Sm2Error: not points of the curve.
        """
        fields = Fields(data, dialect)
        reply = cls(fields.number(4), AgreementKeys.take(fields), take_id(fields), take_id(fields))
        fields.end()
        return reply


class AgreementEnd(NamedTuple):
    """GenerateKeyWithECC's data after the handles, back at the sponsor."""

    handle: int
    responder: AgreementKeys
    responder_id: bytes

    def encode(self, dialect: Dialect = DEFAULT) -> bytes:
        """Agreement handle (4), the responder's two keys, the responder's ID."""
        tail = self.responder.encode(dialect) + counted(self.responder_id, dialect)
        return u32(self.handle, dialect) + tail

    @classmethod
    def decode(cls, data: bytes, dialect: Dialect = DEFAULT) -> AgreementEnd:
        """The same back.

        :raises LayoutError: too short, too long.
        :raises Sm2Error: not points of the curve.
        """
        fields = Fields(data, dialect)
        end = cls(fields.number(4), AgreementKeys.take(fields), take_id(fields))
        fields.end()
        return end


class AgreementAnswer(NamedTuple):
    """The answer of both Generate commands, 72 bytes: a temporary public key, and a handle or a KeyID as an integer."""

    temporary: sm2.PublicKey
    number: int

    def encode(self, dialect: Dialect = DEFAULT) -> bytes:
        """Bits, X, Y, number (4)."""
        return encode_point(self.temporary, dialect) + u32(self.number, dialect)

    @classmethod
    def decode(cls, raw: bytes, dialect: Dialect = DEFAULT) -> AgreementAnswer:
        """The answer back.

        :raises LayoutError: not 72 bytes.
        :raises Sm2Error: not a point of the curve.
        """
        fields = Fields(raw, dialect)
        answer = cls(take_point(fields), fields.number(4))
        fields.end()
        return answer
