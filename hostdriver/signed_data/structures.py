"""SignedData as both standards have it (RFC 5652 §5.1, GM/T 0010 §8.1), around asn1crypto's parts.

asn1crypto's own outer structures know PKCS#7's content types alone.
"""

from __future__ import annotations

from typing import ClassVar

from asn1crypto import cms
from asn1crypto.core import ObjectIdentifier, OctetString, Sequence


class SignedContent(Sequence):  # type: ignore[misc]  # asn1crypto has no types
    """What was signed, if it is inside."""

    _fields: ClassVar = [
        ("content_type", ObjectIdentifier),
        ("content", OctetString, {"explicit": 0, "optional": True}),
    ]


class SignedDataSequence(Sequence):  # type: ignore[misc]
    """SignedData."""

    _fields: ClassVar = [
        ("version", cms.CMSVersion),
        ("digest_algorithms", cms.DigestAlgorithms),
        ("content", SignedContent),
        ("certificates", cms.CertificateSet, {"implicit": 0, "optional": True}),
        ("crls", cms.RevocationInfoChoices, {"implicit": 1, "optional": True}),
        ("signer_infos", cms.SignerInfos),
    ]


class ContentInfo(Sequence):  # type: ignore[misc]
    """SignedData with its name."""

    _fields: ClassVar = [
        ("content_type", ObjectIdentifier),
        ("content", SignedDataSequence, {"explicit": 0}),
    ]
