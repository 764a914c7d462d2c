"""Between a test and a real key: no try is spent and nothing changed that was not allowed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from emulator.device import Device, PowerLostError
from emulator.firmware.applets.gmt import COMMANDS
from emulator.hardware.clock import ManualClock
from emulator.hardware.storage import Storage
from emulator.profiles import load_profile
from hostdriver.errors import PinIncorrectError, PinLockedError
from hostdriver.gmt import GmtSession
from hostdriver.transport import Transport
from protocols import pin, sm4
from protocols.apdu import Command, encode_command
from protocols.dialect import DEFAULT, DIALECTS, dialect_named
from protocols.gmt import (
    CLA_MAC,
    CLA_PLAIN,
    SM4_ECB,
    Ins,
    NewApplication,
    PinType,
    Rights,
    WrappedRsaPair,
)
from protocols.sm2 import GX, GY, Ciphertext, EnvelopedKey, PublicKey
from protocols.sw import SW
from tests.rig.commands import Caller
from tests.rig.good import GOOD
from tests.rig.key import KeyRig, changed, stored
from vukey_testing.calls import Calls
from vukey_testing.emulated import EmulatedKey
from vukey_testing.errors import GuardError, SetupError
from vukey_testing.guard import Allowance, Guard
from vukey_testing.states import made, wanted
from vukey_testing.targets import InProcess

PIN = "271828"
POINT = PublicKey(GX, GY)
ENVELOPE = EnvelopedKey(SM4_ECB, Ciphertext(POINT, bytes(32), bytes(16)), POINT, bytes(31) + b"\1")


class Guarded:
    """A key behind a guard, which takes it for a real one."""

    def __init__(self, key: EmulatedKey) -> None:
        self._key = key
        self.profile = key.profile
        self.dialect = dialect_named(key.profile.dialect)
        self.refused = 0
        self.identified: list[str] = []
        self.is_other = False

    def session(self, tries: int = 0, user_pin: str | None = PIN, *, may_wipe: bool = False) -> GmtSession:
        self.allowance = Allowance(tries, "BOCOM", user_pin, may_wipe, self._count)
        self.guard = Guard(self._key.open(), self.dialect, self.allowance, self._identify)
        return GmtSession(self.guard, self.dialect)

    def left(self, kind: str = "user_pin") -> int:
        [application] = self._key.device.inspect()
        return int(getattr(application, kind).left)

    def _count(self) -> None:
        self.refused += 1

    def _identify(self, transport: Transport) -> None:
        self.identified.append(GmtSession(transport, self.dialect).device_info().serial)
        if self.is_other:
            raise SetupError("another key")


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


@pytest.fixture(params=DIALECTS)
def of_each_dialect(request: pytest.FixtureRequest) -> Iterator[Guarded]:
    key = EmulatedKey(made(wanted([{"values": {"dialect": request.param}}])), "test", InProcess)
    yield Guarded(key)
    key.close()


def test_the_right_pin_passes(of_each_dialect: Guarded) -> None:
    guarded = of_each_dialect
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
    with guarded.session() as session:
        application = session.open_application("BOCOM")
    for tries, reason in ((0, "vukey_spends_tries"), (3, "too few tries")):
        with guarded.session(tries) as session, pytest.raises(GuardError, match=reason):
            session.verify_pin(application, PIN)
    assert guarded.left() == 6


def test_a_locked_pin_stays_alone() -> None:
    key = EmulatedKey(made(wanted([{"pin_locked": True}])), "test", InProcess)
    with Guarded(key).session(tries=3) as session:
        application = session.open_application("BOCOM")
        with pytest.raises(GuardError, match="too few tries"):
            session.verify_pin(application, PIN)
    with GmtSession(key.open()) as plain, pytest.raises(PinLockedError):
        plain.verify_pin(plain.open_application("BOCOM"), PIN)
    key.close()


def test_a_challenge_is_good_for_the_next_command_alone(guarded: Guarded) -> None:
    """G11: under an old one the right PIN looks like a wrong one to the key."""
    session = guarded.session()
    application = session.open_application("BOCOM")
    in_between: list[Callable[[], object]] = [session.device_info, session.transport.reset]
    for act in in_between:
        verify = _verify_pin(session, application.handle)
        act()
        with pytest.raises(GuardError, match="vukey_spends_tries"):
            session.transport.exchange(verify)
        application = session.open_application("BOCOM")
    verify = _verify_pin(session, application.handle)
    assert session.transport.exchange(verify) == b"\x90\x00"
    with pytest.raises(GuardError, match="vukey_spends_tries"):
        session.transport.exchange(verify)


def _verify_pin(session: GmtSession, handle: bytes, p1: int = 0) -> bytes:
    """VerifyPIN with the right PIN under a fresh challenge."""
    cryptogram = pin.verify_cryptogram(pin.pin_key(PIN.encode()), session.random(8), DEFAULT.pin_block)
    return encode_command(Command(CLA_PLAIN, Ins.VERIFY_PIN, p1, PinType.USER, handle + cryptogram))


def test_a_parameter_that_nobody_knows_makes_it_a_try(guarded: Guarded) -> None:
    session = guarded.session()
    verify = _verify_pin(session, session.open_application("BOCOM").handle, p1=1)
    with pytest.raises(GuardError):
        session.transport.exchange(verify)


def test_a_pin_is_right_for_its_own_application_alone(guarded: Guarded) -> None:
    with guarded.session(user_pin=None, may_wipe=True) as session:
        session.authenticate_device(guarded.profile.device_auth_key)
        session.create_application(NewApplication("OTHER", b"87654321", 6, b"12345678", 6, max_files=0))
    session = guarded.session()
    other = session.open_application("OTHER")
    with pytest.raises(GuardError, match="vukey_spends_tries"):
        session.verify_pin(other, PIN)
    session.verify_pin(session.open_application("BOCOM"), PIN)


def test_after_a_reset_it_must_still_be_the_one(guarded: Guarded) -> None:
    """The keys may have been changed in the reader meanwhile."""
    transport = guarded.session().transport
    assert transport.reset()
    assert len(guarded.identified) == 1
    guarded.is_other = True
    with pytest.raises(SetupError):
        transport.reset()
    assert not guarded.guard.is_open


@pytest.mark.parametrize("ins", [Ins.DELETE_APPLICATION, 0xFE])
@pytest.mark.parametrize("cla", [0x80, 0x81, 0x85, 0x90, 0x94, 0x00])
def test_tries_are_no_leave_to_change_the_key(guarded: Guarded, cla: int, ins: int) -> None:
    transport = guarded.session(tries=2).transport
    with pytest.raises(GuardError, match="--allow-wipe"):
        transport.exchange(encode_command(Command(cla, ins, data=b"BOCOM")))


SMART: dict[str, object] = {"profile": "bocom-smart-tendyron", "activated": False}


@pytest.fixture
def smart() -> Iterator[EmulatedKey]:
    key = EmulatedKey(made(wanted([SMART])), "test", InProcess)
    yield key
    key.close()


def test_the_last_tries_of_a_code_are_never_risked(smart: EmulatedKey) -> None:
    """As many as of a PIN."""
    session = Guarded(smart).session(tries=5)
    application = session.open_application("BOCOM")
    with pytest.raises(GuardError, match="too few tries are left"):
        session.activate_on_keypad(session.open_container(application, "SM2-SIGN"))
    assert smart.device.waiting is None


def test_a_try_counts_though_the_key_never_answered(smart: EmulatedKey) -> None:
    guarded = Guarded(smart)
    session = guarded.session(tries=1)
    container = session.open_container(session.open_application("BOCOM"), "SM2-SIGN")
    calls = Calls(smart.operator)
    with pytest.raises(PowerLostError), calls.pending(session.activate_on_keypad, container):
        smart.unplug()
    calls.close()
    assert guarded.allowance.spent == 1


def test_what_is_on_the_key_stays_there(of_each_dialect: Guarded) -> None:
    session = of_each_dialect.session()
    application = session.open_application("BOCOM")
    session.verify_pin(application, PIN)
    container = session.open_container(application, "SM2-SIGN")
    pair = WrappedRsaPair(SM4_ECB, b"block", b"pair", 1024)
    attempts: dict[str, Callable[[], object]] = {
        "CreateFile": lambda: session.create_file(application, "new", 1, Rights.ANYONE, Rights.ANYONE),
        "DeleteFile": lambda: session.delete_file(application, "new"),
        "WriteFile": lambda: session.write_file(application, "new", b"x"),
        "ImportRSAKeyPair": lambda: session.import_rsa_key_pair(container, pair),
        "ImportECCKeyPair": lambda: session.import_sm2_key_pair(container, ENVELOPE),
        "ChangeDevAuthKey": lambda: session.send_protected(Ins.CHANGE_DEV_AUTH_KEY, bytes(16), bytes(16), 2),
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


JUDGED_OTHERWISE = (Ins.VERIFY_PIN, Ins.CHANGE_PIN, Ins.UNBLOCK_PIN)
"""Whose counters and PINs the allowance watches."""
ISSUERS = changed(load_profile("icbc-2g-feitian"), activation="host", pin__user__cache="session")


NUMBERED = {ins for ins in COMMANDS if DEFAULT.number(Ins(ins)) is not None}


@pytest.mark.parametrize("ins", sorted(NUMBERED.difference(JUDGED_OTHERWISE)), ids=lambda ins: Ins(ins).name)
def test_whatever_changes_the_memory_is_kept_back(ins: int) -> None:
    """A valid call of each command, on a key without a guard: where its memory differs afterwards, a guard refuses."""
    storage, clock = stored(ISSUERS, "ready"), ManualClock()
    rig = KeyRig(Device(ISSUERS, storage=storage, clock=clock), clock, InProcess, ISSUERS.ready_user_pin)
    caller = Caller(rig)
    call = GOOD[Ins(ins)](caller)
    before = memory(storage)
    assert caller.call(Ins(ins), *call) == SW.OK
    if memory(storage) != before:
        guard = Guard(rig.session.transport, DEFAULT, Allowance(9, "", None, False, no_one), no_one)
        apdu = Command(COMMANDS[ins].cla, ins, call.p1, call.p2, call.data)
        with pytest.raises(GuardError, match="--allow-wipe"):
            guard.exchange(encode_command(apdu))
    rig.close()


def memory(storage: Storage) -> dict[str, bytes | None]:
    names = storage.keys()
    return {name: storage.read(name) for name in names}


def no_one(*_: object) -> None:
    """Nobody is told."""


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
        "8118000000",  # on a logical channel
        "9018000000",  # one link of a chain
        "8060000000",  # of which only one maker's name is known
        "807F000000",  # another dialect's ExtECCVerify
        "80E8000000",  # one maker's own number: of another's it may be anything
        "80EA000000",
        "C00A000000",  # a maker's own class
        "90A4040000",
    ],
)
def test_what_may_cost_a_try_or_is_unknown_is_not_sent(guarded: Guarded, apdu: str) -> None:
    transport = guarded.session().transport
    with pytest.raises(GuardError):
        transport.exchange(bytes.fromhex(apdu))
    assert guarded.guard.records == []


@pytest.fixture
def without_macs() -> Iterator[Guarded]:
    key = EmulatedKey(made(wanted([{"values": {"dialect": "synochip"}}])), "test", InProcess)
    yield Guarded(key)
    key.close()


@pytest.mark.parametrize(
    "cipher",
    [
        pytest.param(
            sm4.encrypt_blocks(pin.pin_key(b"999999"), b"314159".ljust(16, b"\0")), id="another PIN"
        ),
        pytest.param(sm4.encrypt_blocks(pin.pin_key(PIN.encode()), bytes(range(16))), id="no PIN in it"),
        pytest.param(sm4.encrypt_blocks(pin.pin_key(PIN.encode()), bytes(16)), id="nothing in it"),
        pytest.param(bytes(15), id="no block"),
    ],
)
@pytest.mark.parametrize("tries", [0, 3])
def test_without_a_mac_nothing_but_a_pin_is_sent(without_macs: Guarded, cipher: bytes, tries: int) -> None:
    """G10: such a key takes whatever it deciphers; a PIN that nobody knows would be a key lost."""
    session = without_macs.session(tries)
    application = session.open_application("BOCOM")
    session.verify_pin(application, PIN)
    change = Command(CLA_MAC, Ins.CHANGE_PIN, 0, PinType.USER, application.handle + cipher)
    with pytest.raises(GuardError, match="--allow-wipe: ChangePIN was not sent"):
        session.transport.exchange(encode_command(change))
    session.verify_pin(application, PIN)
    assert without_macs.left() == 6


def test_a_number_means_what_it_means_in_the_keys_dialect(smart: EmulatedKey, without_macs: Guarded) -> None:
    """G4: 5C and 7F have other meanings there, and what no dialect has said stays unknown."""
    transport = without_macs.session().transport
    names = {
        "805C000000": "RSAExportHeldKey",
        "807F000000": "ExtECCVerify",
        "8080000000": "ECCExportHeldKey",
        "80EA000000": "ExtRSAPubKeyOperation",
    }
    for apdu in names:
        transport.exchange(bytes.fromhex(apdu))
    assert [record.name for record in without_macs.guard.records] == [*names.values()]
    guarded = Guarded(smart)
    with guarded.session():
        allowance = guarded.allowance
    moved = replace(DEFAULT, numbers={Ins.DELETE_FILE: 0x76, Ins.ECC_VERIFY: None})
    guard = Guard(smart.open(), moved, allowance, guarded._identify)
    for apdu, name in (("8076000000", "DeleteFile"), ("8032000000", "80 32")):
        with pytest.raises(GuardError, match=f"--allow-wipe: {name} was not sent"):
            guard.exchange(bytes.fromhex(apdu))


def test_what_is_the_activation_in_one_dialect_is_unknown_in_another(smart: EmulatedKey) -> None:
    guarded = Guarded(smart)
    with guarded.session():
        allowance = guarded.allowance
    guard = Guard(
        smart.open(), replace(DEFAULT, numbers={Ins.ACTIVATION: 0xF8}), allowance, guarded._identify
    )
    for apdu in ("80F6000004AABBCCDD", "80F8010004AABBCCDD", "80F8030004AABBCCDD"):
        with pytest.raises(GuardError):
            guard.exchange(bytes.fromhex(apdu))
    assert guard.exchange(bytes.fromhex("80F8000004AABBCCDD"))
    assert len(guard.records) == 1


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
