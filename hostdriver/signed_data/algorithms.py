"""The object identifiers of SignedData: which are written and which are read (docs/signed-data.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hostdriver.certificates import PublicKey
from protocols.gmt import HashAlgorithm, RsaPublicKey


@dataclass(frozen=True, slots=True)
class Syntax:
    """One of the two standards.

    :param data: its type of plain content.
    :param signed_data: its type of SignedData.
    :param signatures: its signature algorithms; the first is written, every one is read.
    """

    data: str
    signed_data: str
    signatures: tuple[str, ...]


PKCS7 = Syntax(
    "1.2.840.113549.1.7.1",
    "1.2.840.113549.1.7.2",
    (
        "1.2.840.113549.1.1.1",  # rsaEncryption: RFC 2315 §9.2, RFC 3370 §3.2
        "1.2.840.113549.1.1.11",  # with SHA-256: RFC 3370 §3.2 has it read too, as the next
        "1.2.840.113549.1.1.5",  # with SHA-1
        "1.2.156.10197.1.504",  # with SM3: GM/T 0006
    ),
)
"""RFC 2315 and its heir CMS, RFC 5652; for RSA."""

GM = Syntax(
    "1.2.156.10197.6.1.4.2.1",
    "1.2.156.10197.6.1.4.2.2",
    (
        "1.2.156.10197.1.301.1",  # SM2-1, signing: GM/T 0010 §6.4; CFCA's and most makers' code
        "1.2.156.10197.1.301",  # SM2: a CA's sample writes it
        "1.2.156.10197.1.501",  # SM2 with SM3: GmSSL 3
    ),
)
"""GM/T 0010-2012, GB/T 35275-2017; for SM2."""

SYNTAXES: Mapping[str, Syntax] = {syntax.signed_data: syntax for syntax in (PKCS7, GM)}

DIGESTS: Mapping[HashAlgorithm, tuple[str, ...]] = {
    HashAlgorithm.SHA256: ("2.16.840.1.101.3.4.2.1",),
    HashAlgorithm.SHA1: ("1.3.14.3.2.26",),
    HashAlgorithm.SM3: (
        "1.2.156.10197.1.401",
        "1.2.156.10197.1.401.1",  # SM3 without a key: some time stamps and signature servers
        "1.2.156.10197.1.501",  # SM2 with SM3: not a hash, but seen in its place
    ),
}
"""The hashes by name; the first is written, every one is read."""

HASH_CODES: Mapping[str, HashAlgorithm] = {
    oid: hash_code for hash_code, oids in DIGESTS.items() for oid in oids
}


def syntax_for(key: PublicKey) -> Syntax:
    """Which of them a key's signatures go by."""
    return PKCS7 if isinstance(key, RsaPublicKey) else GM
