"""SM2 public-key encryption (GB/T 32918.4, GM/T 0003.4). The nonce comes in as an argument."""

from __future__ import annotations

import hmac
from typing import Any, NamedTuple

from protocols.i18n import N_
from protocols.sm2.arithmetic import ARITHMETIC
from protocols.sm2.curve import SIZE, Sm2Error
from protocols.sm2.keys import PrivateKey, PublicKey, sm3

LIMIT = 0xFFFF
"""The most bytes encrypted or agreed on at once: all that an APDU carries. The standard itself allows 128 GiB."""

_DER_LIMIT = LIMIT + 128  # the point, the hash and the lengths take at most 113
_HASH_SIZE = 32
_POINT_SIZE = 2 * SIZE


class Ciphertext(NamedTuple):
    """C1, a point; C3, the hash over the plaintext; C2, the masked plaintext, as long as it was."""

    point: PublicKey
    hash: bytes
    data: bytes

    @classmethod
    def parse(cls, raw: bytes) -> Ciphertext:
        """C1 ‖ C3 ‖ C2, C1 being X ‖ Y or 04 ‖ X ‖ Y.

        An X may begin with 04 itself. So the bare form is tried first: off by one byte, it is no point of the curve.

        :raises Sm2Error: too short, or C1 is no point of the curve.
        """
        try:
            return cls._parse_bare(raw)
        except Sm2Error:
            if raw[:1] != b"\x04":
                raise
        return cls._parse_bare(raw[1:])

    @classmethod
    def _parse_bare(cls, raw: bytes) -> Ciphertext:
        end = _POINT_SIZE + _HASH_SIZE
        return cls._checked(raw[:_POINT_SIZE], raw[_POINT_SIZE:end], raw[end:])

    @classmethod
    def parse_der(cls, der: bytes) -> Ciphertext:
        """SM2Cipher (GB/T 35276 §7.2).

        :raises Sm2Error: not that in DER, C1 is no point of the curve, or hash or data are missing.
        """
        from protocols.sm2.der import SM2Cipher, read  # asn1crypto loads slowly: only who needs DER waits

        return cls.from_asn1(read(SM2Cipher, der, _DER_LIMIT))

    @classmethod
    def from_asn1(cls, fields: dict[str, Any]) -> Ciphertext:
        """From the values of an SM2Cipher.

        :raises Sm2Error: as `parse_der`.
        """
        try:
            point = PublicKey(fields["x"], fields["y"]).encode()
        except OverflowError:
            raise Sm2Error(N_("the SM2 public key is not a point of the curve")) from None
        return cls._checked(point, fields["hash"], fields["cipher"])

    @classmethod
    def _checked(cls, point: bytes, digest: bytes, data: bytes) -> Ciphertext:
        if len(digest) != _HASH_SIZE or not data:
            raise Sm2Error(
                N_("an SM2 ciphertext is a point, a hash of {size} bytes and data"), size=_HASH_SIZE
            )
        return cls(PublicKey.parse(point), digest, data)

    def encode(self) -> bytes:
        """C1 ‖ C3 ‖ C2, C1 being X ‖ Y."""
        return self.point.encode() + self.hash + self.data

    def encode_der(self) -> bytes:
        """SM2Cipher (GB/T 35276 §7.2)."""
        from protocols.sm2.der import SM2Cipher

        return bytes(SM2Cipher(self.to_asn1()).dump())

    def to_asn1(self) -> dict[str, Any]:
        """The values of an SM2Cipher."""
        return {"x": self.point.x, "y": self.point.y, "hash": self.hash, "cipher": self.data}


def kdf(shared: bytes, length: int) -> bytes:
    """Bytes derived from a shared secret (GB/T 32918.4 §5.4.3, GB/T 32918.3 §5.4.3).

    :raises Sm2Error: not between 1 and `LIMIT` bytes.
    """
    if not 1 <= length <= LIMIT:
        raise Sm2Error(
            N_("SM2 encrypts or agrees on 1 to {limit} bytes at once, not {size}"), limit=LIMIT, size=length
        )
    blocks = -(-length // _HASH_SIZE)
    return b"".join(sm3(shared, count.to_bytes(4)) for count in range(1, blocks + 1))[:length]


def encrypt(key: PublicKey, plain: bytes, nonce: bytes) -> Ciphertext | None:
    """Encrypt for the holder of the private key, with the nonce k of 32 bytes (GB/T 32918.4 §6.1).

    :returns: None when this nonce cannot be used (k = 0, k ≥ n, or the mask is all zeros): take another.
    :raises Sm2Error: an empty or too long plaintext, the key is no point of the curve, or the nonce has not 32 bytes.
    """
    first, shared = ARITHMETIC.multiply_base(nonce), ARITHMETIC.multiply(nonce, key.encode())
    if first is None or shared is None:
        return None
    data = _masked(shared, plain)
    return None if data is None else Ciphertext(PublicKey.parse(first), _hash(shared, plain), data)


def decrypt(key: PrivateKey, cipher: Ciphertext) -> bytes:
    """The plaintext (GB/T 32918.4 §7.1).

    :raises Sm2Error: C1 is no point of the curve, empty or too long, or altered, or for another key.
    """
    shared = key.multiply(cipher.point)
    if shared is not None:
        plain = _masked(shared.encode(), cipher.data)
        if plain is not None and hmac.compare_digest(_hash(shared.encode(), plain), cipher.hash):
            return plain
    raise Sm2Error(N_("the SM2 ciphertext was altered or is not for this key"))


def _masked(shared: bytes, data: bytes) -> bytes | None:
    """The data under the mask, or out of it; None when the mask is all zeros and would hide nothing."""
    mask = kdf(shared, len(data))
    if hmac.compare_digest(mask, bytes(len(mask))):
        return None
    return (int.from_bytes(data) ^ int.from_bytes(mask)).to_bytes(len(data))


def _hash(shared: bytes, plain: bytes) -> bytes:
    """C3 = SM3(x₂ ‖ M ‖ y₂)."""
    return sm3(shared[:SIZE], plain, shared[SIZE:])
