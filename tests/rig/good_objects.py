"""Valid calls of the commands on files, key pairs and keys from outside; pycryptodome, gmalg and libcrypto made them.

What a command carries is put together by hand here, in the default dialect.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any, NamedTuple

import gmalg
from Crypto.Cipher import PKCS1_v1_5
from Crypto.PublicKey import RSA

from hostdriver.errors import AlreadyExistsError, InitialPinError
from protocols.gmt import Ins, RsaPrivateKey, RsaPublicKey, WrappedRsaPair
from protocols.sm2 import Ciphertext, EnvelopedKey, PublicKey
from tests.rig.commands import Call, Caller
from tests.rig.libcrypto import Sm2Key

SM4_ECB = 0x401
_BLOCK = 16
_SM2_ORDER = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123


def counted(data: bytes) -> bytes:
    """A length of four bytes and the data."""
    return struct.pack(">I", len(data)) + data


# Files

NAME = b"notes"


def a_file(caller: Caller, rights: int = 0xFF) -> bytes:
    """The name of a file of 64 bytes that is there, unless the key does not let it be made."""
    session = caller.rig.session
    with suppress(AlreadyExistsError, InitialPinError):
        session.create_file(caller.rig.open(), NAME.decode(), 64, rights, rights)
    return NAME


def new_file(
    name: bytes = b"new", size: int = 64, read_rights: int = 0xFF, write_rights: int = 0xFF
) -> bytes:
    """What CreateFile carries."""
    return struct.pack(">32sIII", name, size, read_rights, write_rights)


def place(name: bytes = NAME, offset: int = 0) -> bytes:
    """Offset and name."""
    return struct.pack(">HH", offset, len(name)) + name


def piece(data: bytes = b"text", name: bytes = NAME, offset: int = 0) -> bytes:
    """Offset, name and data."""
    return place(name, offset) + struct.pack(">H", len(data)) + data


# SM2


class Sm2Pair(NamedTuple):
    """d and X ‖ Y."""

    d: bytes
    point: bytes

    @property
    def public(self) -> PublicKey:
        """The point's coordinates."""
        return PublicKey(int.from_bytes(self.point[:32]), int.from_bytes(self.point[32:]))

    def decrypt(self, cipher: Ciphertext) -> bytes:
        """What gmalg makes of a cipher."""
        raw = b"\x04" + cipher.point.x.to_bytes(32) + cipher.point.y.to_bytes(32) + cipher.hash + cipher.data
        return bytes(gmalg.SM2(sk=self.d).decrypt(raw))


def sm2_pair() -> Sm2Pair:
    """A random pair; libcrypto computes its public key."""
    d = (secrets.randbelow(_SM2_ORDER - 2) + 1).to_bytes(32)
    return Sm2Pair(d, Sm2Key.private(d).point)


def sm2_encrypted(point: bytes, plain: bytes) -> bytes:
    """C1 ‖ C3 ‖ C2 by gmalg."""
    return bytes(gmalg.SM2(pk=b"\x04" + point).encrypt(plain))[1:]


def sm4_ecb(key: bytes, plain: bytes) -> bytes:
    """Whole blocks by gmalg."""
    cipher = gmalg.SM4(key)
    blocks = (plain[start : start + _BLOCK] for start in range(0, len(plain), _BLOCK))
    return b"".join(bytes(cipher.encrypt(block)) for block in blocks)


def sm2_envelope(to: PublicKey, pair: Sm2Pair) -> EnvelopedKey:
    """A pair for the holder of a signature key, by gmalg."""
    key = secrets.token_bytes(_BLOCK)
    point = to.x.to_bytes(32) + to.y.to_bytes(32)
    wrapped = Ciphertext.parse(sm2_encrypted(point, key))
    return EnvelopedKey(SM4_ECB, wrapped, pair.public, sm4_ecb(key, pair.d))


def envelope_fields(enveloped: EnvelopedKey, version: int = 1) -> bytes:
    """What ImportECCKeyPair carries after the handles."""
    point, tag, data = enveloped.wrapped
    return (
        struct.pack(">III", version, enveloped.algorithm, 256)
        + counted(enveloped.encrypted)
        + enveloped.public.x.to_bytes(32)
        + enveloped.public.y.to_bytes(32)
        + struct.pack(">I", 256)
        + point.x.to_bytes(32)
        + point.y.to_bytes(32)
        + tag
        + counted(data)
    )


def sm2_key_import(caller: Caller, **changes: Any) -> bytes:
    """ImportECCKeyPair's data after the handles, for the container `sm2`."""
    public = caller.rig.session.public_key(caller.rig.container("sm2"))
    assert isinstance(public, PublicKey)
    return envelope_fields(sm2_envelope(public, sm2_pair())._replace(**changes))


# RSA


@cache
def rsa_pair(bits: int = 1024) -> RSA.RsaKey:
    """A pair of pycryptodome's."""
    return RSA.generate(bits)


def rsa_public(pair: RSA.RsaKey) -> RsaPublicKey:
    """Its public numbers."""
    return RsaPublicKey(pair.n, pair.e)


def rsa_private(pair: RSA.RsaKey) -> RsaPrivateKey:
    """Its numbers; pycryptodome keeps p⁻¹ mod q, the command carries q⁻¹ mod p."""
    crt = pair.d % (pair.p - 1), pair.d % (pair.q - 1), pow(pair.q, -1, pair.p)
    return RsaPrivateKey(pair.n, pair.e, pair.d, pair.p, pair.q, *crt)


def rsa_fields(numbers: RsaPrivateKey) -> bytes:
    """What ExtRSAPriKeyOperation carries before the data."""
    n, e, d, *halves = numbers
    size = (n.bit_length() + 7) // 8
    tail = b"".join(value.to_bytes(size // 2) for value in halves)
    return struct.pack(">I", 8 * size) + n.to_bytes(size) + struct.pack(">I", e) + d.to_bytes(size) + tail


def rsa_public_fields(pair: RSA.RsaKey) -> bytes:
    """What ExtRSAPubKeyOperation carries before the data."""
    size = pair.size_in_bytes()
    return struct.pack(">I", 8 * size) + pair.n.to_bytes(size) + struct.pack(">I", pair.e)


def wrapped_rsa(to: RsaPublicKey, plain: bytes, bits: int = 1024) -> WrappedRsaPair:
    """A pair in DER for the holder of a signature key: pycryptodome wraps, gmalg enciphers."""
    key = secrets.token_bytes(_BLOCK)
    wrapped = PKCS1_v1_5.new(RSA.construct((to.n, to.e))).encrypt(key)
    padded = plain + bytes(-len(plain) % _BLOCK)
    return WrappedRsaPair(SM4_ECB, wrapped, sm4_ecb(key, padded), bits)


def rsa_der(pair: RSA.RsaKey) -> bytes:
    """RSAPrivateKey of PKCS#1."""
    return bytes(pair.export_key("DER", pkcs=1))


def wrapped_fields(pair: WrappedRsaPair) -> bytes:
    """What ImportRSAKeyPair carries after the handles."""
    return struct.pack(">I", pair.algorithm) + counted(pair.wrapped_key) + counted(pair.encrypted)


def rsa_key_import(caller: Caller, plain: bytes | None = None, **changes: Any) -> bytes:
    """ImportRSAKeyPair's data after the handles, for the container `rsa`."""
    public = caller.rig.session.public_key(caller.rig.container("rsa"))
    assert isinstance(public, RsaPublicKey)
    der = rsa_der(rsa_pair()) if plain is None else plain
    return wrapped_fields(wrapped_rsa(public, der)._replace(**changes))


def block(caller: Caller, first: int = 0) -> bytes:
    """As long as the modulus of the container `rsa`."""
    rsa = caller.rig.profile.containers.rsa
    assert rsa
    return bytes((first,)) * (rsa.bits // 8)


SMALL_BLOCK = bytes(127) + b"\x02"
"""As long as the modulus of `rsa_pair`."""

OWN = sm2_pair()

OBJECTS: dict[Ins, Callable[[Caller], Call]] = {
    Ins.CREATE_FILE: lambda k: Call(new_file(), *k.application),
    Ins.DELETE_FILE: lambda k: Call(a_file(k), *k.application),
    Ins.ENUM_FILES: lambda k: Call(b"", *k.application),
    Ins.GET_FILE_INFO: lambda k: Call(a_file(k), *k.application),
    Ins.READ_FILE: lambda k: Call(k.application + place(a_file(k))),
    Ins.WRITE_FILE: lambda k: Call(k.application + piece(name=a_file(k))),
    Ins.IMPORT_RSA_KEY_PAIR: lambda k: Call(k.at("rsa") + rsa_key_import(k)),
    Ins.IMPORT_ECC_KEY_PAIR: lambda k: Call(k.at() + sm2_key_import(k)),
    Ins.RSA_KEY_OPERATION: lambda k: Call(k.at("rsa") + block(k), p1=0, p2=1),
    Ins.GEN_EXT_RSA_KEY: lambda k: Call(struct.pack(">H", 1024)),
    Ins.EXT_RSA_PUB_KEY_OPERATION: lambda k: Call(rsa_public_fields(rsa_pair()) + counted(SMALL_BLOCK)),
    Ins.EXT_RSA_PRI_KEY_OPERATION: lambda k: Call(rsa_fields(rsa_private(rsa_pair())) + counted(SMALL_BLOCK)),
    Ins.EXT_ECC_ENCRYPT: lambda k: Call(external_sm2(OWN.point, counted(b"text"))),
    Ins.EXT_ECC_DECRYPT: lambda k: Call(external_sm2(OWN.d, external_cipher())),
    Ins.EXT_ECC_SIGN: lambda k: Call(external_sm2(OWN.d, counted(bytes(32)))),
}


def external_sm2(key: bytes, data: bytes, bits: int = 256) -> bytes:
    """What an operation with an SM2 key from outside carries."""
    return struct.pack(">I", bits) + key + data


def external_cipher(plain: bytes = b"text") -> bytes:
    """C1, C3, counted C2 for `OWN`."""
    raw = sm2_encrypted(OWN.point, plain)
    return raw[:96] + counted(raw[96:])
