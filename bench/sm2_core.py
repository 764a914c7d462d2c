"""SM2 as a host or a key computes it, beside other implementations and beside its own fallbacks."""

from __future__ import annotations

import os
from collections.abc import Callable

from bench import peers, suites
from bench.machine import unpinned
from bench.ratios import Result, UnavailableError, compare, compare_times
from bench.two_at_once import processes, threads
from protocols import sm2
from protocols.sm2.integers import Integers, fastest

_Sign = Callable[[bytes, bytes], bytes | None]

_OURS = sm2.ARITHMETIC.name
_DIGEST = sm2.sm3(b"bench")
_PLAIN = bytes(range(16))  # a session key, which is what SM2 encrypts


def _new_d() -> bytes:
    return b"\1" + os.urandom(sm2.SIZE - 1)


def _new_key() -> sm2.PrivateKey:
    return sm2.PrivateKey.from_bytes(_new_d())


def sign_beside_openssl(rounds: int = 41) -> Result:
    """A signature of a digest, the nonce from the system, beside one EVP_PKEY_sign of a prepared key."""
    return _sign_beside_openssl(lambda d: sm2.PrivateKey.from_bytes(d).sign_raw, _OURS, 20.0, rounds)


def plain_c_beside_openssl(rounds: int = 41) -> Result:
    """The same by the code that runs on any processor."""
    try:
        from protocols.sm2.core import Core
    except ImportError:
        raise UnavailableError("plain C: install a C compiler and vukey again for the core") from None
    return _sign_beside_openssl(lambda d: Core(features=()).signer(d).sign, "plain C", None, rounds)


def gmpy2_beside_openssl(rounds: int = 41) -> Result:
    """The same in Python, where no compiler was, with gmpy2."""
    fallback = fastest()
    if fallback.name != "gmpy2":
        raise UnavailableError("gmpy2: pip install gmpy2")
    return _sign_beside_openssl(lambda d: fallback.signer(d).sign, fallback.name, None, rounds)


def integers_beside_openssl(rounds: int = 41) -> Result:
    """The same in Python without gmpy2."""
    fallback = Integers()
    return _sign_beside_openssl(lambda d: fallback.signer(d).sign, fallback.name, None, rounds)


def _sign_beside_openssl(
    load: Callable[[bytes], _Sign], name: str, target: float | None, rounds: int
) -> Result:
    d = _new_d()
    sign, peer = load(d), peers.openssl().private(d)
    signature = sign(_DIGEST, _new_d())
    assert signature
    assert peer.verify(_DIGEST, sm2.Signature.parse(signature).encode_der())
    return compare(
        f"sign, {name} / {peers.openssl_version()}",
        lambda: sign(_DIGEST, os.urandom(sm2.SIZE)),
        lambda: peer.sign(_DIGEST),
        target=target,
        rounds=rounds,
    )


def sign_beside_pypi(rounds: int = 41) -> Result:
    """A signature of a digest, the nonce from the system, beside the fastest library on PyPI."""
    peer, key = peers.pypi(), _new_key()
    d, sign = key.encode(), key.sign_raw
    assert sm2.verify(key.public, _DIGEST, sm2.Signature.parse_der(peer.sm2_sign_sm3_digest(d, _DIGEST)))
    return compare(
        f"sign, {_OURS} / {peers.pypi_version()}",
        lambda: sign(_DIGEST, os.urandom(sm2.SIZE)),
        lambda: peer.sm2_sign_sm3_digest(d, _DIGEST),
        target=3.0,
        rounds=rounds,
    )


def verify_beside_openssl(rounds: int = 41) -> Result:
    """Verifying a signature of a digest."""
    key = _new_key()
    peer = peers.openssl().private(key.encode())
    der = peer.sign(_DIGEST)
    signature = sm2.Signature.parse_der(der)
    assert sm2.verify(key.public, _DIGEST, signature)
    return compare(
        f"verify, {_OURS} / {peers.openssl_version()}",
        lambda: sm2.verify(key.public, _DIGEST, signature),
        lambda: peer.verify(_DIGEST, der),
        target=3.0,
        rounds=rounds,
    )


def encrypt_beside_openssl(rounds: int = 41) -> Result:
    """Encrypting a session key."""
    key = _new_key()
    peer = peers.openssl().private(key.encode())
    cipher = sm2.encrypt(key.public, _PLAIN, _new_d())
    assert cipher
    assert peer.decrypt(cipher.encode_der()) == _PLAIN
    return compare(
        f"encrypt, {_OURS} / {peers.openssl_version()}",
        lambda: sm2.encrypt(key.public, _PLAIN, os.urandom(sm2.SIZE)),
        lambda: peer.encrypt(_PLAIN),
        target=None,
        rounds=rounds,
    )


def decrypt_beside_openssl(rounds: int = 41) -> Result:
    """Decrypting a session key."""
    key = _new_key()
    peer = peers.openssl().private(key.encode())
    der = peer.encrypt(_PLAIN)
    cipher = sm2.Ciphertext.parse_der(der)
    assert sm2.decrypt(key, cipher) == _PLAIN
    return compare(
        f"decrypt, {_OURS} / {peers.openssl_version()}",
        lambda: sm2.decrypt(key, cipher),
        lambda: peer.decrypt(der),
        target=None,
        rounds=rounds,
    )


def generate_beside_pypi(rounds: int = 41) -> Result:
    """A new key pair with all that its signatures reuse."""
    peer = peers.pypi()
    return compare(
        f"key pair, {_OURS} / {peers.pypi_version()}",
        _new_key,
        peer.sm2_key_generate,
        target=None,
        rounds=rounds,
    )


def kept_z(rounds: int = 41) -> Result:
    """e = SM3(Z ‖ M) by a key that has taken in Z already, beside taking it in each time."""
    key = _new_key()
    assert key.digest(b"bench") == sm2.message_digest(key.public, b"bench")
    return compare(
        "SM3(Z ‖ 5 bytes), Z kept / Z anew",
        lambda: key.digest(b"bench"),
        lambda: sm2.message_digest(key.public, b"bench"),
        target=None,
        rounds=rounds,
    )


def two_on_one_core(rounds: int = 21) -> Result:
    """Two threads beside two processes, where this process is pinned: what the interpreter's lock takes."""
    return _two_at_once("one core", rounds)


def two_on_two_cores(rounds: int = 21) -> Result:
    """The same on every core: what handing the lock from core to core takes too."""
    with unpinned():
        return _two_at_once("two cores", rounds)


def _two_at_once(where: str, rounds: int) -> Result:
    with threads() as key, processes() as floor:
        key()
        name = f"2 threads / 2 processes, {where}"
        return compare_times(name, key, floor, target=0.85, rounds=rounds)


_FIRST_USE = """
import time
from protocols import sm2
begun = time.perf_counter()
assert sm2.PrivateKey.from_bytes(bytes([1] * 32)).sign_raw(bytes(32), bytes([2] * 32))
print(time.perf_counter() - begun)
"""


def first_use_seconds(runs: int = 15) -> float:
    """The first key and signature of a process, which compute the table of multiples of G: median seconds."""
    return suites.median_seconds(_FIRST_USE, runs)


SUITES: tuple[Callable[[], Result], ...] = (
    sign_beside_openssl,
    sign_beside_pypi,
    verify_beside_openssl,
    suites.sm2_sign,
    two_on_one_core,
    two_on_two_cores,
    plain_c_beside_openssl,
    gmpy2_beside_openssl,
    integers_beside_openssl,
    encrypt_beside_openssl,
    decrypt_beside_openssl,
    generate_beside_pypi,
    kept_z,
)
"""First those with a target, then those for information."""
