"""What a walk through the SKF interface needs from others, and what others say of what it made.

OpenSSL's libcrypto and `openssl enc`, gmalg and pycryptodome: none of it is ours.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import gmalg
from Crypto.Cipher import PKCS1_v1_5
from Crypto.PublicKey import RSA
from gmalg import KEYXCHG_MODE

from protocols.gmt import Mode, RsaPublicKey
from protocols.sm2 import Ciphertext
from tests.rig.block_ciphers import openssl
from tests.rig.cli import der_signature
from tests.rig.encryption_pairs import fresh_d, rsa_pair, rsa_unwrapped
from tests.rig.libcrypto import Sm2Key
from tests.rig.messages import TRANSFER
from tests.rig.verifiers import SIGNER_ID, rsa_verifies

RSA_BITS = 1024
ALICE, BOB = b"Alice", b"Bob"
OUTSIDE = b"from outside, for the owner of the key"
PLAIN = b"what two sides of an agreement both encipher...\0"
KEY = bytes.fromhex("0123456789abcdeffedcba9876543210")
IV = bytes(range(16))
CIPHERS = {
    "ecb": (Mode.ECB, 64, ("-nopad",)),
    "ecb.padded": (Mode.ECB, 64, ()),
    "cbc": (Mode.CBC, 9984, ("-nopad",)),
    "cbc.padded": (Mode.CBC, 9999, ()),
    "cfb": (Mode.CFB, 77, ()),
    "ofb": (Mode.OFB, 10000, ()),
    "nothing": (Mode.CBC, 0, ()),
}
"""What the walk enciphers: in which mode, how many bytes of its text, padded or not."""


def sm2_cipher(public: bytes, plain: bytes) -> bytes:
    """A cipher by libcrypto: X, Y, hash, the rest."""
    return Ciphertext.parse_der(Sm2Key.public(public).encrypt(plain)).encode()


def der_cipher(raw: bytes) -> bytes:
    """The same as libcrypto takes it."""
    return Ciphertext.parse(raw).encode_der()


def ecb(key: bytes, data: bytes) -> bytes:
    """SM4 by `openssl enc`."""
    return openssl(Mode.ECB, key, b"", data, "-nopad")


class Outside:
    """Everybody whom the walk deals with: a correspondent with keys, and the bank's key management centre.

    :param files: the directory that the walk shares.
    """

    def __init__(self, files: Path) -> None:
        self.files = files
        self.d, self.pair_d = fresh_d(), fresh_d()
        self.public, self.pair_public = (Sm2Key.private(d).point for d in (self.d, self.pair_d))
        self.rsa = rsa_pair(RSA_BITS)
        self.session_keys = {name: os.urandom(16) for name in ("sm2", "rsa")}
        self._sm2 = gmalg.SM2(self.d, BOB, b"\x04" + self.public)
        temporary, self._t = self._sm2.begin_key_exchange()
        self._write("message", TRANSFER)
        self._write("outside.private", self.d)
        self._write("outside.public", self.public)
        self._write("outside.cipher", sm2_cipher(self.public, OUTSIDE))
        self._write("outside.modulus", self.rsa.n.to_bytes(RSA_BITS // 8))
        self._write("outside.temporary", temporary[-64:])

    def make_encryption_pairs(self) -> None:
        """Wrap one pair of each kind to the walk's signature keys, and session keys to those pairs."""
        key = os.urandom(16)
        self._write(
            "envelope", ecb(key, self.pair_d) + self.pair_public + sm2_cipher(self.read("sm2.public"), key)
        )
        signer = RSA.construct((int.from_bytes(self.read("rsa.modulus")), 65537))
        der = self.rsa.export_key("DER", pkcs=1)
        self._write("rsa.wrapped", PKCS1_v1_5.new(signer).encrypt(key))
        self._write("rsa.encrypted", ecb(key, der + bytes(-len(der) % 16)))
        self._write("imported.sm2", sm2_cipher(self.pair_public, self.session_keys["sm2"]))
        self._write("imported.rsa", PKCS1_v1_5.new(self.rsa).encrypt(self.session_keys["rsa"]))

    def read(self, name: str) -> bytes:
        """A file of the walk's."""
        return (self.files / name).read_bytes()

    def _write(self, name: str, data: bytes) -> None:
        (self.files / name).write_bytes(data)

    # What others say of the walk's results

    def judge(self) -> None:
        """Hold every file of the walk's against them."""
        self._judge_signatures()
        self._judge_external_keys()
        self._judge_session_keys()
        self._judge_ciphers()
        self._judge_digests()
        self._judge_agreement()

    def _judge_signatures(self) -> None:
        signer = Sm2Key.public(self.read("sm2.public"))
        for name in ("sm2.ready", "sm2.shown"):
            assert signer.verify_message(TRANSFER, SIGNER_ID, der_signature(self.read(name))), name
        rsa = RsaPublicKey(int.from_bytes(self.read("rsa.modulus")), 65537)
        for name in ("rsa.ready", "rsa.shown"):
            assert rsa_verifies(rsa, TRANSFER, self.read(name)), name

    def _judge_external_keys(self) -> None:
        owner = Sm2Key.private(self.d)
        assert self.read("outside.plain") == OUTSIDE
        assert owner.decrypt(der_cipher(self.read("outside.encrypted"))) == OUTSIDE
        signature = der_signature(self.read("outside.signature"))
        assert owner.verify_message(b"signed outside", SIGNER_ID, signature)

        blob, half = self.read("outside.rsa"), 128
        n, e, d = (int.from_bytes(blob[at : at + size]) for at, size in ((8, 256), (264, 4), (268, 256)))
        p, q = (int.from_bytes(blob[at : at + half]) for at in (524, 524 + half))
        RSA.construct((n, e, d, p, q), consistency_check=True)
        assert n.bit_length() == RSA_BITS
        block = bytes((0, 1, 2, 3)).ljust(RSA_BITS // 8, b"\0")
        assert int.from_bytes(self.read("outside.block")) == pow(int.from_bytes(block), e, n)

    def _judge_session_keys(self) -> None:
        exported = {
            "sm2": Sm2Key.private(self.d).decrypt(der_cipher(self.read("exported.sm2"))),
            "rsa": rsa_unwrapped(self.rsa, self.read("exported.rsa")),
        }
        for name, key in exported.items():
            assert self.read(f"exported.{name}.text") == ecb(key, PLAIN), name
        for name, key in self.session_keys.items():
            assert self.read(f"imported.{name}.text") == ecb(key, PLAIN), name
        assert int.from_bytes(self.read("rsa.exchange")) == self.rsa.n

    def _judge_ciphers(self) -> None:
        text = self.read("text")
        for name, (mode, size, options) in CIPHERS.items():
            assert self.read(name) == openssl(mode, KEY, IV, text[:size], *options), name
        for name, size in (("mac.long", 9984), ("mac.short", 64)):
            assert self.read(name) == openssl(Mode.CBC, KEY, IV, text[:size], "-nopad")[-16:], name

    def _judge_digests(self) -> None:
        text = self.read("text")
        sm3 = gmalg.SM3()
        sm3.update(text)
        assert self.read("sm3") == sm3.value()
        for name in ("sha1", "sha256"):
            assert self.read(name) == hashlib.new(name, text).digest(), name  # OpenSSL

    def _judge_agreement(self) -> None:
        for name, role in (
            ("sponsor", KEYXCHG_MODE.RESPONDER),
            ("responder", KEYXCHG_MODE.INITIATOR),
        ):
            temporary, public = b"\x04" + self.read(f"{name}.temporary"), b"\x04" + self.pair_public
            key = self._sm2.end_key_exchange(16, self._t, temporary, ALICE, public, role)
            assert self.read(f"{name}.text") == ecb(bytes(key), PLAIN), name
