"""SubjectPublicKeyInfo (RFC 5280 §4.1.2.7) of the two kinds of key, and the names of what they sign with."""

from __future__ import annotations

from asn1crypto import keys

from protocols import sm2
from protocols.gmt import RsaPublicKey

SM2_CURVE = "1.2.156.10197.1.301"
"""The curve of GB/T 32918.5, in id-ecPublicKey's parameters (GM/T 0006, GB/T 20518)."""
SM2_WITH_SM3 = "1.2.156.10197.1.501"
"""The signature algorithm of certificates and requests (GM/T 0006)."""


def key_info(public_key: RsaPublicKey | sm2.PublicKey) -> keys.PublicKeyInfo:
    """A public key as certificates and requests carry it (RFC 3279 §2.3.1; RFC 5480 §2 with the SM2 curve)."""
    if isinstance(public_key, RsaPublicKey):
        numbers = {"modulus": public_key.n, "public_exponent": public_key.e}
        return keys.PublicKeyInfo.wrap(keys.RSAPublicKey(numbers), "rsa")
    curve = keys.ECDomainParameters(name="named", value=keys.NamedCurve(SM2_CURVE))
    return keys.PublicKeyInfo(
        {
            "algorithm": {"algorithm": "ec", "parameters": curve},
            "public_key": b"\x04" + public_key.encode(),
        }
    )
