"""The bank's certification authority as a throw-away: for tests, its certificates say so and are worth nothing.

Its date comes in from outside, because the emulator has none of its own (E7).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Literal, Protocol

from asn1crypto import algos, core, keys, x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from emulator.hardware.entropy import Entropy
from protocols import sm2
from protocols.gmt import RSA_EXPONENT, KeyUse, RsaPublicKey
from protocols.key_info import SM2_WITH_SM3, key_info

Kind = Literal["rsa", "sm2"]
PublicKey = RsaPublicKey | sm2.PublicKey

_YEARS = 5
_ROOT_YEARS = 20  # assumed
_ROOT_BITS = 2048
_SM4_KEY_SIZE = 16
_LAST_UTC_TIME_YEAR = 2049  # RFC 5280 §4.1.2.5
_NAME_LENGTH = 64  # RFC 5280 appendix A.1, ub-organization-name
_Extension = tuple[str, bool, object]


class _Signer(Protocol):
    """A root's private key."""

    algorithm: str

    @property
    def public(self) -> PublicKey: ...

    def sign(self, data: bytes) -> bytes: ...


class _RsaSigner:
    """PKCS#1 v1.5 with SHA-256; OpenSSL draws the key."""

    algorithm = "sha256_rsa"

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(RSA_EXPONENT, _ROOT_BITS)

    @property
    def public(self) -> RsaPublicKey:
        numbers = self._key.public_key().public_numbers()
        return RsaPublicKey(numbers.n, numbers.e)

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data, padding.PKCS1v15(), hashes.SHA256())


class _Sm2Signer:
    """SM2 with SM3 under the default ID."""

    algorithm = SM2_WITH_SM3

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._key = _new_sm2_key(entropy)
        self.public = self._key.public

    def sign(self, data: bytes) -> bytes:
        digest = self._key.digest(data)
        while (signature := self._key.sign_raw(digest, self._entropy.bytes(sm2.SIZE))) is None:
            pass
        return sm2.Signature.parse(signature).encode_der()


def _new_sm2_key(entropy: Entropy) -> sm2.PrivateKey:
    """Uniform in 1 to n-2, by rejection sampling."""
    while True:
        number = int.from_bytes(entropy.bytes(sm2.SIZE))
        if 1 <= number <= sm2.N - 2:
            return sm2.PrivateKey(number)


@dataclass(frozen=True, slots=True)
class _Root:
    signer: _Signer
    certificate: bytes


class CertificateAuthority:
    """Two roots, RSA-2048 and SM2, each made when it is first needed.

    :param entropy: where SM2 keys, nonces, serial numbers, and personalisation's codes come from.
    :param today: the bank's date, with its time zone: certificates begin here.
    :param bank: whose certificates these would be, were they real.
    """

    def __init__(self, entropy: Entropy, today: datetime, bank: str = "any bank") -> None:
        self.entropy = entropy
        self._today = today.astimezone(UTC).replace(microsecond=0)
        self._organisation = f"TEST CA, not {bank}"[:_NAME_LENGTH]

    def root(self, kind: Kind) -> bytes:
        """The self-signed certificate of a root, DER."""
        return self._root(kind).certificate

    def issue(self, public_key: PublicKey, common_name: str, use: KeyUse = KeyUse.SIGN) -> bytes:
        """A certificate for one of a container's pairs, by the root of the same kind; DER, 5 years (A8, C4).

        :param common_name: whom it names: the certificate's number (A2).
        :param use: what the pair is for.
        """
        root = self._root("rsa" if isinstance(public_key, RsaPublicKey) else "sm2")
        return self._certificate(root.signer, public_key, common_name, _YEARS, _LEAF_EXTENSIONS[use])

    def encryption_pair(self) -> sm2.PrivateKey:
        """A new SM2 pair to encipher for.

        It is kept nowhere. A real CA has it from a key management centre, which does keep it, so that what was
        enciphered outlives a lost key (G36).
        """
        return _new_sm2_key(self.entropy)

    def enveloped(self, pair: sm2.PrivateKey, to: sm2.PublicKey) -> sm2.EnvelopedKey:
        """The pair on its way to the key that holds the signature pair, under a new SM4 key (GB/T 35276 §7.4)."""
        while True:
            sm4_key, nonce = self.entropy.bytes(_SM4_KEY_SIZE), self.entropy.bytes(sm2.SIZE)
            if enveloped := sm2.wrap(pair, to, sm4_key, nonce):
                return enveloped

    def _root(self, kind: Kind) -> _Root:
        return self._rsa_root if kind == "rsa" else self._sm2_root

    @cached_property
    def _rsa_root(self) -> _Root:
        return self._self_signed(_RsaSigner())

    @cached_property
    def _sm2_root(self) -> _Root:
        return self._self_signed(_Sm2Signer(self.entropy))

    def _self_signed(self, signer: _Signer) -> _Root:
        name = _root_name(signer.public)
        return _Root(signer, self._certificate(signer, signer.public, name, _ROOT_YEARS, _ROOT_EXTENSIONS))

    def _certificate(
        self,
        signer: _Signer,
        public_key: PublicKey,
        common_name: str,
        years: int,
        extensions: tuple[_Extension, ...],
    ) -> bytes:
        """A certificate of version 3 (RFC 5280 §4.1)."""
        algorithm = algos.SignedDigestAlgorithm({"algorithm": signer.algorithm})
        subject_key = key_info(public_key)
        to_be_signed = x509.TbsCertificate(
            {
                "version": "v3",
                "serial_number": self._serial_number(),
                "signature": algorithm,
                "issuer": self._name(_root_name(signer.public)),
                "validity": {
                    "not_before": _time(self._today),
                    "not_after": _time(_years_later(self._today, years)),
                },
                "subject": self._name(common_name),
                "subject_public_key_info": subject_key,
                "extensions": _extensions(subject_key, key_info(signer.public), extensions),
            }
        )
        signature = signer.sign(to_be_signed.dump())
        der: bytes = x509.Certificate(
            {
                "tbs_certificate": to_be_signed,
                "signature_algorithm": algorithm,
                "signature_value": signature,
            }
        ).dump()
        return der

    def _serial_number(self) -> int:
        """Positive, 16 bytes, 126 bits of them random (RFC 5280 §4.1.2.2)."""
        return 1 << 126 | int.from_bytes(self.entropy.bytes(16)) >> 2

    def _name(self, common_name: str) -> x509.Name:
        return x509.Name.build(
            {
                "country_name": "CN",
                "organization_name": self._organisation,
                "common_name": common_name,
            }
        )


_ROOT_EXTENSIONS: tuple[_Extension, ...] = (
    ("basic_constraints", True, {"ca": True, "path_len_constraint": 0}),
    ("key_usage", True, {"key_cert_sign", "crl_sign"}),
)
_LEAF_EXTENSIONS: dict[KeyUse, tuple[_Extension, ...]] = {
    KeyUse.SIGN: (
        ("basic_constraints", True, {"ca": False}),
        ("key_usage", True, {"digital_signature", "non_repudiation"}),
        ("extended_key_usage", False, ["client_auth"]),
    ),
    KeyUse.EXCHANGE: (
        ("basic_constraints", True, {"ca": False}),
        ("key_usage", True, {"key_encipherment", "data_encipherment", "key_agreement"}),
    ),
}
"""The halves of a double certificate differ in their key usage (G36)."""


def _root_name(public_key: PublicKey) -> str:
    return f"vukey TEST root {'RSA' if isinstance(public_key, RsaPublicKey) else 'SM2'}"


def _extensions(
    subject: keys.PublicKeyInfo, issuer: keys.PublicKeyInfo, own: tuple[_Extension, ...]
) -> list[dict[str, object]]:
    """With the key identifiers, the SHA-1 of the public key's bits (RFC 5280 §4.2.1.2)."""
    identifiers: tuple[_Extension, ...] = (
        ("key_identifier", False, subject.sha1),
        ("authority_key_identifier", False, {"key_identifier": issuer.sha1}),
    )
    return [
        {"extn_id": name, "critical": critical, "extn_value": value}
        for name, critical, value in own + identifiers
    ]


def _time(moment: datetime) -> x509.Time:
    if moment.year <= _LAST_UTC_TIME_YEAR:
        return x509.Time(name="utc_time", value=core.UTCTime(moment))
    return x509.Time(name="general_time", value=core.GeneralizedTime(moment))


def _years_later(moment: datetime, years: int) -> datetime:
    """The same day; the day before where a 29 February has none."""
    try:
        return moment.replace(year=moment.year + years)
    except ValueError:
        return moment.replace(year=moment.year + years, day=28)
