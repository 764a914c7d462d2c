"""The DER forms of GB/T 35276-2017 §7 (GM/T 0009-2012 §7): of each value exactly one encoding is accepted."""

from __future__ import annotations

from typing import Any, ClassVar

from asn1crypto.core import Integer, Null, ObjectIdentifier, OctetBitString, OctetString, Sequence

from protocols.i18n import N_
from protocols.sm2.curve import Sm2Error


class SM2Cipher(Sequence):  # type: ignore[misc]  # asn1crypto has no types
    """A ciphertext."""

    _fields: ClassVar = [("x", Integer), ("y", Integer), ("hash", OctetString), ("cipher", OctetString)]


class _AlgorithmIdentifier(Sequence):  # type: ignore[misc]
    _fields: ClassVar = [("algorithm", ObjectIdentifier), ("parameters", Null, {"optional": True})]


class SM2EnvelopedKey(Sequence):  # type: ignore[misc]
    """A key pair under a symmetric key, which is under a public key."""

    _fields: ClassVar = [
        ("algorithm", _AlgorithmIdentifier),
        ("wrapped", SM2Cipher),
        ("public", OctetBitString),
        ("encrypted", OctetBitString),
    ]


def read(structure: type[Sequence], der: bytes, limit: int) -> dict[str, Any]:
    """The values of a structure's fields, by name.

    :param limit: the most bytes that it can have.

    :raises Sm2Error: another structure, more bytes behind it, or BER that is not DER.
    """
    try:
        if len(der) > limit:
            raise ValueError
        value = structure.load(der)
        _refuse_more_fields(value)
        fields: dict[str, Any] = value.native
        if value.dump(force=True) != der:  # written anew, in DER, it is the same bytes
            raise ValueError
    except (ValueError, TypeError, IndexError):
        raise Sm2Error(N_("the bytes are no {structure} in DER"), structure=structure.__name__) from None
    return fields


def _refuse_more_fields(value: Sequence) -> None:
    """asn1crypto keeps fields that the structure does not have, and would follow them to any depth."""
    if len(value) != len(value._fields):
        raise ValueError
    for name, kind, *_options in value._fields:
        if issubclass(kind, Sequence):
            _refuse_more_fields(value[name])
