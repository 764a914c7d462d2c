"""Signatures that banks' servers verify: SignedData of PKCS#7 (RSA) and of GM/T 0010 (SM2), docs/signed-data.md."""

from hostdriver.signed_data.encoding import encode
from hostdriver.signed_data.parsing import MAX_SIZE, SignedData, SignedDataError, Signer, parse
from hostdriver.signed_data.signing import CertificateMisfitError, NoCertificateError, sign
from hostdriver.signed_data.verification import signed_message, verify

__all__ = [
    "MAX_SIZE",
    "CertificateMisfitError",
    "NoCertificateError",
    "SignedData",
    "SignedDataError",
    "Signer",
    "encode",
    "parse",
    "sign",
    "signed_message",
    "verify",
]
