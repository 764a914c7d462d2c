"""The packed structures of GM/T 0016 §6.4, as bytes. Integers are in the computer's own order."""

from __future__ import annotations

import struct
from typing import NamedTuple

from hostdriver.errors import AnswerError
from hostdriver.skf.habits import Alignment, Habits
from protocols import sm2
from protocols.errors import ProtocolError
from protocols.gmt import RsaPrivateKey, RsaPublicKey
from protocols.i18n import N_

ECC_FIELD = 64
"""Bytes of a coordinate, of r, s and d: 512 bits are the standard's most, SM2 has 256."""
RSA_FIELD = 256
RSA_PUBLIC_SIZE = 268
RSA_PRIVATE_SIZE = 1164
ECC_PUBLIC_SIZE = 132
ECC_SIGNATURE_SIZE = 2 * ECC_FIELD
CIPHER_HEAD = 164
DEVICE_INFO_SIZE = 294
FILE_INFO_MOST = 52
_RSA_ID = 0x00010000
_ENVELOPE_VERSION = 1
_DEVICE_INFO = "=2s64s64s32s32s2s2s8I"
_UNTOUCHED = b"\xee"
"""Of a buffer that a library fills: what it has not written."""


class DeviceInfo(NamedTuple):
    """DEVINFO. Versions are (major, minor); spaces and buffers bytes."""

    version: tuple[int, int]
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
    max_ecc_buffer: int
    max_buffer: int

    @classmethod
    def decode(cls, raw: bytes) -> DeviceInfo:
        """From DEVINFO; some makers write on past its fields, into Reserved."""
        version, maker, issuer, label, serial, hardware, firmware, *numbers = struct.unpack_from(
            _DEVICE_INFO, raw
        )
        return cls(
            _pair(version), _text(maker), _text(issuer), _text(label), _text(serial),
            _pair(hardware), _pair(firmware), *numbers,
        )  # fmt: skip


class FileFacts(NamedTuple):
    """FILEATTRIBUTE. Rights are `protocols.gmt.Rights`."""

    name: str
    size: int
    read_rights: int
    write_rights: int

    @classmethod
    def decode(cls, raw: bytes, width: int) -> FileFacts:
        """From FILEATTRIBUTE with a name of so many bytes."""
        return cls(_text(raw[:width]), *struct.unpack_from("=III", raw, width))


def untouched(size: int) -> bytes:
    """What a buffer is filled with before a library writes to it, so that one sees how much it wrote."""
    return _UNTOUCHED * size


def file_name_seen(raw: bytes) -> int:
    """Bytes of FILEATTRIBUTE's FileName in an `untouched` buffer: with 32 the last eight bytes were not written."""
    return 32 if raw.endswith(_UNTOUCHED * 8) else 40


def _pair(raw: bytes) -> tuple[int, int]:
    return raw[0], raw[1]


def _text(raw: bytes) -> str:
    """Up to the first NUL; bytes that are no UTF-8 survive a round trip."""
    return text_of(raw.partition(b"\0")[0])


def text_of(raw: bytes) -> str:
    """A name or text of a library's; bytes that are no UTF-8 survive a round trip."""
    return raw.decode("utf-8", "surrogateescape")


def bytes_of(text: str) -> bytes:
    """The same back, as a C string takes it."""
    return text.encode("utf-8", "surrogateescape")


def names_of(raw: bytes) -> list[str]:
    """A list of names: NUL ends each, an empty one the list; what follows is ignored."""
    names = raw.split(b"\0")
    end = names.index(b"") if b"" in names else len(names)
    return [text_of(name) for name in names[:end]]


# Numbers in fields that are longer


def _placed(value: bytes, width: int, alignment: Alignment) -> bytes:
    if len(value) > width:
        raise ProtocolError(
            N_("{size} bytes do not fit into a field of {width}"), size=len(value), width=width
        )
    return value.rjust(width, b"\0") if alignment == "right" else value.ljust(width, b"\0")


def _taken(field: bytes, size: int) -> bytes:
    """The value, at whichever end it stands.

    :raises AnswerError: there are other bytes beside it.
    """
    spare = len(field) - size
    if spare < 0:
        raise AnswerError(N_("the library's answer has a number of {size} bytes"), size=size)
    if not any(field[:spare]):
        return field[spare:]
    if not any(field[size:]):
        return field[:size]
    raise AnswerError(N_("the library's answer has a number of more than {size} bytes"), size=size)


def alignment_seen(ecc_public: bytes) -> Alignment:
    """Where an ECCPUBLICKEYBLOB's coordinates stand."""
    return "right" if not any(ecc_public[4 : 4 + ECC_FIELD - sm2.SIZE]) else "left"


# SM2


def encode_point(key: sm2.PublicKey, habits: Habits) -> bytes:
    """ECCPUBLICKEYBLOB."""
    halves = (key.encode()[: sm2.SIZE], key.encode()[sm2.SIZE :])
    fields = b"".join(_placed(half, ECC_FIELD, habits.alignment) for half in halves)
    return struct.pack("=I", sm2.BITS) + fields


def decode_point(raw: bytes) -> sm2.PublicKey:
    """ECCPUBLICKEYBLOB back.

    :raises AnswerError: no point of the curve.
    """
    _check_bits(raw, sm2.BITS)
    return _point(raw[4:ECC_PUBLIC_SIZE])


def _check_bits(raw: bytes, wanted: int) -> None:
    (bits,) = struct.unpack_from("=I", raw)
    if bits != wanted:
        raise AnswerError(N_("the library's answer has a key of {bits} bits"), bits=bits)


def _point(fields: bytes) -> sm2.PublicKey:
    x, y = _taken(fields[:ECC_FIELD], sm2.SIZE), _taken(fields[ECC_FIELD : 2 * ECC_FIELD], sm2.SIZE)
    try:
        return sm2.PublicKey.parse(x + y)
    except sm2.Sm2Error as error:
        raise AnswerError(error.message, **error.values) from error


def encode_private(key: sm2.PrivateKey, habits: Habits) -> bytes:
    """ECCPRIVATEKEYBLOB."""
    return struct.pack("=I", sm2.BITS) + _placed(key.encode(), ECC_FIELD, habits.alignment)


def encode_signature(signature: sm2.Signature, habits: Habits) -> bytes:
    """ECCSIGNATUREBLOB."""
    raw = signature.encode()
    halves = (raw[: sm2.SIZE], raw[sm2.SIZE :])
    return b"".join(_placed(half, ECC_FIELD, habits.alignment) for half in halves)


def decode_signature(raw: bytes) -> bytes:
    """ECCSIGNATUREBLOB back, as r ‖ s of 64 bytes."""
    return _taken(raw[:ECC_FIELD], sm2.SIZE) + _taken(raw[ECC_FIELD:ECC_SIGNATURE_SIZE], sm2.SIZE)


def encode_cipher(cipher: sm2.Ciphertext, habits: Habits) -> bytes:
    """ECCCIPHERBLOB, with room for its cipher."""
    point = encode_point(cipher.point, habits)[4:]
    return point + cipher.hash + struct.pack("=I", len(cipher.data)) + cipher.data


def decode_cipher(raw: bytes) -> sm2.Ciphertext:
    """ECCCIPHERBLOB back.

    :raises AnswerError: longer than its buffer, or C1 is no point of the curve.
    """
    (size,) = struct.unpack_from("=I", raw, CIPHER_HEAD - 4)
    data = raw[CIPHER_HEAD : CIPHER_HEAD + size]
    if not data or len(data) < size:
        raise AnswerError(N_("the library's answer has a cipher of {size} bytes"), size=size)
    return sm2.Ciphertext(_point(raw), raw[2 * ECC_FIELD : CIPHER_HEAD - 4], data)


def encode_envelope(enveloped: sm2.EnvelopedKey, habits: Habits) -> bytes:
    """ENVELOPEDKEYBLOB."""
    head = struct.pack("=III", _ENVELOPE_VERSION, enveloped.algorithm, sm2.BITS)
    encrypted = _placed(enveloped.encrypted, ECC_FIELD, habits.alignment)
    public = encode_point(enveloped.public, habits)
    return head + encrypted + public + encode_cipher(enveloped.wrapped, habits)


# RSA


def encode_rsa(key: RsaPublicKey, habits: Habits) -> bytes:
    """RSAPUBLICKEYBLOB.

    :raises ProtocolError: more than 2048 bits, for which it has no room.
    """
    modulus = _placed(key.encode_modulus(), RSA_FIELD, habits.alignment)
    return struct.pack("=II", _RSA_ID, key.bits) + modulus + key.e.to_bytes(4)


def decode_rsa(raw: bytes) -> RsaPublicKey:
    """RSAPUBLICKEYBLOB back.

    :raises AnswerError: a modulus of other bits than it says.
    """
    _, bits = struct.unpack_from("=II", raw)
    modulus = int.from_bytes(_taken(raw[8 : 8 + RSA_FIELD], (bits + 7) // 8))
    if modulus.bit_length() != bits or bits == 0:
        raise AnswerError(N_("the library's answer has a key of {bits} bits"), bits=bits)
    exponent = raw[8 + RSA_FIELD : RSA_PUBLIC_SIZE]
    return RsaPublicKey(modulus, int.from_bytes(exponent))


_RSA_PRIVATE_FIELDS = (RSA_FIELD, 4, RSA_FIELD, *(RSA_FIELD // 2 for _ in range(5)))


def encode_rsa_private(key: RsaPrivateKey, habits: Habits) -> bytes:
    """RSAPRIVATEKEYBLOB."""
    whole = (key.n.bit_length() + 7) // 8
    sizes = (whole, 4, whole, *(whole // 2 for _ in range(5)))
    fields = (
        _placed(value.to_bytes(size), width, habits.alignment)
        for value, size, width in zip(key, sizes, _RSA_PRIVATE_FIELDS, strict=True)
    )
    return struct.pack("=II", _RSA_ID, key.n.bit_length()) + b"".join(fields)


def decode_rsa_private(raw: bytes) -> RsaPrivateKey:
    """RSAPRIVATEKEYBLOB back."""
    _, bits = struct.unpack_from("=II", raw)
    whole = (bits + 7) // 8
    sizes = (whole, 4, whole, *(whole // 2 for _ in range(5)))
    values, at = [], 8
    for size, width in zip(sizes, _RSA_PRIVATE_FIELDS, strict=True):
        values.append(int.from_bytes(_taken(raw[at : at + width], size)))
        at += width
    return RsaPrivateKey(*values)


def encode_parameters(iv: bytes, padding: int, feed_bits: int) -> bytes:
    """BLOCKCIPHERPARAM.

    :raises ProtocolError: an IV of more than 32 bytes.
    """
    return _placed(iv, 32, "left") + struct.pack("=III", len(iv), padding, feed_bits)
