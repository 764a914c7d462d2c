"""Certification requests of PKCS#10 (RFC 2986) for a pair on a key; SM2's sign with SM3 (GM/T 0006)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from asn1crypto import core, csr, x509
from cryptography import x509 as cryptography_x509
from cryptography.x509.oid import NameOID

from hostdriver.certificates import PublicKey
from hostdriver.errors import Exit, HostError
from hostdriver.printable import printable
from hostdriver.token import Container
from protocols import sm2
from protocols.gmt import HashAlgorithm, RsaPublicKey, SignInput
from protocols.hashing import digest_of
from protocols.i18n import N_
from protocols.key_info import SM2_WITH_SM3, key_info

_RSA_WITH: Mapping[HashAlgorithm, str] = {
    HashAlgorithm.SHA256: "1.2.840.113549.1.1.11",
    HashAlgorithm.SHA1: "1.2.840.113549.1.1.5",
    HashAlgorithm.SM3: "1.2.156.10197.1.504",
}
"""RFC 8017 appendix A.2.4, GM/T 0006."""


_AFTER_COMMA = re.compile(r"(?<!\\), +")
"""`vukey host certs` prints names with it."""
_MORE_NAMES = {"E": NameOID.EMAIL_ADDRESS, "emailAddress": NameOID.EMAIL_ADDRESS}


class SubjectError(HostError):
    """A name that cannot be written into a request."""

    exit_code = Exit.USAGE


def subject_of(text: str) -> bytes:
    """A name, DER, from its text as RFC 4514 has it, most specific first: `CN=5212345678, O=My bank, C=CN`.

    :raises SubjectError: it is not written so, is empty, or holds control characters.
    """
    try:
        name = cryptography_x509.Name.from_rfc4514_string(_AFTER_COMMA.sub(",", text), _MORE_NAMES)
    except ValueError:
        name = cryptography_x509.Name([])
    values = [str(attribute.value) for attribute in name]
    if not values or any(printable(value) != value for value in values):
        raise SubjectError(
            N_("“{text}” cannot be a certificate's name; write it as CN=5212345678, O=My bank, C=CN"),
            text=printable(text),
        )
    return name.public_bytes()


def request_info(subject: bytes, public_key: PublicKey) -> bytes:
    """What is signed in a request: CertificationRequestInfo, DER.

    :param subject: a name, DER.
    """
    info: bytes = csr.CertificationRequestInfo(
        {
            "version": "v1",
            "subject": x509.Name.load(subject),
            "subject_pk_info": key_info(public_key),
            "attributes": [],
        }
    ).dump()
    return info


def request_digest(info: bytes, public_key: PublicKey, hash_code: HashAlgorithm) -> bytes:
    """The digest for the key to sign: of the RSA hash, or SM2's e."""
    if isinstance(public_key, RsaPublicKey):
        return digest_of(hash_code, info)
    return sm2.message_digest(public_key, info)


def request(info: bytes, signature: bytes, public_key: PublicKey, hash_code: HashAlgorithm) -> bytes:
    """The whole request, DER.

    :param signature: over `info`. RSA: PKCS#1 v1.5. SM2: r ‖ s.
    :raises Sm2Error: r ‖ s has not 64 bytes.
    """
    if isinstance(public_key, RsaPublicKey):
        algorithm = {"algorithm": _RSA_WITH[hash_code], "parameters": core.Null()}
    else:
        algorithm = {"algorithm": SM2_WITH_SM3}
        signature = sm2.Signature.parse(signature).encode_der()
    whole: bytes = csr.CertificationRequest(
        {
            "certification_request_info": csr.CertificationRequestInfo.load(info),
            "signature_algorithm": algorithm,
            "signature": signature,
        }
    ).dump()
    return whole


def make_request(
    container: Container, subject: bytes, hash_code: HashAlgorithm = HashAlgorithm.SHA256
) -> bytes:
    """A request for the container's signature pair, signed by it, DER. Needs the user PIN.

    A request is no text, so a key with a screen cannot show it: it is signed as a ready digest, which such a key wants
    a press for.

    :param subject: a name, DER.
    :param hash_code: of an RSA signature; SM2's is SM3.
    :raises DigestRefusedError: this key signs none.
    """
    public_key = container.public_key()
    info = request_info(subject, public_key)
    signature = container.sign(request_digest(info, public_key, hash_code), SignInput.DIGEST, hash_code)
    return request(info, signature, public_key, hash_code)
