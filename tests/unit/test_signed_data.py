"""SignedData both ways: what we write is judged by openssl, what we read comes from openssl, CFCA and others."""

from __future__ import annotations

import base64
import subprocess
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostdriver.errors import Exit, KeyNotFoundError, VerificationFailedError
from hostdriver.signed_data import (
    MAX_SIZE,
    CertificateMisfitError,
    NoCertificateError,
    SignedDataError,
    encode,
    parse,
    sign,
    verify,
)
from hostdriver.signed_data.algorithms import PKCS7
from hostdriver.token import Container, ContainerFacts, PublicKey
from protocols.gmt import HashAlgorithm, KeyUse, SignInput
from protocols.sm2 import Signature
from protocols.sw import SW
from tests.rig.cli import openssl
from tests.rig.signed_data import bouncy_castle_verifies, objects, openssl_verifies_sm2

VECTORS = Path(__file__).parents[1] / "vectors" / "signed-data"
MESSAGE = "付款 100.00 元\r\nno text mode\n".encode()
SM2_ID = ("-pkeyopt", "distid:1234567812345678")
HASHES = {"sha256": HashAlgorithm.SHA256, "sha1": HashAlgorithm.SHA1, "sm3": HashAlgorithm.SM3}


class Identity(NamedTuple):
    """A key of openssl's and its certificate, in files, and the certificate in DER."""

    key: Path
    certificate: Path
    der: bytes


def _identity(directory: Path, name: str, *options: str) -> Identity:
    key, certificate = directory / f"{name}.key", directory / f"{name}.pem"
    openssl("genpkey", "-algorithm", *options, "-out", key)
    subject = ("-subj", f"/C=CN/O=银行/CN={name}", "-utf8", "-sm3" if name == "sm2" else "-sha256")
    more = ("-sigopt", "distid:1234567812345678") if name == "sm2" else ()
    openssl("req", "-x509", "-new", "-key", key, *subject, *more, "-out", certificate)
    return Identity(key, certificate, base64.b64decode("".join(certificate.read_text().splitlines()[1:-1])))


@pytest.fixture(scope="module")
def rsa(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return _identity(tmp_path_factory.mktemp("rsa"), "rsa", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")


@pytest.fixture(scope="module")
def sm2(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return _identity(tmp_path_factory.mktemp("sm2"), "sm2", "SM2")


@pytest.fixture
def message(tmp_path: Path) -> Path:
    file = tmp_path / "message"
    file.write_bytes(MESSAGE)
    return file


def signed_by_openssl(who: Identity, message: Path, hash_name: str = "sha256") -> bytes:
    """A bare signature: RSA as it stands, SM2 as r ‖ s."""
    out = message.with_name("signature")
    if "sm2" not in who.key.name:
        openssl("dgst", f"-{hash_name}", "-sign", who.key, "-out", out, message)
        return out.read_bytes()
    openssl(
        "pkeyutl",
        "-sign",
        "-rawin",
        "-digest",
        "sm3",
        *SM2_ID,
        "-inkey",
        who.key,
        "-in",
        message,
        "-out",
        out,
    )
    return Signature.parse_der(out.read_bytes()).encode()


# What we write


@pytest.mark.parametrize("program", ["cms", "smime"])
@pytest.mark.parametrize("hash_name", ["sha256", "sha1"])
@pytest.mark.parametrize("detached", [False, True])
def test_openssl_verifies_rsa(
    program: str, hash_name: str, detached: bool, rsa: Identity, message: Path
) -> None:
    signature = signed_by_openssl(rsa, message, hash_name)
    der = encode(rsa.der, signature, HASHES[hash_name], None if detached else MESSAGE)
    file, out = message.with_name("p7"), message.with_name("out")
    file.write_bytes(der)
    content = ("-content", message) if detached else ()
    call = (program, "-verify", "-inform", "DER", "-in", file, "-binary", *content)
    openssl(*call, "-CAfile", rsa.certificate, "-out", out)
    assert out.read_bytes() == MESSAGE
    assert (MESSAGE in der) is not detached


def test_openssl_rejects_rsa_over_another_message(rsa: Identity, message: Path) -> None:
    file = message.with_name("p7")
    file.write_bytes(encode(rsa.der, signed_by_openssl(rsa, message), HashAlgorithm.SHA256))
    message.write_bytes(MESSAGE + b" ")
    call = f"openssl cms -verify -inform DER -in {file} -binary -content {message} -CAfile {rsa.certificate}"
    done = subprocess.run(call.split(), capture_output=True, check=False)
    assert b"verification failure" in done.stderr


@pytest.mark.parametrize("detached", [False, True])
def test_openssl_verifies_sm2(detached: bool, sm2: Identity, message: Path) -> None:
    signature = signed_by_openssl(sm2, message)
    der = encode(sm2.der, signature, HashAlgorithm.SM3, None if detached else MESSAGE)
    assert openssl_verifies_sm2(der, message.parent, MESSAGE if detached else None)
    assert not openssl_verifies_sm2(der, message.parent, MESSAGE + b" ")


def test_sm2_has_the_names_of_cfcas(sm2: Identity, message: Path) -> None:
    der = encode(sm2.der, signed_by_openssl(sm2, message), HashAlgorithm.SM3, MESSAGE)
    assert objects(der) == objects((VECTORS / "cfca-bank.der").read_bytes())
    assert len(objects(der)) == 8


@pytest.mark.slow
@pytest.mark.parametrize("detached", [False, True])
def test_bouncy_castle_verifies_both(detached: bool, rsa: Identity, sm2: Identity, message: Path) -> None:
    assert bouncy_castle_verifies(VECTORS / "cfca-bank.der")
    assert not bouncy_castle_verifies(VECTORS / "cfca-without-z.der")
    file = message.with_name("p7")
    for who, hash_code in ((rsa, HashAlgorithm.SHA256), (sm2, HashAlgorithm.SM3)):
        file.write_bytes(
            encode(who.der, signed_by_openssl(who, message), hash_code, None if detached else MESSAGE)
        )
        assert bouncy_castle_verifies(file, message if detached else None)
    message.write_bytes(MESSAGE + b" ")
    assert not (detached and bouncy_castle_verifies(file, message))


# What we read


def made_by_openssl(rsa: Identity, message: Path, *options: str) -> bytes:
    out = message.with_name("p7")
    call = ("cms", "-sign", "-binary", "-signer", rsa.certificate, "-inkey", rsa.key)
    openssl(*call, "-in", message, "-outform", "DER", "-out", out, *options)
    return out.read_bytes()


@pytest.mark.parametrize(
    "options",
    [
        ("-nodetach",),
        ("-nodetach", "-noattr"),
        ("-nodetach", "-stream"),  # BER of indefinite length, the message in pieces
        ("-nodetach", "-keyid"),
        ("-nodetach", "-md", "sha1"),
        (),
        ("-noattr",),
    ],
    ids=lambda options: " ".join(options) or "detached",
)
def test_what_openssl_signed(options: tuple[str, ...], rsa: Identity, message: Path) -> None:
    signed = parse(made_by_openssl(rsa, message, *options))
    assert signed.message == (MESSAGE if "-nodetach" in options else None)
    (signer,) = verify(signed, MESSAGE)
    assert signer.subject == "CN=rsa, O=银行, C=CN"
    with pytest.raises(VerificationFailedError):
        verify(signed, MESSAGE + b" ")


def test_smime_of_openssl(rsa: Identity, message: Path) -> None:
    pem = openssl("smime", "-sign", "-binary", "-signer", rsa.certificate, "-inkey", rsa.key, "-in", message,
                  "-outform", "PEM", "-nodetach")  # fmt: skip
    assert verify(parse(pem.encode()))
    bare = "".join(pem.splitlines()[1:-1])
    assert verify(parse(bare.encode()))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("-nodetach", "-nocerts"), "does not carry its signer's certificate"),
        (("-nodetach", "-md", "sha512"), "2.16.840.1.101.3.4.2.3"),
        ((), "does not hold its message"),
    ],
)
def test_what_cannot_be_verified_says_why(
    options: tuple[str, ...], words: str, rsa: Identity, message: Path
) -> None:
    signed = parse(made_by_openssl(rsa, message, *options))
    with pytest.raises(SignedDataError, match=words):
        verify(signed)


def test_two_signers_must_both_be_right(rsa: Identity, message: Path) -> None:
    made_by_openssl(rsa, message, "-nodetach")
    both = message.with_name("both")
    openssl("cms", "-resign", "-inform", "DER", "-in", message.with_name("p7"), "-signer", rsa.certificate,
            "-inkey", rsa.key, "-nocerts", "-keyid", "-outform", "DER", "-out", both)  # fmt: skip
    der = both.read_bytes()
    assert len(verify(parse(der))) == 2
    for signer in parse(der).signers:
        other = signer.signature[:-1] + bytes((signer.signature[-1] ^ 1,))
        with pytest.raises(VerificationFailedError):
            verify(parse(der.replace(signer.signature, other)))


def test_attributes_that_speak_of_another_message(rsa: Identity, message: Path) -> None:
    """The signature over the attributes is good; the digest among them is not this message's."""
    der = made_by_openssl(rsa, message, "-nodetach")
    with pytest.raises(VerificationFailedError):
        verify(parse(der.replace(MESSAGE, b"X" + MESSAGE[1:])))


def test_a_banks_sample() -> None:
    signed = parse((VECTORS / "cfca-bank.der").read_bytes())
    assert signed.message == b"Z000022725Z00002272021-02-04 10:47:30.88211637480324508820641"
    (signer,) = verify(signed)
    assert signer.subject.startswith("CN=041@5812451@CZBANK-OPR@00000001")


@pytest.mark.parametrize("name", ["cfca-without-z", "szca"])
def test_samples_that_no_strict_verifier_takes(name: str) -> None:
    with pytest.raises(VerificationFailedError):
        verify(parse((VECTORS / f"{name}.der").read_bytes()))


def test_a_sample_without_its_certificate() -> None:
    with pytest.raises(SignedDataError, match="certificate"):
        verify(parse((VECTORS / "netca.der").read_bytes()))


def test_sm2_under_the_types_of_pkcs7(sm2: Identity, message: Path) -> None:
    """As OpenSSL's heirs write it, who have no others."""
    der = encode(sm2.der, signed_by_openssl(sm2, message), HashAlgorithm.SM3, MESSAGE)
    assert verify(replace(parse(der), syntax=PKCS7))


def test_algorithms_of_another_kind_of_key(rsa: Identity, sm2: Identity, message: Path) -> None:
    signed = parse(encode(sm2.der, signed_by_openssl(sm2, message), HashAlgorithm.SM3, MESSAGE))
    (signer,) = signed.signers
    by_rsa = replace(signed, signers=(replace(signer, algorithm=PKCS7.signatures[0]),))
    with pytest.raises(SignedDataError, match=r"1\.2\.840\.113549\.1\.1\.1"):
        verify(by_rsa)
    by_sha256 = replace(signed, signers=(replace(signer, digest="2.16.840.1.101.3.4.2.1"),))
    with pytest.raises(VerificationFailedError):
        verify(by_sha256)


# What is no SignedData


def tlv(tag: int, value: bytes) -> bytes:
    """With a length of four bytes."""
    return bytes((tag, 0x84)) + len(value).to_bytes(4) + value


NAME, DATA = (bytes.fromhex("06092a864886f70d01070" + digit) for digit in "21")
LONG_NAME = tlv(0x06, b"\x2a" + b"\x81" * 900_000 + b"\x01")


def around(inner: bytes, signers: bytes = b"\x30\x00", name: bytes = NAME) -> bytes:
    """The rest of a SignedData without signature."""
    body = b"\x02\x01\x01\x31\x00" + tlv(0x30, inner) + tlv(0x31, signers)
    return tlv(0x30, name + tlv(0xA0, tlv(0x30, body)))


NONE = {
    "an endless name": around(LONG_NAME),
    "an endless name outside": around(DATA, name=LONG_NAME),
    "a hundred thousand signers": around(DATA, b"\x30\x00" * 100_000),
    "nobody": around(DATA, b""),
    "an empty signer": around(DATA),
    "nothing": b"",
    "text": b"hello",
    "base64 of text": b"aGVsbG8=",
    "a certificate": b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
    "half a PEM": b"-----BEGIN PKCS7-----\nMIIB",
    "a short length": b"\x30\x82\xff\xff\x06\x01\x00",
    "deep": b"\x30\x80" * 50_000,
    "deep and definite": b"\x30\x84\x00\x0f\x00\x00" * 20_000,
    "too long": b"\x30" + bytes(MAX_SIZE),
    "far too long": b"A" * (2 * MAX_SIZE + 1),
}


@pytest.mark.parametrize("raw", NONE.values(), ids=NONE.keys())
def test_garbage_is_one_line(raw: bytes) -> None:
    with pytest.raises(SignedDataError) as caught:
        parse(raw)
    assert caught.value.exit_code is Exit.FAILED
    assert "\n" not in str(caught.value)


def test_certificates_alone_are_no_signature(rsa: Identity, message: Path) -> None:
    out = message.with_name("certificates.p7")
    openssl("crl2pkcs7", "-nocrl", "-certfile", rsa.certificate, "-outform", "DER", "-out", out)
    with pytest.raises(SignedDataError):
        parse(out.read_bytes())


SAMPLE = (VECTORS / "cfca-bank.der").read_bytes()
WITH_ATTRIBUTES = (VECTORS / "netca.der").read_bytes()


@pytest.mark.slow
@given(
    st.sampled_from([SAMPLE, WITH_ATTRIBUTES]),
    st.lists(
        st.tuples(st.integers(0, len(SAMPLE) - 1), st.binary(max_size=3), st.integers(0, 4)), max_size=4
    ),
)
def test_mutations_never_hurt(sample: bytes, changes: list[tuple[int, bytes, int]]) -> None:
    """Whatever is cut out and put in: it verifies the same message, or there is one of two errors."""
    raw = sample
    for at, new, cut in changes:
        raw = raw[: at % len(raw)] + new + raw[at % len(raw) + cut :] if raw else new
    with suppress(SignedDataError, VerificationFailedError):
        assert verify(parse(raw))
        assert parse(raw).message == parse(SAMPLE).message


# With a key


class FakeContainer(Container):
    """A container whose key is openssl's."""

    name = "SM2-SIGN"

    def __init__(self, who: Identity, certificate: bytes | None, message: Path) -> None:
        self.who, self.held, self.message = who, certificate, message
        self.signed: list[tuple[bytes, SignInput]] = []

    def facts(self) -> ContainerFacts:
        raise NotImplementedError

    def public_key(self, use: KeyUse = KeyUse.SIGN) -> PublicKey:
        raise NotImplementedError

    def certificate(self, use: KeyUse = KeyUse.SIGN) -> bytes:
        if self.held is None:
            raise KeyNotFoundError(SW.KEY_NOT_FOUND)
        return self.held

    def sign(self, data: bytes, source: SignInput, hash_code: HashAlgorithm = HashAlgorithm.SHA256) -> bytes:
        self.signed.append((data, source))
        return signed_by_openssl(self.who, self.message)


def test_the_key_gets_the_message_and_nothing_else(sm2: Identity, message: Path) -> None:
    container = FakeContainer(sm2, sm2.der, message)
    assert verify(parse(sign(container, MESSAGE)))
    assert container.signed == [(MESSAGE, SignInput.MESSAGE)]


def test_without_a_certificate_nobody_is_asked(sm2: Identity, message: Path) -> None:
    container = FakeContainer(sm2, None, message)
    with pytest.raises(NoCertificateError, match="vukey host request") as caught:
        sign(container, MESSAGE)
    assert caught.value.exit_code is Exit.NOT_FOUND
    assert not container.signed


def test_a_certificate_of_another_pair(rsa: Identity, sm2: Identity, message: Path) -> None:
    with pytest.raises(CertificateMisfitError, match="another key pair"):
        sign(FakeContainer(sm2, rsa.der, message), MESSAGE)


def test_a_digest_cannot_be_attached(sm2: Identity, message: Path) -> None:
    with pytest.raises(ValueError, match="digest"):
        sign(FakeContainer(sm2, sm2.der, message), bytes(32), SignInput.DIGEST)
