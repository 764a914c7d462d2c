"""The test CA: OpenSSL and gmalg are the judges of what it issues (A8, C4)."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import gmalg
import pytest
from asn1crypto import core, pem, x509
from cryptography import x509 as reader
from cryptography.hazmat.primitives.asymmetric import rsa

from emulator.hardware.entropy import OsEntropy, SeededEntropy
from emulator.issuer.ca import CertificateAuthority, Kind, PublicKey
from protocols import sm2
from protocols.gmt import RsaPublicKey

TODAY = datetime.now(UTC)
BANK = "Bank of Communications"
NUMBER = "5212345678"
DEFAULT_ID = b"1234567812345678"
KINDS = pytest.mark.parametrize("kind", ["rsa", "sm2"])


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return CertificateAuthority(OsEntropy(), TODAY, BANK)


@pytest.fixture(scope="module")
def keys() -> dict[Kind, PublicKey]:
    numbers = rsa.generate_private_key(65537, 2048).public_key().public_numbers()
    return {"rsa": RsaPublicKey(numbers.n, numbers.e), "sm2": sm2.PrivateKey(0xC0FFEE).public}


@pytest.fixture
def issued(
    authority: CertificateAuthority, keys: dict[Kind, PublicKey], kind: Kind, tmp_path: Path
) -> tuple[Path, Path]:
    """Root and certificate as PEM files."""
    paths = tmp_path / "root.pem", tmp_path / "certificate.pem"
    for path, der in zip(paths, (authority.root(kind), authority.issue(keys[kind], NUMBER)), strict=True):
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


@KINDS
class TestAgainstOpenSsl:
    def test_the_chain_is_accepted(self, issued: tuple[Path, Path], kind: Kind) -> None:
        root, certificate = issued
        done = verify(kind, root, "-x509_strict", "-purpose", "sslclient", certificate)
        assert (done.returncode, done.stdout.strip()) == (0, f"{certificate}: OK"), done.stderr

    def test_a_changed_name_is_refused(self, issued: tuple[Path, Path], kind: Kind) -> None:
        root, certificate = issued
        _, _, der = pem.unarmor(certificate.read_bytes())
        certificate.write_bytes(pem.armor("CERTIFICATE", der.replace(NUMBER.encode(), b"5212345679")))
        done = verify(kind, root, certificate)
        assert done.returncode != 0
        assert "certificate signature failure" in done.stderr

    def test_it_reads_what_is_meant(self, issued: tuple[Path, Path], kind: Kind) -> None:
        said = text(issued[1])
        assert f'Subject: C = CN, O = "TEST CA, not {BANK}", CN = {NUMBER}' in said
        assert f"CN = vukey TEST root {kind.upper()}" in said
        assert ("SM2-with-SM3" if kind == "sm2" else "sha256WithRSAEncryption") in said
        assert ("ASN1 OID: SM2" if kind == "sm2" else "Public-Key: (2048 bit)") in said
        assert "Digital Signature, Non Repudiation" in said
        assert "TLS Web Client Authentication" in said
        assert "CA:FALSE" in said
        assert "CA:TRUE" in text(issued[0])


def text(certificate: Path) -> str:
    done = openssl("x509", "-in", certificate, "-noout", "-text")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("which", ["root", "issued"])
def test_gmalg_verifies_the_sm2_signatures(
    authority: CertificateAuthority, keys: dict[Kind, PublicKey], which: str
) -> None:
    root = x509.Certificate.load(authority.root("sm2"))
    der = authority.root("sm2") if which == "root" else authority.issue(keys["sm2"], NUMBER)
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
