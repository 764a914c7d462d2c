"""What `hostdriver.token` does for every kind of key, and how ``--token`` names libraries."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hostdriver import tokens
from hostdriver.errors import BlankKeyError, Exit, KeyNotFoundError, NotSupportedError, SeveralKeysError
from hostdriver.libraries import LibraryName
from hostdriver.token import (
    Algorithm,
    Application,
    Container,
    ContainerFacts,
    PinFacts,
    PublicKey,
    Token,
    TokenInfo,
    only,
    type_name,
)
from protocols.gmt import HashAlgorithm, KeyUse, PinType, SignInput


class LeastContainer(Container):
    def __init__(self, name: str) -> None:
        self.name = name

    def facts(self) -> ContainerFacts:
        algorithm = {"R": Algorithm.RSA, "S": Algorithm.SM2}.get(self.name[0])
        bits = 0 if algorithm is None else 256
        return ContainerFacts(self.name, "", algorithm, bits, False, 0, True)

    def certificate(self, use: KeyUse = KeyUse.SIGN) -> bytes:
        raise NotImplementedError

    def public_key(self, use: KeyUse = KeyUse.SIGN) -> PublicKey:
        raise NotImplementedError

    def sign(self, data: bytes, source: SignInput, hash_code: HashAlgorithm = HashAlgorithm.SM3) -> bytes:
        raise NotImplementedError


class LeastApplication(Application):
    name = "A"

    def __init__(self, *names: str) -> None:
        self._names = names

    def containers(self) -> list[str]:
        return [*self._names]

    def container(self, name: str) -> LeastContainer:
        return LeastContainer(name)

    def pin_facts(self, pin_type: PinType = PinType.USER) -> PinFacts:
        return PinFacts(None, None, None)

    def verify_pin(self, pin: str, pin_type: PinType = PinType.USER) -> None:
        raise NotImplementedError

    def change_pin(self, old: str, new: str, pin_type: PinType = PinType.USER) -> None:
        raise NotImplementedError

    def unblock_pin(self, admin_pin: str, new_user_pin: str) -> None:
        raise NotImplementedError

    def log_out(self) -> None:
        raise NotImplementedError


class LeastToken(Token):
    """A kind that has nothing but what every kind must have."""

    kind = "least"
    name = "least:"
    shows_messages = False

    def __init__(self, *applications: str) -> None:
        self._applications = applications
        self.closed = False

    def info(self) -> TokenInfo:
        raise NotImplementedError

    def applications(self) -> list[str]:
        return [*self._applications]

    def open_application(self, name: str) -> LeastApplication:
        return LeastApplication(name)

    def random(self, size: int) -> bytes:
        raise NotImplementedError

    def close(self) -> None:
        self.closed = True


def test_the_only_application() -> None:
    assert LeastToken("A").application().containers() == ["A"]
    assert LeastToken("A", "B").application("B").containers() == ["B"]
    with pytest.raises(SeveralKeysError, match="--application: A, B"):
        LeastToken("A", "B").application()
    with pytest.raises(BlankKeyError):
        LeastToken().application("A")
    with LeastToken("A") as token:
        assert token.max_message is None
    assert token.closed


def test_the_container_that_fits() -> None:
    its = LeastApplication("EMPTY", "R1", "S1", "S2")
    assert its.find_container(algorithm=Algorithm.RSA).name == "R1"
    assert its.find_container("S2").name == "S2"
    assert its.find_container("S2", Algorithm.SM2).name == "S2"
    with pytest.raises(SeveralKeysError, match="S1, S2"):
        its.find_container(algorithm=Algorithm.SM2)
    with pytest.raises(SeveralKeysError, match="R1, S1, S2"):
        its.find_container()
    for name, algorithm in (("EMPTY", None), ("S1", Algorithm.RSA)):
        with pytest.raises(KeyNotFoundError):
            its.find_container(name, algorithm)
    with pytest.raises(KeyNotFoundError):
        LeastApplication().find_container()


def test_names_are_made_printable() -> None:
    with pytest.raises(SeveralKeysError) as several:
        only(["A\x1b[2J", "B"], None, "--application")
    assert "\x1b" not in str(several.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda: LeastToken().wait_for_event(),
        lambda: LeastApplication().verify_pin_on_keypad(),
        lambda: LeastApplication().change_pin_on_keypad(),
        lambda: LeastApplication().create_container("C"),
        lambda: LeastApplication().delete_container("C"),
        lambda: LeastContainer("C").generate(Algorithm.SM2),
        lambda: LeastContainer("C").import_certificate(b""),
        lambda: LeastContainer("C").activate("1"),
        lambda: LeastContainer("C").activate_on_keypad(),
    ],
)
def test_what_not_every_kind_can(call: Callable[[], object]) -> None:
    with pytest.raises(NotSupportedError) as unsupported:
        call()
    assert unsupported.value.exit_code is Exit.NOT_UNDERSTOOD
    assert LeastContainer("C").activation() is None


def test_certificates_by_use() -> None:
    facts = LeastContainer("R").facts()
    assert not facts.has_certificate(KeyUse.SIGN)
    assert facts.has_certificate(KeyUse.EXCHANGE)
    assert [type_name(code) for code in (0, 1, 2, 77)] == ["EMPTY", "RSA", "SM2", "77"]


@pytest.mark.parametrize(
    ("text", "path", "key"),
    [
        ("lib.so", "lib.so", ""),
        ("lib.so:label", "lib.so", "label"),
        ("{directory}/plain.so", "{directory}/plain.so", ""),
        ("{directory}/plain.so:socket:1", "{directory}/plain.so", "socket:1"),
        ("{directory}/with:colon.so", "{directory}/with:colon.so", ""),
        ("{directory}/with:colon.so:a:b", "{directory}/with:colon.so", "a:b"),
        ("{directory}/none.so:a:b", "{directory}/none.so", "a:b"),
        ("", "", ""),
    ],
)
def test_how_libraries_are_named(text: str, path: str, key: str, tmp_path: Path) -> None:
    for name in ("plain.so", "with:colon.so"):
        (tmp_path / name).touch()
    wanted = LibraryName(path.format(directory=tmp_path), key)
    assert LibraryName.parse(text.format(directory=tmp_path)) == wanted


def test_what_has_no_session() -> None:
    for spec in ("skf:lib.so", "pkcs11:module.so:label"):
        with pytest.raises(NotSupportedError, match="name the key itself"):
            tokens.open_session(spec)
    with pytest.raises(tokens.TokenError, match="expected skf:LIBRARY or pkcs11:MODULE"):
        tokens.library_keys("socket:1")
    with pytest.raises(tokens.TokenError, match=r"skf:LIBRARY\[:KEY\]"):
        tokens.open_token("nothing:like:this")
