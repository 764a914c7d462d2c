"""Certificates for a person to read, and signatures checked by the host's own code."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from asn1crypto import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from hostdriver.errors import AnswerError
from hostdriver.printable import printable
from protocols import sm2
from protocols.digest_info import accepted_digest_infos
from protocols.errors import ProtocolError
from protocols.gmt import HashAlgorithm, RsaPublicKey
from protocols.hashing import digest_of
from protocols.i18n import N_
from protocols.key_info import SM2_CURVE

PublicKey = RsaPublicKey | sm2.PublicKey

_SHORT = {
    "common_name": "CN",
    "organization_name": "O",
    "organizational_unit_name": "OU",
    "country_name": "C",
}
GARBAGE = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError)
"""What asn1crypto raises over bytes that are not what they should be."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a person wants to know of a certificate.

    :param subject: as `CN=…, O=…, C=…`; what cannot be printed is escaped.
    :param serial_number: hexadecimal, whole bytes.
    :param not_before: UTC, as is `not_after`.
    :param algorithm: of the public key: `RSA-2048`, `SM2`.
    :param fingerprint: SHA-256 over the DER, hexadecimal.
    """

    subject: str
    issuer: str
    serial_number: str
    not_before: datetime
    not_after: datetime
    algorithm: str
    public_key: PublicKey
    fingerprint: str


def describe(der: bytes) -> Certificate:
    """Read an X.509 certificate (RFC 5280 §4.1) with an RSA or an SM2 key.

    :raises AnswerError: not one certificate in DER, or another kind of key.
    """
    try:
        return _read(der)
    except GARBAGE:
        raise AnswerError(N_("what the key holds is not a certificate in DER")) from None


def _read(der: bytes) -> Certificate:
    certificate = x509.Certificate.load(der, strict=True)
    public_key = _public_key(certificate.public_key)
    serial = certificate.serial_number
    return Certificate(
        _text(certificate.subject),
        _text(certificate.issuer),
        serial.to_bytes((serial.bit_length() + 7) // 8).hex().upper(),
        certificate.not_valid_before,
        certificate.not_valid_after,
        f"RSA-{public_key.bits}" if isinstance(public_key, RsaPublicKey) else "SM2",
        public_key,
        hashlib.sha256(der).hexdigest(),
    )


def _public_key(info: x509.PublicKeyInfo) -> PublicKey:
    algorithm = info["algorithm"]
    if algorithm["algorithm"].native == "rsa":
        numbers = info["public_key"].parsed
        return RsaPublicKey(numbers["modulus"].native, numbers["public_exponent"].native)
    if algorithm["algorithm"].native == "ec" and algorithm["parameters"].chosen.dotted == SM2_CURVE:
        try:
            return sm2.PublicKey.parse(bytes(info["public_key"]))
        except ProtocolError as error:
            raise AnswerError(error.message, **error.values) from error
    raise AnswerError(N_("the certificate's key is neither RSA nor SM2"))


def _text(name: x509.Name) -> str:
    """Most specific first, as RFC 4514 §2.1 has it."""
    parts = [part for relative in name.chosen for part in relative]
    return ", ".join(
        f"{_SHORT.get(part['type'].native, part['type'].native)}={printable(str(part['value'].native))}"
        for part in reversed(parts)
    )


def verify(
    public_key: PublicKey,
    message: bytes,
    signature: bytes,
    hash_code: HashAlgorithm = HashAlgorithm.SHA256,
) -> bool:
    """Whether a signature covers a message.

    :param signature: RSA: PKCS#1 v1.5. SM2: r ‖ s, or the DER pair.
    :param hash_code: for RSA; SM2 always takes SM3 over Z of the default ID and the message (GM/T 0009 §10).
    """
    if isinstance(public_key, sm2.PublicKey):
        return verify_digest(public_key, sm2.message_digest(public_key, message), signature)
    return verify_digest(public_key, digest_of(hash_code, message), signature, hash_code)


def verify_digest(
    public_key: PublicKey,
    digest: bytes,
    signature: bytes,
    hash_code: HashAlgorithm = HashAlgorithm.SHA256,
) -> bool:
    """Whether a signature covers a ready digest; for SM2 that is e. The rest is as in `verify`."""
    if isinstance(public_key, RsaPublicKey):
        return _verify_rsa(public_key, signature, accepted_digest_infos(hash_code, digest))
    try:
        pair = _sm2_signature(signature)
    except sm2.Sm2Error:
        return False
    return len(digest) == sm2.SIZE and sm2.verify(public_key, digest, pair)


def _sm2_signature(raw: bytes) -> sm2.Signature:
    return sm2.Signature.parse(raw) if len(raw) == 2 * sm2.SIZE else sm2.Signature.parse_der(raw)


def _verify_rsa(public_key: RsaPublicKey, signature: bytes, accepted: tuple[bytes, ...]) -> bool:
    try:
        key = rsa.RSAPublicNumbers(public_key.e, public_key.n).public_key()
        signed = key.recover_data_from_signature(signature, padding.PKCS1v15(), None)
    except (InvalidSignature, ValueError, OverflowError):  # the last two: no RSA key
        return False
    return signed in accepted
