"""Keys and signatures on the recommended curve (GB/T 32918.1/.2/.5, GM/T 0003, GM/T 0009)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from protocols.i18n import N_
from protocols.sm2.arithmetic import ARITHMETIC
from protocols.sm2.curve import GX, GY, SIZE, A, B, N, Sm2Error

DEFAULT_ID = b"1234567812345678"
"""The signer's ID where none was agreed (GM/T 0009 §10)."""
MAX_ID = 0x1FFF
"""Longest ID in bytes: Z counts its bits in two bytes (GB/T 32918.2 §5.5)."""


class PublicKey(NamedTuple):
    """A point of the curve; ``parse`` checks that it is one."""

    x: int
    y: int

    @classmethod
    def parse(cls, raw: bytes) -> PublicKey:
        """X ‖ Y (64 bytes), or 04 ‖ X ‖ Y.

        :raises Sm2Error: wrong length, or no point of the curve.
        """
        if len(raw) == 2 * SIZE + 1 and raw[0] == 4:
            raw = raw[1:]
        if len(raw) != 2 * SIZE:
            raise Sm2Error(N_("an SM2 public key has 64 bytes, this one has {size}"), size=len(raw))
        if not ARITHMETIC.is_on_curve(raw):
            raise Sm2Error(N_("the SM2 public key is not a point of the curve"))
        return cls._of(raw)

    @classmethod
    def _of(cls, point: bytes) -> PublicKey:
        """What the arithmetic computed: no need to check it."""
        return cls(int.from_bytes(point[:SIZE]), int.from_bytes(point[SIZE:]))

    def encode(self) -> bytes:
        """X ‖ Y."""
        return self.x.to_bytes(SIZE) + self.y.to_bytes(SIZE)


class Signature(NamedTuple):
    """r and s."""

    r: int
    s: int

    @classmethod
    def parse(cls, raw: bytes) -> Signature:
        """r ‖ s, 64 bytes.

        :raises Sm2Error: wrong length.
        """
        if len(raw) != 2 * SIZE:
            raise Sm2Error(N_("an SM2 signature has 64 bytes, this one has {size}"), size=len(raw))
        return cls(int.from_bytes(raw[:SIZE]), int.from_bytes(raw[SIZE:]))

    @classmethod
    def parse_der(cls, der: bytes) -> Signature:
        """SEQUENCE { INTEGER r, INTEGER s } (GB/T 35276).

        :raises Sm2Error: not that.
        """
        try:
            signature = cls(*decode_dss_signature(der))
            signature.encode()
        except (ValueError, OverflowError):
            raise Sm2Error(N_("the signature is not a DER pair of 256-bit integers")) from None
        return signature

    def encode(self) -> bytes:
        """r ‖ s."""
        return self.r.to_bytes(SIZE) + self.s.to_bytes(SIZE)

    def encode_der(self) -> bytes:
        """SEQUENCE { INTEGER r, INTEGER s }, as certificates and PKCS#7 carry it."""
        return encode_dss_signature(self.r, self.s)


def sm3(*parts: bytes) -> bytes:
    """SM3 over the parts in order (GB/T 32905), 32 bytes."""
    state = hashes.Hash(hashes.SM3())
    for part in parts:
        state.update(part)
    return state.finalize()


def z_value(key: PublicKey, signer_id: bytes = DEFAULT_ID) -> bytes:
    """Z: SM3 over the ID's length in bits, the ID, the curve and the public key (GB/T 32918.2 §5.5).

    :raises Sm2Error: the ID is longer than `MAX_ID`.
    """
    if len(signer_id) > MAX_ID:
        raise Sm2Error(N_("an ID has at most {limit} bytes"), limit=MAX_ID)
    curve = b"".join(value.to_bytes(SIZE) for value in (A, B, GX, GY))
    return sm3((8 * len(signer_id)).to_bytes(2), signer_id, curve, key.encode())


def message_digest(key: PublicKey, message: bytes, signer_id: bytes = DEFAULT_ID) -> bytes:
    """e = SM3(Z ‖ M), what is signed for a message."""
    return sm3(z_value(key, signer_id), message)


class PrivateKey:
    """A private key with what each signature reuses: (1+d)⁻¹, the public key and the hash of Z."""

    sign_raw: Callable[[bytes, bytes], bytes | None]
    """The fastest way to sign: e and the nonce k, 32 bytes each, to r ‖ s.

    None when this nonce cannot be used, as in `sign`, or because k ≥ n; Sm2Error when a length is wrong.
    """

    def __init__(self, d: int) -> None:
        if not 1 <= d <= N - 2:
            raise Sm2Error(N_("an SM2 private key lies between 1 and n-2"))
        self._load(d.to_bytes(SIZE))

    @classmethod
    def from_bytes(cls, raw: bytes) -> PrivateKey:
        """d, 32 bytes.

        :raises Sm2Error: another length, or not between 1 and n-2.
        """
        key = cls.__new__(cls)
        key._load(raw)
        return key

    def _load(self, raw: bytes) -> None:
        self._signer = ARITHMETIC.signer(raw)
        self.sign_raw = self._signer.sign
        self.public = PublicKey._of(self._signer.public)

    def encode(self) -> bytes:
        """d, 32 bytes: for the secure element's own storage only."""
        return self._signer.encode()

    def digest(self, message: bytes, signer_id: bytes = DEFAULT_ID) -> bytes:
        """e = SM3(Z ‖ M), what this key signs for a message."""
        if signer_id != DEFAULT_ID:
            return message_digest(self.public, message, signer_id)
        state = self._after_z.copy()
        state.update(message)
        return state.finalize()

    @cached_property
    def _after_z(self) -> hashes.Hash:
        """SM3 that has taken in Z for the default ID."""
        state = hashes.Hash(hashes.SM3())
        state.update(z_value(self.public))
        return state

    def sign(self, digest: bytes, nonce: int) -> Signature | None:
        """Sign e (32 bytes) with the nonce k, which counts modulo n (GB/T 32918.2 §6.1).

        :returns: None when this nonce cannot be used (k = 0, r = 0, r + k = n or s = 0): take another.
        :raises Sm2Error: the digest has not 32 bytes.
        """
        signature = self._signer.sign(digest, (nonce % N).to_bytes(SIZE))
        return None if signature is None else Signature.parse(signature)

    def multiply(self, point: PublicKey) -> PublicKey | None:
        """d·Q, as decryption needs it.

        :raises Sm2Error: no point of the curve.
        """
        return _known(self._signer.multiply(point.encode()))

    def agree(
        self, own_temporary: PrivateKey, peer: PublicKey, peer_temporary: PublicKey
    ) -> PublicKey | None:
        """The shared point U or V of a key exchange (GB/T 32918.3 §6.1); None is the point at infinity.

        :raises Sm2Error: no point of the curve.
        """
        own = own_temporary.encode(), own_temporary.public.encode()
        return _known(self._signer.agree(*own, peer.encode(), peer_temporary.encode()))


def _known(point: bytes | None) -> PublicKey | None:
    return None if point is None else PublicKey._of(point)


def verify(key: PublicKey, digest: bytes, signature: Signature) -> bool:
    """Whether r, s sign e under the key (GB/T 32918.2 §7.1).

    :raises Sm2Error: the digest has not 32 bytes.
    """
    r, s = signature
    if not (1 <= r < N and 1 <= s < N):
        return False
    return ARITHMETIC.verify(key.encode(), digest, signature.encode())
