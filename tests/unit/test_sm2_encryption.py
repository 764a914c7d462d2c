"""SM2 encryption: the standard's example, libcrypto at every length, and every refusal."""

from __future__ import annotations

import json
import random
from pathlib import Path

import gmalg
import pytest
from Crypto.Util.asn1 import DerInteger, DerOctetString, DerSequence
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from hypothesis import given
from hypothesis import strategies as st

from protocols.sm2 import N, P, PrivateKey, PublicKey, Sm2Error
from protocols.sm2.encryption import LIMIT, Ciphertext, decrypt, encrypt, kdf
from tests.rig.libcrypto import LibcryptoError, Sm2Key, base_multiple

EXAMPLE = json.loads(
    (Path(__file__).parents[1] / "vectors" / "sm2" / "gbt32918-5-encryption.json").read_text("utf-8")
)
D, C1, C2, C3, DER = (bytes.fromhex(EXAMPLE[name]) for name in ("d", "c1", "c2", "c3", "der"))
NONCE = bytes.fromhex(EXAMPLE["k"])
PLAIN = EXAMPLE["plain"].encode()
RAW = C1 + C3 + C2
X, Y = int.from_bytes(C1[:32]), int.from_bytes(C1[32:])
CIPHER = Ciphertext(PublicKey(X, Y), C3, C2)

KEY = PrivateKey.from_bytes(D)
THEIR_KEY = Sm2Key.private(D)

# A point whose x is so small that x + p still has 32 bytes (see test_sm2.py).
SMALL_X = (1, 0x9F7A091433A81E3F218F405F792355BF2AA98B5FFA95982F03870800065279A3)


def int32(value: int) -> bytes:
    return value.to_bytes(32)


def der(*parts: int | bytes) -> bytes:
    """By PyCryptodome: integers as INTEGER, bytes as OCTET STRING."""
    encoded = [
        DerInteger(part).encode() if isinstance(part, int) else DerOctetString(part).encode()
        for part in parts
    ]
    return bytes(DerSequence(encoded).encode())


def gmalg_sm3(data: bytes) -> bytes:
    state = gmalg.SM3()
    state.update(data)
    return bytes(state.value())


# The standard's example


def test_the_standards_example() -> None:
    assert encrypt(KEY.public, PLAIN, NONCE) == CIPHER
    assert decrypt(KEY, CIPHER) == PLAIN


def test_libcrypto_opens_the_standards_example() -> None:
    assert THEIR_KEY.decrypt(DER) == PLAIN


def test_the_examples_encodings() -> None:
    assert CIPHER.encode() == RAW
    assert CIPHER.encode_der() == DER
    assert Ciphertext.parse_der(DER) == CIPHER


def test_a_point_that_begins_with_04_is_read_with_and_without_its_prefix() -> None:
    assert C1[0] == 4
    assert Ciphertext.parse(RAW) == Ciphertext.parse(b"\x04" + RAW) == CIPHER


# Other implementations; thousands of keys are in test_sm2_others.py


@pytest.mark.parametrize("lengths", [range(1, 101), range(101, 201), (4096, LIMIT)], ids=str)
def test_every_length_both_ways(lengths: range | tuple[int, ...]) -> None:
    chance = random.Random(len(lengths))
    for length in lengths:
        plain = chance.randbytes(length)
        cipher = encrypt(KEY.public, plain, int32(chance.randrange(1, N)))
        if cipher is None:
            assert length == 1  # one nonce in 256 makes a mask of one zero byte
            continue
        assert len(cipher.encode()) == 96 + length
        assert THEIR_KEY.decrypt(cipher.encode_der()) == plain, length
        assert decrypt(KEY, Ciphertext.parse(cipher.encode())) == plain, length
        assert decrypt(KEY, Ciphertext.parse_der(THEIR_KEY.encrypt(plain))) == plain, length


@pytest.mark.parametrize("prefix", [b"", b"\x04"], ids=["bare", "04"])
def test_raw_forms_of_gmalg(prefix: bytes) -> None:
    theirs = gmalg.SM2(pk=b"\x04" + KEY.public.encode()).encrypt(PLAIN)
    assert decrypt(KEY, Ciphertext.parse(prefix + theirs[1:])) == PLAIN


@given(st.binary(max_size=100), st.integers(1, 200))
def test_the_kdf_is_that_of_x9_63(shared: bytes, length: int) -> None:
    assert kdf(shared, length) == X963KDF(hashes.SM3(), length, None).derive(shared)


# Nonces


@pytest.mark.parametrize("nonce", [1, 2, 15, 16, N - 2, N - 1])
def test_nonces_at_the_edges(nonce: int) -> None:
    cipher = encrypt(KEY.public, PLAIN, int32(nonce))
    assert cipher is not None
    assert cipher.point.encode() == base_multiple(nonce)
    assert THEIR_KEY.decrypt(cipher.encode_der()) == PLAIN


@pytest.mark.parametrize("nonce", [0, N, N + 1, 2**256 - 1], ids=["0", "n", "n+1", "2^256-1"])
def test_nonces_out_of_range_encrypt_nothing(nonce: int) -> None:
    assert encrypt(KEY.public, PLAIN, int32(nonce)) is None


@pytest.mark.parametrize("size", [0, 31, 33])
def test_nonces_of_another_length_are_refused(size: int) -> None:
    with pytest.raises(Sm2Error):
        encrypt(KEY.public, PLAIN, b"\x01" * size)


def nonce_of_a_zero_mask() -> tuple[int, bytes]:
    """A nonce k whose mask begins with a zero byte, and (x₂, y₂) = k·d·G."""
    for k in range(1, 5000):
        shared = base_multiple(k * int.from_bytes(D))
        if gmalg_sm3(shared + int32(1)[-4:])[0] == 0:
            return k, shared
    raise AssertionError


def test_a_mask_of_zeros_hides_nothing() -> None:
    k, shared = nonce_of_a_zero_mask()
    assert encrypt(KEY.public, b"x", int32(k)) is None
    longer = encrypt(KEY.public, b"xy", int32(k))
    assert longer is not None
    assert THEIR_KEY.decrypt(longer.encode_der()) == b"xy"

    in_clear = Ciphertext(longer.point, gmalg_sm3(shared[:32] + b"x" + shared[32:]), b"x")
    with pytest.raises(Sm2Error):
        decrypt(KEY, in_clear)


# What is refused


@pytest.mark.parametrize("size", [0, LIMIT + 1])
def test_plaintexts_of_no_or_too_many_bytes_are_refused(size: int) -> None:
    with pytest.raises(Sm2Error):
        encrypt(KEY.public, bytes(size), NONCE)
    with pytest.raises(Sm2Error):
        decrypt(KEY, CIPHER._replace(data=bytes(size)))
    for length in (size, -1):
        with pytest.raises(Sm2Error):
            kdf(b"shared", length)


def test_another_key_is_refused() -> None:
    with pytest.raises(Sm2Error):
        decrypt(PrivateKey(int.from_bytes(D) + 1), CIPHER)


def test_every_byte_of_a_ciphertext_counts() -> None:
    for at in range(len(RAW)):
        altered = bytearray(RAW)
        altered[at] ^= 0x80
        with pytest.raises(Sm2Error):
            decrypt(KEY, Ciphertext.parse(bytes(altered)))


@given(st.integers(64, len(RAW) - 1), st.integers(1, 255))
def test_another_hash_or_data_is_refused(at: int, change: int) -> None:
    altered = bytearray(RAW)
    altered[at] ^= change
    with pytest.raises(Sm2Error):
        decrypt(KEY, Ciphertext.parse(bytes(altered)))


def test_the_refusal_does_not_tell_the_plaintext() -> None:
    with pytest.raises(Sm2Error) as caught:
        decrypt(KEY, CIPHER._replace(hash=bytes(32)))
    assert EXAMPLE["plain"] not in str(caught.value)
    assert not caught.value.values


OFF_THE_CURVE = {
    "y + 1": (X, Y + 1),
    "infinity as zeros": (0, 0),
    "all ones": (2**256 - 1, 2**256 - 1),
    "x + p": (SMALL_X[0] + P, SMALL_X[1]),
    "swapped": (Y, X),
}


@pytest.mark.parametrize("point", OFF_THE_CURVE.values(), ids=OFF_THE_CURVE)
def test_a_point_off_the_curve_is_refused(point: tuple[int, int]) -> None:
    with pytest.raises(Sm2Error):
        Ciphertext.parse(int32(point[0]) + int32(point[1]) + C3 + C2)
    with pytest.raises(Sm2Error):
        Ciphertext.parse_der(der(*point, C3, C2))
    with pytest.raises(Sm2Error):
        decrypt(KEY, CIPHER._replace(point=PublicKey(*point)))
    with pytest.raises(Sm2Error):
        encrypt(PublicKey(*point), PLAIN, NONCE)


def test_the_smallest_point_is_accepted_below_p() -> None:
    assert Ciphertext.parse_der(der(*SMALL_X, C3, C2)).point == SMALL_X


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x04", id="a prefix"),
        pytest.param(b"\x00" + C3 + C2, id="infinity as one byte"),
        pytest.param(C1, id="a point"),
        pytest.param(C1 + C3[:-1], id="half a hash"),
        pytest.param(C1 + C3, id="no data"),
        pytest.param(b"\x04" + C1 + C3, id="no data behind 04"),
        pytest.param(b"\x02" + C1[:32] + C3 + C2, id="compressed"),
        pytest.param(b"\x06" + RAW, id="mixed"),
        pytest.param(b"\x05" + RAW, id="another prefix"),
        pytest.param(b"\x04\x04" + RAW, id="two prefixes"),
        pytest.param(DER, id="DER"),
    ],
)
def test_what_is_no_ciphertext_is_refused(raw: bytes) -> None:
    with pytest.raises(Sm2Error):
        Ciphertext.parse(raw)


@given(st.binary(max_size=200))
def test_any_bytes_as_a_ciphertext(raw: bytes) -> None:
    with pytest.raises(Sm2Error):
        Ciphertext.parse(raw)


# DER

BODY = DER[2:]


@given(st.integers(1, N - 1), st.binary(min_size=1, max_size=300))
def test_der_is_pycryptodomes(k: int, data: bytes) -> None:
    point = base_multiple(k)
    cipher = Ciphertext(PublicKey.parse(point), C3, data)
    theirs = der(cipher.point.x, cipher.point.y, C3, data)
    assert cipher.encode_der() == theirs
    assert Ciphertext.parse_der(theirs) == cipher


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(bytes.fromhex("3000"), id="empty sequence"),
        pytest.param(RAW, id="raw"),
        pytest.param(DER + b"\0", id="trailing"),
        pytest.param(der(X, Y, C3), id="three fields"),
        pytest.param(der(X, Y, C3, C2, C2), id="five fields"),
        pytest.param(der(X, Y, C2, C3), id="C1 C2 C3"),
        pytest.param(der(X, Y, C3[:-1], C2), id="hash of 31 bytes"),
        pytest.param(der(X, Y, C3 + b"\0", C2), id="hash of 33 bytes"),
        pytest.param(der(X, Y, C3, b""), id="no data"),
        pytest.param(der(X, Y, C3, bytes(LIMIT + 128)), id="too much data"),
        pytest.param(der(X, -Y, C3, C2), id="negative"),
        pytest.param(der(X, Y - P, C3, C2), id="negative, the same modulo p"),
        pytest.param(der(X, Y + P, C3, C2), id="y + p"),
        pytest.param(der(X + 2**256, Y, C3, C2), id="257 bits"),
        pytest.param(der(X, 2**20000 + 1, C3, C2), id="20001 bits"),
        pytest.param(b"\x31" + DER[1:], id="a set"),
        pytest.param(b"\x30\x81" + DER[1:], id="long length"),
        pytest.param(b"\x30\x82\x00" + DER[1:], id="longer length"),
        pytest.param(b"\x30\x84\xff\xff\xff\xff" + BODY, id="length of 4 GiB"),
        pytest.param(b"\x30\xfe" + b"\xff" * 126 + BODY, id="length of 126 bytes"),
        pytest.param(b"\x30\x80" + BODY + b"\0\0", id="indefinite length"),
        pytest.param(b"\x30\x7d\x02\x21\x00" + BODY[2:], id="padded x"),
        pytest.param(b"\x30\x7b\x02\x20" + BODY[2:34] + b"\x02\x20" + BODY[37:], id="y without its zero"),
        pytest.param(b"\x30\x80" * 5000, id="nested"),
        pytest.param(DER[:-21] + b"\x24\x15" + DER[-21:], id="constructed data"),
        pytest.param(
            b"\x30\x80" + BODY[:-21] + b"\x24\x80" + DER[-21:] + b"\0\0\0\0", id="indefinite constructed data"
        ),
    ],
)
def test_bad_der_is_refused(bad: bytes) -> None:
    with pytest.raises(Sm2Error):
        Ciphertext.parse_der(bad)


def test_der_cut_short_is_refused() -> None:
    for end in range(len(DER)):
        with pytest.raises(Sm2Error):
            Ciphertext.parse_der(DER[:end])


@given(st.binary(max_size=150), st.integers(0, len(DER) - 1), st.integers(1, 255))
def test_any_der_parses_or_raises(raw: bytes, at: int, change: int) -> None:
    altered = bytearray(DER)
    altered[at] ^= change
    for candidate in (raw, bytes(altered)):
        try:
            cipher = Ciphertext.parse_der(candidate)
        except Sm2Error:
            continue
        assert cipher.encode_der() == candidate
        with pytest.raises(Sm2Error):
            decrypt(KEY, cipher)
        with pytest.raises(LibcryptoError):
            THEIR_KEY.decrypt(candidate)
