"""SignedData of one signer (RFC 2315 §9, RFC 5652 §5; GM/T 0010 §8), around a signature that a key has made.

There are no signed attributes: so what the key showed and hashed is the message itself, and nothing but it.
"""

from __future__ import annotations

from asn1crypto import cms, core, x509

from hostdriver import certificates
from hostdriver.signed_data.algorithms import DIGESTS, syntax_for
from hostdriver.signed_data.structures import ContentInfo
from protocols import sm2
from protocols.gmt import HashAlgorithm, RsaPublicKey


def encode(
    certificate: bytes, signature: bytes, hash_code: HashAlgorithm, message: bytes | None = None
) -> bytes:
    """The signature with its signer's certificate, DER.

    :param certificate: of the key that signed, DER.
    :param signature: RSA: PKCS#1 v1.5. SM2: r ‖ s.
    :param hash_code: of an RSA signature; SM2's is SM3.
    :param message: what was signed, to be carried inside; None: detached from it.
    :raises AnswerError: this is no certificate of an RSA or SM2 key.
    :raises Sm2Error: r ‖ s has not 64 bytes.
    """
    key = certificates.describe(certificate).public_key
    syntax = syntax_for(key)
    if not isinstance(key, RsaPublicKey):
        hash_code, signature = HashAlgorithm.SM3, sm2.Signature.parse(signature).encode_der()
    digest_algorithm = _algorithm(DIGESTS[hash_code][0])
    signer = _signer(certificate, digest_algorithm, _algorithm(syntax.signatures[0]), signature)
    signed_data = {
        "version": "v1",
        "digest_algorithms": [digest_algorithm],
        "content": {"content_type": syntax.data, "content": message},
        "certificates": [x509.Certificate.load(certificate)],
        "signer_infos": [signer],
    }
    der: bytes = ContentInfo({"content_type": syntax.signed_data, "content": signed_data}).dump()
    return der


def _algorithm(oid: str) -> dict[str, object]:
    """With NULL, as OpenSSL and CFCA's programs write every one of these."""
    return {"algorithm": oid, "parameters": core.Null()}


def _signer(
    certificate: bytes, digest: dict[str, object], algorithm: dict[str, object], signature: bytes
) -> cms.SignerInfo:
    body = x509.Certificate.load(certificate)["tbs_certificate"]
    named = {"issuer": body["issuer"], "serial_number": body["serial_number"]}
    return cms.SignerInfo(
        {
            "version": "v1",
            "sid": cms.SignerIdentifier("issuer_and_serial_number", named),
            "digest_algorithm": digest,
            "signature_algorithm": algorithm,
            "signature": signature,
        }
    )
