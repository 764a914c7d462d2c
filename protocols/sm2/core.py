"""The C core: constant-time wherever a scalar may be secret, and the interpreter's lock is free meanwhile.

Importing it fails where it was not built.
"""

from __future__ import annotations

from collections.abc import Callable

from protocols.i18n import N_
from protocols.sm2._core import ffi, lib
from protocols.sm2.curve import SIZE, Sm2Error, check_size

POINT_SIZE = 2 * SIZE
FEATURES = ("bmi2", "adx", "avx2") if lib.sm2_engine_with(True) else ()
"""What this processor has of what the core can use: all three or nothing."""

_new = ffi.new
_buffer = ffi.buffer
_KEY = ffi.typeof("sm2_key *")
_NUMBER = ffi.typeof(f"uint8_t[{SIZE}]")
_POINT = ffi.typeof(f"uint8_t[{POINT_SIZE}]")
_SIGNATURE = ffi.typeof(f"char[{POINT_SIZE}]")


class Core:
    """`Arithmetic` in C.

    :param features: `FEATURES`, or none for the plain code, which every processor can run.
    :raises ValueError: other features.
    """

    name = "core"

    def __init__(self, features: tuple[str, ...] = FEATURES) -> None:
        if features not in (FEATURES, ()):
            raise ValueError(f"the core runs with {FEATURES} or without")
        self.features = features
        self._engine = lib.sm2_engine_with(bool(features))

    def is_on_curve(self, point: bytes) -> bool:
        """Whether these are the bytes of a point."""
        return len(point) == POINT_SIZE and bool(lib.sm2_is_on_curve(self._engine, point))

    def multiply_base(self, k: bytes) -> bytes | None:
        """k·G."""
        check_size(k)
        result = _new(_POINT)
        return _found(lib.sm2_multiply_base(self._engine, k, result), result)

    def multiply(self, k: bytes, point: bytes) -> bytes | None:
        """k·Q."""
        check_size(k)
        _check_point_size(point)
        result = _new(_POINT)
        return _found(lib.sm2_multiply(self._engine, k, point, result), result)

    def signer(self, d: bytes) -> CoreSigner:
        """The private key d."""
        return CoreSigner(self, self._engine, d)

    def verify(self, point: bytes, digest: bytes, signature: bytes) -> bool:
        """Whether r ‖ s signs e."""
        check_size(digest)
        if len(point) != POINT_SIZE or len(signature) != POINT_SIZE:
            return False
        return bool(lib.sm2_verify(self._engine, point, digest, signature))


class CoreSigner:
    """`Signer` in C: d and (1+d)⁻¹ lie in memory that is wiped before it is freed."""

    def __init__(self, core: Core, engine: object, d: bytes) -> None:
        check_size(d)
        self._engine = engine
        self._key = ffi.gc(_new(_KEY), lib.sm2_wipe_key)
        if not lib.sm2_load_key(self._key, d):
            raise Sm2Error(N_("an SM2 private key lies between 1 and n-2"))
        self.sign = _signing_with(engine, self._key)
        self.public = core.multiply_base(d) or b""

    def encode(self) -> bytes:
        """d."""
        d = _new(_NUMBER)
        lib.sm2_encode_key(self._key, d)
        return bytes(_buffer(d))

    def multiply(self, point: bytes) -> bytes | None:
        """d·Q."""
        _check_point_size(point)
        result = _new(_POINT)
        return _found(lib.sm2_multiply_by_key(self._engine, self._key, point, result), result)

    def agree(
        self, temporary: bytes, own_temporary: bytes, peer: bytes, peer_temporary: bytes
    ) -> bytes | None:
        """The shared point of a key exchange."""
        check_size(temporary)
        for point in (own_temporary, peer, peer_temporary):
            _check_point_size(point)
        result = _new(_POINT)
        arguments = (temporary, own_temporary, peer, peer_temporary, result)
        return _found(lib.sm2_agree(self._engine, self._key, *arguments), result)


def _signing_with(engine: object, key: object) -> Callable[[bytes, bytes], bytes | None]:
    """`Signer.sign`. Every name that it needs is at hand, for it holds the interpreter's lock around the C call."""
    new, unpack, in_c = ffi.new, ffi.unpack, lib.sm2_sign

    def sign(digest: bytes, nonce: bytes) -> bytes | None:
        """r ‖ s."""
        if len(digest) != SIZE or len(nonce) != SIZE:
            check_size(digest)
            check_size(nonce)
        signature = new(_SIGNATURE)
        return unpack(signature, POINT_SIZE) if in_c(engine, key, digest, nonce, signature) else None

    return sign


def _check_point_size(point: bytes) -> None:
    if len(point) != POINT_SIZE:
        raise Sm2Error(N_("the SM2 public key is not a point of the curve"))


def _found(outcome: int, result: object) -> bytes | None:
    if outcome < 0:
        raise Sm2Error(N_("the SM2 public key is not a point of the curve"))
    return bytes(_buffer(result)) if outcome else None
