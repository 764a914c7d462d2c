"""Signatures judged by code that is not ours: pycryptodome for RSA, gmalg for SM2 (pip install vukey[test])."""

from __future__ import annotations

import gmalg
from Crypto.Hash import SHA1, SHA256
from Crypto.PublicKey import RSA
from Crypto.Signature import pkcs1_15

from protocols.gmt import RsaPublicKey
from protocols.sm2 import PublicKey, Signature

SIGNER_ID = b"1234567812345678"
_CURVE = bytes.fromhex(  # a, b and G of GB/T 32918.5
    "FFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFC"
    "28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93"
    "32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7"
    "BC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0"
)


def rsa_verifies(key: RsaPublicKey, message: bytes, signature: bytes, hash_name: str = "sha256") -> bool:
    """Whether pycryptodome accepts a PKCS#1 v1.5 signature over the message."""
    digest = {"sha1": SHA1, "sha256": SHA256}[hash_name].new(message)
    try:
        pkcs1_15.new(RSA.construct((key.n, key.e))).verify(digest, signature)
    except ValueError:
        return False
    return True


def sm2_verifies(key: PublicKey, message: bytes, signature: Signature) -> bool:
    """Whether gmalg accepts an SM2 signature over the message, with Z of the default ID."""
    judge = gmalg.SM2(pk=b"\x04" + key.encode(), uid=SIGNER_ID)
    return bool(judge.verify(message, signature.r.to_bytes(32), signature.s.to_bytes(32)))


def sm2_digest(key: PublicKey, message: bytes) -> bytes:
    """What is signed for a message, SM3(Z ‖ M), by gmalg's SM3."""
    z = _sm3((8 * len(SIGNER_ID)).to_bytes(2) + SIGNER_ID + _CURVE + key.encode())
    return _sm3(z + message)


def _sm3(data: bytes) -> bytes:
    state = gmalg.SM3()
    state.update(data)
    return bytes(state.value())
