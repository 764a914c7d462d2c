"""SM2 signatures on the recommended curve, in plain integers (GB/T 32918.1/.2/.5, GM/T 0003, GM/T 0009).

Not constant-time: good for test keys, which are all that a virtual key holds. Nonces come in as arguments.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from protocols.errors import ProtocolError
from protocols.i18n import N_

P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
A = P - 3
B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
GX = 0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7
GY = 0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0
SIZE = 32
BITS = 256

DEFAULT_ID = b"1234567812345678"
"""The signer's ID where none was agreed (GM/T 0009 §10)."""

_JacobianPoint = tuple[int, int, int]
_INFINITY: _JacobianPoint = (1, 1, 0)
_WINDOW = 4


class Sm2Error(ProtocolError):
    """A key, point or signature that is none."""


def _double(point: _JacobianPoint) -> _JacobianPoint:
    x, y, z = point
    if not z:
        return point
    yy = y * y % P
    s = 4 * x * yy % P
    zz = z * z % P
    m = 3 * (x - zz) * (x + zz) % P  # a = -3
    x3 = (m * m - 2 * s) % P
    return x3, (m * (s - x3) - 8 * yy * yy) % P, 2 * y * z % P


def _add_affine(point: _JacobianPoint, x2: int, y2: int) -> _JacobianPoint:
    x1, y1, z1 = point
    if not z1:
        return x2, y2, 1
    zz = z1 * z1 % P
    h = (x2 * zz - x1) % P
    r = (y2 * zz * z1 - y1) % P
    if not h:
        return _double(point) if not r else _INFINITY
    hh = h * h % P
    hhh = h * hh % P
    v = x1 * hh % P
    x3 = (r * r - hhh - 2 * v) % P
    return x3, (r * (v - x3) - y1 * hhh) % P, z1 * h % P


def _affine(point: _JacobianPoint) -> tuple[int, int] | None:
    x, y, z = point
    if not z:
        return None
    inverse = pow(z, -1, P)
    square = inverse * inverse % P
    return x * square % P, y * square * inverse % P


def _to_affine(points: list[_JacobianPoint]) -> list[tuple[int, int]]:
    """Many points at the price of one inversion (Montgomery's trick); none may be the point at infinity."""
    products = [1]
    for _, _, z in points:
        products.append(products[-1] * z % P)
    inverse = pow(products[-1], -1, P)
    result = []
    for (x, y, z), before in zip(reversed(points), reversed(products[:-1]), strict=True):
        z_inverse = inverse * before % P
        inverse = inverse * z % P
        square = z_inverse * z_inverse % P
        result.append((x * square % P, y * square * z_inverse % P))
    return result[::-1]


class _FixedBase:
    """j·2^(4i)·G for every window i and digit j: one addition a window instead of doublings."""

    @cached_property
    def table(self) -> list[list[tuple[int, int]]]:
        rows: list[_JacobianPoint] = []
        base = (GX, GY)
        for _ in range(BITS // _WINDOW):
            multiples: list[_JacobianPoint] = [(*base, 1)]
            for _ in range((1 << _WINDOW) - 1):
                multiples.append(_add_affine(multiples[-1], *base))
            rows += multiples[:-1]
            (base,) = _to_affine(multiples[-1:])
        flat = _to_affine(rows)
        width = (1 << _WINDOW) - 1
        return [flat[start : start + width] for start in range(0, len(flat), width)]

    def multiply(self, k: int) -> _JacobianPoint:
        point = _INFINITY
        for row in self.table:
            digit = k & ((1 << _WINDOW) - 1)
            if digit:
                point = _add_affine(point, *row[digit - 1])
            k >>= _WINDOW
        return point


_G = _FixedBase()


def _multiply_add(s: int, t: int, x: int, y: int) -> tuple[int, int] | None:
    """s·G + t·Q, affine; None is the point at infinity."""
    point = _INFINITY
    for bit in range(t.bit_length() - 1, -1, -1):
        point = _double(point)
        if t >> bit & 1:
            point = _add_affine(point, x, y)
    base = _affine(_G.multiply(s))
    return _affine(point if base is None else _add_affine(point, *base))


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
        x, y = int.from_bytes(raw[:SIZE]), int.from_bytes(raw[SIZE:])
        if x >= P or y >= P or (y * y - (x * x * x + A * x + B)) % P:
            raise Sm2Error(N_("the SM2 public key is not a point of the curve"))
        return cls(x, y)

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
    """Z: SM3 over the ID's length in bits, the ID, the curve and the public key (GB/T 32918.2 §5.5)."""
    curve = b"".join(value.to_bytes(SIZE) for value in (A, B, GX, GY))
    return sm3((8 * len(signer_id)).to_bytes(2), signer_id, curve, key.encode())


def message_digest(key: PublicKey, message: bytes, signer_id: bytes = DEFAULT_ID) -> bytes:
    """e = SM3(Z ‖ M), what is signed for a message."""
    return sm3(z_value(key, signer_id), message)


class PrivateKey:
    """A private key with what each signature reuses: (1+d)⁻¹ and the public key."""

    def __init__(self, d: int) -> None:
        if not 1 <= d <= N - 2:
            raise Sm2Error(N_("an SM2 private key lies between 1 and n-2"))
        self._d = d
        self._inverse = pow(1 + d, -1, N)
        self.public = PublicKey(*_to_affine([_G.multiply(d)])[0])

    def encode(self) -> bytes:
        """d, 32 bytes: for the secure element's own storage only."""
        return self._d.to_bytes(SIZE)

    def sign(self, digest: bytes, nonce: int) -> Signature | None:
        """Sign e (32 bytes) with the nonce k (GB/T 32918.2 §6.1).

        :returns: None when this nonce cannot be used (r = 0, r + k = n or s = 0): take another.
        """
        k = nonce % N
        point = _affine(_G.multiply(k))
        if point is None:
            return None
        r = (int.from_bytes(digest) + point[0]) % N
        if r == 0 or r + k == N:
            return None
        s = self._inverse * (k - r * self._d) % N
        return Signature(r, s) if s else None


def verify(key: PublicKey, digest: bytes, signature: Signature) -> bool:
    """Whether r, s sign e under the key (GB/T 32918.2 §7.1)."""
    r, s = signature
    t = (r + s) % N
    if not (1 <= r < N and 1 <= s < N and t):
        return False
    point = _multiply_add(s, t, key.x, key.y)
    return point is not None and (int.from_bytes(digest) + point[0]) % N == r
