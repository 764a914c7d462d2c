"""SignedData made with a key."""

from __future__ import annotations

from hostdriver import certificates
from hostdriver.errors import Exit, HostError, KeyNotFoundError
from hostdriver.printable import printable
from hostdriver.signed_data.encoding import encode
from hostdriver.token import Container
from protocols.gmt import HashAlgorithm, SignInput
from protocols.i18n import N_


class NoCertificateError(HostError):
    """The container has no certificate of its signature pair."""

    exit_code = Exit.NOT_FOUND


class CertificateMisfitError(HostError):
    """The container's certificate is not of the pair that signs."""


def sign(
    container: Container,
    data: bytes,
    source: SignInput = SignInput.MESSAGE,
    hash_code: HashAlgorithm = HashAlgorithm.SHA256,
    *,
    detached: bool = False,
) -> bytes:
    """Sign a message as `Container.sign` does, and put the signature into a SignedData with the certificate, DER.

    What is handed out was verified under the certificate.

    :param source: a ready digest can only be detached, since its message is not here.
    :param hash_code: of an RSA signature.
    :raises NoCertificateError: before anybody is asked.
    :raises CertificateMisfitError: the signature does not verify under the certificate.
    """
    if source is SignInput.DIGEST and not detached:
        raise ValueError("a digest is not the message that an attached SignedData holds")
    certificate = _certificate(container)
    key = certificates.describe(certificate).public_key
    signature = container.sign(data, source, hash_code)
    check = certificates.verify if source is SignInput.MESSAGE else certificates.verify_digest
    if not check(key, data, signature, hash_code):
        raise CertificateMisfitError(
            N_(
                "the certificate in container {name} does not verify what the key signs: it is of another key pair"
            ),
            name=printable(container.name),
        )
    return encode(certificate, signature, hash_code, None if detached else data)


def _certificate(container: Container) -> bytes:
    try:
        return container.certificate()
    except KeyNotFoundError:
        raise NoCertificateError(
            N_(
                "container {name} has no certificate of its signature key, and SignedData carries one; "
                "sign with --format raw, or ask a CA for one: vukey host request"
            ),
            name=printable(container.name),
        ) from None
