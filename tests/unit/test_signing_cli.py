"""`vukey host sign`, `verify` and `request` on a key in this process that nobody has to press: forms and refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from asn1crypto import pem
from typer.testing import CliRunner

from emulator.device import Device
from emulator.hardware.clock import ManualClock
from emulator.hardware.entropy import OsEntropy
from emulator.issuer.ca import CertificateAuthority
from emulator.profiles import load_profile
from hostdriver import tokens
from hostdriver.apdu_token import ApduToken
from hostdriver.cli.host import app
from hostdriver.errors import Exit, HostError
from protocols import sm2
from tests.rig.cli import der_signature, openssl, openssl_accepts
from tests.rig.key import KeyRig, changed, stored, user_pin
from tests.rig.signed_data import openssl_verifies_sm2
from tests.rig.verifiers import sm2_digest
from vukey_testing.targets import InProcess

MESSAGE = b"pay 100.00 to 5212345678"
PROFILE = changed(
    load_profile("ccb-shield-gd"), display=None, buttons=(), confirm__presses=0, ready_digest="free"
)
SM2, RSA = "SM2-SIGN", "RSA-SIGN"
CA = CertificateAuthority(OsEntropy(), datetime.now(UTC))


class Shell:
    """The command line, with that key as the only one, in a directory with the message."""

    def __init__(self, rig: KeyRig, directory: Path) -> None:
        self.rig, self.directory = rig, directory

    def __call__(self, *arguments: str) -> str:
        """What a command prints."""
        done = CliRunner().invoke(app, arguments, env={"VUKEY_PIN": self.rig.user_pin})
        if isinstance(done.exception, HostError):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.stdout

    def fails(self, code: Exit, words: str, *arguments: str) -> None:
        """A command ends with that exit code and one line with those words."""
        with pytest.raises(HostError) as caught:
            self(*arguments)
        assert caught.value.exit_code is code
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)

    def read(self, name: str) -> bytes:
        """A file."""
        return (self.directory / name).read_bytes()

    def key(self, container: str) -> sm2.PublicKey:
        """The public half of an SM2 pair."""
        self.rig.plug_in()
        key = self.rig.session.public_key(self.rig.session.open_container(self.rig.open(), container))
        assert isinstance(key, sm2.PublicKey)
        return key


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Shell]:
    clock = ManualClock()
    device = Device(PROFILE, storage=stored(PROFILE, "ready"), clock=clock)
    rig = KeyRig(device, clock, InProcess, user_pin(PROFILE, "ready"))
    application = rig.log_in()
    for name in rig.session.containers(application):
        container = rig.session.open_container(application, name)
        rig.session.import_certificate(container, CA.issue(rig.session.public_key(container), "5212345678"))

    def open_token(*_: object) -> ApduToken:
        rig.plug_in()
        return ApduToken(rig.session)

    monkeypatch.setattr(tokens, "open_token", open_token)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "message").write_bytes(MESSAGE)
    yield Shell(rig, tmp_path)
    rig.close()


# Forms


def test_an_attached_signature_in_a_file(shell: Shell, tmp_path: Path) -> None:
    assert shell("sign", "message", "--alg", "sm2", "--format", "p7", "-o", "p7") == ""
    kind, _, der = pem.unarmor(shell.read("p7"))
    assert kind == "PKCS7"
    assert openssl_verifies_sm2(der, tmp_path)
    assert "valid" in shell("verify", "--format", "p7", "--signature", "p7", "-o", "out")
    assert shell.read("out") == MESSAGE


@pytest.mark.parametrize("hash_name", ["sha256", "sha1"])
def test_rsa_in_der(hash_name: str, shell: Shell, tmp_path: Path) -> None:
    chosen = ("--alg", "rsa", "--hash", hash_name)
    shell("sign", "message", *chosen, "--format", "p7-detached", "--outform", "DER", "-o", "p7")
    (tmp_path / "signer.pem").write_text(shell("certs", "--container", RSA, "--pem"))
    openssl("cms", "-verify", "-inform", "DER", "-in", tmp_path / "p7", "-content", tmp_path / "message",
            "-CAfile", tmp_path / "signer.pem", "-partial_chain", "-purpose", "any", "-binary")  # fmt: skip
    assert "CN=5212345678" in shell("verify", "message", "--format", "p7-detached", "--signature", "p7")


def test_rsa_with_sm3_as_openssls_parts_have_it(shell: Shell, tmp_path: Path) -> None:
    """OpenSSL 3.0 refuses the combination; it takes the padding off, and hashes."""
    shell("sign", "message", "--alg", "rsa", "--hash", "sm3", "-o", "signature")
    (tmp_path / "signer.pem").write_text(shell("certs", "--container", RSA, "--pem"))
    openssl("pkeyutl", "-verifyrecover", "-certin", "-inkey", tmp_path / "signer.pem",
            "-in", tmp_path / "signature", "-out", tmp_path / "recovered")  # fmt: skip
    openssl("dgst", "-sm3", "-binary", "-out", tmp_path / "digest", tmp_path / "message")
    assert shell.read("recovered").endswith(shell.read("digest"))
    shell("sign", "message", "--alg", "rsa", "--hash", "sm3", "--format", "p7", "-o", "p7")
    assert "valid" in shell("verify", "--format", "p7", "--signature", "p7")


def test_der_is_the_pair_of_raw(shell: Shell, tmp_path: Path) -> None:
    printed = bytes.fromhex(shell("sign", "message", "--alg", "sm2", "--format", "der"))
    (tmp_path / "signer.pem").write_text(shell("certs", "--container", SM2, "--pem"))
    raw = sm2.Signature.parse_der(printed).encode()
    assert der_signature(raw) == printed
    assert openssl_accepts(tmp_path / "signer.pem", "sm2", MESSAGE, raw)
    (tmp_path / "message").write_bytes(MESSAGE)
    assert "valid" in shell(
        "verify", "message", "--alg", "sm2", "--format", "der", "--signature", printed.hex()
    )
    rsa = shell("sign", "message", "--alg", "rsa", "--format", "der")
    assert rsa == shell("sign", "message", "--alg", "rsa", "--format", "raw")


def test_a_digest_for_a_detached_signature(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "digest").write_bytes(sm2_digest(shell.key(SM2), MESSAGE))
    facts = json.loads(
        shell("sign", "digest", "--digest", "--alg", "sm2", "--format", "p7-detached", "--json")
    )
    assert facts["format"] == "p7-detached"
    assert openssl_verifies_sm2(bytes.fromhex(facts["signature"]), tmp_path, MESSAGE)


def test_json_beside_a_file(shell: Shell) -> None:
    facts = json.loads(
        shell("sign", "message", "--alg", "sm2", "--format", "p7", "--outform", "der", "-o", "p7", "--json")
    )
    assert bytes.fromhex(facts["signature"]) == shell.read("p7")


# Requests


def test_a_request_takes_the_name_of_the_certificate(shell: Shell, tmp_path: Path) -> None:
    shell("request", "--alg", "rsa", "-o", "csr")
    shown = openssl("req", "-in", tmp_path / "csr", "-noout", "-subject", "-nameopt", "RFC2253")
    assert shown.startswith("subject=CN=5212345678,O=TEST CA")


@pytest.mark.parametrize(("kind", "more"), [("sm2", ()), ("rsa", ("--bits", "1024"))])
def test_a_new_pair(kind: str, more: tuple[str, ...], shell: Shell, tmp_path: Path) -> None:
    new = ("request", "--container", "NEW", "--subject", "CN=1, C=CN")
    der = bytes.fromhex(json.loads(shell(*new, "--generate", kind, *more, "--json"))["request"])
    (tmp_path / "csr").write_bytes(der)
    shown = openssl("req", "-inform", "DER", "-in", tmp_path / "csr", "-noout", "-text")
    assert {"sm2": "ASN1 OID: SM2", "rsa": "(1024 bit)"}[kind] in shown
    shell.fails(Exit.ALREADY_EXISTS, "leave out --generate", *new, "--generate", kind)
    again = shell(*new, "--outform", "pem")
    assert again.startswith("-----BEGIN CERTIFICATE REQUEST-----")
    shell.fails(
        Exit.NOT_FOUND, "vukey host request", "sign", "message", "--container", "NEW", "--format", "p7"
    )
    shell.fails(Exit.USAGE, "give --subject", "request", "--container", "NEW")


def test_an_empty_container_gets_its_pair(shell: Shell) -> None:
    shell.rig.session.create_container(shell.rig.log_in(), "EMPTY")
    assert shell("request", "--container", "EMPTY", "--subject", "CN=1", "--generate", "sm2")


# Refusals

SIGN = ("sign", "message", "--alg")


@pytest.mark.parametrize(
    ("code", "words", "arguments"),
    [
        (Exit.USAGE, "SM2 signs with SM3", (*SIGN, "sm2", "--hash", "sha256", "--format", "p7")),
        (Exit.USAGE, "SM2 signs with SM3", ("request", "--alg", "sm2", "--hash", "sha1")),
        (Exit.USAGE, "--format p7-detached", (*SIGN, "sm2", "--digest", "--format", "p7")),
        (Exit.USAGE, "--outform goes with", (*SIGN, "sm2", "--outform", "pem")),
        (Exit.FAILED, "the key takes at most", ("sign", "large", "--alg", "sm2", "--format", "p7")),
        (Exit.USAGE, "CN=5212345678, O=My bank", ("request", "--alg", "sm2", "--subject", "5212345678")),
        (
            Exit.USAGE,
            "--container NAME --subject NAME",
            ("request", "--generate", "sm2", "--subject", "CN=1"),
        ),
        (Exit.USAGE, "--container NAME --subject NAME", ("request", "--generate", "sm2", "--container", "N")),
        (
            Exit.USAGE,
            "2048, 3072",
            ("request", "--generate", "rsa", "--container", "N", "--subject", "CN=1", "--bits", "512"),
        ),
        (
            Exit.USAGE,
            "SM2 signs with SM3",
            ("request", "--generate", "sm2", "--container", "N", "--subject", "CN=1", "--hash", "sha1"),
        ),
        (Exit.FAILED, "cannot be written", ("request", "--alg", "sm2", "-o", "/nowhere/csr")),
        (Exit.FAILED, "no SignedData", ("verify", "--format", "p7", "--signature", "message")),
        (Exit.FAILED, "neither hex nor a file", ("verify", "--format", "p7", "--signature", "nothing")),
        (Exit.USAGE, "not with a digest", ("verify", "--digest", "--format", "p7", "--signature", "message")),
        (Exit.USAGE, "name the FILE", ("verify", "--signature", "00")),
        (Exit.USAGE, "name the FILE", ("verify", "message", "--signature", "00", "-o", "out")),
        (
            Exit.USAGE,
            "SM2 signs with",
            ("verify", "message", "--signature", "00", "--hash", "sha1", "--alg", "sm2"),
        ),
        (Exit.SIGNATURE_INVALID, "does not fit", ("verify", "message", "--alg", "sm2", "--signature", "00")),
    ],
)
def test_a_refusal_is_one_line(code: Exit, words: str, arguments: tuple[str, ...], shell: Shell) -> None:
    (shell.directory / "large").write_bytes(bytes(100_000))
    shell.fails(code, words, *arguments)


def test_another_message_than_the_one_inside(shell: Shell, tmp_path: Path) -> None:
    shell("sign", "message", "--alg", "sm2", "--format", "p7", "-o", "p7")
    (tmp_path / "message").write_bytes(MESSAGE + b" ")
    check = ("verify", "message", "--format", "p7", "--signature", "p7", "-o", "out")
    shell.fails(Exit.SIGNATURE_INVALID, "does not fit", *check)
    assert not (tmp_path / "out").exists()


def test_a_certificate_of_another_pair_is_not_handed_out(shell: Shell) -> None:
    session = shell.rig.session
    container = session.open_container(shell.rig.log_in(), SM2)
    other = sm2.PrivateKey(12345).public
    session.import_certificate(container, CA.issue(other, "5212345678"))
    shell.fails(Exit.FAILED, "another key pair", "sign", "message", "--alg", "sm2", "--format", "p7")
