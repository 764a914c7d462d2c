"""A valid call of every command on session keys, ciphers, MACs, digests and agreements."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from hostdriver.errors import HostError
from protocols.fields import u32
from protocols.gmt import BlockCipher, HashAlgorithm, Ins, Mode, SymmetricAlgorithm
from protocols.gmt.ecc import (
    AgreementEnd,
    AgreementKeys,
    AgreementReply,
    AgreementStart,
    encode_counted_cipher,
    encode_point,
)
from protocols.gmt.session_keys import CipherStart, PlainKey, WrappedKey
from protocols.sm2 import DEFAULT_ID
from tests.rig.commands import SESSION_KEY, SESSION_KEY_ALGORITHM, Call, Caller
from tests.rig.encryption_pairs import fresh_d, give_sm2_pair, public_of, rsa_pair, rsa_public, sm2_wrapped

CODE = SESSION_KEY_ALGORITHM.code
MAC_CODE = SymmetricAlgorithm(BlockCipher.SM4, Mode.MAC).code
PAIR_D = fresh_d()
IV = bytes(16)
BLOCK = bytes(16)


def paired(k: Caller) -> Caller:
    """The SM2 container with an encryption pair, unless the key lacks what it takes to import one."""
    with suppress(HostError):
        give_sm2_pair(k.rig.session, k.rig.container(), PAIR_D)
    return k


def begun(ins: Ins, code: int = CODE) -> Callable[[Caller], Caller]:
    """Some work begun, unless the key lacks what it takes."""

    def begin(k: Caller) -> Caller:
        k.call(ins, k.at_key + CipherStart(code, IV).encode(k.rig.session.dialect))
        return k

    return begin


encrypting, decrypting = begun(Ins.ENCRYPT_INIT), begun(Ins.DECRYPT_INIT)
macing = begun(Ins.MAC_INIT, MAC_CODE)


def digesting(data: bytes) -> Callable[[Caller], Call]:
    """A digest begun, and data for it."""

    def begin(k: Caller) -> Call:
        k.call(Ins.DIGEST_INIT, p2=HashAlgorithm.SM3)
        return Call(data)

    return begin


def peer_keys() -> AgreementKeys:
    """The other side of an agreement."""
    return AgreementKeys(public_of(fresh_d()), public_of(fresh_d()))


def agreement_handle(k: Caller) -> int:
    """That of an agreement begun, or of none."""
    with suppress(HostError):
        return k.rig.session.start_agreement(k.rig.container(), SESSION_KEY_ALGORITHM).handle
    return 0


def wrapped_key(k: Caller, key: bytes = SESSION_KEY, code: int = CODE) -> bytes:
    """ImportSessionKey's data: a key under the container's encryption pair."""
    cipher = encode_counted_cipher(sm2_wrapped(PAIR_D, key))
    return paired(k).at() + WrappedKey(code, cipher).encode()


def rsa_key(k: Caller) -> bytes:
    """An RSA public key as commands carry it."""
    return rsa_public(rsa_pair()).encode(k.rig.session.dialect)


def sm2_key(k: Caller) -> bytes:
    """An SM2 public key as commands carry it."""
    return encode_point(public_of(fresh_d()), k.rig.session.dialect)


def _agreement_end(k: Caller) -> bytes:
    return AgreementEnd(agreement_handle(k), peer_keys(), DEFAULT_ID).encode()


GOOD_SESSION_KEYS: dict[Ins, Callable[[Caller], Call]] = {
    Ins.RSA_EXPORT_SESSION_KEY: lambda k: Call(k.at() + u32(CODE) + rsa_key(k)),
    Ins.ECC_EXPORT_SESSION_KEY: lambda k: Call(k.at() + sm2_key(k) + u32(CODE)),
    Ins.RSA_EXPORT_HELD_KEY: lambda k: Call(k.at_key + rsa_key(k)),
    Ins.ECC_EXPORT_HELD_KEY: lambda k: Call(k.at_key + sm2_key(k)),
    Ins.IMPORT_SESSION_KEY: lambda k: Call(wrapped_key(k)),
    Ins.SET_SYMM_KEY: lambda k: Call(k.at() + PlainKey(CODE, SESSION_KEY).encode()),
    Ins.DESTROY_SESSION_KEY: lambda k: Call(k.at_key),
    Ins.ENCRYPT_INIT: lambda k: Call(k.at_key + CipherStart(CODE, IV).encode()),
    Ins.ENCRYPT: lambda k: Call(encrypting(k).at_key + BLOCK),
    Ins.ENCRYPT_UPDATE: lambda k: Call(encrypting(k).at_key + BLOCK),
    Ins.ENCRYPT_FINAL: lambda k: Call(encrypting(k).at_key),
    Ins.DECRYPT_INIT: lambda k: Call(k.at_key + CipherStart(CODE, IV).encode()),
    Ins.DECRYPT: lambda k: Call(decrypting(k).at_key + BLOCK),
    Ins.DECRYPT_UPDATE: lambda k: Call(decrypting(k).at_key + BLOCK),
    Ins.DECRYPT_FINAL: lambda k: Call(decrypting(k).at_key),
    Ins.MAC_INIT: lambda k: Call(k.at_key + CipherStart(MAC_CODE, IV).encode()),
    Ins.MAC: lambda k: Call(macing(k).at_key + BLOCK),
    Ins.MAC_UPDATE: lambda k: Call(macing(k).at_key + BLOCK),
    Ins.MAC_FINAL: lambda k: Call(macing(k).at_key + BLOCK),
    Ins.DIGEST_INIT: lambda k: Call(p2=HashAlgorithm.SM3),
    Ins.DIGEST: digesting(b"abc"),
    Ins.DIGEST_UPDATE: digesting(b"abc"),
    Ins.DIGEST_FINAL: digesting(b""),
    Ins.GENERATE_AGREEMENT_DATA: lambda k: Call(paired(k).at() + AgreementStart(CODE, DEFAULT_ID).encode()),
    Ins.GENERATE_AGREEMENT_DATA_AND_KEY: lambda k: Call(
        paired(k).at() + AgreementReply(CODE, peer_keys(), DEFAULT_ID, DEFAULT_ID).encode()
    ),
    Ins.GENERATE_KEY: lambda k: Call(paired(k).at() + _agreement_end(k)),
}
