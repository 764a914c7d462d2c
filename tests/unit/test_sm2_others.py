"""SM2 with many random keys, in both directions: libcrypto for all, GmSSL for many, gmalg for a few.

A failure names the seed of its key.
"""

from __future__ import annotations

import random
from typing import NamedTuple

import gmalg
import gmssl_pyx
import pytest
from Crypto.Util.asn1 import DerSequence

from protocols.sm2 import DEFAULT_ID, N, PrivateKey, PublicKey, Signature, message_digest, verify
from protocols.sm2.encryption import Ciphertext, decrypt, encrypt
from tests.rig.libcrypto import LibcryptoError, Sm2Key


class Case(NamedTuple):
    """One random key with what it signs and what is encrypted for it."""

    seed: int
    d: bytes
    key: PrivateKey
    nonce: int
    digest: bytes
    signer_id: bytes
    message: bytes
    plain: bytes

    @classmethod
    def of(cls, seed: int) -> Case:
        chance = random.Random(seed)
        d = int(chance.randrange(1, N - 1)).to_bytes(32)
        return cls(
            seed,
            d,
            PrivateKey.from_bytes(d),
            chance.randrange(1, N),
            chance.randbytes(32),
            DEFAULT_ID if seed % 2 else chance.randbytes(chance.randrange(1, 40)),
            chance.randbytes(chance.randrange(200)),
            chance.randbytes(chance.randrange(2, 200)),
        )

    @property
    def public(self) -> PublicKey:
        return self.key.public

    @property
    def other_digest(self) -> bytes:
        return bytes((self.digest[0] ^ 1,)) + self.digest[1:]

    def signature(self) -> Signature:
        signature = self.key.sign(self.digest, self.nonce)
        assert signature is not None, self.seed
        return signature

    def ciphertext(self) -> Ciphertext:
        cipher = encrypt(self.public, self.plain, self.nonce.to_bytes(32))
        assert cipher is not None, self.seed
        return cipher


def altered(cipher: Ciphertext) -> Ciphertext:
    return cipher._replace(data=bytes((cipher.data[0] ^ 1,)) + cipher.data[1:])


# libcrypto


def with_libcrypto(case: Case) -> None:
    theirs = Sm2Key.private(case.d)
    assert case.public.encode() == theirs.point, case.seed
    sign_with_libcrypto(case, theirs)
    encrypt_with_libcrypto(case, theirs)


def sign_with_libcrypto(case: Case, theirs: Sm2Key) -> None:
    ours = case.signature()
    assert theirs.verify(case.digest, ours.encode_der()), case.seed
    assert not theirs.verify(case.other_digest, ours.encode_der()), case.seed
    raw = case.key.sign_raw(case.digest, case.nonce.to_bytes(32))
    assert raw == ours.encode(), case.seed
    signature = Signature.parse_der(theirs.sign(case.digest))
    assert verify(case.public, case.digest, signature), case.seed
    assert not verify(case.public, case.other_digest, signature), case.seed


def encrypt_with_libcrypto(case: Case, theirs: Sm2Key) -> None:
    ours = case.ciphertext()
    assert theirs.decrypt(ours.encode_der()) == case.plain, case.seed
    with pytest.raises(LibcryptoError):
        theirs.decrypt(altered(ours).encode_der())
    assert decrypt(case.key, Ciphertext.parse_der(theirs.encrypt(case.plain))) == case.plain, case.seed


def sign_messages_with_libcrypto(case: Case) -> None:
    theirs = Sm2Key.private(case.d)
    digest = case.key.digest(case.message, case.signer_id)
    assert digest == message_digest(case.public, case.message, case.signer_id), case.seed
    ours = case.key.sign(digest, case.nonce)
    assert ours is not None, case.seed
    assert theirs.verify_message(case.message, case.signer_id, ours.encode_der()), case.seed
    assert not theirs.verify_message(case.message, case.signer_id + b"\0", ours.encode_der()), case.seed
    signature = Signature.parse_der(theirs.sign_message(case.message, case.signer_id))
    assert verify(case.public, digest, signature), case.seed


@pytest.mark.parametrize("start", range(0, 1000, 250))
def test_keys_both_ways_with_libcrypto(start: int) -> None:
    for seed in range(start, start + 250):
        with_libcrypto(Case.of(seed))


def test_messages_both_ways_with_libcrypto() -> None:
    for seed in range(200):
        sign_messages_with_libcrypto(Case.of(seed))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("start", range(10_000, 16_000, 1000))
def test_many_keys_both_ways_with_libcrypto(start: int) -> None:
    for seed in range(start, start + 1000):
        case = Case.of(seed)
        with_libcrypto(case)
        sign_messages_with_libcrypto(case)


# GmSSL


def with_gmssl(case: Case) -> None:
    point = case.public.encode()
    ours = case.signature().encode_der()
    assert gmssl_pyx.sm2_verify_sm3_digest(point, case.digest, ours), case.seed
    signature = Signature.parse_der(gmssl_pyx.sm2_sign_sm3_digest(case.d, case.digest))
    assert verify(case.public, case.digest, signature), case.seed

    assert gmssl_pyx.sm2_decrypt(case.d, case.ciphertext().encode_der()) == case.plain, case.seed
    theirs = Ciphertext.parse_der(gmssl_pyx.sm2_encrypt(point, case.plain))
    assert decrypt(case.key, theirs) == case.plain, case.seed


def test_keys_both_ways_with_gmssl() -> None:
    for seed in range(1000, 1300):
        with_gmssl(Case.of(seed))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("start", range(20_000, 25_000, 1000))
def test_many_keys_both_ways_with_gmssl(start: int) -> None:
    for seed in range(start, start + 1000):
        with_gmssl(Case.of(seed))


# gmalg


def with_gmalg(case: Case) -> None:
    public = b"\x04" + case.public.encode()
    theirs = gmalg.SM2(case.d, case.signer_id, public)
    digest = case.key.digest(case.message, case.signer_id)
    ours = case.key.sign(digest, case.nonce)
    assert ours is not None, case.seed
    assert theirs.verify(case.message, ours.r.to_bytes(32), ours.s.to_bytes(32)), case.seed
    r, s = theirs.sign(case.message)
    assert verify(case.public, digest, Signature(int.from_bytes(r), int.from_bytes(s))), case.seed

    with_the_same_nonce = gmalg.SM2(pk=public, rnd_fn=lambda bits: case.nonce)
    assert with_the_same_nonce.encrypt(case.plain) == b"\x04" + case.ciphertext().encode(), case.seed
    assert theirs.decrypt(b"\x04" + case.ciphertext().encode()) == case.plain, case.seed
    assert decrypt(case.key, Ciphertext.parse(theirs.encrypt(case.plain))) == case.plain, case.seed


def test_keys_both_ways_with_gmalg() -> None:
    for seed in range(2000, 2010):
        with_gmalg(Case.of(seed))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_many_keys_both_ways_with_gmalg() -> None:
    for seed in range(30_000, 30_300):
        with_gmalg(Case.of(seed))


# The raw forms


def test_points_that_begin_with_04_are_told_from_the_prefix() -> None:
    """One point in 256 does: with and without the prefix 04 the ciphertext is the same."""
    begun = 0
    for seed in range(3000, 3600):
        case = Case.of(seed)
        raw = case.ciphertext().encode()
        begun += raw[0] == 4
        assert Ciphertext.parse(raw) == Ciphertext.parse(b"\x04" + raw), seed
    assert begun


def test_decoding_keeps_every_leading_zero() -> None:
    """DER integers of fewer than 32 bytes: one coordinate in 256 begins with a zero byte."""
    short: set[int] = set()
    der = DerSequence()
    for seed in range(4000, 4600):
        cipher = Case.of(seed).ciphertext()
        der.decode(cipher.encode_der())
        short |= {len(part.to_bytes(32).lstrip(b"\0")) for part in der[:2]}
        assert Ciphertext.parse_der(cipher.encode_der()) == cipher, seed
    assert min(short) < 32
