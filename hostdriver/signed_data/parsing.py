"""SignedData read into plain values: nothing of the file is looked at later."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

from asn1crypto import cms, core, pem, x509

from hostdriver.certificates import GARBAGE
from hostdriver.errors import HostError
from hostdriver.signed_data.algorithms import SYNTAXES, Syntax
from hostdriver.signed_data.structures import ContentInfo
from protocols.i18n import N_

MAX_SIZE = 0x100000
"""The longest SignedData that is read, in bytes of DER (assumed: a key takes messages of a few kilobytes)."""
_MAX_AROUND = 0x10000
"""The same without the message. asn1crypto needs time that grows with the square of an object identifier."""
_MAX_SIGNERS = 8
_MAX_CERTIFICATES = 64


class SignedDataError(HostError):
    """Bytes that are no SignedData, or one that cannot be verified."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signed, and how (SignerInfo).

    :param named: issuer (DER) and serial number of the certificate, or
    :param key_identifier: its subject key identifier; the other is None.
    :param digest: the hash's object identifier.
    :param algorithm: the signature's.
    :param signature: RSA: PKCS#1 v1.5. SM2: DER.
    :param attributes: the signed ones as they are hashed (RFC 5652 §5.4); None: the message itself is.
    :param values: the DER of each one's only value, by object identifier.
    """

    named: tuple[bytes, int] | None
    key_identifier: bytes | None
    digest: str
    algorithm: str
    signature: bytes
    attributes: bytes | None
    values: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class SignedData:
    """What a file with SignedData holds.

    :param message: what was signed; None: it is detached from it.
    :param certificates: DER.
    """

    syntax: Syntax
    message: bytes | None
    certificates: tuple[bytes, ...]
    signers: tuple[Signer, ...]


def parse(raw: bytes) -> SignedData:
    """Read a SignedData in DER, BER, PEM or base64.

    :raises SignedDataError: it is none, it is over `MAX_SIZE`, nobody signed, or more than are of use.
    """
    if len(raw) > 2 * MAX_SIZE:
        raise _too_long()
    try:
        der = _unwrapped(raw)
        if len(der) > MAX_SIZE:
            raise _too_long()
        return _read(der)
    except (*GARBAGE, RecursionError, binascii.Error):
        raise SignedDataError(
            N_("the signature is no SignedData of PKCS#7 or GM/T 0010 in DER, PEM or base64")
        ) from None


def _too_long() -> SignedDataError:
    return SignedDataError(N_("the signature is longer than {limit} bytes"), limit=MAX_SIZE)


def _unwrapped(raw: bytes) -> bytes:
    if raw.startswith(b"0"):  # a SEQUENCE
        return raw
    if pem.detect(raw):
        der: bytes = pem.unarmor(raw)[2]
        return der
    return base64.b64decode(b"".join(raw.split()), validate=True)


def _read(der: bytes) -> SignedData:
    outer = ContentInfo.load(der, strict=True)
    signed = outer["content"]
    content = signed["content"]["content"]
    message = None if isinstance(content, core.Void) else bytes(content)
    if len(der) - len(message or b"") > _MAX_AROUND:
        raise ValueError
    syntax = SYNTAXES[outer["content_type"].dotted]
    if not 0 < len(signed["signer_infos"]) <= _MAX_SIGNERS or len(signed["certificates"]) > _MAX_CERTIFICATES:
        raise ValueError
    if signed["content"]["content_type"].dotted != syntax.data:
        raise ValueError
    return SignedData(
        syntax,
        message,
        tuple(_certificate(choice) for choice in signed["certificates"]),
        tuple(_signer(signer) for signer in signed["signer_infos"]),
    )


def _certificate(choice: cms.CertificateChoices) -> bytes:
    der: bytes = choice.chosen.dump()
    x509.Certificate.load(der, strict=True)
    return der


def _signer(signer: cms.SignerInfo) -> Signer:
    sid = signer["sid"].chosen
    by_name = signer["sid"].name == "issuer_and_serial_number"
    attributes = signer["signed_attrs"]
    has_attributes = not isinstance(attributes, core.Void)
    return Signer(
        (sid["issuer"].dump(), sid["serial_number"].native) if by_name else None,
        None if by_name else bytes(sid),
        signer["digest_algorithm"]["algorithm"].dotted,
        signer["signature_algorithm"]["algorithm"].dotted,
        bytes(signer["signature"]),
        _SET + attributes.dump()[1:] if has_attributes else None,
        _values(attributes) if has_attributes else {},
    )


_SET = b"\x31"
"""The attributes are hashed as a SET OF, not under the tag [0] that they have in the file (RFC 5652 §5.4)."""


def _values(attributes: cms.CMSAttributes) -> dict[str, bytes]:
    """Each attribute comes once and with one value, as the ones that we look at must (RFC 5652 §11)."""
    values: dict[str, bytes] = {}
    for attribute in attributes:
        name = attribute["type"].dotted
        if name in values or len(attribute["values"]) != 1:
            raise ValueError
        values[name] = attribute["values"][0].dump()
    return values
