"""What a backend computes, and the one that runs here: the C core, else Python's integers.

Scalars are 32 bytes big-endian, points 64 bytes X ‖ Y; None is the point at infinity or an unusable scalar.
"""

from __future__ import annotations

from typing import Protocol


class Signer(Protocol):
    """A private key d with what each signature reuses. Whoever holds it can use d; only `encode` shows it."""

    @property
    def public(self) -> bytes:
        """d·G."""

    def encode(self) -> bytes:
        """d."""

    def sign(self, digest: bytes, nonce: bytes) -> bytes | None:
        """r ‖ s (GB/T 32918.2 §6.1); e counts modulo n.

        :returns: None when this nonce cannot be used (k = 0, k ≥ n, r = 0, r + k = n or s = 0): take another.
        :raises Sm2Error: the digest or the nonce has not 32 bytes.
        """

    def multiply(self, point: bytes) -> bytes | None:
        """d·Q.

        :raises Sm2Error: no point of the curve.
        """

    def agree(
        self, temporary: bytes, own_temporary: bytes, peer: bytes, peer_temporary: bytes
    ) -> bytes | None:
        """The shared point of a key exchange (GB/T 32918.3 §6.1, A4 to A7).

        With x̄ = 2¹²⁷ + (x mod 2¹²⁷): t = (d + x̄_own·r) mod n and U = t·(peer + x̄_peer·peer_temporary).

        :param temporary: r, this side's private key of this one run, and own_temporary its public key.
        :raises Sm2Error: no point of the curve.
        """


class Arithmetic(Protocol):
    """The curve's arithmetic. The C core's is constant-time wherever a scalar may be secret."""

    @property
    def name(self) -> str:
        """``core``, ``gmpy2`` or ``integers``."""

    @property
    def features(self) -> tuple[str, ...]:
        """What the processor has and the core uses, such as ``bmi2`` and ``adx``."""

    def is_on_curve(self, point: bytes) -> bool:
        """Whether these are the 64 bytes of a point: both coordinates below p, and on the curve."""

    def multiply_base(self, k: bytes) -> bytes | None:
        """k·G; None for k = 0 and k ≥ n."""

    def multiply(self, k: bytes, point: bytes) -> bytes | None:
        """k·Q; None for k = 0 and k ≥ n.

        :raises Sm2Error: no point of the curve.
        """

    def signer(self, d: bytes) -> Signer:
        """The private key d.

        :raises Sm2Error: d does not lie between 1 and n-2.
        """

    def verify(self, point: bytes, digest: bytes, signature: bytes) -> bool:
        """Whether r ‖ s signs e under the point (GB/T 32918.2 §7.1). Takes public values only: not constant-time.

        :raises Sm2Error: the digest has not 32 bytes.
        """


def _choose() -> Arithmetic:
    try:
        from protocols.sm2.core import Core
    except ImportError:
        from protocols.sm2.integers import fastest

        return fastest()
    return Core()


ARITHMETIC: Arithmetic = _choose()
"""The backend that runs in this process."""
