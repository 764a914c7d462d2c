"""Between a test and a real key: no try is spent and nothing changed that was not allowed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from hostdriver.errors import PinIncorrectError, PinLockedError
from hostdriver.gmt import GmtSession
from protocols.dialect import DEFAULT
from protocols.gmt import PinType
from vukey_testing.emulated import EmulatedKey
from vukey_testing.errors import GuardError
from vukey_testing.guard import Allowance, Guard
from vukey_testing.states import made, wanted
from vukey_testing.targets import InProcess

PIN = "271828"


class Guarded:
    """A key behind a guard, which takes it for a real one."""

    def __init__(self, key: EmulatedKey) -> None:
        self._key = key
        self.refused = 0

    def session(self, tries: int = 0, user_pin: str | None = PIN, *, may_wipe: bool = False) -> GmtSession:
        self.allowance = Allowance(tries, user_pin, may_wipe, self._count)
        self.guard = Guard(self._key.open(), DEFAULT, self.allowance)
        return GmtSession(self.guard)

    def left(self, kind: str = "user_pin") -> int:
        [application] = self._key.device.inspect()
        return int(getattr(application, kind).left)

    def _count(self) -> None:
        self.refused += 1


@pytest.fixture
def with_tries_left() -> Iterator[Callable[[int], Guarded]]:
    keys: list[EmulatedKey] = []

    def make(left: int) -> Guarded:
        keys.append(EmulatedKey(made(wanted([{"pin_tries": left}])), "test", InProcess))
        return Guarded(keys[-1])

    yield make
    for key in keys:
        key.close()


@pytest.fixture
def guarded(with_tries_left: Callable[[int], Guarded]) -> Guarded:
    return with_tries_left(6)


def test_the_right_pin_passes(guarded: Guarded) -> None:
    session = guarded.session()
    application = session.open_application("BOCOM")
    session.verify_pin(application, PIN)
    session.change_pin(application, PIN, "314159")
    assert guarded.allowance.user_pin == "314159"
    session.verify_pin(application, "314159")
    with pytest.raises(GuardError):
        session.verify_pin(application, PIN)
    session.change_pin(application, "314159", PIN)
    assert (guarded.left(), guarded.allowance.spent, guarded.refused) == (6, 0, 0)


def test_a_wrong_pin_is_not_sent(guarded: Guarded) -> None:
    session = guarded.session()
    application = session.open_application("BOCOM")
    attempts: list[Callable[[], None]] = [
        lambda: session.verify_pin(application, "999999"),
        lambda: session.verify_pin(application, "87654321", PinType.ADMIN),
        lambda: session.change_pin(application, "999999", "314159"),
        lambda: session.unblock_pin(application, "87654321", "314159"),
    ]
    for attempt in attempts:
        with pytest.raises(GuardError, match="vukey_spends_tries"):
            attempt()
    assert (guarded.left(), guarded.left("admin_pin")) == (6, 6)
    sent = {record.name for record in guarded.guard.records}
    assert sent == {"OpenApplication", "GetPINInfo", "GenRandom"}


def test_as_many_tries_as_allowed(guarded: Guarded) -> None:
    session = guarded.session(tries=2)
    application = session.open_application("BOCOM")
    for left in (5, 4):
        with pytest.raises(PinIncorrectError):
            session.verify_pin(application, "999999")
        assert guarded.left() == left
    with pytest.raises(GuardError):
        session.verify_pin(application, "999999")
    session.verify_pin(application, PIN)
    with pytest.raises(GuardError):
        session.verify_pin(application, "999999")
    assert guarded.left() == 6


def test_the_last_tries_are_never_risked(with_tries_left: Callable[[int], Guarded]) -> None:
    """Even the PIN that was handed over may be wrong: one try more than allowed must be left."""
    for left, tries, passes in ((1, 0, False), (2, 0, True), (2, 1, False), (3, 1, True)):
        guarded = with_tries_left(left)
        session = guarded.session(tries)
        application = session.open_application("BOCOM")
        if passes:
            session.verify_pin(application, PIN)
        else:
            with pytest.raises(GuardError, match="too few tries are left"):
                session.verify_pin(application, PIN)
            assert guarded.left() == left


def test_a_pin_that_the_key_refuses_is_not_tried_again(guarded: Guarded) -> None:
    session = guarded.session(user_pin="999999")
    application = session.open_application("BOCOM")
    with pytest.raises(PinIncorrectError):
        session.verify_pin(application, "999999")
    assert guarded.refused == 1
    with pytest.raises(GuardError):
        session.verify_pin(application, "999999")
    assert guarded.left() == 5


def test_without_a_pin_every_attempt_counts(guarded: Guarded) -> None:
    session = guarded.session(user_pin=None)
    application = session.open_application("BOCOM")
    with pytest.raises(GuardError):
        session.verify_pin(application, PIN)


def test_a_pin_command_wants_its_application_opened_here(guarded: Guarded) -> None:
    """Else nobody has asked how many tries are left."""
    application = guarded.session().open_application("BOCOM")
    session = guarded.session()
    with pytest.raises(GuardError, match="too few tries"):
        session.verify_pin(application, PIN)
    assert guarded.left() == 6


def test_a_locked_pin_stays_alone() -> None:
    key = EmulatedKey(made(wanted([{"pin_locked": True}])), "test", InProcess)
    session = Guarded(key).session(tries=3)
    application = session.open_application("BOCOM")
    with pytest.raises(GuardError, match="too few tries"):
        session.verify_pin(application, PIN)
    with GmtSession(key.open()) as plain, pytest.raises(PinLockedError):
        plain.verify_pin(plain.open_application("BOCOM"), PIN)
    key.close()


def test_what_is_on_the_key_stays_there(guarded: Guarded) -> None:
    session = guarded.session()
    application = session.open_application("BOCOM")
    session.verify_pin(application, PIN)
    container = session.open_container(application, "SM2-SIGN")
    attempts: dict[str, Callable[[], object]] = {
        "SetLabel": lambda: session.set_label("mine"),
        "DevAuth": lambda: session.authenticate_device(bytes(16)),
        "DeleteApplication": lambda: session.delete_application("BOCOM"),
        "DeleteContainer": lambda: session.delete_container(application, "SM2-SIGN"),
        "CreateContainer": lambda: session.create_container(application, "new"),
        "GenECCKeyPair": lambda: session.generate_sm2(container),
        "GenerateRSAKeyPair": lambda: session.generate_rsa(container, 2048),
        "ImportCertificate": lambda: session.import_certificate(container, b"0\0"),
    }
    for name, attempt in attempts.items():
        with pytest.raises(GuardError, match=f"--allow-wipe: {name} was not sent"):
            attempt()
    assert session.containers(application) == ["RSA-SIGN", "SM2-SIGN"]


def test_with_allow_wipe_it_may_change(guarded: Guarded) -> None:
    session = guarded.session(may_wipe=True)
    application = session.open_application("BOCOM")
    session.verify_pin(application, PIN)
    session.delete_container(application, "SM2-SIGN")
    assert session.containers(application) == ["RSA-SIGN"]


@pytest.mark.parametrize(
    "apdu",
    [
        "0020008106313233343536",  # VERIFY of ISO/IEC 7816-4
        "80FE000000",  # nobody knows what this does
        "80F6010004AABBCCDD",  # the activation code from the host
        "80F6020004AABBCCDD",  # and on the keypad
        "80",
        "B018000000",
    ],
)
def test_what_may_cost_a_try_or_is_unknown_is_not_sent(guarded: Guarded, apdu: str) -> None:
    transport = guarded.session().transport
    with pytest.raises(GuardError):
        transport.exchange(bytes.fromhex(apdu))
    assert guarded.guard.records == []


@pytest.mark.parametrize("apdu", ["00A4040000", "8004000000", "80500000000008", "80F6000004AABBCCDD"])
def test_what_costs_nothing_is_sent(guarded: Guarded, apdu: str) -> None:
    assert len(guarded.session().transport.exchange(bytes.fromhex(apdu))) >= 2


def test_records_keep_no_secret(guarded: Guarded) -> None:
    session = guarded.session()
    session.verify_pin(session.open_application("BOCOM"), PIN)
    records = {record.name: record for record in guarded.guard.records}
    assert records["VerifyPIN"].data is None
    assert records["OpenApplication"].data == b"BOCOM"
    assert {record.sw for record in guarded.guard.records} == {0x9000}
