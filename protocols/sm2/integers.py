"""The fallback where the C core could not be built: Python's integers, or gmpy2's where it is installed.

Not constant-time: whoever can time it learns of d. It says so once, when a private key is first used.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache, cached_property
from typing import NamedTuple, cast

from protocols.i18n import N_, _
from protocols.sm2.curve import BITS, GX, GY, SIZE, A, B, N, P, Sm2Error, check_size

_log = logging.getLogger(__name__)
_WINDOW = 4
_HALF = 1 << 127

_Number = Callable[[int], int]


class _Point(NamedTuple):
    """Jacobian coordinates; z = 0 is the point at infinity."""

    x: int
    y: int
    z: int


_INFINITY = _Point(1, 1, 0)


@cache
def _tell_once() -> None:
    _log.warning(
        _(
            "SM2 runs in Python, slowly and not in constant time: install a C compiler and Python's headers "
            "(python3-dev), then vukey again: pip install --force-reinstall --no-cache-dir"
        )
    )


class Integers:
    """`Arithmetic` over whatever multiplies like an int."""

    features: tuple[str, ...] = ()

    def __init__(self, number: _Number = int, name: str = "integers") -> None:
        self.name = name
        self._number = number
        self._p = number(P)

    # Arithmetic

    def is_on_curve(self, point: bytes) -> bool:
        """Whether these are the bytes of a point."""
        return self._parse(point) is not None

    def multiply_base(self, k: bytes) -> bytes | None:
        """k·G."""
        _tell_once()
        scalar = _usable(k)
        return self._encode(self._base_multiple(scalar)) if scalar else None

    def multiply(self, k: bytes, point: bytes) -> bytes | None:
        """k·Q."""
        _tell_once()
        q = self._point(point)
        scalar = _usable(k)
        return self._encode(self._multiple(scalar, q)) if scalar else None

    def signer(self, d: bytes) -> IntegerSigner:
        """The private key d."""
        _tell_once()
        return IntegerSigner(self, d)

    def verify(self, point: bytes, digest: bytes, signature: bytes) -> bool:
        """Whether r ‖ s signs e."""
        e = number_of(digest)
        q = self._parse(point)
        if q is None or len(signature) != 2 * SIZE:
            return False
        r, s = int.from_bytes(signature[:SIZE]), int.from_bytes(signature[SIZE:])
        t = (r + s) % N
        if not (0 < r < N and 0 < s < N and t):
            return False
        total = self._affine(self._add(self._base_multiple(s), self._multiple(t, q)))
        return total is not None and (e + total[0]) % N == r

    # What the signer needs too

    def x_of_base_multiple(self, k: int) -> int:
        """The x coordinate of k·G, 0 < k < n."""
        affine = self._affine(self._base_multiple(k))
        assert affine is not None  # noqa: S101 - G's order is n
        return int(affine[0])

    def agreed_point(self, t: int, peer: bytes, peer_temporary: bytes) -> bytes | None:
        """t·(peer + x̄·peer_temporary)."""
        p, q = self._point(peer), self._point(peer_temporary)
        return self._encode(self._multiple(t, self._add(p, self._multiple(half_of_x(peer_temporary), q))))

    # Points

    def _parse(self, raw: bytes) -> _Point | None:
        if len(raw) != 2 * SIZE:
            return None
        x, y = self._number(int.from_bytes(raw[:SIZE])), self._number(int.from_bytes(raw[SIZE:]))
        if x >= P or y >= P or (y * y - (x * x * x + A * x + B)) % P:
            return None
        return _Point(x, y, 1)

    def _point(self, raw: bytes) -> _Point:
        point = self._parse(raw)
        if point is None:
            raise Sm2Error(N_("the SM2 public key is not a point of the curve"))
        return point

    def _encode(self, point: _Point) -> bytes | None:
        affine = self._affine(point)
        return None if affine is None else b"".join(int(value).to_bytes(SIZE) for value in affine)

    def _affine(self, point: _Point) -> tuple[int, int] | None:
        x, y, z = point
        if not z:
            return None
        inverse = pow(z, -1, self._p)
        square = inverse * inverse % self._p
        return x * square % self._p, y * square * inverse % self._p

    def _double(self, point: _Point) -> _Point:
        x, y, z = point
        p = self._p
        yy = y * y % p
        s = 4 * x * yy % p
        zz = z * z % p
        m = 3 * (x - zz) * (x + zz) % p  # a = -3
        x3 = (m * m - 2 * s) % p
        return _Point(x3, (m * (s - x3) - 8 * yy * yy) % p, 2 * y * z % p)

    def _add(self, one: _Point, other: _Point) -> _Point:
        if not one.z:
            return other
        if not other.z:
            return one
        p = self._p
        x2, y2, z2 = other
        if z2 != 1:
            zz2 = z2 * z2 % p
            one = _Point(one.x * zz2 % p, one.y * zz2 * z2 % p, one.z)
        x1, y1, z1 = one
        zz = z1 * z1 % p
        h = (x2 * zz - x1) % p
        r = (y2 * zz * z1 - y1) % p
        if not h:
            return self._double(other) if not r else _INFINITY
        hh = h * h % p
        hhh = h * hh % p
        v = x1 * hh % p
        x3 = (r * r - hhh - 2 * v) % p
        return _Point(x3, (r * (v - x3) - y1 * hhh) % p, z1 * z2 * h % p)

    def _multiple(self, k: int, point: _Point) -> _Point:
        total = _INFINITY
        for bit in range(k.bit_length() - 1, -1, -1):
            total = self._double(total)
            if k >> bit & 1:
                total = self._add(total, point)
        return total

    def _base_multiple(self, k: int) -> _Point:
        total = _INFINITY
        for row in self._table:
            digit = k & ((1 << _WINDOW) - 1)
            if digit:
                total = self._add(total, row[digit - 1])
            k >>= _WINDOW
        return total

    @cached_property
    def _table(self) -> list[list[_Point]]:
        """j·2^(4i)·G for every window i and digit j: one addition a window instead of doublings."""
        rows = []
        base = _Point(self._number(GX), self._number(GY), 1)
        for _index in range(BITS // _WINDOW):
            row = [base]
            for _digit in range((1 << _WINDOW) - 1):
                row.append(self._normalized(self._add(base, row[-1])))
            base = row.pop()
            rows.append(row)
        return rows

    def _normalized(self, point: _Point) -> _Point:
        affine = self._affine(point)
        assert affine is not None  # noqa: S101 - a small multiple of G
        return _Point(*affine, 1)


class IntegerSigner:
    """`Signer` of the fallback."""

    def __init__(self, arithmetic: Integers, d: bytes) -> None:
        self._arithmetic = arithmetic
        self._d = number_of(d)
        if not 1 <= self._d <= N - 2:
            raise Sm2Error(N_("an SM2 private key lies between 1 and n-2"))
        self._inverse = pow(1 + self._d, -1, N)

    @cached_property
    def public(self) -> bytes:
        """d·G."""
        return self._arithmetic.multiply_base(self.encode()) or b""

    def encode(self) -> bytes:
        """d."""
        return self._d.to_bytes(SIZE)

    def sign(self, digest: bytes, nonce: bytes) -> bytes | None:
        """r ‖ s."""
        e = number_of(digest)
        k = _usable(nonce)
        if not k:
            return None
        r = (e + self._arithmetic.x_of_base_multiple(k)) % N
        if r == 0 or r + k == N:
            return None
        s = (self._inverse * (k + r) - r) % N
        return r.to_bytes(SIZE) + s.to_bytes(SIZE) if s else None

    def multiply(self, point: bytes) -> bytes | None:
        """d·Q."""
        return self._arithmetic.multiply(self.encode(), point)

    def agree(
        self, temporary: bytes, own_temporary: bytes, peer: bytes, peer_temporary: bytes
    ) -> bytes | None:
        """The shared point of a key exchange."""
        t = (self._d + half_of_x(own_temporary) * number_of(temporary)) % N
        return self._arithmetic.agreed_point(t, peer, peer_temporary)


def number_of(raw: bytes) -> int:
    """A scalar or a digest as a number.

    :raises Sm2Error: not 32 bytes.
    """
    check_size(raw)
    return int.from_bytes(raw)


def half_of_x(point: bytes) -> int:
    """x̄ = 2¹²⁷ + (x mod 2¹²⁷), of GB/T 32918.3 §6.1."""
    return _HALF | int.from_bytes(point[:SIZE]) & _HALF - 1


def _usable(k: bytes) -> int:
    """The scalar, 0 when it is not below n."""
    number = number_of(k)
    return number if number < N else 0


def fastest() -> Integers:
    """Over gmpy2's integers where they are, else over Python's."""
    try:
        from gmpy2 import mpz
    except ImportError:
        return Integers()
    return Integers(cast(_Number, mpz), "gmpy2")
