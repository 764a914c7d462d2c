"""`hostdriver.pkcs11` over SoftHSM2. Signatures are checked by `cryptography`, objects made by pkcs11-tool."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils

from hostdriver import certificates, pkcs11
from hostdriver.errors import (
    AlreadyExistsError,
    HostError,
    KeyNotFoundError,
    NewPinRefusedError,
    NoKeyError,
    NoPinPadError,
    NotFoundError,
    NotLoggedInError,
    NotSupportedError,
    PinIncorrectError,
    SeveralKeysError,
)
from hostdriver.pkcs11.failures import ModuleError
from hostdriver.pkcs11.module import finalize_all
from hostdriver.token import Algorithm, Application, PinFacts, PublicKey, Token
from hostdriver.tokens import open_token
from protocols.gmt import HashAlgorithm, KeyUse, PinType, RsaPublicKey, SignInput
from tests.rig.softhsm import MODULE, SO_PIN, USER_PIN, SoftHsm, softhsm_here
from tests.unit.test_certificates import certificate

MESSAGE = "付款 100.00 元".encode()
HASHES = {
    HashAlgorithm.SHA256: hashes.SHA256(),
    HashAlgorithm.SHA1: hashes.SHA1(),
    HashAlgorithm.SM3: hashes.SM3(),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SoftHsm:
    """A token with a key pair, to be copied."""
    made = SoftHsm(tmp_path_factory.mktemp("softhsm"))
    made.add("one")
    made.add_key()
    return made


@pytest.fixture
def hsm(made: SoftHsm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SoftHsm]:
    with softhsm_here(tmp_path, monkeypatch, made) as hsm:
        yield hsm


@pytest.fixture
def opened(hsm: SoftHsm) -> Iterator[Token]:
    with open_token(f"pkcs11:{MODULE}") as opened:
        yield opened


@pytest.fixture
def application(opened: Token) -> Application:
    return opened.application()


def openssl_key(key: PublicKey) -> rsa.RSAPublicKey:
    assert isinstance(key, RsaPublicKey)
    return rsa.RSAPublicNumbers(key.e, key.n).public_key()


# Which key


def test_what_a_token_says_of_itself(opened: Token) -> None:
    info = opened.info()
    assert (info.label, info.manufacturer, info.issuer) == ("one", "SoftHSM project", "")
    assert len(info.serial) == 16
    assert opened.name == info.token == f"pkcs11:{MODULE}:one"
    assert opened.applications() == ["one"]
    assert (opened.kind, opened.shows_messages) == ("pkcs11", True)
    assert len({opened.random(16) for _ in range(4)}) == 4


def test_the_label_or_the_serial_number_names_it(hsm: SoftHsm) -> None:
    hsm.add("two")
    listed = pkcs11.list_tokens(str(MODULE))
    assert sorted(info.label for info in listed) == ["one", "two"]
    for info in listed:
        for key in (info.label, info.serial):
            with pkcs11.open_token(f"{MODULE}:{key}") as opened:
                assert opened.info() == info
    with pytest.raises(SeveralKeysError) as caught:
        pkcs11.open_token(str(MODULE))
    assert all(info.token in str(caught.value) for info in listed)


def test_of_one_label_the_serial_number_decides(hsm: SoftHsm) -> None:
    hsm.add("one")
    listed = pkcs11.list_tokens(str(MODULE))
    assert [info.token for info in listed] == [f"pkcs11:{MODULE}:{info.serial}" for info in listed]
    with pytest.raises(SeveralKeysError):
        pkcs11.open_token(f"{MODULE}:one")


def test_no_key_and_none_of_that_label(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with softhsm_here(tmp_path, monkeypatch) as hsm:  # which always has a blank one
        with pytest.raises(NoKeyError, match="finds no key: is it plugged in"):
            pkcs11.open_token(str(MODULE))
        hsm.add("one")
        finalize_all()  # SoftHSM looks for tokens only when it starts
        with pytest.raises(NoKeyError, match=f"finds no key three; it finds: pkcs11:{MODULE}:one"):
            pkcs11.open_token(f"{MODULE}:three")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/nowhere/module.so", "cannot be loaded: .*No such file"),
        (__file__, "cannot be loaded: .*invalid ELF header"),
        ("libm.so.6", "is no PKCS#11 module: it has no C_GetFunctionList"),
    ],
)
def test_what_is_no_module(path: str, reason: str) -> None:
    with pytest.raises(ModuleError, match=reason):
        open_token(f"pkcs11:{path}")


# Keys and certificates


@pytest.mark.parametrize("source", SignInput)
@pytest.mark.parametrize("code", HASHES)
def test_rsa_signatures(application: Application, code: HashAlgorithm, source: SignInput) -> None:
    state = hashes.Hash(HASHES[code])
    state.update(MESSAGE)
    digest = state.finalize()
    data = MESSAGE if source is SignInput.MESSAGE else digest
    container = application.find_container(None, Algorithm.RSA)
    application.verify_pin(USER_PIN)
    signature = container.sign(data, source, code)
    algorithm = utils.Prehashed(HASHES[code])
    openssl_key(container.public_key()).verify(signature, digest, padding.PKCS1v15(), algorithm)


def test_pkcs11_tool_signs_the_same(hsm: SoftHsm, application: Application, tmp_path: Path) -> None:
    """PKCS#1 v1.5 has no randomness."""
    (tmp_path / "message").write_bytes(MESSAGE)
    hsm.tool(
        "--sign", "--mechanism", "SHA256-RSA-PKCS", "--id", "01",
        "--input-file", tmp_path / "message", "--output-file", tmp_path / "signature",
    )  # fmt: skip
    application.verify_pin(USER_PIN)
    container = application.container("signing")
    assert container.sign(MESSAGE, SignInput.MESSAGE) == (tmp_path / "signature").read_bytes()
    digest = hashlib.sha256(MESSAGE).digest()
    assert container.sign(digest, SignInput.DIGEST) == (tmp_path / "signature").read_bytes()


def test_a_digest_of_another_length_is_not_signed(application: Application) -> None:
    application.verify_pin(USER_PIN)
    with pytest.raises(HostError, match="length"):
        application.container("signing").sign(b"x" * 31, SignInput.DIGEST)


def test_the_public_key_is_what_pkcs11_tool_reads(
    hsm: SoftHsm, application: Application, tmp_path: Path
) -> None:
    hsm.tool("--read-object", "--type", "pubkey", "--id", "01", "--output-file", tmp_path / "key.der")
    command = ["openssl", "rsa", "-pubin", "-inform", "DER", "-modulus", "-noout"]
    der = (tmp_path / "key.der").read_bytes()
    modulus = subprocess.run(command, input=der, check=True, capture_output=True).stdout.decode()
    key = application.container("signing").public_key()
    assert isinstance(key, RsaPublicKey)
    assert modulus.strip() == f"Modulus={key.n:X}"


def test_certificates(hsm: SoftHsm, application: Application, tmp_path: Path) -> None:
    """One with a key pair, one alone."""
    der = certificate("pkcs11-tool's")
    (tmp_path / "certificate.der").write_bytes(der)
    for identity, label in (("01", "signing"), ("02", "alone")):
        hsm.tool(
            "--write-object",
            tmp_path / "certificate.der",
            "--type",
            "cert",
            "--id",
            identity,
            "--label",
            label,
        )
    assert application.containers() == ["signing", "alone"]
    for name in application.containers():
        container = application.container(name)
        assert container.certificate() == der
        assert (container.facts().certificate, container.facts().exchange_certificate) == (True, False)
        with pytest.raises(KeyNotFoundError):
            container.certificate(KeyUse.EXCHANGE)
    alone = application.container("alone")
    assert alone.public_key() == certificates.describe(der).public_key
    assert (alone.facts().type, alone.facts().bits) == ("RSA", 1024)
    application.verify_pin(USER_PIN)
    with pytest.raises(KeyNotFoundError):
        alone.sign(MESSAGE, SignInput.MESSAGE)


def test_a_container_is_named_by_its_label_or_its_id(hsm: SoftHsm, application: Application) -> None:
    hsm.add_key("signing", "0a0b", "rsa:1024")
    assert application.containers() == ["01", "0a0b"]  # of one label
    assert application.container("0a0b").facts().bits == 1024
    hsm.add_key("other", "0c", "rsa:1024")
    assert application.container("other").facts() == application.container("0c").facts()
    with pytest.raises(NotFoundError):
        application.container("third")


def test_another_curve_is_seen_but_not_used(hsm: SoftHsm, application: Application) -> None:
    hsm.add_key("p256", "02", "EC:prime256v1")
    application.verify_pin(USER_PIN)
    container = application.container("p256")
    assert (container.facts().type, container.facts().algorithm, container.facts().bits) == ("EC", None, 0)
    with pytest.raises(NotSupportedError, match="neither RSA nor SM2"):
        container.sign(MESSAGE, SignInput.MESSAGE)
    with pytest.raises(KeyNotFoundError):
        container.public_key()


def test_what_is_made_is_what_pkcs11_tool_sees(hsm: SoftHsm, application: Application) -> None:
    application.verify_pin(USER_PIN)
    container = application.create_container("made here")
    assert "made here" not in application.containers()  # nothing is in it yet
    key = container.generate(Algorithm.RSA, 1024)
    assert application.container("made here").public_key() == key
    container.import_certificate(certificate("first"))
    container.import_certificate(certificate("second"))
    assert certificates.describe(container.certificate()).subject.startswith("CN=second")
    seen = hsm.tool("--list-objects")
    assert seen.count("made here") == 3
    assert "CN=second" in seen.replace(" ", "")
    with pytest.raises(AlreadyExistsError):
        application.create_container("made here")
    for garbage in (b"", b"\x30\x03\x02\x01\x01", certificate("x") + b"\0"):
        with pytest.raises(HostError, match="not a certificate in DER"):
            container.import_certificate(garbage)
    assert container.generate(Algorithm.RSA, 1024) != key
    assert not container.facts().certificate  # it was for the old pair
    application.delete_container("made here")
    assert "made here" not in hsm.tool("--list-objects")
    with pytest.raises(NotFoundError):
        application.delete_container("made here")


def test_sm2_needs_a_maker_whose_numbers_are_known(application: Application) -> None:
    application.verify_pin(USER_PIN)
    with pytest.raises(NotSupportedError, match="PKCS#11 has no SM2 of its own"):
        application.create_container("sm2").generate(Algorithm.SM2)


# PINs


def test_a_wrong_pin_and_none_at_all(application: Application) -> None:
    container = application.container("signing")
    with pytest.raises(NotLoggedInError):
        container.sign(MESSAGE, SignInput.MESSAGE)
    with pytest.raises(PinIncorrectError, match="wrong PIN") as caught:
        application.verify_pin("000000")
    assert caught.value.left is None  # SoftHSM counts nothing
    assert application.pin_facts() == PinFacts(None, None, False)
    with pytest.raises(NotLoggedInError):
        container.sign(MESSAGE, SignInput.MESSAGE)


def test_a_wrong_pin_ends_the_login(application: Application) -> None:
    """Of somebody who is logged in PKCS#11 would check no PIN at all."""
    container = application.container("signing")
    application.verify_pin(USER_PIN)
    assert container.sign(MESSAGE, SignInput.MESSAGE)
    application.verify_pin(USER_PIN)
    with pytest.raises(PinIncorrectError):
        application.verify_pin("000000")
    with pytest.raises(NotLoggedInError):
        container.sign(MESSAGE, SignInput.MESSAGE)


def test_logging_out(application: Application) -> None:
    container = application.container("signing")
    application.verify_pin(USER_PIN)
    application.log_out()
    application.log_out()
    with pytest.raises(NotLoggedInError):
        container.sign(MESSAGE, SignInput.MESSAGE)


@pytest.mark.parametrize(("pin_type", "pin"), [(PinType.USER, USER_PIN), (PinType.ADMIN, SO_PIN)])
def test_changing_a_pin(application: Application, pin_type: PinType, pin: str) -> None:
    with pytest.raises(PinIncorrectError):
        application.change_pin("000000", "314159", pin_type)
    application.change_pin(pin, "314159", pin_type)
    with pytest.raises(PinIncorrectError):
        application.verify_pin(pin, pin_type)
    application.verify_pin("314159", pin_type)
    with pytest.raises(NewPinRefusedError):
        application.change_pin("314159", "1", pin_type)
    application.verify_pin("314159", pin_type)


def test_unblocking(application: Application) -> None:
    with pytest.raises(PinIncorrectError):
        application.unblock_pin("00000000", "314159")
    application.unblock_pin(SO_PIN, "314159")
    application.verify_pin("314159")
    assert application.container("signing").sign(MESSAGE, SignInput.MESSAGE)


def test_no_pin_pad(application: Application) -> None:
    for call in (application.verify_pin_on_keypad, application.change_pin_on_keypad):
        with pytest.raises(NoPinPadError):
            call()


# Threads, and more than one user in the process


def test_many_threads(application: Application) -> None:
    application.verify_pin(USER_PIN)
    key = openssl_key(application.container("signing").public_key())

    def sign(number: int) -> None:
        message = b"%d" % number
        signature = application.container("signing").sign(message, SignInput.MESSAGE)
        key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())

    with ThreadPoolExecutor(8) as pool:
        assert len([*pool.map(sign, range(64))]) == 64


def test_two_in_one_process(opened: Token, application: Application) -> None:
    """Their login is the program's (PKCS#11 Base §3.3)."""
    application.verify_pin(USER_PIN)
    with open_token(opened.name) as second:
        assert second.application().container("signing").sign(MESSAGE, SignInput.MESSAGE)
    opened.close()
    opened.close()
    with open_token(opened.name) as third, pytest.raises(NotLoggedInError):
        third.application().container("signing").sign(MESSAGE, SignInput.MESSAGE)


def test_beside_python_pkcs11(hsm: SoftHsm) -> None:
    """Who came first ends the module; what they make is seen by both."""
    import pkcs11 as others

    library = others.lib(str(MODULE))
    try:
        with library.get_token(token_label="one").open(rw=True, user_pin=USER_PIN) as session:
            session.generate_keypair(others.KeyType.RSA, 1024, id=b"\x07", label="theirs", store=True)
            with open_token(f"pkcs11:{MODULE}:one") as ours:
                container = ours.application().container("theirs")
                signature = container.sign(MESSAGE, SignInput.MESSAGE)
            [public] = session.get_objects(
                {others.Attribute.CLASS: others.ObjectClass.PUBLIC_KEY, others.Attribute.LABEL: "theirs"}
            )
            mechanism = others.Mechanism.SHA256_RSA_PKCS
            assert isinstance(public, others.VerifyMixin)
            assert public.verify(MESSAGE, signature, mechanism=mechanism)
    finally:
        others.unload(str(MODULE))
