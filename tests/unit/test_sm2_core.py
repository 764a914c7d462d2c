"""Every backend of SM2's arithmetic: at the scalars where additions are exceptional, for points that are none, against
gmalg and against each other; and the fallback where the core is missing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import cache
from itertools import product
from pathlib import Path

import gmalg
import gmssl_pyx
import pytest
from Crypto.Util.asn1 import DerSequence
from hypothesis import given
from hypothesis import strategies as st

from protocols.sm2 import ARITHMETIC, GX, GY, A, B, N, P, Sm2Error
from protocols.sm2._core import ffi, lib
from protocols.sm2.arithmetic import Arithmetic
from protocols.sm2.core import Core
from tests.rig.arithmetics import ARITHMETICS

ROOT = Path(__file__).parents[2]

BACKENDS = pytest.mark.parametrize("arithmetic", ARITHMETICS.values(), ids=ARITHMETICS)
REFERENCE = ARITHMETICS["gmpy2"]
OTHERS = [ARITHMETICS["core"], ARITHMETICS["plain"], ARITHMETICS["integers"]]

DIGEST = bytes(range(32))
D = 0x3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8
R = 0x59276E27D506861A16680F3AD9C02DCCEF3CC1FA3CDBE4CE6D54B80DEAC1BC21


def int32(value: int) -> bytes:
    return value.to_bytes(32)


@cache
def point(k: int) -> bytes:
    """k·G, by gmalg."""
    return bytes(gmalg.SM2().generate_pk(int32(k % N))[1:])


def x_of(raw: bytes) -> int:
    return int.from_bytes(raw[:32])


# Scalars. What is special about them: the comb's and the windows' digits at their limits, sums that come near n, and
# n - 6, n - 35, n - 70 and their negatives, where windows of other widths would have to add a point to itself.

NEAR = range(1, 150)
POWERS = [1 << i for i in range(256)]
EDGES = sorted(
    {
        *NEAR,
        *(N - k for k in NEAR),
        *POWERS,
        *(k - 1 for k in POWERS[1:]),
        *(N - k for k in POWERS),
        *(int("01" * 128, 2) >> i for i in range(4)),
        *((c << 7 * i) % N for i in range(37) for c in (63, 64, 65, 127)),
        *((c << 4 + 5 * i) % N for i in range(51) for c in (15, 16, 17, 31)),
        (30 << 252) - N,
        N // 2,
        N // 2 + 1,
        P - N,
    }
    - {0}
)
UNUSABLE = [0, N, N + 1, N + 6, 2**256 - 1]


@BACKENDS
def test_multiples(arithmetic: Arithmetic) -> None:
    for k in EDGES[::11]:
        assert arithmetic.multiply_base(int32(k)) == point(k), k
        assert arithmetic.multiply(int32(k), point(1)) == point(k), k
        assert arithmetic.multiply(int32(k), point(N - 1)) == point(N - k), k


def test_backends_agree_at_all_edges() -> None:
    q = point(D)
    for k in EDGES:
        base, multiple = REFERENCE.multiply_base(int32(k)), REFERENCE.multiply(int32(k), q)
        for name in ("core", "plain"):
            assert ARITHMETICS[name].multiply_base(int32(k)) == base, k
            assert ARITHMETICS[name].multiply(int32(k), q) == multiple, k


@BACKENDS
def test_a_private_key_multiplies(arithmetic: Arithmetic) -> None:
    for d in (1, 2, 6, 35, 70, D, N - 7, N - 6, N - 35, N - 70, N - 2):
        signer = arithmetic.signer(int32(d))
        assert signer.public == point(d)
        assert signer.multiply(point(R)) == point(d * R)


@BACKENDS
@pytest.mark.parametrize("k", UNUSABLE, ids=["0", "n", "n+1", "n+6", "2^256-1"])
def test_unusable_scalars_give_nothing(arithmetic: Arithmetic, k: int) -> None:
    assert arithmetic.multiply_base(int32(k)) is None
    assert arithmetic.multiply(int32(k), point(D)) is None
    assert arithmetic.signer(int32(D)).sign(DIGEST, int32(k)) is None


@BACKENDS
@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_scalars_of_another_size_are_refused(arithmetic: Arithmetic, size: int) -> None:
    short = bytes(size)
    signer = arithmetic.signer(int32(D))
    calls: list[Callable[[], object]] = [
        lambda: arithmetic.multiply_base(short),
        lambda: arithmetic.multiply(short, point(D)),
        lambda: arithmetic.signer(short),
        lambda: arithmetic.verify(point(D), short, bytes(64)),
        lambda: signer.sign(short, int32(R)),
        lambda: signer.sign(DIGEST, short),
        lambda: signer.agree(short, point(R), point(D), point(R)),
    ]
    for call in calls:
        with pytest.raises(Sm2Error):
            call()


@BACKENDS
def test_signing_at_the_edges(arithmetic: Arithmetic) -> None:
    e = int.from_bytes(DIGEST)
    signer = arithmetic.signer(int32(D))
    for k in EDGES[::11]:
        r = (e + x_of(point(k))) % N
        s = pow(1 + D, -1, N) * (k - r * D) % N
        assert signer.sign(DIGEST, int32(k)) == int32(r) + int32(s), k


# Random numbers. Where a backend differs from gmpy2's, one of them is wrong.

any_scalar = st.one_of(
    st.integers(1, N - 2),
    st.sampled_from(EDGES).filter(lambda k: k < N - 1),
    st.integers(1, 2**64),
    st.integers(1, 2**64).map(lambda k: N - 1 - k),
)
digests = st.one_of(st.binary(min_size=32, max_size=32), st.sampled_from([bytes(32), int32(N), b"\xff" * 32]))


@given(any_scalar, any_scalar, digests)
def test_backends_agree(d: int, k: int, digest: bytes) -> None:
    signer = REFERENCE.signer(int32(d))
    signature = signer.sign(digest, int32(k))
    multiple = REFERENCE.multiply(int32(k), signer.public)
    for arithmetic in OTHERS:
        other = arithmetic.signer(int32(d))
        assert other.public == signer.public
        assert other.encode() == int32(d)
        assert other.sign(digest, int32(k)) == signature
        assert arithmetic.multiply(int32(k), signer.public) == multiple
        assert signature is None or arithmetic.verify(signer.public, digest, signature)


@given(st.binary(min_size=64, max_size=64), st.integers(0, 511))
def test_backends_refuse_the_same(signature: bytes, bit: int) -> None:
    public = point(D)
    good = REFERENCE.signer(int32(D)).sign(DIGEST, int32(R))
    assert good is not None
    altered = (int.from_bytes(good) ^ 1 << bit).to_bytes(64)
    for arithmetic in ARITHMETICS.values():
        assert arithmetic.verify(public, DIGEST, good)
        assert not arithmetic.verify(public, DIGEST, altered)
        assert not arithmetic.verify(public, DIGEST, signature)


@pytest.mark.slow
def test_backends_agree_on_thousands_of_keys() -> None:
    core = ARITHMETICS["core"]
    d = k = 1
    for i in range(5000):
        d, k = d * D % N, k * R % N
        ours, theirs = core.signer(int32(d)), REFERENCE.signer(int32(d))
        signature = ours.sign(DIGEST, int32(k))
        assert signature is not None
        assert theirs.sign(DIGEST, int32(k)) == signature
        assert REFERENCE.verify(ours.public, DIGEST, signature), i
        assert ARITHMETICS["plain"].verify(theirs.public, DIGEST, signature), i


# Points

SMALL = (1, 0x9F7A091433A81E3F218F405F792355BF2AA98B5FFA95982F03870800065279A3)
"""A point whose x + p has 32 bytes too."""

NO_POINTS = {
    "nothing": b"",
    "63 bytes": point(D)[:63],
    "65 bytes": b"\x04" + point(D),
    "zeros": bytes(64),
    "ones": b"\xff" * 64,
    "another y": point(D)[:63] + bytes((point(D)[63] ^ 1,)),
    "x and y exchanged": point(D)[32:] + point(D)[:32],
    "x + p": int32(SMALL[0] + P) + int32(SMALL[1]),
    "x = p": int32(P) + point(D)[32:],
    "y = p": point(D)[:32] + int32(P),
}


@BACKENDS
@pytest.mark.parametrize("raw", NO_POINTS.values(), ids=NO_POINTS)
def test_what_is_no_point_is_refused(arithmetic: Arithmetic, raw: bytes) -> None:
    signer = arithmetic.signer(int32(D))
    good = point(R)
    assert not arithmetic.is_on_curve(raw)
    calls: list[Callable[[], object]] = [
        lambda: arithmetic.multiply(int32(R), raw),
        lambda: signer.multiply(raw),
        lambda: signer.agree(int32(R), good, raw, good),
        lambda: signer.agree(int32(R), good, good, raw),
    ]
    for call in calls:
        with pytest.raises(Sm2Error):
            call()
    signature = signer.sign(DIGEST, int32(R))
    assert signature is not None
    assert not arithmetic.verify(raw, DIGEST, signature)


@BACKENDS
def test_points_are_points(arithmetic: Arithmetic) -> None:
    for raw in (point(1), point(D), point(N - 1), int32(SMALL[0]) + int32(SMALL[1])):
        assert arithmetic.is_on_curve(raw)
        x, y = x_of(raw), x_of(raw[32:])
        assert arithmetic.is_on_curve(int32(x) + int32(P - y))
        assert not arithmetic.is_on_curve(int32(x) + int32((y + 1) % P))


def added(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    """The sum of two points with different x, by the school formula."""
    slope = (other[1] - one[1]) * pow(other[0] - one[0], -1, P) % P
    x = (slope * slope - one[0] - other[0]) % P
    return x, (slope * (one[0] - x) - one[1]) % P


@BACKENDS
def test_an_x_between_n_and_p_counts_modulo_n(arithmetic: Arithmetic) -> None:
    # Nobody finds a nonce with such an x. A public key Q with s·G + Q = (x, y) does: t = 1.
    x = next(x for x in range(N, P) if pow(x**3 + A * x + B, (P - 1) // 2, P) == 1)
    y = pow(x**3 + A * x + B, (P + 1) // 4, P)
    s = 3
    base = point(N - s)
    q = b"".join(map(int32, added((x, y), (x_of(base), x_of(base[32:])))))
    r = (1 - s) % N
    digest = int32((r - x) % N)
    signature = int32(r) + int32(s)
    der = bytes(DerSequence([r, s]).encode())
    assert gmssl_pyx.sm2_verify_sm3_digest(q, digest, der)
    assert arithmetic.verify(q, digest, signature)
    assert not arithmetic.verify(q, int32((r - x + 1) % N), signature)


# Key agreement: with the scalars known, the shared point is a multiple of G.


def half(x: int) -> int:
    return 2**127 + x % 2**127


def shared(d: int, r: int, peer: int, peer_temporary: int) -> int:
    t = d + half(x_of(point(r))) * r
    return t * (peer + half(x_of(point(peer_temporary))) * peer_temporary) % N


@BACKENDS
@pytest.mark.parametrize("d", [1, D, N - 2], ids=["1", "D", "n-2"])
@pytest.mark.parametrize("r", [1, 6, R, N - 2], ids=["1", "6", "R", "n-2"])
def test_both_sides_agree(arithmetic: Arithmetic, d: int, r: int) -> None:
    for peer, peer_temporary in product((2, D + R, N - 3), (5, N - 6, R - D)):
        ours = arithmetic.signer(int32(d)).agree(int32(r), point(r), point(peer), point(peer_temporary))
        theirs = arithmetic.signer(int32(peer)).agree(
            int32(peer_temporary), point(peer_temporary), point(d), point(r)
        )
        assert ours == theirs == point(shared(d, r, peer, peer_temporary))


@BACKENDS
def test_no_agreement_at_infinity(arithmetic: Arithmetic) -> None:
    # t = 0 on our side, peer + x̄·peer_temporary at infinity on the other.
    d = -half(x_of(point(R))) * R % N
    assert arithmetic.signer(int32(d)).agree(int32(R), point(R), point(5), point(7)) is None
    assert arithmetic.signer(int32(5)).agree(int32(7), point(7), point(d), point(R)) is None


@BACKENDS
def test_a_peer_equal_to_its_share_is_doubled(arithmetic: Arithmetic) -> None:
    peer = half(x_of(point(R))) * R % N
    ours = arithmetic.signer(int32(D)).agree(int32(7), point(7), point(peer), point(R))
    assert ours == point(shared(D, 7, peer, R))


# The core's own


def test_the_core_runs_here() -> None:
    assert ARITHMETIC.name == "core"


def test_features_that_the_core_does_not_know_are_refused() -> None:
    with pytest.raises(ValueError, match="with"):
        Core(features=("bmi3",))


def test_a_private_key_is_wiped() -> None:
    key = ffi.new("sm2_key *")
    assert lib.sm2_load_key(key, int32(D))
    assert int32(D)[::-1] in bytes(ffi.buffer(key))
    lib.sm2_wipe_key(key)
    assert bytes(ffi.buffer(key)) == bytes(len(ffi.buffer(key)))


FIRST_USE = """
import threading
from protocols.sm2.core import Core
start, core, found = threading.Barrier(8), Core(), []
def use():
    start.wait()
    found.append(core.multiply_base((2).to_bytes(32)))
threads = [threading.Thread(target=use) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(*{point.hex() for point in found})
"""


def run(script: str, *modules: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own, where these modules cannot be imported."""
    hide = f"import sys; sys.modules.update(dict.fromkeys({modules!r}))\n"
    command = [sys.executable, "-W", "error", "-c", hide + script]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)


def test_threads_meet_at_the_first_use() -> None:
    for _ in range(5):
        assert run(FIRST_USE).stdout.strip() == point(2).hex()


# Without the core

FALLBACK = f"""
from protocols import sm2
key = sm2.PrivateKey({D})
other = sm2.PrivateKey.from_bytes({int32(R)!r})
signature = key.sign({DIGEST!r}, {R})
assert sm2.verify(key.public, {DIGEST!r}, signature)
assert key.multiply(other.public) == other.multiply(key.public)
print(sm2.ARITHMETIC.name, signature.encode().hex())
"""
PUBLIC_ONLY = f"""
from protocols import sm2
key = sm2.PublicKey.parse({point(D)!r})
print(sm2.verify(key, bytes(32), sm2.Signature(1, 2)))
"""


@pytest.mark.parametrize("name", ["gmpy2", "integers"])
def test_the_fallback_says_once_that_it_runs(name: str) -> None:
    expected = ARITHMETIC.signer(int32(D)).sign(DIGEST, int32(R))
    assert expected is not None
    hidden = ["protocols.sm2._core", *(["gmpy2"] if name == "integers" else [])]
    done = run(FALLBACK, *hidden)
    assert done.stdout.split() == [name, expected.hex()]
    (line,) = done.stderr.splitlines()
    assert "install a C compiler" in line


def test_public_keys_need_no_warning() -> None:
    done = run(PUBLIC_ONLY, "protocols.sm2._core")
    assert done.stdout.split() == ["False"]
    assert done.stderr == ""


def test_the_core_says_nothing() -> None:
    done = run(FALLBACK)
    assert done.stdout.split()[0] == "core"
    assert done.stderr == ""


def test_the_base_point() -> None:
    assert all(
        arithmetic.multiply_base(int32(1)) == int32(GX) + int32(GY) for arithmetic in ARITHMETICS.values()
    )
