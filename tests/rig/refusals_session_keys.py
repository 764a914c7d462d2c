"""What session keys, ciphers, MACs, digests and agreements refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from protocols.dialect import SYNOCHIP
from protocols.fields import u32
from protocols.gmt import BlockCipher, HashAlgorithm, Ins, Mode, Padding, SymmetricAlgorithm
from protocols.gmt.ecc import AgreementEnd, AgreementReply, AgreementStart
from protocols.gmt.session_keys import CipherStart, DigestSigner, PlainKey, WrappedKey
from protocols.sm2 import DEFAULT_ID
from protocols.sw import SW
from tests.rig.commands import SESSION_KEY, Call, Caller
from tests.rig.encryption_pairs import fresh_d, public_of
from tests.rig.good_session_keys import (
    BLOCK,
    CODE,
    IV,
    MAC_CODE,
    agreement_handle,
    decrypting,
    encrypting,
    macing,
    paired,
    peer_keys,
    rsa_key,
    sm2_key,
    wrapped_key,
)
from tests.rig.refusals import KINDS, refusal, sent

HELD = "exports held keys"
KINDS[HELD] = [pytest.mark.limits(dialect="synochip")]
SECRET_CODES = (0x101, 0x110, 0x202, 0x208)
AES_CODE = SymmetricAlgorithm(BlockCipher.AES_128, Mode.CBC).code
NO_CODE = 0x499
OFF_CURVE = u32(256) + bytes(64)

Data = Callable[..., bytes]


def carrying(data: Data, *values: Any, p2: int = 0) -> Callable[[Caller], Call]:
    """A call of the data that `data` makes of these values."""
    return lambda k: Call(data(k, *values), p2=p2)


def each_algorithm(ins: Ins, data: Data) -> None:
    """Enter what a command refuses that names an algorithm."""
    for code in SECRET_CODES:
        sent(ins, SW.SECRET_ALGORITHM, carrying(data, code))
    sent(ins, SW.FUNCTION_NOT_SUPPORTED, carrying(data, AES_CODE))
    sent(ins, SW.WRONG_DATA, carrying(data, NO_CODE))


def each_length(ins: Ins, data: Data, kind: str = "usual") -> None:
    """Enter a byte too few and one too many."""
    sent(ins, SW.WRONG_LENGTH, lambda k: Call(data(k)[:-1]), kind)
    sent(ins, SW.WRONG_LENGTH, lambda k: Call(data(k) + b"\0"), kind)


def at_a_full_key(ins: Ins, data: Data) -> None:
    """Enter a seventeenth key."""

    @refusal(ins, SW.NO_ROOM)
    def full(k: Caller) -> int:
        call = Call(data(k))
        while k.call(Ins.SET_SYMM_KEY, bytes(4) + PlainKey(CODE, SESSION_KEY).encode()) == SW.OK:
            pass
        return k.call(ins, *call)


# Made, wrapped, taken in


def rsa_export(k: Caller, code: int = CODE) -> bytes:
    return k.at("empty") + u32(code) + rsa_key(k)


def ecc_export(k: Caller, code: int = CODE) -> bytes:
    return k.at("empty") + sm2_key(k) + u32(code)


def export_under(k: Caller, key: bytes) -> bytes:
    return k.at("empty") + u32(CODE) + key


def plain_key(k: Caller, code: int = CODE, key: bytes = SESSION_KEY) -> bytes:
    return k.at("empty") + PlainKey(code, key).encode()


each_length(Ins.RSA_EXPORT_SESSION_KEY, rsa_export)
each_algorithm(Ins.RSA_EXPORT_SESSION_KEY, rsa_export)
for _key in (u32(512) + b"\xff" * 64 + u32(3), u32(1024) + bytes(128) + u32(3)):
    sent(Ins.RSA_EXPORT_SESSION_KEY, SW.WRONG_DATA, carrying(export_under, _key))
at_a_full_key(Ins.RSA_EXPORT_SESSION_KEY, rsa_export)

each_length(Ins.ECC_EXPORT_SESSION_KEY, ecc_export)
each_algorithm(Ins.ECC_EXPORT_SESSION_KEY, ecc_export)
sent(Ins.ECC_EXPORT_SESSION_KEY, SW.WRONG_DATA, lambda k: Call(k.at("empty") + OFF_CURVE + u32(CODE)))
at_a_full_key(Ins.ECC_EXPORT_SESSION_KEY, ecc_export)


def held_under(k: Caller, make: Data) -> bytes:
    return k.at_key + make(k)


each_length(Ins.RSA_EXPORT_HELD_KEY, lambda k: held_under(k, rsa_key), HELD)
each_length(Ins.ECC_EXPORT_HELD_KEY, lambda k: held_under(k, sm2_key), HELD)
for _ins, _bits in ((Ins.RSA_EXPORT_HELD_KEY, 512), (Ins.ECC_EXPORT_HELD_KEY, 256)):
    sent(
        _ins, SW.WRONG_DATA, carrying(held_under, lambda k, bits=_bits: u32(bits, SYNOCHIP) + bytes(68)), HELD
    )


def altered(data: bytes) -> bytes:
    return data[:-1] + bytes((data[-1] ^ 1,))


def wrapped_for_nobody(k: Caller, container: str = "empty") -> bytes:
    return k.at(container) + wrapped_key(k)[4:]


each_length(Ins.IMPORT_SESSION_KEY, wrapped_key)
each_algorithm(Ins.IMPORT_SESSION_KEY, lambda k, code: wrapped_key(k, code=code))
sent(Ins.IMPORT_SESSION_KEY, SW.KEY_NOT_FOUND, lambda k: Call(wrapped_for_nobody(k)))
sent(Ins.IMPORT_SESSION_KEY, SW.WRONG_DATA, lambda k: Call(altered(wrapped_key(k))))
sent(Ins.IMPORT_SESSION_KEY, SW.WRONG_DATA, lambda k: Call(wrapped_key(k, bytes(15))))
sent(Ins.IMPORT_SESSION_KEY, SW.WRONG_DATA, lambda k: Call(wrapped_key(k, bytes(24))))
sent(
    Ins.IMPORT_SESSION_KEY,
    SW.WRONG_LENGTH,
    lambda k: Call(paired(k).at() + WrappedKey(CODE, bytes(3)).encode()),
)
at_a_full_key(Ins.IMPORT_SESSION_KEY, wrapped_key)

each_length(Ins.SET_SYMM_KEY, plain_key)
each_algorithm(Ins.SET_SYMM_KEY, plain_key)
for _size in (0, 15, 17, 32):
    sent(Ins.SET_SYMM_KEY, SW.WRONG_DATA, carrying(plain_key, CODE, bytes(_size)))
at_a_full_key(Ins.SET_SYMM_KEY, plain_key)

# Ciphers and MACs


def start(
    k: Caller, code: int = CODE, iv: bytes = IV, padding: int = Padding.NONE, feed_bits: int = 0
) -> bytes:
    return k.at_key + CipherStart(code, iv, padding, feed_bits).encode()


SM4_CODES = {mode: SymmetricAlgorithm(BlockCipher.SM4, mode).code for mode in Mode}
for _ins, _code in ((Ins.ENCRYPT_INIT, CODE), (Ins.DECRYPT_INIT, CODE), (Ins.MAC_INIT, MAC_CODE)):
    each_length(_ins, start)
    each_algorithm(_ins, start)
    for _size in (0, 8, 15, 17, 32):
        sent(_ins, SW.WRONG_DATA, carrying(start, _code, bytes(_size)))
    sent(_ins, SW.WRONG_DATA, carrying(start, _code, IV, 2))
for _ins in (Ins.ENCRYPT_INIT, Ins.DECRYPT_INIT):
    sent(_ins, SW.WRONG_DATA, carrying(start, SM4_CODES[Mode.MAC]))
    sent(_ins, SW.WRONG_DATA, carrying(start, SM4_CODES[Mode.ECB], bytes(8)))
    for _mode in (Mode.CFB, Mode.OFB):
        sent(_ins, SW.FUNCTION_NOT_SUPPORTED, carrying(start, SM4_CODES[_mode], IV, Padding.NONE, 8))
        sent(_ins, SW.FUNCTION_NOT_SUPPORTED, carrying(start, SM4_CODES[_mode], IV, Padding.PKCS5))
for _mode in (Mode.ECB, Mode.CBC, Mode.CFB, Mode.OFB):
    sent(Ins.MAC_INIT, SW.WRONG_DATA, carrying(start, SM4_CODES[_mode]))


def at_work(k: Caller, begin: Callable[[Caller], Caller], data: bytes = BLOCK) -> bytes:
    return begin(k).at_key + data


def idle(k: Caller) -> Caller:
    return k


def decrypting_padded(k: Caller) -> Caller:
    k.call(Ins.DECRYPT_INIT, start(k, padding=Padding.PKCS5))
    return k


for _begin, _whole, _update, _final in (
    (encrypting, Ins.ENCRYPT, Ins.ENCRYPT_UPDATE, Ins.ENCRYPT_FINAL),
    (decrypting, Ins.DECRYPT, Ins.DECRYPT_UPDATE, Ins.DECRYPT_FINAL),
    (macing, Ins.MAC, Ins.MAC_UPDATE, Ins.MAC_FINAL),
):
    for _ins in (_whole, _update, _final):
        sent(_ins, SW.CONDITIONS_NOT_SATISFIED, carrying(at_work, idle))
    for _ins in (_whole, _final):
        for _size in (1, 15, 17):
            sent(_ins, SW.WRONG_LENGTH, carrying(at_work, _begin, bytes(_size)))
        sent(_ins, SW.CONDITIONS_NOT_SATISFIED, carrying(at_work, idle))  # the refusal was the end of it
for _ins in (Ins.MAC, Ins.MAC_FINAL):
    sent(_ins, SW.WRONG_LENGTH, carrying(at_work, macing, b""))
for _ins in (Ins.DECRYPT, Ins.DECRYPT_FINAL):
    sent(_ins, SW.WRONG_DATA, carrying(at_work, decrypting_padded))
    sent(_ins, SW.WRONG_DATA, carrying(at_work, decrypting_padded, b""))
sent(Ins.ENCRYPT_UPDATE, SW.CONDITIONS_NOT_SATISFIED, carrying(at_work, decrypting))
sent(Ins.DECRYPT_UPDATE, SW.CONDITIONS_NOT_SATISFIED, carrying(at_work, encrypting))

# Digests

SIGNER = DigestSigner(public_of(fresh_d()), DEFAULT_ID).encode()


def digest_start(_: Caller, data: bytes) -> bytes:
    return data


for _data in (SIGNER[:-1], SIGNER + b"\0", b"\0"):
    sent(Ins.DIGEST_INIT, SW.WRONG_LENGTH, carrying(digest_start, _data, p2=HashAlgorithm.SM3))
for _data in (
    OFF_CURVE + u32(0),
    u32(192) + SIGNER[4:],
    SIGNER[:68] + u32(0x2000) + bytes(0x2000),
):
    sent(Ins.DIGEST_INIT, SW.WRONG_DATA, carrying(digest_start, _data, p2=HashAlgorithm.SM3))
for _hash in (HashAlgorithm.SHA1, HashAlgorithm.SHA256_ALIAS, HashAlgorithm.SHA256):
    sent(Ins.DIGEST_INIT, SW.WRONG_DATA, carrying(digest_start, SIGNER, p2=_hash))
for _ins in (Ins.DIGEST, Ins.DIGEST_UPDATE, Ins.DIGEST_FINAL):
    sent(_ins, SW.CONDITIONS_NOT_SATISFIED, lambda k: Call(b"abc"))

# Agreement


def agreement_start(k: Caller, code: int = CODE, container: str = "sm2") -> bytes:
    return paired(k).at(container) + AgreementStart(code, DEFAULT_ID).encode()


def agreement_reply(k: Caller, code: int = CODE, container: str = "sm2") -> bytes:
    return paired(k).at(container) + AgreementReply(code, peer_keys(), DEFAULT_ID, DEFAULT_ID).encode()


def agreement_end(k: Caller, container: str = "sm2") -> bytes:
    handle = agreement_handle(paired(k))
    return k.at(container) + AgreementEnd(handle, peer_keys(), DEFAULT_ID).encode()


for _ins, _named in (
    (Ins.GENERATE_AGREEMENT_DATA, agreement_start),
    (Ins.GENERATE_AGREEMENT_DATA_AND_KEY, agreement_reply),
):
    each_length(_ins, _named)
    each_algorithm(_ins, _named)
    for _container in ("empty", "rsa"):
        sent(_ins, SW.KEY_NOT_FOUND, carrying(_named, CODE, _container))
each_length(Ins.GENERATE_KEY, agreement_end)
sent(
    Ins.GENERATE_AGREEMENT_DATA,
    SW.WRONG_DATA,
    lambda k: Call(paired(k).at() + AgreementStart(CODE, bytes(0x2000)).encode()),
)
sent(
    Ins.GENERATE_AGREEMENT_DATA_AND_KEY,
    SW.WRONG_DATA,
    lambda k: Call(paired(k).at() + u32(CODE) + 2 * OFF_CURVE + 2 * u32(0)),
)
sent(Ins.GENERATE_KEY, SW.WRONG_DATA, lambda k: Call(paired(k).at() + u32(1) + 2 * OFF_CURVE + u32(0)))
for _container in ("empty", "rsa"):
    sent(Ins.GENERATE_KEY, SW.KEY_NOT_FOUND, carrying(agreement_end, _container))
sent(
    Ins.GENERATE_KEY,
    SW.KEY_NOT_FOUND,
    lambda k: Call(paired(k).at() + AgreementEnd(0xFFFFFFFF, peer_keys(), DEFAULT_ID).encode()),
)
at_a_full_key(Ins.GENERATE_AGREEMENT_DATA_AND_KEY, agreement_reply)
at_a_full_key(Ins.GENERATE_KEY, agreement_end)
