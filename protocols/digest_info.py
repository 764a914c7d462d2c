"""DigestInfo: what EMSA-PKCS1-v1_5 pads, the digest behind the name of its hash (RFC 8017 §9.2).

SM3 has no entry in RFC 8017. OpenSSL (since 3.1), Botan and libgcrypt write the name of SM3-with-RSA there,
1.2.156.10197.1.504, which GM/T 0006 gives to the signature and not to the hash; so do these keys. SM3's own name,
1.2.156.10197.1.401, is what the RFC's rule asks for and is read too.
"""

from __future__ import annotations

from collections.abc import Mapping

from protocols.gmt import HashAlgorithm

_SHA256 = (bytes.fromhex("3031300d060960864801650304020105000420"),)
_HEADS: Mapping[int, tuple[bytes, ...]] = {
    HashAlgorithm.SHA1: (bytes.fromhex("3021300906052b0e03021a05000414"),),
    HashAlgorithm.SHA256: _SHA256,
    HashAlgorithm.SHA256_ALIAS: _SHA256,
    HashAlgorithm.SM3: (
        bytes.fromhex("3030300c06082a811ccf5501837805000420"),
        bytes.fromhex("3030300c06082a811ccf5501831105000420"),
    ),
}
"""All of it before the digest, DER; the first is written, every one is read."""


def digest_info(hash_code: int, digest: bytes) -> bytes:
    """The DigestInfo of a digest.

    :raises KeyError: no such hash.
    """
    return _HEADS[hash_code][0] + digest


def accepted_digest_infos(hash_code: int, digest: bytes) -> tuple[bytes, ...]:
    """Every DigestInfo that means this digest.

    :raises KeyError: no such hash.
    """
    return tuple(head + digest for head in _HEADS[hash_code])
