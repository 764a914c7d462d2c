"""Operations with keys that come with the command, against pycryptodome, gmalg and libcrypto (G18, G29, G30)."""

from __future__ import annotations

import secrets

import pytest
from asn1crypto.algos import DSASignature
from Crypto.Cipher import PKCS1_v1_5
from Crypto.Hash import SHA256
from Crypto.PublicKey import RSA
from Crypto.Signature import pkcs1_15

from protocols import sm2
from protocols.gmt import HashAlgorithm, RsaPublicKey, SignInput
from tests.rig.dialects import every_dialect
from tests.rig.good_objects import (
    counted,
    external_sm2,
    rsa_pair,
    rsa_private,
    rsa_public,
    sm2_encrypted,
    sm2_pair,
)
from tests.rig.key import KeyRig
from tests.rig.libcrypto import Sm2Key

PLAIN = b"A secret for one reader. " * 40


def der(signature: sm2.Signature) -> bytes:
    return bytes(DSASignature({"r": signature.r, "s": signature.s}).dump())


@every_dialect
def test_a_new_rsa_pair_belongs_together(rig: KeyRig, dialect: str) -> None:
    key = rig.session.generate_external_rsa(1024)
    assert key.n.bit_length() == 1024
    RSA.construct((key.n, key.e, key.d, key.p, key.q), consistency_check=True)
    assert (key.dp, key.dq) == (key.d % (key.p - 1), key.d % (key.q - 1))
    assert key.qinv == pow(key.q, -1, key.p)
    assert rig.session.generate_external_rsa(1024).n != key.n


@pytest.mark.limits(max_apdu_data=256)
def test_a_long_answer_comes_in_pieces(rig: KeyRig) -> None:
    key = rig.session.generate_external_rsa(2048)
    assert key.p * key.q == key.n
    assert key.n.bit_length() == 2048


def test_nothing_of_a_new_pair_stays_on_the_key(rig: KeyRig) -> None:
    before = rig.session.device_info().free_space
    rig.session.generate_external_rsa(1024)
    assert rig.session.device_info().free_space == before


@every_dialect
def test_bare_rsa(rig: KeyRig, dialect: str) -> None:
    pair = rsa_pair()
    block = (3).to_bytes(1) + bytes(95) + secrets.token_bytes(32)
    raised = pow(int.from_bytes(block), pair.e, pair.n).to_bytes(128)
    assert rig.session.external_rsa_public(rsa_public(pair), block) == raised
    assert rig.session.external_rsa_private(rsa_private(pair), raised) == block
    assert rig.session.external_rsa_private(rsa_private(pair), bytes(128)) == bytes(128)


def test_what_another_enciphered_is_deciphered(rig: KeyRig) -> None:
    pair = rsa_pair()
    block = PKCS1_v1_5.new(pair.public_key()).encrypt(b"text")
    assert rig.session.external_rsa_private(rsa_private(pair), block).endswith(b"\0text")


def test_a_public_exponent_of_another_size(rig: KeyRig) -> None:
    pair = rsa_pair()
    block = bytes(127) + b"\2"
    assert rig.session.external_rsa_public(RsaPublicKey(pair.n, 3), block) == bytes(127) + b"\x08"


@every_dialect
def test_sm2_encryption(rig: KeyRig, dialect: str) -> None:
    pair = sm2_pair()
    for plain in (b"x", bytes(32), PLAIN):
        cipher = rig.session.external_sm2_encrypt(pair.public, plain)
        assert pair.decrypt(cipher) == plain
        assert Sm2Key.private(pair.d).decrypt(cipher.encode_der()) == plain
    assert rig.session.external_sm2_encrypt(pair.public, PLAIN) != rig.session.external_sm2_encrypt(
        pair.public, PLAIN
    )


@every_dialect
def test_sm2_decryption(rig: KeyRig, dialect: str) -> None:
    pair = sm2_pair()
    key = sm2.PrivateKey.from_bytes(pair.d)
    for plain in (b"x", bytes(32), PLAIN):
        cipher = sm2.Ciphertext.parse(sm2_encrypted(pair.point, plain))
        assert rig.session.external_sm2_decrypt(key, cipher) == plain


@every_dialect
def test_sm2_signatures(rig: KeyRig, dialect: str) -> None:
    pair, digest = sm2_pair(), secrets.token_bytes(32)
    signature = rig.session.external_sm2_sign(sm2.PrivateKey.from_bytes(pair.d), digest)
    assert Sm2Key.public(pair.point).verify(digest, der(signature))
    assert rig.session.external_sm2_sign(sm2.PrivateKey.from_bytes(pair.d), digest) != signature


@every_dialect
def test_sm2_verification(rig: KeyRig, dialect: str) -> None:
    pair, digest = sm2_pair(), secrets.token_bytes(32)
    fields = DSASignature.load(Sm2Key.private(pair.d).sign(digest)).native
    signature = sm2.Signature(fields["r"], fields["s"])
    assert rig.session.external_sm2_verify(pair.public, digest, signature)
    assert not rig.session.external_sm2_verify(pair.public, digest[::-1], signature)
    assert not rig.session.external_sm2_verify(sm2_pair().public, digest, signature)
    assert rig.session.verify_sm2(pair.public, digest, signature)
    assert not rig.session.verify_sm2(pair.public, digest[::-1], signature)


@every_dialect
def test_rsa_verification(rig: KeyRig, dialect: str) -> None:
    pair, verify = rsa_pair(), rig.session.verify_rsa
    key, hashed = rsa_public(pair), SHA256.new(PLAIN)
    signature = pkcs1_15.new(pair).sign(hashed)
    assert verify(key, PLAIN, signature, SignInput.MESSAGE)
    assert verify(key, hashed.digest(), signature, SignInput.DIGEST)
    assert not verify(key, PLAIN, signature, SignInput.MESSAGE, HashAlgorithm.SM3)
    assert not verify(key, PLAIN[1:], signature, SignInput.MESSAGE)
    assert not verify(rsa_public(RSA.generate(1024)), PLAIN, signature, SignInput.MESSAGE)


def test_the_bytes_on_the_wire(rig: KeyRig) -> None:
    """G30: gmalg deciphers what stands behind the bits, the two coordinates, the hash and a length."""
    pair = sm2_pair()
    data = external_sm2(pair.point, counted(b"text"))
    answer = rig.raw(b"\x80\x7a\0\0\0\0" + bytes((len(data),)) + data + b"\0\0")
    assert answer[:4] + answer[100:104] + answer[-2:] == b"\0\0\1\0" + b"\0\0\0\4" + b"\x90\0"
    cipher = sm2.Ciphertext.parse(answer[4:100] + answer[104:-2])
    assert pair.decrypt(cipher) == b"text"
