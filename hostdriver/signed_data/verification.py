"""Whether a SignedData is valid (RFC 5652 §5.4, §5.6). Whose certificate signed it is told, not judged."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from asn1crypto import core, x509

from hostdriver import certificates
from hostdriver.certificates import GARBAGE, Certificate
from hostdriver.errors import AnswerError, VerificationFailedError
from hostdriver.signed_data.algorithms import HASH_CODES, PKCS7, Syntax, syntax_for
from hostdriver.signed_data.parsing import SignedData, SignedDataError, Signer
from protocols.gmt import HashAlgorithm
from protocols.hashing import digest_of
from protocols.i18n import N_
from protocols.sw import SW

_CONTENT_TYPE = "1.2.840.113549.1.9.3"
_MESSAGE_DIGEST = "1.2.840.113549.1.9.4"


@dataclass(frozen=True, slots=True)
class _Held:
    """A certificate in the file, and how a signer may name it."""

    named: tuple[bytes, int]
    key_identifier: bytes | None
    der: bytes


def signed_message(signed: SignedData, message: bytes | None) -> bytes:
    """The message: the one inside, or the one at hand, which must be the same where both are there.

    :raises SignedDataError: there is neither.
    :raises VerificationFailedError: they differ.
    """
    if signed.message is None:
        if message is None:
            raise SignedDataError(
                N_("the signature does not hold its message: name the file that it is over")
            )
        return message
    if message is not None and message != signed.message:
        raise VerificationFailedError(SW.VERIFICATION_FAILED)
    return signed.message


def verify(signed: SignedData, message: bytes | None = None) -> tuple[Certificate, ...]:
    """Check every signature.

    :param message: what it is over, where that is not inside.
    :returns: the signers' certificates, which nobody has checked: they come with the signature.
    :raises VerificationFailedError: a signature does not fit.
    :raises SignedDataError: a signer's certificate is not there, or an algorithm is none of ours.
    """
    content = signed_message(signed, message)
    held = [_held(der) for der in signed.certificates]
    return tuple(_verify_signer(signed.syntax, signer, held, content) for signer in signed.signers)


def _held(der: bytes) -> _Held:
    try:
        certificate = x509.Certificate.load(der)
        issuer = certificate["tbs_certificate"]["issuer"].dump()
        return _Held((issuer, certificate.serial_number), certificate.key_identifier, der)
    except GARBAGE:
        raise SignedDataError(N_("a certificate in the signature is damaged")) from None


def _verify_signer(syntax: Syntax, signer: Signer, held: list[_Held], content: bytes) -> Certificate:
    certificate = _certificate_of(signer, held)
    key, hash_code = certificate.public_key, HASH_CODES.get(signer.digest)
    if hash_code is None or signer.algorithm not in syntax_for(key).signatures:
        raise SignedDataError(
            N_("the signature's algorithms are none that such a key signs with: {digest}, {algorithm}"),
            digest=signer.digest,
            algorithm=signer.algorithm,
        )
    fits = syntax_for(key) is PKCS7 or hash_code is HashAlgorithm.SM3
    signed = content if signer.attributes is None else signer.attributes
    fits = fits and (signer.attributes is None or _attributes_fit(syntax, signer, hash_code, content))
    if not (fits and certificates.verify(key, signed, signer.signature, hash_code)):
        raise VerificationFailedError(SW.VERIFICATION_FAILED)
    return certificate


def _certificate_of(signer: Signer, held: list[_Held]) -> Certificate:
    for candidate in held:
        if signer.named == candidate.named or (
            signer.key_identifier is not None and signer.key_identifier == candidate.key_identifier
        ):
            try:
                return certificates.describe(candidate.der)
            except AnswerError:
                break
    raise SignedDataError(N_("the signature does not carry its signer's certificate with an RSA or SM2 key"))


def _attributes_fit(syntax: Syntax, signer: Signer, hash_code: HashAlgorithm, content: bytes) -> bool:
    """The attributes must say which content they stand for (RFC 5652 §5.3)."""
    content_type = core.ObjectIdentifier(syntax.data).dump()
    digest = core.OctetString(digest_of(hash_code, content)).dump()
    return signer.values.get(_CONTENT_TYPE) == content_type and hmac.compare_digest(
        signer.values.get(_MESSAGE_DIGEST, b""), digest
    )
