"""From a message or a digest to the mechanism and the bytes that C_Sign is given."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from hostdriver.errors import DigestRefusedError, NotSupportedError, error_for
from hostdriver.pkcs11.cryptoki import CKM
from hostdriver.pkcs11.habits import Habits
from protocols import sm2
from protocols.digest_info import digest_info
from protocols.gmt import HashAlgorithm, SignInput
from protocols.hashing import HASHES, digest_of
from protocols.i18n import N_
from protocols.sw import SW

_HASHING: Mapping[int, CKM] = {
    HashAlgorithm.SHA1: CKM.SHA1_RSA_PKCS,
    HashAlgorithm.SHA256: CKM.SHA256_RSA_PKCS,
    HashAlgorithm.SHA256_ALIAS: CKM.SHA256_RSA_PKCS,
}


class Order(NamedTuple):
    """What C_SignInit and C_Sign are given."""

    mechanism: int
    data: bytes


def rsa_order(mechanisms: Collection[int], data: bytes, source: SignInput, hash_code: HashAlgorithm) -> Order:
    """PKCS#1 v1.5. A message goes to the key whole where it has a mechanism for that, else its digest does.

    :param mechanisms: what the token can do.
    :raises DigestRefusedError: it takes messages only.
    :raises NotSupportedError: it makes no such signatures at all.
    """
    hashing = _HASHING.get(hash_code)
    if hashing not in mechanisms:
        hashing = None
    if source is SignInput.MESSAGE and hashing is not None:
        return Order(hashing, data)
    if CKM.RSA_PKCS not in mechanisms:
        if hashing is not None:
            raise DigestRefusedError(SW.DIGEST_REFUSED)
        raise NotSupportedError(N_("the key's PKCS#11 module has no mechanism for such signatures"))
    digest = data if source is SignInput.DIGEST else digest_of(hash_code, data)
    if len(digest) != HASHES[hash_code].digest_size:
        raise error_for(SW.WRONG_LENGTH)
    return Order(CKM.RSA_PKCS, digest_info(hash_code, digest))


def sm2_order(
    mechanisms: Collection[int], habits: Habits, data: bytes, source: SignInput, key: sm2.PublicKey
) -> Order:
    """SM2 with SM3, by the maker's own mechanisms. A message goes to the key whole where there is one for that.

    :param key: its public key, which is in Z.
    :raises DigestRefusedError: it takes messages only.
    :raises NotSupportedError: nobody knows the maker's mechanism.
    """
    hashing = habits.sm2_message if habits.sm2_message in mechanisms else None
    if source is SignInput.MESSAGE and hashing is not None:
        return Order(hashing, data)
    if habits.sm2_digest is None or habits.sm2_digest not in mechanisms:
        if hashing is not None:
            raise DigestRefusedError(SW.DIGEST_REFUSED)
        raise NotSupportedError(
            N_("PKCS#11 has no SM2 of its own, and this module's maker is not one that we know: use SKF")
        )
    digest = data if source is SignInput.DIGEST else sm2.message_digest(key, data)
    if len(digest) != sm2.SIZE:
        raise error_for(SW.WRONG_LENGTH)
    return Order(habits.sm2_digest, digest)


def sm2_signature(raw: bytes) -> bytes:
    """r ‖ s, of what a module answers: that, or the DER pair (GM/T 0009).

    :raises ProtocolError: it is neither.
    """
    parse = sm2.Signature.parse if len(raw) == 2 * sm2.SIZE else sm2.Signature.parse_der
    return parse(raw).encode()
