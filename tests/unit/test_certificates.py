"""Certificates for a person, and signatures under the host's own eyes: OpenSSL made the samples."""

from __future__ import annotations

import hashlib
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import gmalg
import pytest
from asn1crypto import algos, core, pem
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from hypothesis import given
from hypothesis import strategies as st

from hostdriver.certificates import PublicKey, describe, verify, verify_digest
from hostdriver.errors import AnswerError
from protocols import sm2
from protocols.digest_info import digest_info
from protocols.gmt import HashAlgorithm, RsaPublicKey

MESSAGE = "付款 100.00 元".encode()
SM2_UID = b"1234567812345678"
RSA_KEY = rsa.generate_private_key(65537, 1024)
RSA_PUBLIC = RsaPublicKey(RSA_KEY.public_key().public_numbers().n, 65537)


def certificate(common_name: str = "5212345678", key: ec.EllipticCurvePrivateKey | None = None) -> bytes:
    """Made by `cryptography`."""
    name = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.COUNTRY_NAME, "CN"),
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "银行"),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name),
        ]
    )
    start = datetime(2026, 3, 1, tzinfo=UTC)
    builder = (
        x509.CertificateBuilder(name, name)
        .public_key((key or RSA_KEY).public_key())
        .serial_number(0x0ABC)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=30))
    )
    return builder.sign(key or RSA_KEY, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


SAMPLE = certificate()


def test_an_rsa_certificate() -> None:
    read = describe(SAMPLE)
    assert read.subject == read.issuer == "CN=5212345678, O=银行, C=CN"
    assert read.serial_number == "0ABC"
    assert (read.not_before, read.not_after) == (
        datetime(2026, 3, 1, tzinfo=UTC),
        datetime(2026, 3, 31, tzinfo=UTC),
    )
    assert (read.algorithm, read.public_key) == ("RSA-1024", RSA_PUBLIC)
    assert read.fingerprint == hashlib.sha256(SAMPLE).hexdigest()


def openssl(folder: Path, command: str) -> str:
    done = subprocess.run(
        ["openssl", *command.split()], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout


@pytest.fixture(scope="module")
def openssl_sm2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed SM2 certificate with its key, by OpenSSL."""
    folder = tmp_path_factory.mktemp("sm2")
    openssl(folder, "ecparam -name SM2 -genkey -noout -out key.pem")
    request = "req -new -x509 -key key.pem -sm3 -subj /CN=x/O=y -days 9 -out certificate.pem -sigopt"
    openssl(folder, f"{request} distid:{SM2_UID.decode()}")
    return folder


def test_an_sm2_certificate_of_openssl(openssl_sm2: Path) -> None:
    _, _, der = pem.unarmor((openssl_sm2 / "certificate.pem").read_bytes())
    read = describe(der)
    said = openssl(openssl_sm2, "x509 -in certificate.pem -noout -serial -fingerprint -sha256")
    assert read.algorithm == "SM2"
    assert read.subject == "O=y, CN=x"
    assert f"serial={read.serial_number}\n" in said
    assert read.fingerprint.upper() in said.replace(":", "")


def test_openssl_s_sm2_signature_holds_under_its_certificate(openssl_sm2: Path) -> None:
    _, _, der = pem.unarmor((openssl_sm2 / "certificate.pem").read_bytes())
    key = describe(der).public_key
    (openssl_sm2 / "message").write_bytes(MESSAGE)
    sign = "pkeyutl -sign -rawin -digest sm3 -inkey key.pem -in message -out signature -pkeyopt"
    openssl(openssl_sm2, f"{sign} distid:{SM2_UID.decode()}")
    signature = (openssl_sm2 / "signature").read_bytes()
    assert verify(key, MESSAGE, signature)
    assert verify(key, MESSAGE, sm2.Signature.parse_der(signature).encode())
    assert not verify(key, MESSAGE + b" ", signature)


@pytest.mark.parametrize("hash_code", [HashAlgorithm.SM3, HashAlgorithm.SHA1, HashAlgorithm.SHA256])
def test_rsa_signatures_of_cryptography(hash_code: HashAlgorithm) -> None:
    algorithm = {
        HashAlgorithm.SM3: hashes.SM3(),
        HashAlgorithm.SHA1: hashes.SHA1(),
        HashAlgorithm.SHA256: hashes.SHA256(),
    }[hash_code]
    signature = RSA_KEY.sign(MESSAGE, padding.PKCS1v15(), algorithm)
    digest = hashes.Hash(algorithm)
    digest.update(MESSAGE)
    e = digest.finalize()
    assert verify(RSA_PUBLIC, MESSAGE, signature, hash_code)
    assert verify_digest(RSA_PUBLIC, e, signature, hash_code)
    assert not verify(RSA_PUBLIC, MESSAGE + b" ", signature, hash_code)
    assert not verify_digest(RSA_PUBLIC, e[:-1], signature, hash_code)


def test_sm2_signatures_of_gmalg() -> None:
    signer = gmalg.SM2(sk=(7).to_bytes(32, "big"), uid=SM2_UID)
    r, s = (half.rjust(sm2.SIZE, b"\0") for half in signer.sign(MESSAGE))  # it leaves leading zeros out
    key = sm2.PrivateKey(7).public
    assert verify(key, MESSAGE, r + s)
    assert verify(key, MESSAGE, sm2.Signature.parse(r + s).encode_der())
    assert verify_digest(key, sm2.message_digest(key, MESSAGE), r + s)
    assert not verify_digest(key, b"", r + s)
    assert not verify(key, MESSAGE, s + r)


@given(st.binary(max_size=200))
def test_a_garbage_signature_only_fails(signature: bytes) -> None:
    public_keys: list[PublicKey] = [RSA_PUBLIC, sm2.PublicKey(sm2.GX, sm2.GY)]
    for key in public_keys:
        assert not verify(key, MESSAGE, signature)


@pytest.mark.parametrize(
    ("n", "e"),
    [(10, 2), (0, 0), (-(1 << 1023), 65537), (1 << 1023, -3)],
    ids=["even", "zero", "negative n", "negative e"],
)
def test_an_impossible_rsa_key_only_fails(n: int, e: int) -> None:
    assert not verify(RsaPublicKey(n, e), MESSAGE, bytes(128))


def test_no_name_moves_the_cursor() -> None:
    read = describe(certificate("evil\x1b[2Jname\n"))
    assert read.subject.startswith(r"CN=evil\x1b[2Jname\n,")


def test_another_kind_of_key_is_named() -> None:
    with pytest.raises(AnswerError, match="neither RSA nor SM2"):
        describe(certificate(key=ec.generate_private_key(ec.SECP256R1())))


def test_a_point_off_the_curve_is_refused(openssl_sm2: Path) -> None:
    _, _, der = pem.unarmor((openssl_sm2 / "certificate.pem").read_bytes())
    key = describe(der).public_key
    assert isinstance(key, sm2.PublicKey)
    moved = der.replace(key.encode(), key.encode()[:-1] + bytes((key.encode()[-1] ^ 1,)))
    with pytest.raises(AnswerError, match="not a point"):
        describe(moved)


def test_a_piece_of_a_certificate_is_none() -> None:
    for size in range(len(SAMPLE)):
        with pytest.raises(AnswerError):
            describe(SAMPLE[:size])


def test_trailing_bytes_are_refused() -> None:
    with pytest.raises(AnswerError):
        describe(SAMPLE + b"\0")


@given(st.binary(max_size=300))
def test_random_bytes_are_no_certificate(raw: bytes) -> None:
    with pytest.raises(AnswerError):
        describe(raw)


@given(st.integers(0, len(SAMPLE) - 1), st.integers(0, 255), st.integers(0, 4))
def test_a_damaged_certificate_is_read_or_refused(at: int, value: int, removed: int) -> None:
    """Only the host's own error comes out."""
    damaged = SAMPLE[:at] + bytes((value,)) + SAMPLE[at + removed :]
    try:
        read = describe(damaged)
    except AnswerError:
        return
    assert read.fingerprint == hashlib.sha256(damaged).hexdigest()


@pytest.mark.parametrize("oid", ["1.2.156.10197.1.504", "1.2.156.10197.1.401"])
def test_sm3_under_rsa_by_either_name(oid: str) -> None:
    """The DigestInfo that OpenSSL writes, and the one that RFC 8017's rule gives."""
    digest = sm2.sm3(MESSAGE)
    info = algos.DigestInfo(
        {"digest_algorithm": {"algorithm": oid, "parameters": core.Null()}, "digest": digest}
    ).dump()
    signature = RSA_KEY.sign(info, padding.PKCS1v15(), utils.NoDigestInfo())
    assert verify_digest(RSA_PUBLIC, digest, signature, HashAlgorithm.SM3)
    assert not verify_digest(RSA_PUBLIC, digest, signature, HashAlgorithm.SHA256)


def test_digest_info_is_openssls() -> None:
    for hash_code, algorithm in ((HashAlgorithm.SM3, hashes.SM3()), (HashAlgorithm.SHA1, hashes.SHA1())):
        signature = RSA_KEY.sign(MESSAGE, padding.PKCS1v15(), algorithm)
        recovered = RSA_KEY.public_key().recover_data_from_signature(signature, padding.PKCS1v15(), None)
        digest = hashes.Hash(algorithm)
        digest.update(MESSAGE)
        assert digest_info(hash_code, digest.finalize()) == recovered
