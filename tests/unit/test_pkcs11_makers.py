"""What no module of a real key does at will, by one that answers as told (tests/rig/cryptoki/module.c)."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from ctypes import CDLL, c_char, c_ubyte, c_ulong
from pathlib import Path
from typing import Any

import gmalg
import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from hostdriver import certificates
from hostdriver.errors import (
    AnswerError,
    CancelledError,
    ConfirmTimeoutError,
    DigestRefusedError,
    HostError,
    InitialPinError,
    KeyBusyError,
    KeyNotFoundError,
    KeyRemovedError,
    NewPinRefusedError,
    NoKeyError,
    NoRoomError,
    NotSupportedError,
    PinIncorrectError,
    PinLockedError,
)
from hostdriver.outcomes import OUTCOMES, Ckr, outcome_of_ckr
from hostdriver.pkcs11.cryptoki import VENDOR_DEFINED, TokenFlag
from hostdriver.pkcs11.failures import CryptokiError, ModuleError, failure
from hostdriver.pkcs11.module import finalize_all, load
from hostdriver.token import Algorithm, Application, Container, Event, PinFacts, Token
from hostdriver.tokens import open_token
from protocols import sm2
from protocols.gmt import KeyUse, PinType, SignInput

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "rig" / "cryptoki" / "module.c"
TRANSACTIONS = ROOT / "vectors" / "transactions"
SAMPLE = json.loads((TRANSACTIONS / "display-key.json").read_text())
"""Signed by a real key with a display."""
MESSAGE = (TRANSACTIONS / SAMPLE["message"]).read_bytes()
POINT = bytes.fromhex(SAMPLE["x"] + SAMPLE["y"])
SIGNATURE = bytes.fromhex(SAMPLE["r"] + SAMPLE["s"])
SANSEC = (VENDOR_DEFINED + 0x8001, VENDOR_DEFINED + 0x8102, VENDOR_DEFINED + 0x8105)
WESTONE = (VENDOR_DEFINED + 0x3, VENDOR_DEFINED + 0x4)
SM2_KEY = VENDOR_DEFINED + 0x4


class Told:
    """The module's global variables as attributes."""

    path: Path
    library: CDLL

    def __init__(self, path: Path) -> None:
        self.__dict__.update(path=path, library=CDLL(str(path)))

    def __getattr__(self, name: str) -> int:
        return int(c_ulong.in_dll(self.library, name).value)

    def __setattr__(self, name: str, value: int) -> None:
        c_ulong.in_dll(self.library, name).value = value

    def put(self, name: str, raw: bytes, kind: Any = c_ubyte) -> None:
        (kind * len(raw)).in_dll(self.library, name)[:] = raw

    def read(self, name: str, size: int) -> bytes:
        return bytes((c_ubyte * size).in_dll(self.library, name))

    def can(self, *mechanisms: int) -> None:
        self.mechanism_count = len(mechanisms)
        (c_ulong * len(mechanisms)).in_dll(self.library, "mechanisms")[:] = [*mechanisms]

    def is_of(self, manufacturer: str) -> None:
        self.put("manufacturer", manufacturer.encode().ljust(33, b"\0"), c_char)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("cryptoki") / "module.so"
    options = ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Wno-cast-function-type", "-pthread"]
    subprocess.run(["gcc", *options, "-o", path, SOURCE], check=True)
    return path.read_bytes()


@pytest.fixture
def told(compiled: bytes, tmp_path: Path) -> Iterator[Told]:
    """A copy of its own: another file is another module, with variables of its own."""
    path = tmp_path / "module.so"
    path.write_bytes(compiled)
    yield Told(path)
    finalize_all()


@pytest.fixture
def sm2_key(told: Told) -> Told:
    """It holds the key pair of the sample."""
    told.key_type = SM2_KEY
    told.put("point", b"\x04\x41\x04" + POINT)
    told.put("signature", SIGNATURE)
    told.signature_length = len(SIGNATURE)
    told.can(*SANSEC)
    return told


def opened(told: Told) -> Token:
    return open_token(f"pkcs11:{told.path}")


def application(told: Told) -> Application:
    return opened(told).application()


def pair(told: Told) -> Container:
    held = application(told)
    held.verify_pin("271828")
    return held.container("pair")


# SM2, which PKCS#11 leaves to the makers


def test_a_message_goes_to_the_key_whole(sm2_key: Told) -> None:
    signature = pair(sm2_key).sign(MESSAGE, SignInput.MESSAGE)
    assert sm2_key.last_mechanism == VENDOR_DEFINED + 0x8102
    assert sm2_key.read("last_data", sm2_key.last_length) == MESSAGE
    assert signature == SIGNATURE
    assert gmalg.SM2(uid=b"1234567812345678", pk=b"\x04" + POINT).verify(
        MESSAGE, signature[:32], signature[32:]
    )
    assert opened(sm2_key).shows_messages


@pytest.mark.parametrize("source", SignInput)
def test_what_takes_digests_gets_e(sm2_key: Told, source: SignInput) -> None:
    """It is the e under which the sample's signature is one."""
    sm2_key.can(*WESTONE)
    sm2_key.key_type = VENDOR_DEFINED + 0x1
    container = pair(sm2_key)
    key = container.public_key()
    data = MESSAGE if source is SignInput.MESSAGE else b"e" * 32
    container.sign(data, source)
    sent = sm2_key.read("last_data", sm2_key.last_length)
    assert sm2_key.last_mechanism == VENDOR_DEFINED + 0x4
    if source is SignInput.DIGEST:
        assert sent == data
    else:
        assert certificates.verify_digest(key, sent, SIGNATURE)
    assert not opened(sm2_key).shows_messages


def test_der_pairs_are_read_too(sm2_key: Told) -> None:
    r, s = int.from_bytes(SIGNATURE[:32]), int.from_bytes(SIGNATURE[32:])
    der = encode_dss_signature(r, s)
    sm2_key.put("signature", der)
    sm2_key.signature_length = len(der)
    assert pair(sm2_key).sign(MESSAGE, SignInput.MESSAGE) == SIGNATURE


@pytest.mark.parametrize("length", [0, 1, 63, 65])
def test_an_answer_that_is_no_signature(sm2_key: Told, length: int) -> None:
    sm2_key.signature_length = length
    with pytest.raises(AnswerError):
        pair(sm2_key).sign(MESSAGE, SignInput.MESSAGE)


def test_a_point_that_is_none(sm2_key: Told) -> None:
    sm2_key.put("point", b"\x04\x41\x04" + POINT[:-1] + b"\x00")
    with pytest.raises(AnswerError):
        pair(sm2_key).public_key()


def test_a_key_that_takes_messages_only(sm2_key: Told) -> None:
    sm2_key.can(VENDOR_DEFINED + 0x8102)
    sm2_key.is_of("Sansec")
    container = pair(sm2_key)
    assert container.facts().algorithm is Algorithm.SM2
    with pytest.raises(DigestRefusedError):
        container.sign(b"e" * 32, SignInput.DIGEST)
    sm2_key.can()
    with pytest.raises(NotSupportedError):
        pair(sm2_key).sign(MESSAGE, SignInput.MESSAGE)


def test_a_key_type_of_an_unknown_maker(sm2_key: Told) -> None:
    sm2_key.can()
    facts = pair(sm2_key).facts()
    assert (facts.type, facts.algorithm, facts.bits) == ("0x80000004", None, 0)


def test_a_pair_that_does_not_sign_is_an_encryption_pair(sm2_key: Told) -> None:
    sm2_key.put("signs", b"\0")
    container = pair(sm2_key)
    facts = container.facts()
    assert (facts.algorithm, facts.bits, facts.exchange_bits) == (Algorithm.SM2, 0, 256)
    key = container.public_key(KeyUse.EXCHANGE)
    assert key == sm2.PublicKey(int.from_bytes(POINT[:32]), int.from_bytes(POINT[32:]))
    with pytest.raises(KeyNotFoundError):
        container.public_key()
    with pytest.raises(KeyNotFoundError):
        container.sign(MESSAGE, SignInput.MESSAGE)


@pytest.mark.parametrize(("category", "names"), [(1, ["07", "08"]), (2, ["pair"])])
def test_an_authoritys_certificate_is_no_container(sm2_key: Told, category: int, names: list[str]) -> None:
    sm2_key.certificate_category = category
    assert application(sm2_key).containers() == names  # of one label


# Answers


@pytest.mark.parametrize(
    ("maker", "code", "kind"),
    [
        ("Feitian Technologies", VENDOR_DEFINED + 0x1, KeyBusyError),
        ("Feitian Technologies", VENDOR_DEFINED + 0x8, ConfirmTimeoutError),
        ("Feitian Technologies", VENDOR_DEFINED + 0x9, CancelledError),
        ("EnterSafe", VENDOR_DEFINED + 0xA, CancelledError),
        ("Nobody", VENDOR_DEFINED + 0x9, CryptokiError),
        ("Nobody", Ckr.FUNCTION_CANCELED, CancelledError),
        ("Nobody", Ckr.FUNCTION_REJECTED, CancelledError),
        ("Nobody", Ckr.DEVICE_REMOVED, KeyRemovedError),
        ("Nobody", Ckr.SESSION_HANDLE_INVALID, KeyRemovedError),
        ("Nobody", Ckr.DEVICE_MEMORY, NoRoomError),
        ("Nobody", Ckr.OPERATION_ACTIVE, KeyBusyError),
        ("Nobody", Ckr.MECHANISM_INVALID, NotSupportedError),
        ("Nobody", Ckr.DATA_INVALID, CryptokiError),
        ("Nobody", Ckr.PIN_EXPIRED, InitialPinError),
        ("Nobody", 0xDEAD, CryptokiError),
    ],
)
def test_every_answer_has_its_error(sm2_key: Told, maker: str, code: int, kind: type[HostError]) -> None:
    sm2_key.is_of(maker)
    sm2_key.key_type, sm2_key.sign_answer = 0, code
    sm2_key.can(1)
    with pytest.raises(kind) as caught:
        pair(sm2_key).sign(b"d" * 32, SignInput.DIGEST)
    assert type(caught.value) is kind


@pytest.mark.parametrize("code", sorted({code for outcome in OUTCOMES for code in outcome.ckrs}))
def test_every_answer_ends_with_the_exit_code_of_the_table(code: int) -> None:
    """docs/errors.md; a PIN that breaks the rules is a new one."""
    outcome = outcome_of_ckr(code)
    assert outcome
    assert failure("SetPIN", code, {}).exit_code == outcome.exit_code


def test_an_unknown_answer_is_told_with_its_number(sm2_key: Told) -> None:
    sm2_key.sign_answer = VENDOR_DEFINED + 0x9
    with pytest.raises(CryptokiError, match="answered CKR 0x80000009 to C_Sign"):
        pair(sm2_key).sign(MESSAGE, SignInput.MESSAGE)
    sm2_key.sign_answer = Ckr.DEVICE_ERROR
    with pytest.raises(CryptokiError, match="answered CKR_DEVICE_ERROR to C_Sign"):
        pair(sm2_key).sign(MESSAGE, SignInput.MESSAGE)


@pytest.mark.parametrize("length", [1 << 17, (1 << 64) - 2])
def test_an_attribute_that_is_absurdly_long(sm2_key: Told, length: int) -> None:
    sm2_key.attribute_length = length
    with pytest.raises(AnswerError, match="longer than 64 KiB"):
        application(sm2_key).containers()


@pytest.mark.timeout(20)
def test_lists_without_an_end(sm2_key: Told) -> None:
    sm2_key.has_no_end = 1
    with pytest.raises(AnswerError, match="C_FindObjects with a list that has no end"):
        application(sm2_key).containers()
    sm2_key.mechanism_count = 1 << 40
    with pytest.raises(AnswerError, match="C_GetMechanismList with a list that has no end"):
        application(sm2_key)


def test_a_search_that_fails_leaves_nothing_locked(sm2_key: Told) -> None:
    held = application(sm2_key)
    sm2_key.find_answer = Ckr.DEVICE_ERROR
    with pytest.raises(CryptokiError):
        held.containers()
    sm2_key.find_answer = 0
    with ThreadPoolExecutor(1) as elsewhere:
        assert elsewhere.submit(held.containers).result(10) == ["pair"]


# PINs


@pytest.mark.parametrize(
    ("flags", "user", "admin"),
    [
        (0, PinFacts(None, None, False), PinFacts(None, None, False)),
        (
            0x10000,
            PinFacts(None, None, False),
            PinFacts(None, None, False),
        ),  # CKF_USER_PIN_COUNT_LOW: no number
        (TokenFlag.USER_PIN_FINAL_TRY, PinFacts(None, 1, False), PinFacts(None, None, False)),
        (TokenFlag.USER_PIN_LOCKED, PinFacts(None, 0, False), PinFacts(None, None, False)),
        (TokenFlag.USER_PIN_TO_BE_CHANGED, PinFacts(None, None, True), PinFacts(None, None, False)),
        (TokenFlag.SO_PIN_FINAL_TRY, PinFacts(None, None, False), PinFacts(None, 1, False)),
        (TokenFlag.SO_PIN_LOCKED, PinFacts(None, None, False), PinFacts(None, 0, False)),
        (TokenFlag.SO_PIN_TO_BE_CHANGED, PinFacts(None, None, False), PinFacts(None, None, True)),
    ],
)
def test_what_the_flags_say_of_a_pin(told: Told, flags: int, user: PinFacts, admin: PinFacts) -> None:
    told.token_flags = flags
    held = application(told)
    assert held.pin_facts() == user
    assert held.pin_facts(PinType.ADMIN) == admin


@pytest.mark.parametrize(
    ("code", "flags", "kind", "left"),
    [
        (Ckr.PIN_INCORRECT, 0, PinIncorrectError, None),
        (Ckr.PIN_INCORRECT, TokenFlag.USER_PIN_FINAL_TRY, PinIncorrectError, 1),
        (Ckr.PIN_INCORRECT, TokenFlag.USER_PIN_LOCKED, PinIncorrectError, 0),
        (Ckr.PIN_LEN_RANGE, 0, PinIncorrectError, None),
        (Ckr.PIN_LOCKED, TokenFlag.USER_PIN_LOCKED, PinLockedError, None),
        (Ckr.USER_PIN_NOT_INITIALIZED, 0, InitialPinError, None),
    ],
)
def test_a_pin_that_is_not_taken(
    told: Told, code: int, flags: int, kind: type[HostError], left: int | None
) -> None:
    held = application(told)
    told.login_answer, told.token_flags = code, flags
    with pytest.raises(kind) as caught:
        held.verify_pin("000000")
    assert getattr(caught.value, "left", None) == left
    assert "000000" not in str(caught.value)


@pytest.mark.parametrize("code", [Ckr.PIN_INVALID, Ckr.PIN_LEN_RANGE, Ckr.PIN_TOO_WEAK])
def test_a_new_pin_that_is_not_taken(told: Told, code: int) -> None:
    told.set_pin_answer = code
    with pytest.raises(NewPinRefusedError):
        application(told).change_pin("271828", "111111")


def test_a_pin_is_typed_on_the_key(told: Told) -> None:
    told.token_flags = TokenFlag.PROTECTED_AUTHENTICATION_PATH
    held = application(told)
    held.verify_pin_on_keypad()
    held.change_pin_on_keypad()
    assert (told.keypad_logins, told.keypad_changes) == (1, 1)


# Coming and going


@pytest.mark.parametrize("tells_events", [0, 1])
def test_events(told: Told, tells_events: int) -> None:
    told.tells_events = tells_events
    key = opened(told)
    assert key.wait_for_event(0) is None
    told.present = 3
    assert key.wait_for_event(0) is Event.PLUGGED
    told.present = 2
    assert key.wait_for_event() is Event.UNPLUGGED
    assert key.wait_for_event(0) is None


def test_an_event_while_somebody_waits(told: Told) -> None:
    key = opened(told)
    looking = threading.Event()
    look = load(str(told.path)).look

    def looked() -> None:
        look()
        looking.set()

    load(str(told.path)).look = looked  # type: ignore[method-assign]
    with ThreadPoolExecutor(1) as waiting:
        event = waiting.submit(key.wait_for_event, 30)
        assert looking.wait(10)
        told.present = 0
        assert event.result(10) is Event.UNPLUGGED


def test_a_key_that_is_pulled_out(sm2_key: Told) -> None:
    key = opened(sm2_key)
    held = key.application()
    sm2_key.present = 0
    calls: list[Callable[[], object]] = [key.info, held.pin_facts, key.applications]
    for call in calls:
        with pytest.raises(KeyRemovedError):
            call()
    key.close()
    with pytest.raises(NoKeyError):
        opened(sm2_key)


# The module in the process


def test_it_is_started_once_and_ended_once(told: Told) -> None:
    opened(told).close()
    opened(told).close()
    assert (told.initialized, told.finalized, told.opened) == (1, 0, 0)
    finalize_all()
    finalize_all()
    assert (told.initialized, told.finalized) == (1, 1)
    opened(told).close()
    assert told.initialized == 2


def test_one_file_by_two_paths_is_one_module(told: Told) -> None:
    other = told.path.with_name("link.so")
    other.symlink_to(told.path)
    assert load(str(other)) is load(str(told.path))
    assert told.initialized == 1


def test_what_somebody_else_started_is_theirs_to_end(told: Told) -> None:
    told.initialize_answer = Ckr.CRYPTOKI_ALREADY_INITIALIZED
    opened(told).close()
    finalize_all()
    assert told.finalized == 0


@pytest.mark.parametrize("code", [Ckr.GENERAL_ERROR, 0x8000_0100])
def test_a_module_that_does_not_start(told: Told, code: int) -> None:
    told.initialize_answer = code
    with pytest.raises(ModuleError, match="does not start: CKR"):
        opened(told)


def test_a_module_without_locks_is_called_by_one_thread_at_a_time(sm2_key: Told) -> None:
    sm2_key.has_locks = 0
    pairs = [pair(sm2_key) for _ in range(4)]
    together = threading.Barrier(4)

    def sign(container: Container) -> None:
        together.wait()
        for _ in range(20):
            container.sign(MESSAGE, SignInput.MESSAGE)

    with ThreadPoolExecutor(4) as pool:
        assert len([*pool.map(sign, pairs)]) == 4
    assert sm2_key.most_inside == 1


def test_a_key_that_cannot_be_written_is_read(told: Told) -> None:
    told.open_rw_answer = Ckr.TOKEN_WRITE_PROTECTED
    assert opened(told).info().serial == "5200000000"
    assert told.last_flags == 4  # CKF_SERIAL_SESSION
    told.open_rw_answer = Ckr.SESSION_COUNT
    with pytest.raises(CryptokiError, match="CKR_SESSION_COUNT to C_OpenSession"):
        opened(told)


def test_slots_that_cannot_be_listed(told: Told) -> None:
    told.slot_answer = Ckr.GENERAL_ERROR
    with pytest.raises(CryptokiError, match="CKR_GENERAL_ERROR to C_GetSlotList"):
        opened(told)


def test_a_function_that_is_left_out(told: Told) -> None:
    with pytest.raises(NotSupportedError, match="CKR_FUNCTION_NOT_SUPPORTED to C_GenerateRandom"):
        opened(told).random(8)
