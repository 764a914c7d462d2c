"""Enveloped key pairs: published ones, ones sealed and opened by OpenSSL, and every refusal."""

from __future__ import annotations

import json
import random
import re
import subprocess
from pathlib import Path

import pytest
from Crypto.Util.asn1 import DerBitString, DerNull, DerObjectId, DerOctetString, DerSequence
from hypothesis import given
from hypothesis import strategies as st

from protocols.sm2 import N, PrivateKey, PublicKey, Sm2Error
from protocols.sm2.envelope import SM4_ECB, EnvelopedKey, unwrap, wrap
from tests.rig.libcrypto import Sm2Key

PUBLISHED = json.loads(
    (Path(__file__).parents[1] / "vectors" / "sm2" / "enveloped-keys.json").read_text("utf-8")
)
HETU, GMSM = PUBLISHED

OID = "1.2.156.10197.1.104.1"
ENVELOPE = bytes.fromhex(HETU["der"])
SIGNATURE_D = bytes.fromhex(HETU["signature_key"])
SIGNATURE_KEY = PrivateKey.from_bytes(SIGNATURE_D)
PRIVATE_D = bytes.fromhex(HETU["private_key"])
PRIVATE_KEY = PrivateKey.from_bytes(PRIVATE_D)
SM4_KEY = bytes.fromhex(HETU["key"])
NONCE = (12345).to_bytes(32)


# The other implementations


def openssl(*arguments: str, data: bytes) -> bytes:
    return subprocess.run(["openssl", *arguments], input=data, capture_output=True, check=True).stdout


def openssl_sm4(direction: str, key: bytes, data: bytes) -> bytes:
    return openssl("enc", "-sm4-ecb", direction, "-nopad", "-K", key.hex(), data=data)


def bits(data: bytes) -> bytes:
    return bytes(DerBitString(data).encode())


def identifier(oid: str, parameters: bytes = DerNull().encode()) -> bytes:
    return bytes(DerSequence([DerObjectId(oid).encode(), *([parameters] if parameters else [])]).encode())


def der(algorithm: bytes, wrapped: bytes, public: bytes, encrypted: bytes, *more: bytes) -> bytes:
    """By PyCryptodome."""
    return bytes(DerSequence([algorithm, wrapped, public, encrypted, *more]).encode())


WRAPPED = Sm2Key.private(SIGNATURE_D).encrypt(SM4_KEY)
PUBLIC = b"\x04" + Sm2Key.private(PRIVATE_D).point
ENCRYPTED = openssl_sm4("-e", SM4_KEY, PRIVATE_D)
PARTS = (identifier(OID), WRAPPED, bits(PUBLIC), bits(ENCRYPTED))


def sealed_by_openssl(private: bytes, public: bytes, to: bytes, key: bytes) -> bytes:
    wrapped = Sm2Key.public(to).encrypt(key)
    return der(identifier(OID), wrapped, bits(public), bits(openssl_sm4("-e", key, private)))


# Published envelopes


def test_a_published_envelope() -> None:
    enveloped = EnvelopedKey.parse_der(ENVELOPE)
    assert enveloped.algorithm == SM4_ECB == 0x401
    assert enveloped.public == PRIVATE_KEY.public
    assert unwrap(enveloped, SIGNATURE_KEY).encode() == PRIVATE_D
    assert enveloped.encode_der() == ENVELOPE


def test_a_published_envelope_with_another_identifier_is_refused() -> None:
    raw = bytes.fromhex(GMSM["der"])
    with pytest.raises(Sm2Error):
        EnvelopedKey.parse_der(raw)
    at = raw.index(DerObjectId(GMSM["algorithm"]).encode())
    ecb = raw[:at] + DerObjectId(OID).encode() + raw[at + 10 :]
    opened = unwrap(EnvelopedKey.parse_der(ecb), PrivateKey.from_bytes(bytes.fromhex(GMSM["signature_key"])))
    assert opened.encode() == bytes.fromhex(GMSM["private_key"])


# OpenSSL


@pytest.mark.parametrize("seed", range(10))
def test_openssl_opens_ours(seed: int) -> None:
    chance = random.Random(seed)
    d, private = (int(chance.randrange(1, N - 1)).to_bytes(32) for _ in range(2))
    signature_key, key = Sm2Key.private(d), chance.randbytes(16)
    to = PublicKey.parse(signature_key.point)
    enveloped = wrap(PrivateKey.from_bytes(private), to, key, chance.randrange(1, N).to_bytes(32))
    assert enveloped is not None
    assert signature_key.decrypt(enveloped.wrapped.encode_der()) == key
    assert openssl_sm4("-d", key, enveloped.encrypted) == private
    assert enveloped.public.encode() == Sm2Key.private(private).point
    assert (
        unwrap(EnvelopedKey.parse_der(enveloped.encode_der()), PrivateKey.from_bytes(d)).encode() == private
    )


@pytest.mark.parametrize("seed", range(10))
def test_ours_opens_openssls(seed: int) -> None:
    chance = random.Random(seed)
    d, private = (int(chance.randrange(1, N - 1)).to_bytes(32) for _ in range(2))
    points = [b"\x04" + Sm2Key.private(private).point, Sm2Key.private(d).point]
    raw = sealed_by_openssl(private, points[0], points[1], chance.randbytes(16))
    enveloped = EnvelopedKey.parse_der(raw)
    assert unwrap(enveloped, PrivateKey.from_bytes(d)).encode() == private
    assert enveloped.encode_der() == raw


def test_openssl_reads_the_structure() -> None:
    enveloped = wrap(PRIVATE_KEY, SIGNATURE_KEY.public, SM4_KEY, NONCE)
    assert enveloped is not None
    listing = openssl("asn1parse", "-inform", "DER", data=enveloped.encode_der()).decode()
    found = re.findall(r"d=(\d).*?(?:cons|prim): +([A-Z]+(?: STRING)?)", listing)
    assert [" ".join(pair) for pair in found] == [
        "0 SEQUENCE",
        "1 SEQUENCE",
        "2 OBJECT",
        "2 NULL",
        "1 SEQUENCE",
        "2 INTEGER",
        "2 INTEGER",
        "2 OCTET STRING",
        "2 OCTET STRING",
        "1 BIT STRING",
        "1 BIT STRING",
    ]
    assert ":sm4-ecb" in listing


# Wrapping


@pytest.mark.parametrize("nonce", [0, N])
def test_a_nonce_out_of_range_wraps_nothing(nonce: int) -> None:
    assert wrap(PRIVATE_KEY, SIGNATURE_KEY.public, SM4_KEY, nonce.to_bytes(32)) is None


@pytest.mark.parametrize("size", [0, 15, 17, 32])
def test_sm4_keys_of_another_length_are_refused(size: int) -> None:
    with pytest.raises(Sm2Error):
        wrap(PRIVATE_KEY, SIGNATURE_KEY.public, bytes(size), NONCE)


def test_a_receiver_off_the_curve_is_refused() -> None:
    with pytest.raises(Sm2Error):
        wrap(PRIVATE_KEY, PublicKey(1, 1), SM4_KEY, NONCE)


# Unwrapping


def test_another_signature_key_is_refused() -> None:
    with pytest.raises(Sm2Error):
        unwrap(EnvelopedKey.parse_der(ENVELOPE), PRIVATE_KEY)


def test_a_private_key_of_another_public_key_is_refused() -> None:
    enveloped = EnvelopedKey.parse_der(ENVELOPE)
    with pytest.raises(Sm2Error):
        unwrap(enveloped._replace(public=SIGNATURE_KEY.public), SIGNATURE_KEY)


@pytest.mark.parametrize("d", [0, N - 1, N, 2**256 - 1], ids=["0", "n-1", "n", "2^256-1"])
def test_what_is_no_private_key_is_refused(d: int) -> None:
    raw = sealed_by_openssl(d.to_bytes(32), PUBLIC, SIGNATURE_KEY.public.encode(), SM4_KEY)
    with pytest.raises(Sm2Error):
        unwrap(EnvelopedKey.parse_der(raw), SIGNATURE_KEY)


@pytest.mark.parametrize("size", [1, 15, 17, 32])
def test_a_wrapped_key_of_another_length_is_refused(size: int) -> None:
    wrapped = Sm2Key.private(SIGNATURE_D).encrypt(bytes(size))
    with pytest.raises(Sm2Error):
        unwrap(EnvelopedKey.parse_der(der(PARTS[0], wrapped, *PARTS[2:])), SIGNATURE_KEY)


@given(st.integers(0, 31), st.integers(1, 255))
def test_an_altered_private_key_is_refused(at: int, change: int) -> None:
    enveloped = EnvelopedKey.parse_der(ENVELOPE)
    altered = bytearray(enveloped.encrypted)
    altered[at] ^= change
    with pytest.raises(Sm2Error):
        unwrap(enveloped._replace(encrypted=bytes(altered)), SIGNATURE_KEY)


@pytest.mark.parametrize(
    ("oid", "code"),
    [
        ("1.2.156.10197.1.102", 0x101),
        ("1.2.156.10197.1.102.1", 0x101),
        ("1.2.156.10197.1.103", 0x201),
        ("1.2.156.10197.1.103.1", 0x201),
    ],
)
def test_secret_ciphers_are_read_but_not_opened(oid: str, code: int) -> None:
    enveloped = EnvelopedKey.parse_der(der(identifier(oid), *PARTS[1:]))
    assert enveloped.algorithm == code
    with pytest.raises(Sm2Error, match="secret"):
        unwrap(enveloped, SIGNATURE_KEY)
    mode = oid if oid.endswith(".1") else f"{oid}.1"
    assert enveloped.encode_der() == der(identifier(mode), *PARTS[1:])


@pytest.mark.parametrize("code", [0, 0x400, 0x402, 0x410])
def test_other_modes_are_neither_opened_nor_written(code: int) -> None:
    enveloped = EnvelopedKey.parse_der(ENVELOPE)._replace(algorithm=code)
    with pytest.raises(Sm2Error):
        unwrap(enveloped, SIGNATURE_KEY)
    with pytest.raises(Sm2Error):
        enveloped.encode_der()


@pytest.mark.parametrize("oid", [OID, "1.2.156.10197.1.104"])
@pytest.mark.parametrize("parameters", [b"", DerNull().encode()], ids=["absent", "NULL"])
def test_every_way_to_say_sm4_is_read(oid: str, parameters: bytes) -> None:
    enveloped = EnvelopedKey.parse_der(der(identifier(oid, parameters), *PARTS[1:]))
    assert enveloped.algorithm == SM4_ECB
    assert unwrap(enveloped, SIGNATURE_KEY).encode() == PRIVATE_D
    assert enveloped.encode_der() == der(*PARTS)


# DER

BODY = ENVELOPE[3:]


def nested(depth: int) -> bytes:
    """Sequences in sequences, each of a definite length."""
    inner = bytes(DerNull().encode())
    for _ in range(depth):
        inner = bytes(DerSequence([inner]).encode())
    return inner


OUTSIDE = PUBLIC[:-1] + bytes((PUBLIC[-1] ^ 1,))

BAD = {
    "nothing": b"",
    "empty sequence": bytes.fromhex("3000"),
    "trailing": ENVELOPE + b"\0",
    "a field too many": der(*PARTS, bits(ENCRYPTED)),
    "a field too few": bytes(DerSequence(list(PARTS[:3])).encode()),
    "a bare identifier": der(DerObjectId(OID).encode(), *PARTS[1:]),
    "CBC": der(identifier("1.2.156.10197.1.104.2"), *PARTS[1:]),
    "AES": der(identifier("2.16.840.1.101.3.4.1.1"), *PARTS[1:]),
    "an IV": der(identifier(OID, DerOctetString(bytes(16)).encode()), *PARTS[1:]),
    "no identifier": der(bytes.fromhex("3000"), *PARTS[1:]),
    "an empty identifier": der(bytes.fromhex("30020600"), *PARTS[1:]),
    "a cut identifier": der(bytes.fromhex("30030601ff"), *PARTS[1:]),
    "an endless identifier": der(bytes.fromhex("308203e8068203e4") + b"\xff" * 996, *PARTS[1:]),
    "no ciphertext": der(PARTS[0], PARTS[0], *PARTS[2:]),
    "public key off the curve": der(*PARTS[:2], bits(OUTSIDE), PARTS[3]),
    "compressed public key": der(*PARTS[:2], bits(b"\x02" + PUBLIC[1:33]), PARTS[3]),
    "bare public key": der(*PARTS[:2], bits(PUBLIC[1:]), PARTS[3]),
    "public key with two prefixes": der(*PARTS[:2], bits(b"\x04" + PUBLIC), PARTS[3]),
    "mixed public key": der(*PARTS[:2], bits(b"\x06" + PUBLIC[1:]), PARTS[3]),
    "no public key": der(*PARTS[:2], bits(b""), PARTS[3]),
    "private key of 31 bytes": der(*PARTS[:3], bits(ENCRYPTED[:31])),
    "padded private key": der(*PARTS[:3], bits(ENCRYPTED + bytes(16))),
    "empty bit string": der(*PARTS[:3], bytes.fromhex("0300")),
    "unused bits": der(*PARTS[:3], bytes.fromhex("032101") + ENCRYPTED[:-1] + b"\0"),
    "an octet string": der(*PARTS[:3], DerOctetString(ENCRYPTED).encode()),
    "indefinite length": b"\x30\x80" + BODY + b"\0\0",
    "longer length": b"\x30\x82\x00" + ENVELOPE[2:],
    "length of 4 GiB": b"\x30\x84\xff\xff\xff\xff" + BODY,
    "length of 126 bytes": b"\x30\xfe" + b"\xff" * 126 + BODY,
    "a set": b"\x31" + ENVELOPE[1:],
    "nested": b"\x30\x80" * 5000,
    "nested extra field": der(*PARTS, nested(2000)),
    "a huge identifier": der(bytes.fromhex("3082ea64 0682ea60") + b"\x81" * 59999 + b"\x01", *PARTS[1:]),
    "a wrapped key of 400 bytes": der(PARTS[0], Sm2Key.private(SIGNATURE_D).encrypt(bytes(400)), *PARTS[2:]),
    "nested parameters": der(identifier(OID, nested(2000)), *PARTS[1:]),
    "nested field of the identifier": der(identifier(OID, DerNull().encode() + nested(2000)), *PARTS[1:]),
    "parameters of an unknown type": der(identifier(OID, bytes.fromhex("0700")), *PARTS[1:]),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_bad_der_is_refused(bad: bytes) -> None:
    with pytest.raises(Sm2Error):
        EnvelopedKey.parse_der(bad)


def test_der_cut_short_is_refused() -> None:
    for end in range(len(ENVELOPE)):
        with pytest.raises(Sm2Error):
            EnvelopedKey.parse_der(ENVELOPE[:end])


@given(st.binary(max_size=150), st.integers(0, len(ENVELOPE) - 1), st.integers(1, 255))
def test_any_der_parses_or_raises(raw: bytes, at: int, change: int) -> None:
    altered = bytearray(ENVELOPE)
    altered[at] ^= change
    for candidate in (raw, bytes(altered)):
        try:
            enveloped = EnvelopedKey.parse_der(candidate)
        except Sm2Error:
            continue
        with pytest.raises(Sm2Error):
            unwrap(enveloped, SIGNATURE_KEY)
