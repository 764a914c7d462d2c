"""SM2 signatures: the standard's example, a real display key's, other implementations, and every refusal."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import gmalg
import gmssl_pyx
import pytest
from Crypto.Util.asn1 import DerSequence
from hypothesis import given
from hypothesis import strategies as st

from protocols import sm2
from protocols.sm2 import DEFAULT_ID, N, PrivateKey, PublicKey, Signature, Sm2Error, keys
from tests.rig.arithmetics import ARITHMETICS

VECTORS = Path(__file__).parents[1] / "vectors"
EXAMPLE = json.loads((VECTORS / "sm2" / "gbt32918-5.json").read_text("utf-8"))
DISPLAY_KEY = json.loads((VECTORS / "transactions" / "display-key.json").read_text("utf-8"))
DISPLAY_MESSAGE = (VECTORS / "transactions" / "display-key.xml").read_bytes()

D = int(EXAMPLE["d"], 16)
K = int(EXAMPLE["k"], 16)
E = bytes.fromhex(EXAMPLE["e"])
PUBLIC = PublicKey(int(EXAMPLE["x"], 16), int(EXAMPLE["y"], 16))
SIGNATURE = Signature(int(EXAMPLE["r"], 16), int(EXAMPLE["s"], 16))

scalars = st.integers(1, N - 1)
private = st.integers(1, N - 2)
digests = st.binary(min_size=32, max_size=32)


@pytest.fixture(scope="module", params=ARITHMETICS, autouse=True)
def arithmetic(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test runs on every backend."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "ARITHMETIC", ARITHMETICS[request.param])
        yield


# The other implementations


def int32(value: int) -> bytes:
    return value.to_bytes(32)


def point(k: int) -> tuple[int, int]:
    """k·G, by gmalg."""
    raw = gmalg.SM2().generate_pk(int32(k % N))
    return int.from_bytes(raw[1:33]), int.from_bytes(raw[33:])


def der(r: int, s: int) -> bytes:
    """By PyCryptodome."""
    return bytes(DerSequence([r, s]).encode())


def read_der(raw: bytes) -> Signature:
    """By PyCryptodome."""
    numbers = DerSequence()
    numbers.decode(raw, nr_elements=2, only_ints_expected=True)
    return Signature(int(numbers[0]), int(numbers[1]))


def gmssl_accepts(key: PublicKey, digest: bytes, signature: Signature) -> bool:
    raw = int32(key.x) + int32(key.y)
    return bool(gmssl_pyx.sm2_verify_sm3_digest(raw, digest, der(*signature)))


class Job(NamedTuple):
    """One key, signer and message."""

    d: int
    public: bytes
    signer_id: bytes
    message: bytes
    folder: Path


def gmalg_sign(job: Job) -> Signature:
    r, s = gmalg.SM2(int32(job.d), job.signer_id, b"\x04" + job.public).sign(job.message)
    return Signature(int.from_bytes(r), int.from_bytes(s))


def gmalg_verify(job: Job, signature: Signature) -> bool:
    judge = gmalg.SM2(uid=job.signer_id, pk=b"\x04" + job.public)
    return bool(judge.verify(job.message, int32(signature.r), int32(signature.s)))


def gmssl_sign(job: Job) -> Signature:
    return read_der(gmssl_pyx.sm2_sign(int32(job.d), job.public, job.message, job.signer_id))


def gmssl_verify(job: Job, signature: Signature) -> bool:
    return bool(gmssl_pyx.sm2_verify(job.public, job.message, der(*signature), job.signer_id))


# SEC 1 and X.509 envelopes of a key on the curve 1.2.156.10197.1.301, by hand.
SEC1 = "30770201010420{d}A00A06082A811CCF5501822DA14403420004{public}"
SPKI = "3059301306072A8648CE3D020106082A811CCF5501822D03420004{public}"


def openssl(folder: Path, data: bytes, *arguments: str) -> bool:
    (folder / "data").write_bytes(data)
    command = ["openssl", "pkeyutl", "-keyform", "DER", "-in", "data", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0


def openssl_accepts(folder: Path, public: bytes, data: bytes, signature: Signature, *options: str) -> bool:
    """Without options, data is the digest e."""
    (folder / "public").write_bytes(bytes.fromhex(SPKI.format(public=public.hex())))
    (folder / "signature").write_bytes(der(*signature))
    arguments = ["-verify", "-pubin", "-inkey", "public", "-sigfile", "signature", *options]
    return openssl(folder, data, *arguments)


def with_signer_id(job: Job) -> list[str]:
    return ["-rawin", "-digest", "sm3", "-pkeyopt", f"hexdistid:{job.signer_id.hex()}"]


def openssl_sign(job: Job) -> Signature:
    key = SEC1.format(d=int32(job.d).hex(), public=job.public.hex())
    (job.folder / "key").write_bytes(bytes.fromhex(key))
    arguments = ["-sign", "-inkey", "key", "-out", "signature", *with_signer_id(job)]
    assert openssl(job.folder, job.message, *arguments)
    return read_der((job.folder / "signature").read_bytes())


def openssl_verify(job: Job, signature: Signature) -> bool:
    return openssl_accepts(job.folder, job.public, job.message, signature, *with_signer_id(job))


class Other(NamedTuple):
    """Another implementation."""

    sign: Callable[[Job], Signature]
    verify: Callable[[Job, Signature], bool]


OTHERS = {
    "gmalg": Other(gmalg_sign, gmalg_verify),
    "GmSSL": Other(gmssl_sign, gmssl_verify),
    "openssl": Other(openssl_sign, openssl_verify),
}


def both_ways(other: Other, seed: int, folder: Path) -> None:
    chance = random.Random(seed)
    key = PrivateKey(chance.randrange(1, N - 1))
    public = int32(key.public.x) + int32(key.public.y)
    signer_id = DEFAULT_ID if seed % 2 else chance.randbytes(chance.randrange(1, 40))
    job = Job(
        int.from_bytes(key.encode()), public, signer_id, chance.randbytes(chance.randrange(200)), folder
    )
    digest = sm2.message_digest(key.public, job.message, signer_id)

    ours = key.sign(digest, chance.randrange(1, N))
    assert ours is not None
    assert other.verify(job, ours)
    assert not other.verify(job._replace(message=job.message + b"\0"), ours)
    theirs = other.sign(job)
    assert sm2.verify(key.public, digest, theirs)
    assert not sm2.verify(key.public, sm2.sm3(digest), theirs)


@pytest.mark.parametrize("name", OTHERS)
def test_both_ways_with(name: str, tmp_path: Path) -> None:
    for seed in range(8):
        both_ways(OTHERS[name], seed, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("arithmetic", ["core", "gmpy2"], indirect=True)
@pytest.mark.parametrize("name", OTHERS)
def test_both_ways_many_times_with(name: str, tmp_path: Path) -> None:
    for seed in range(1000, 2000):
        both_ways(OTHERS[name], seed, tmp_path)


# Published signatures


def test_the_standards_example() -> None:
    key = PrivateKey(D)
    message = EXAMPLE["message"].encode()
    assert EXAMPLE["signer_id"].encode() == DEFAULT_ID
    assert key.public == PUBLIC
    assert sm2.z_value(PUBLIC).hex().upper() == EXAMPLE["z"]
    assert sm2.message_digest(PUBLIC, message) == E
    assert key.sign(E, K) == SIGNATURE
    assert sm2.verify(PUBLIC, E, SIGNATURE)


def test_a_real_display_keys_signature() -> None:  # G16, G24
    key = PublicKey.parse(bytes.fromhex(DISPLAY_KEY["x"] + DISPLAY_KEY["y"]))
    signature = Signature.parse(bytes.fromhex(DISPLAY_KEY["r"] + DISPLAY_KEY["s"]))
    assert sm2.verify(key, sm2.message_digest(key, DISPLAY_MESSAGE), signature)
    assert not sm2.verify(key, sm2.sm3(DISPLAY_MESSAGE), signature)
    altered = bytearray(DISPLAY_MESSAGE)
    for at in {*range(0, len(altered), 7), len(altered) - 1}:
        altered[at] ^= 1
        assert not sm2.verify(key, sm2.message_digest(key, bytes(altered)), signature), at
        altered[at] ^= 1


def test_another_signer_id_makes_another_digest() -> None:
    assert sm2.message_digest(PUBLIC, b"message digest", b"ALICE123@YAHOO.COM") != E


@given(private, st.lists(st.binary(max_size=100), min_size=1, max_size=3), st.binary(max_size=20))
def test_a_key_knows_its_digests(d: int, messages: list[bytes], signer_id: bytes) -> None:
    key = PrivateKey(d)
    for message in messages:
        assert key.digest(message) == sm2.message_digest(key.public, message)
        assert key.digest(message, signer_id) == sm2.message_digest(key.public, message, signer_id)


@given(st.lists(st.binary(max_size=200), max_size=4))
def test_sm3_of_parts(parts: list[bytes]) -> None:
    theirs = gmalg.SM3()
    theirs.update(b"".join(parts))
    assert sm2.sm3(*parts) == theirs.value()


# Private keys


@pytest.mark.parametrize("d", [1, 2, 15, 16, 17, N // 2, N - 3, N - 2])
def test_keys_at_the_edges_sign(d: int) -> None:
    key = PrivateKey(d)
    assert key.public == point(d)
    assert key.encode() == int32(d)
    signature = key.sign(E, K)
    assert signature is not None
    assert gmssl_accepts(key.public, E, signature)
    assert sm2.verify(key.public, E, signature)


@pytest.mark.parametrize("d", [-1, 0, N - 1, N, N + 1], ids=["-1", "0", "n-1", "n", "n+1"])
def test_keys_out_of_range_are_refused(d: int) -> None:
    with pytest.raises(Sm2Error) as caught:
        PrivateKey(d)
    assert "54123" not in str(caught.value)


def test_private_keys_both_ways() -> None:
    key = PrivateKey.from_bytes(int32(D))
    assert key.encode() == int32(D)
    assert key.public == PUBLIC
    assert EXAMPLE["d"].lower() not in repr(key).lower()
    assert str(D) not in repr(key)


@pytest.mark.parametrize(
    "raw",
    [b"", int32(D)[1:], b"\0" + int32(D), bytes(32), int32(N - 1), int32(N), b"\xff" * 32],
    ids=bytes.hex,
)
def test_bytes_that_are_no_private_key(raw: bytes) -> None:
    with pytest.raises(Sm2Error) as caught:
        PrivateKey.from_bytes(raw)
    assert "54123" not in str(caught.value)


@given(private)
def test_public_keys_are_gmalgs(d: int) -> None:
    assert PrivateKey(d).public == point(d)


# Nonces. r = e + x1 mod n, so a digest can be made for any r.


def digest_for(r: int, x: int) -> bytes:
    return int32((r - x) % N)


USELESS = {
    "r = 0": (K, digest_for(0, point(K)[0])),
    "r + k = n": (K, digest_for(N - K, point(K)[0])),
    "s = 0": (K, digest_for(K * pow(D, -1, N), point(K)[0])),
    "k = 0": (0, E),
    "k = n": (N, E),
}


@pytest.mark.parametrize(("nonce", "digest"), USELESS.values(), ids=USELESS)
def test_useless_nonces_sign_nothing(nonce: int, digest: bytes) -> None:
    assert PrivateKey(D).sign(digest, nonce) is None
    other = PrivateKey(D).sign(digest, K + 1)
    assert other is not None
    assert gmssl_accepts(PUBLIC, digest, other)


@pytest.mark.parametrize("nonce", [1, 2, 15, 16, N - 2, N - 1])
def test_nonces_at_the_edges(nonce: int) -> None:
    signature = PrivateKey(D).sign(E, nonce)
    assert signature is not None
    assert signature.r == (int.from_bytes(E) + point(nonce)[0]) % N
    assert gmssl_accepts(PUBLIC, E, signature)


def test_a_nonce_counts_modulo_n() -> None:
    key = PrivateKey(D)
    assert key.sign(E, K + N) == SIGNATURE
    nonce, digest = USELESS["r + k = n"]
    assert key.sign(digest, nonce + N) is None


def test_raw_nonces_do_not_count_modulo_n() -> None:
    key = PrivateKey(D)
    assert key.sign_raw(E, int32(K)) == SIGNATURE.encode()
    for nonce, digest in USELESS.values():
        assert key.sign_raw(digest, int32(nonce)) is None
    for nonce in (N + 1, N + K % (2**256 - N), 2**256 - 1):
        assert key.sign_raw(E, int32(nonce)) is None


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_digests_and_nonces_of_another_size_are_refused(size: int) -> None:
    key = PrivateKey(D)
    with pytest.raises(Sm2Error):
        key.sign_raw(bytes(size), int32(K))
    with pytest.raises(Sm2Error):
        key.sign_raw(E, bytes(size))
    with pytest.raises(Sm2Error):
        sm2.verify(PUBLIC, bytes(size), SIGNATURE)


@pytest.mark.parametrize("beyond", [0, 1, 2**224 - 1, 2**256 - 1 - N])
def test_a_digest_counts_modulo_n(beyond: int) -> None:
    signature = PrivateKey(D).sign(int32(N + beyond), K)
    assert signature is not None
    assert signature == PrivateKey(D).sign(int32(beyond), K)
    assert sm2.verify(PUBLIC, int32(N + beyond), signature)
    assert gmssl_accepts(PUBLIC, int32(N + beyond), signature)


@given(private, scalars, digests)
def test_what_is_signed_is_accepted(d: int, k: int, digest: bytes) -> None:
    key = PrivateKey(d)
    signature = key.sign(digest, k)
    assert signature is not None
    assert gmssl_accepts(key.public, digest, signature)
    assert sm2.verify(key.public, digest, signature)


# Verifying. Each digest fits the equation, so that the range check alone refuses.

X_OF_SG = point(SIGNATURE.s)[0]
X_OF_SG_SQ = point(SIGNATURE.s * (1 + D))[0]
X_OF_RQ = point(SIGNATURE.r * D)[0]
R, S = SIGNATURE

OUT_OF_RANGE = {
    "r = 0": (Signature(0, S), digest_for(0, X_OF_SG_SQ)),
    "r = n": (Signature(N, S), digest_for(0, X_OF_SG_SQ)),
    "r + n": (Signature(R + N, S), E),
    "r - n": (Signature(R - N, S), E),
    "s = 0": (Signature(R, 0), digest_for(R, X_OF_RQ)),
    "s = n": (Signature(R, N), digest_for(R, X_OF_RQ)),
    "s + n": (Signature(R, S + N), E),
    "s - n": (Signature(R, S - N), E),
    "r + s = n": (Signature(N - S, S), digest_for(N - S, X_OF_SG)),
    "both 0": (Signature(0, 0), E),
}


@pytest.mark.parametrize(("signature", "digest"), OUT_OF_RANGE.values(), ids=OUT_OF_RANGE)
def test_numbers_out_of_range_are_refused(signature: Signature, digest: bytes) -> None:
    assert not sm2.verify(PUBLIC, digest, signature)


def test_the_point_at_infinity_is_refused(tmp_path: Path) -> None:
    # s·G = -t·Q, which is k = 0. With e = r, GmSSL 3.2 takes infinity for x = 0 and accepts; OpenSSL refuses as we do.
    s = -R * D * pow(1 + D, -1, N) % N
    assert (s + (R + s) * D) % N == 0
    for digest in (E, int32(R), int32(R - 1), digest_for(R, point(2 * s)[0])):
        assert not sm2.verify(PUBLIC, digest, Signature(R, s))
        assert not openssl_accepts(tmp_path, PUBLIC.encode(), digest, Signature(R, s))
    assert openssl_accepts(tmp_path, PUBLIC.encode(), E, SIGNATURE)


@pytest.mark.parametrize("t", [1, 2, 3, K, N - 1])
def test_equal_points_are_doubled(t: int) -> None:
    # s·G = t·Q.
    s = t * D % N
    signature = Signature((t - s) % N, s)
    digest = digest_for(signature.r, point(2 * s)[0])
    assert sm2.verify(PUBLIC, digest, signature)
    assert gmssl_accepts(PUBLIC, digest, signature)


@pytest.mark.parametrize("d", [1, 2, N - 2, N - 1])
@pytest.mark.parametrize("t", [1, 2, 3, 16, 17, N - 2])
def test_sums_with_multiples_of_the_base_point(d: int, t: int) -> None:
    # d = n-1 is no private key, but -G is a point of the curve and a public key that somebody may hand in.
    key = PublicKey(*point(d))
    for s in (5, 112, K, N - 5):
        signature = Signature((t - s) % N, s)
        digest = digest_for(signature.r, point(s + t * d)[0])
        assert sm2.verify(key, digest, signature)
        assert gmssl_accepts(key, digest, signature)


@given(scalars, scalars, digests)
def test_random_numbers_are_judged_as_gmssl_judges_them(r: int, s: int, digest: bytes) -> None:
    assert sm2.verify(PUBLIC, digest, Signature(r, s)) == gmssl_accepts(PUBLIC, digest, Signature(r, s))


@given(st.integers(0, 511))
def test_every_bit_of_a_signature_counts(bit: int) -> None:
    raw = (int.from_bytes(SIGNATURE.encode()) ^ 1 << bit).to_bytes(64)
    assert not sm2.verify(PUBLIC, E, Signature.parse(raw))


def test_another_key_is_refused() -> None:
    assert not sm2.verify(PrivateKey(D + 1).public, E, SIGNATURE)
