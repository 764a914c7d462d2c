"""The test CA: OpenSSL and gmalg are the judges of what it issues (A8, C4)."""

from __future__ import annotations

import builtins
import subprocess
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Literal

import gmalg
import pytest
from asn1crypto import core, pem, x509
from cryptography import x509 as reader
from cryptography.hazmat.primitives.asymmetric import rsa

from emulator.hardware.entropy import OsEntropy, SeededEntropy
from emulator.issuer.ca import CertificateAuthority, Kind, PublicKey
from protocols import sm2
from protocols.gmt import KeyUse, RsaPublicKey

TODAY = datetime.now(UTC)
BANK = "Bank of Communications"
NUMBER = "5212345678"
DEFAULT_ID = b"1234567812345678"
HALVES = pytest.mark.parametrize(
    ("kind", "use"), [("rsa", KeyUse.SIGN), ("sm2", KeyUse.SIGN), ("sm2", KeyUse.EXCHANGE)]
)
SAID = {
    KeyUse.SIGN: {"Digital Signature, Non Repudiation", "TLS Web Client Authentication"},
    KeyUse.EXCHANGE: {"Key Encipherment, Data Encipherment, Key Agreement"},
}
PURPOSES = {KeyUse.SIGN: {"sslclient"}, KeyUse.EXCHANGE: {"sslclient", "smimeencrypt"}}
"""Of OpenSSL's purposes; it takes a key agreement for a TLS client as well."""


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return CertificateAuthority(OsEntropy(), TODAY, BANK)


@pytest.fixture(scope="module")
def keys() -> dict[Kind, PublicKey]:
    numbers = rsa.generate_private_key(65537, 2048).public_key().public_numbers()
    return {"rsa": RsaPublicKey(numbers.n, numbers.e), "sm2": sm2.PrivateKey(0xC0FFEE).public}


@pytest.fixture
def issued(
    authority: CertificateAuthority, keys: dict[Kind, PublicKey], kind: Kind, use: KeyUse, tmp_path: Path
) -> tuple[Path, Path]:
    """Root and certificate as PEM files."""
    paths = tmp_path / "root.pem", tmp_path / "certificate.pem"
    for path, der in zip(
        paths, (authority.root(kind), authority.issue(keys[kind], NUMBER, use)), strict=True
    ):
        path.write_bytes(pem.armor("CERTIFICATE", der))
    return paths


def openssl(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False, timeout=30)


def verify(kind: Kind, root: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """`openssl verify`; 3.0 knows no default ID for SM2, and uses the one it is told for the last one only."""
    signer_id = ["-vfyopt", f"distid:{DEFAULT_ID.decode()}"] if kind == "sm2" else []
    return openssl("verify", *signer_id, "-CAfile", root, *arguments)


def sm2_holds(issuer_key: bytes, tbs: bytes, signature: bytes) -> bool:
    pair = core.SequenceOf.load(signature, spec=core.Integer).native
    r, s = (number.to_bytes(32, "big") for number in pair)
    return bool(gmalg.SM2(uid=DEFAULT_ID, pk=issuer_key).verify(tbs, r, s))


@HALVES
class TestAgainstOpenSsl:
    def test_the_chain_is_accepted(self, issued: tuple[Path, Path], kind: Kind, use: KeyUse) -> None:
        root, certificate = issued
        for purpose in ("sslclient", "smimeencrypt", "smimesign"):
            done = verify(kind, root, "-x509_strict", "-purpose", purpose, certificate)
            if purpose in PURPOSES[use]:
                assert (done.returncode, done.stdout.strip()) == (0, f"{certificate}: OK"), done.stderr
            else:
                assert "unsuitable certificate purpose" in done.stderr

    def test_a_changed_name_is_refused(self, issued: tuple[Path, Path], kind: Kind, use: KeyUse) -> None:
        root, certificate = issued
        _, _, der = pem.unarmor(certificate.read_bytes())
        certificate.write_bytes(pem.armor("CERTIFICATE", der.replace(NUMBER.encode(), b"5212345679")))
        done = verify(kind, root, certificate)
        assert done.returncode != 0
        assert "certificate signature failure" in done.stderr

    def test_it_reads_what_is_meant(self, issued: tuple[Path, Path], kind: Kind, use: KeyUse) -> None:
        said = text(issued[1])
        assert f'Subject: C = CN, O = "TEST CA, not {BANK}", CN = {NUMBER}' in said
        assert f"CN = vukey TEST root {kind.upper()}" in said
        assert ("SM2-with-SM3" if kind == "sm2" else "sha256WithRSAEncryption") in said
        assert ("ASN1 OID: SM2" if kind == "sm2" else "Public-Key: (2048 bit)") in said
        for other, lines in SAID.items():
            assert all((line in said) == (other is use) for line in lines)
        assert "CA:FALSE" in said
        assert "CA:TRUE" in text(issued[0])


def text(certificate: Path) -> str:
    done = openssl("x509", "-in", certificate, "-noout", "-text")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("which", ["root", *KeyUse])
def test_gmalg_verifies_the_sm2_signatures(
    authority: CertificateAuthority, keys: dict[Kind, PublicKey], which: Literal["root"] | KeyUse
) -> None:
    root = x509.Certificate.load(authority.root("sm2"))
    der = authority.root("sm2") if which == "root" else authority.issue(keys["sm2"], NUMBER, which)
    certificate = reader.load_der_x509_certificate(der)
    point = bytes(root.public_key["public_key"])
    tbs = certificate.tbs_certificate_bytes
    assert sm2_holds(point, tbs, certificate.signature)
    assert not sm2_holds(point, tbs + b"\0", certificate.signature)


def test_the_rsa_chain_holds_in_cryptography(
    authority: CertificateAuthority, keys: dict[Kind, PublicKey]
) -> None:
    root = reader.load_der_x509_certificate(authority.root("rsa"))
    issued = reader.load_der_x509_certificate(authority.issue(keys["rsa"], NUMBER))
    issued.verify_directly_issued_by(root)
    root.verify_directly_issued_by(root)


def test_gmalg_opens_the_envelope_of_an_encryption_pair(authority: CertificateAuthority) -> None:
    """GB/T 35276 §7.4: an SM4 key for the signature key, under it the private key that belongs to the public one."""
    pair, receiver = authority.encryption_pair(), sm2.PrivateKey(0xC0FFEE)
    enveloped = authority.enveloped(pair, receiver.public)
    sm4 = gmalg.SM4(gmalg.SM2(sk=receiver.encode()).decrypt(b"\x04" + enveloped.wrapped.encode()))
    private = sm4.decrypt(enveloped.encrypted[:16]) + sm4.decrypt(enveloped.encrypted[16:])
    r, s = gmalg.SM2(sk=private, uid=DEFAULT_ID).sign(b"text")
    assert gmalg.SM2(pk=b"\x04" + enveloped.public.encode(), uid=DEFAULT_ID).verify(b"text", r, s)
    assert enveloped.public == pair.public


def test_no_two_encryption_pairs_or_envelopes_are_alike(authority: CertificateAuthority) -> None:
    pair, receiver = authority.encryption_pair(), sm2.PrivateKey(0xC0FFEE).public
    assert authority.encryption_pair().public != pair.public
    first, second = authority.enveloped(pair, receiver), authority.enveloped(pair, receiver)
    assert first.wrapped.point != second.wrapped.point
    assert first.encrypted != second.encrypted


class Scripted:
    """Entropy that answers from a list, then at random."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = list(answers)

    def bytes(self, n: int) -> builtins.bytes:
        return self._answers.pop(0) if self._answers else OsEntropy().bytes(n)


def test_numbers_that_fit_no_key_and_no_nonce_are_drawn_again() -> None:
    """GB/T 32918.1 §6.1: d lies between 1 and n-2; GB/T 32918.4 §6.1: k between 1 and n-1."""
    numbers = [number.to_bytes(32) for number in (0, sm2.N - 1, 2**256 - 1, sm2.N - 2)]
    authority = CertificateAuthority(Scripted(*numbers), TODAY, BANK)
    assert authority.encryption_pair().encode() == numbers[-1]
    receiver, sm4_key = sm2.PrivateKey(0xC0FFEE), bytes(range(16))
    authority = CertificateAuthority(Scripted(sm4_key, sm2.N.to_bytes(32)), TODAY, BANK)
    enveloped = authority.enveloped(sm2.PrivateKey(5), receiver.public)
    assert sm2.unwrap(enveloped, receiver).encode() == (5).to_bytes(32)


def test_serial_numbers_are_positive_and_differ(
    authority: CertificateAuthority, keys: dict[Kind, PublicKey]
) -> None:
    numbers = {
        reader.load_der_x509_certificate(authority.issue(keys["sm2"], NUMBER)).serial_number for _ in range(5)
    }
    assert len(numbers) == 5
    assert all(0 < number < 1 << 159 for number in numbers)


@pytest.mark.parametrize(
    ("today", "until"),
    [
        (datetime(2026, 3, 1, 12, 30, 15, 999, UTC), datetime(2031, 3, 1, 12, 30, 15, 0, UTC)),
        (datetime(2028, 2, 29, tzinfo=UTC), datetime(2033, 2, 28, tzinfo=UTC)),
        (datetime(2048, 1, 1, tzinfo=UTC), datetime(2053, 1, 1, tzinfo=UTC)),
        (
            datetime(2026, 3, 1, 4, tzinfo=timezone(timedelta(hours=8))),
            datetime(2031, 2, 28, 20, tzinfo=UTC),
        ),
    ],
    ids=["plain", "leap day", "beyond UTCTime (RFC 5280 4.1.2.5)", "China"],
)
def test_a_certificate_lasts_five_years(today: datetime, until: datetime) -> None:
    """A8, C4; the CA's day is the bank's, the emulator has none (E7)."""
    authority = CertificateAuthority(OsEntropy(), today, BANK)
    certificate = reader.load_der_x509_certificate(authority.issue(sm2.PrivateKey(5).public, NUMBER))
    assert certificate.not_valid_before_utc == today.replace(microsecond=0)
    assert certificate.not_valid_after_utc == until


def test_a_root_is_made_once_and_a_bank_of_any_length_has_a_name() -> None:
    authority = CertificateAuthority(SeededEntropy(b"seed"), TODAY, "B" * 64)
    assert authority.root("sm2") == authority.root("sm2")
    (organisation,) = reader.load_der_x509_certificate(authority.root("sm2")).subject.get_attributes_for_oid(
        reader.NameOID.ORGANIZATION_NAME
    )
    assert str(organisation.value).startswith("TEST CA, not BBB")
    assert len(organisation.value) == 64
