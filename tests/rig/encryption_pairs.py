"""Encryption pairs for containers: made here, as a bank's key management centre makes them, and imported wrapped."""

from __future__ import annotations

import os
from functools import cache

from Crypto.Cipher import PKCS1_v1_5
from Crypto.PublicKey import RSA

from hostdriver.gmt import Container, GmtSession
from protocols import sm2
from protocols.gmt import SM4_ECB, Mode, RsaPublicKey, WrappedRsaPair
from protocols.sm2 import Ciphertext, PrivateKey, PublicKey
from tests.rig.block_ciphers import openssl
from tests.rig.libcrypto import Sm2Key

BLOCK = 16


def fresh_d() -> bytes:
    """A random SM2 private key; to leave out the highest 2^192 of them does no harm."""
    return b"\x7f" + os.urandom(31)


def public_of(d: bytes) -> PublicKey:
    """Its public key, by libcrypto."""
    return PublicKey.parse(Sm2Key.private(d).point)


@cache
def rsa_pair(bits: int = 1024) -> RSA.RsaKey:
    """One RSA pair for all: they take their time."""
    return RSA.generate(bits)


def rsa_public(pair: RSA.RsaKey) -> RsaPublicKey:
    """Its public key as commands carry it."""
    return RsaPublicKey(pair.n, pair.e)


def give_sm2_pair(session: GmtSession, container: Container, d: bytes) -> None:
    """Import an SM2 encryption pair. The user PIN is verified already."""
    signer = session.public_key(container)
    assert isinstance(signer, PublicKey)
    enveloped = sm2.wrap(PrivateKey.from_bytes(d), signer, os.urandom(16), fresh_d())
    assert enveloped is not None
    session.import_sm2_key_pair(container, enveloped)


def give_rsa_pair(session: GmtSession, container: Container) -> RSA.RsaKey:
    """Import an RSA encryption pair; the pair. The user PIN is verified already."""
    signer = session.public_key(container)
    assert isinstance(signer, RsaPublicKey)
    pair, key = rsa_pair(signer.bits), os.urandom(BLOCK)
    der = pair.export_key("DER", pkcs=1)
    encrypted = openssl(Mode.ECB, key, b"", der + bytes(-len(der) % BLOCK), "-nopad")
    wrapped = PKCS1_v1_5.new(RSA.construct((signer.n, signer.e))).encrypt(key)
    session.import_rsa_key_pair(container, WrappedRsaPair(SM4_ECB, wrapped, encrypted, signer.bits))
    return pair


def sm2_wrapped(d: bytes, key: bytes) -> Ciphertext:
    """A session key enciphered for d's owner, by libcrypto."""
    return Ciphertext.parse_der(Sm2Key.private(d).encrypt(key))


def sm2_unwrapped(d: bytes, cipher: Ciphertext) -> bytes:
    """What a cipher for d's owner holds, by libcrypto."""
    return Sm2Key.private(d).decrypt(cipher.encode_der())


def rsa_wrapped(pair: RSA.RsaKey, key: bytes) -> bytes:
    """A session key enciphered for the pair's owner, by pycryptodome."""
    return PKCS1_v1_5.new(pair).encrypt(key)


def rsa_unwrapped(pair: RSA.RsaKey, block: bytes) -> bytes:
    """What a block for the pair's owner holds, by pycryptodome; nothing where it holds none."""
    plain = PKCS1_v1_5.new(pair).decrypt(block, b"")
    assert isinstance(plain, bytes)
    return plain
