"""Encodings of SM2 keys and signatures: both ways, and whatever else is refused."""

from __future__ import annotations

import json
from pathlib import Path

import gmalg
import pytest
from Crypto.Util.asn1 import DerSequence
from hypothesis import given
from hypothesis import strategies as st

from protocols.sm2 import P, PublicKey, Signature, Sm2Error

VECTORS = Path(__file__).parents[1] / "vectors"
EXAMPLE = json.loads((VECTORS / "sm2" / "gbt32918-5.json").read_text("utf-8"))
PUBLIC = PublicKey(int(EXAMPLE["x"], 16), int(EXAMPLE["y"], 16))
R, S = SIGNATURE = Signature(int(EXAMPLE["r"], 16), int(EXAMPLE["s"], 16))


def int32(value: int) -> bytes:
    return value.to_bytes(32)


def der(r: int, s: int) -> bytes:
    """By PyCryptodome."""
    return bytes(DerSequence([r, s]).encode())


# Encodings of public keys

POINT = bytes.fromhex(EXAMPLE["x"] + EXAMPLE["y"])
# Points whose coordinate is so small that coordinate + p still has 32 bytes. Found with the cubic's roots and checked
# with gmalg below.
SMALL_X = (1, 0x9F7A091433A81E3F218F405F792355BF2AA98B5FFA95982F03870800065279A3)
SMALL_Y = (0x9C17043EFFE1A805A74A9A5E70B9D659705D3242094A566DC016F49311178D1F, 1)


def test_public_keys_both_ways() -> None:
    assert PublicKey.parse(POINT) == PublicKey.parse(b"\x04" + POINT) == PUBLIC
    assert PUBLIC.encode() == POINT


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0",
        POINT[:32],
        POINT[:63],
        POINT + b"\0",
        b"\x04" + POINT[:-1],
        b"\x04" + POINT + b"\0",
        b"\x06" + POINT,
        b"\x02" + POINT[:32],
        bytes(64),
        POINT[:63] + bytes((POINT[63] ^ 1,)),
        POINT[32:] + POINT[:32],
        b"\xff" * 64,
    ],
    ids=lambda raw: f"{len(raw)}-{raw[:2].hex()}",
)
def test_what_is_no_point_is_refused(raw: bytes) -> None:
    with pytest.raises(Sm2Error):
        PublicKey.parse(raw)


@pytest.mark.parametrize(("x", "y"), [SMALL_X, SMALL_Y], ids=["x", "y"])
def test_coordinates_beyond_the_field_are_refused(x: int, y: int) -> None:
    assert gmalg.SM2().verify_pk(b"\x04" + int32(x) + int32(y))
    assert PublicKey.parse(int32(x) + int32(y)) == (x, y)
    beyond = int32(x + P) + int32(y) if x == 1 else int32(x) + int32(y + P)
    with pytest.raises(Sm2Error):
        PublicKey.parse(beyond)


@given(st.binary(min_size=60, max_size=68))
def test_any_bytes_as_a_public_key(raw: bytes) -> None:
    with pytest.raises(Sm2Error):
        PublicKey.parse(raw)


# Encodings of signatures

GOOD = der(R, S)


def test_signatures_both_ways() -> None:
    assert SIGNATURE.encode() == bytes.fromhex(EXAMPLE["r"] + EXAMPLE["s"])
    assert Signature.parse(SIGNATURE.encode()) == SIGNATURE
    assert SIGNATURE.encode_der() == GOOD
    assert Signature.parse_der(GOOD) == SIGNATURE


@pytest.mark.parametrize("size", [0, 32, 63, 65, 68, 128])
def test_signatures_of_another_length_are_refused(size: int) -> None:
    with pytest.raises(Sm2Error):
        Signature.parse(bytes(size))


@given(st.integers(0, 2**256 - 1), st.integers(0, 2**256 - 1))
def test_der_is_pycryptodomes(r: int, s: int) -> None:
    assert Signature(r, s).encode_der() == der(r, s)
    assert Signature.parse_der(der(r, s)) == (r, s)
    assert Signature.parse(Signature(r, s).encode()) == (r, s)


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(bytes.fromhex("3000"), id="empty sequence"),
        pytest.param(bytes.fromhex("3003020101"), id="one integer"),
        pytest.param(bytes.fromhex("3009020101020101020101"), id="three integers"),
        pytest.param(bytes.fromhex("3106020101020101"), id="a set"),
        pytest.param(bytes.fromhex("3006040101020101"), id="an octet string"),
        pytest.param(bytes.fromhex("3006020181020101"), id="negative"),
        pytest.param(bytes.fromhex("300702020001020101"), id="padded integer"),
        pytest.param(bytes.fromhex("308106020101020101"), id="long length"),
        pytest.param(bytes.fromhex("30800201010201010000"), id="indefinite length"),
        pytest.param(GOOD + b"\0", id="trailing"),
        pytest.param(der(2**256, 1), id="r of 257 bits"),
        pytest.param(der(1, 2**2048), id="s of 2049 bits"),
        pytest.param(SIGNATURE.encode(), id="raw"),
    ],
)
def test_bad_der_is_refused(bad: bytes) -> None:
    with pytest.raises(Sm2Error):
        Signature.parse_der(bad)


def test_der_cut_short_is_refused() -> None:
    for end in range(len(GOOD)):
        with pytest.raises(Sm2Error):
            Signature.parse_der(GOOD[:end])


@given(st.binary(max_size=80), st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_any_der_parses_or_raises(raw: bytes, at: int, change: int) -> None:
    altered = bytearray(GOOD)
    altered[at] ^= change
    for candidate in (raw, bytes(altered)):
        try:
            signature = Signature.parse_der(candidate)
        except Sm2Error:
            continue
        assert signature.encode_der() == candidate
        assert len(signature.encode()) == 64
