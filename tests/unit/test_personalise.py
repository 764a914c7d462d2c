"""Personalisation on real keys in process, through the host's own session (A5, A6, C9)."""

from __future__ import annotations

import builtins
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal, get_args

import gmalg
import pytest
from asn1crypto import x509

from emulator.device import Device
from emulator.hardware.clock import ManualClock
from emulator.hardware.display import Screen, ScreenKind
from emulator.hardware.entropy import OsEntropy
from emulator.hardware.storage import MemoryStorage, Storage
from emulator.hardware.storage_faulty import FaultyStorage, Phase, PowerCut
from emulator.issuer.ca import CertificateAuthority
from emulator.issuer.personalise import (
    UNFINISHED,
    IssueError,
    Stage,
    issue,
    make_ready,
    prepare,
    renew_activation_code,
    stage_of,
    typing_on_keypad,
)
from emulator.links.inproc import InProcessLink
from emulator.profiles import Profile, load_profile, profile_ids
from hostdriver.certificates import describe, verify
from hostdriver.errors import (
    ActivationUsedUpError,
    CodeIncorrectError,
    InitialPinError,
    NotActivatedError,
    NotLoggedInError,
)
from hostdriver.gmt import Container, GmtSession, PublicKey
from protocols import sm2
from protocols.dialect import DIALECTS
from protocols.gmt import (
    ApplicationInfo,
    BlockCipher,
    KeyUse,
    Mode,
    NewApplication,
    SignInput,
    SymmetricAlgorithm,
)
from tests.rig.libcrypto import Sm2Key

SM4_ECB = SymmetricAlgorithm(BlockCipher.SM4, Mode.ECB)
DISPLAY = load_profile("bocom-2g-tendyron")
SMART = load_profile("bocom-smart-feitian")
FIRST = load_profile("icbc-1g-gd")
SM2_ONLY = replace(DISPLAY, containers=replace(DISPLAY.containers, rsa=None))
HOST = replace(SM2_ONLY, activation="host")
KEYPAD = replace(SMART, containers=SM2_ONLY.containers)
MODES = pytest.mark.parametrize("profile", [SM2_ONLY, HOST, KEYPAD], ids=lambda p: p.activation)


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return CertificateAuthority(OsEntropy(), datetime.now(UTC), "any bank")


class Key:
    """A device and the host's session with it."""

    def __init__(self, profile: Profile, storage: Storage | None = None) -> None:
        self.profile = profile
        self.device = Device(profile, storage=storage, clock=ManualClock())
        self.session = GmtSession(InProcessLink(self.device), DIALECTS[profile.dialect])

    def __enter__(self) -> Key:
        self.device.power_on()
        return self

    def __exit__(self, *_: object) -> None:
        self.device.power_off()

    def stage(self) -> Stage:
        return stage_of(self.session, self.profile)

    def prepare(self, stage: Stage, authority: CertificateAuthority) -> str | None:
        issued = prepare(self.device, self.session, stage, authority)
        return issued.activation_code if issued else None


def content(storage: Storage) -> dict[str, bytes | None]:
    keys = storage.keys()
    return {key: storage.read(key) for key in keys}


def names(profile: Profile) -> list[str]:
    return [made.name for made in (profile.containers.rsa, profile.containers.sm2) if made]


@pytest.mark.parametrize("profile_id", profile_ids())
def test_every_model_can_be_made_ready(profile_id: str, authority: CertificateAuthority) -> None:
    check_ready(load_profile(profile_id), authority)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_key_of_every_dialect_can_be_made_ready(dialect: str, authority: CertificateAuthority) -> None:
    """Envelopes differ most of all (G32)."""
    check_ready(replace(DISPLAY, dialect=dialect), authority)


def test_a_key_in_mode_host_can_be_made_ready(authority: CertificateAuthority) -> None:
    check_ready(replace(DISPLAY, activation="host"), authority)


def check_ready(profile: Profile, authority: CertificateAuthority) -> None:
    key = Key(profile)
    issued = prepare(key.device, key.session, Stage.READY, authority)
    assert issued is not None
    assert (issued.activation_code is None) == (profile.activation == "bank")
    assert not key.device.powered
    with key:
        assert key.stage() is Stage.READY
        application = key.session.open_application(profile.application)
        assert (
            sorted(key.session.containers(application))
            == sorted(names(profile))
            == sorted(issued.certificates)
        )
        assert list(issued.exchange_certificates) == (
            [profile.containers.sm2.name] if profile.containers.sm2 else []
        )
        check_certificates(key, application, KeyUse.SIGN, issued.certificates)
        check_certificates(key, application, KeyUse.EXCHANGE, issued.exchange_certificates)
        for certificate in (*issued.certificates.values(), *issued.exchange_certificates.values()):
            assert describe(certificate).subject.startswith(f"CN={key.device.serial}, ")
        key.session.verify_pin(application, profile.ready_user_pin)


def check_certificates(
    key: Key, application: ApplicationInfo, use: KeyUse, certificates: Mapping[str, bytes]
) -> None:
    """The key holds them, and the pairs that they are for."""
    for name, certificate in certificates.items():
        container = key.session.open_container(application, name)
        assert key.session.export_certificate(container, use=use) == certificate
        assert describe(certificate).public_key == key.session.public_key(container, use=use)


class Wire(InProcessLink):
    """Keeps what the host sent."""

    def __init__(self, device: Device) -> None:
        super().__init__(device)
        self.sent: list[bytes] = []

    def exchange(self, apdu: bytes) -> bytes:
        self.sent.append(apdu)
        return super().exchange(apdu)


class Drawn:
    """Random bytes, and which they were."""

    def __init__(self) -> None:
        self.numbers: list[bytes] = []

    def bytes(self, n: int) -> builtins.bytes:
        self.numbers.append(OsEntropy().bytes(n))
        return self.numbers[-1]


def test_the_encryption_key_never_crosses_the_wire_in_the_clear() -> None:
    """It is the one private key that does not come to be on the key."""
    entropy = Drawn()
    device = Device(SM2_ONLY, clock=ManualClock())
    wire = Wire(device)
    issued = prepare(
        device, GmtSession(wire), Stage.ISSUED, CertificateAuthority(entropy, datetime.now(UTC), "any bank")
    )
    assert issued is not None
    (certificate,) = issued.exchange_certificates.values()
    public_keys = [
        sm2.PrivateKey.from_bytes(number).public for number in entropy.numbers if is_private_key(number)
    ]
    assert describe(certificate).public_key in public_keys
    assert any(certificate in apdu for apdu in wire.sent)
    assert not any(number in apdu for number in entropy.numbers for apdu in wire.sent)


def test_what_is_enciphered_for_the_encryption_certificate_comes_out(authority: CertificateAuthority) -> None:
    """As whoever has the certificate does it: libcrypto for the SM4 key, gmalg for what is under it."""
    key = Key(SM2_ONLY)
    issued = prepare(key.device, key.session, Stage.READY, authority)
    assert issued is not None
    ((name, certificate),) = issued.exchange_certificates.items()
    point = bytes(x509.Certificate.load(certificate).public_key["public_key"])[1:]
    sm4_key, block = OsEntropy().bytes(16), b"sixteen octets  "
    wrapped = sm2.Ciphertext.parse_der(Sm2Key.public(point).encrypt(sm4_key))
    with key:
        application = key.session.open_application(SM2_ONLY.application)
        key.session.verify_pin(application, SM2_ONLY.ready_user_pin)
        container = key.session.open_container(application, name)
        held = key.session.import_session_key(container, SM4_ECB, wrapped)
        assert key.session.decrypt(held, gmalg.SM4(sm4_key).encrypt(block)) == block


def is_private_key(number: bytes) -> bool:
    return len(number) == 32 and 1 <= int.from_bytes(number) <= sm2.N - 2


@pytest.mark.parametrize("use", KeyUse)
def test_a_key_that_exports_another_public_key_is_given_no_certificate(
    use: KeyUse, authority: CertificateAuthority
) -> None:
    confused = use

    class Confused(GmtSession):
        def public_key(self, container: Container, *, use: KeyUse = KeyUse.SIGN) -> PublicKey:
            if use is confused:
                return sm2.PrivateKey(5).public
            return super().public_key(container, use=use)

    device = Device(SM2_ONLY, clock=ManualClock())
    session = Confused(InProcessLink(device))
    with pytest.raises(IssueError, match="do not use this key"):
        prepare(device, session, Stage.ISSUED, authority)
    device.power_on()
    application = session.open_application(SM2_ONLY.application)
    assert not session.container_info(application, names(SM2_ONLY)[0]).has_certificate(use)
    device.power_off()


@pytest.mark.parametrize("activation", ["bank", "host"])
def test_a_ready_key_signs_under_its_certificate(
    activation: Literal["bank", "host"], authority: CertificateAuthority
) -> None:
    """A first-generation key: nobody has to press (E10)."""
    profile = replace(FIRST, activation=activation)
    key = Key(profile)
    issued = prepare(key.device, key.session, Stage.READY, authority)
    assert issued is not None
    (name,) = names(profile)
    with key:
        application = key.session.open_application(profile.application)
        key.session.verify_pin(application, profile.ready_user_pin)
        container = key.session.open_container(application, name)
        signature = key.session.sign_rsa(container, b"text", SignInput.MESSAGE)
    assert verify(describe(issued.certificates[name]).public_key, b"text", signature)


@MODES
class TestStages:
    def test_blank(self, profile: Profile, authority: CertificateAuthority) -> None:
        key = Key(profile)
        assert prepare(key.device, key.session, Stage.BLANK, authority) is None
        with key:
            assert key.stage() is Stage.BLANK
            assert key.session.applications() == []

    def test_issued(self, profile: Profile, authority: CertificateAuthority) -> None:
        key = Key(profile)
        code = key.prepare(Stage.ISSUED, authority)
        assert not key.device.powered
        with key:
            assert key.stage() is Stage.ISSUED
            assert key.session.device_info().label == profile.application
            application = key.session.open_application(profile.application)
            info = key.session.pin_info(application)
            assert (info.initial, info.left) == (True, profile.pin.user.tries)
        if profile.activation == "bank":
            assert code is None  # A6: the bank's page asks for it, not the key
        else:
            assert code is not None
            assert code.isdigit()
            assert len(code) == profile.activation_code.length

    def test_a_stage_is_never_taken_back(self, profile: Profile, authority: CertificateAuthority) -> None:
        storage = MemoryStorage()
        Key(profile, storage).prepare(Stage.READY, authority)
        before = content(storage)
        for stage in Stage:
            assert Key(profile, storage).prepare(stage, authority) is None
        assert content(storage) == before

    def test_an_issued_key_is_made_ready_later(
        self, profile: Profile, authority: CertificateAuthority
    ) -> None:
        """Its code is not known any more: it gets a new one (A5)."""
        storage = MemoryStorage()
        first, later = Key(profile, storage), Key(profile, storage)
        issued = prepare(first.device, first.session, Stage.ISSUED, authority)
        assert issued is not None
        assert prepare(later.device, later.session, Stage.READY, authority) is None
        with later:
            assert later.stage() is Stage.READY
            application = later.session.open_application(profile.application)
            check_certificates(later, application, KeyUse.SIGN, issued.certificates)
            check_certificates(later, application, KeyUse.EXCHANGE, issued.exchange_certificates)

    def test_a_key_is_not_issued_twice(self, profile: Profile, authority: CertificateAuthority) -> None:
        with Key(profile) as key:
            first = issue(key.session, profile, key.device.serial, authority)
            with pytest.raises(IssueError, match="issued already"):
                issue(key.session, profile, key.device.serial, authority)
            assert key.stage() is Stage.ISSUED
            again = issue(key.session, profile, key.device.serial, authority, replace=True)
            for new, old in (
                (again.certificates, first.certificates),
                (again.exchange_certificates, first.exchange_certificates),
            ):
                assert new.keys() == old.keys()
                assert new != old

    def test_nobody_stays_logged_in(self, profile: Profile, authority: CertificateAuthority) -> None:
        profile = replace(
            profile, pin=replace(profile.pin, user=replace(profile.pin.user, cache="until-removal"))
        )
        with Key(profile) as key:
            issue(key.session, profile, key.device.serial, authority)
            application = key.session.open_application(profile.application)
            with pytest.raises(NotLoggedInError):
                key.session.create_container(application, "another")


def test_a_ready_key_of_another_pin_keeps_it(authority: CertificateAuthority) -> None:
    key = Key(SM2_ONLY)
    key.prepare(Stage.READY, authority)
    with key:
        application = key.session.open_application(SM2_ONLY.application)
        key.session.change_pin(application, SM2_ONLY.ready_user_pin, "314159")
    key.prepare(Stage.READY, authority)
    with key:
        key.session.verify_pin(key.session.open_application(SM2_ONLY.application), "314159")


def test_an_application_of_somebody_else_is_not_touched(authority: CertificateAuthority) -> None:
    with Key(SM2_ONLY) as key:
        key.session.authenticate_device(SM2_ONLY.device_auth_key)
        key.session.create_application(NewApplication(SM2_ONLY.application, b"87654321", 6, b"628401", 6))
        with pytest.raises(IssueError, match=SM2_ONLY.application):
            issue(key.session, SM2_ONLY, key.device.serial, authority)
        assert key.stage() is Stage.READY


class TestActivation:
    """A5, A6."""

    def test_the_host_hands_over_the_code_it_was_sent(self, authority: CertificateAuthority) -> None:
        key = Key(HOST)
        code = key.prepare(Stage.ISSUED, authority)
        assert code is not None
        wrong = f"{(int(code) + 1) % 10 ** len(code):0{len(code)}d}"
        with key:
            with pytest.raises(CodeIncorrectError, match="5 tries left"):
                make_ready(key.session, HOST, wrong)
            make_ready(key.session, HOST, code)
            assert key.stage() is Stage.READY

    def test_a_chosen_code_is_the_code(self, authority: CertificateAuthority) -> None:
        with Key(HOST) as key:
            issued = issue(key.session, HOST, key.device.serial, authority, "00112233")
            assert issued.activation_code == "00112233"
            make_ready(key.session, HOST, "00112233")

    @pytest.mark.parametrize("code", ["1234567", "123456789", "1234567x", "１２３４５６７８"])
    def test_a_code_that_no_keypad_takes_is_refused(self, code: str, authority: CertificateAuthority) -> None:
        with Key(KEYPAD) as key:
            with pytest.raises(IssueError, match="8 digits"):
                issue(key.session, KEYPAD, key.device.serial, authority, code)
            assert key.stage() is Stage.BLANK

    def test_a_used_up_code_is_renewed_and_the_old_one_dies(self, authority: CertificateAuthority) -> None:
        with Key(HOST) as key:
            issue(key.session, HOST, key.device.serial, authority, "00112233")
            for _ in range(HOST.activation_code.tries):
                with pytest.raises(CodeIncorrectError):
                    make_ready(key.session, HOST, "99999999")
            with pytest.raises(ActivationUsedUpError):
                make_ready(key.session, HOST, "00112233")
            assert renew_activation_code(key.session, HOST, OsEntropy(), "44556677") == "44556677"
            with pytest.raises(CodeIncorrectError):
                make_ready(key.session, HOST, "00112233")
            make_ready(key.session, HOST, "44556677")
            assert key.stage() is Stage.READY

    def test_an_unready_key_signs_nothing(self, authority: CertificateAuthority) -> None:
        with Key(HOST) as key:
            code = issue(key.session, HOST, key.device.serial, authority).activation_code
            application = key.session.open_application(HOST.application)
            container = key.session.open_container(application, names(HOST)[0])
            key.device.reset()
            application = key.session.open_application(HOST.application)
            container = key.session.open_container(application, names(HOST)[0])
            key.session.verify_pin(application, HOST.pin.user.initial)
            with pytest.raises(InitialPinError):
                key.session.sign_sm2(container, b"text", SignInput.MESSAGE)
            key.session.change_pin(application, HOST.pin.user.initial, HOST.ready_user_pin)
            key.session.verify_pin(application, HOST.ready_user_pin)
            with pytest.raises(NotActivatedError):
                key.session.sign_sm2(container, b"text", SignInput.MESSAGE)
            make_ready(key.session, HOST, code)

    def test_the_typist_enters_each_code_once(self, authority: CertificateAuthority) -> None:
        """Two certificates, two entries on the keypad; no thread of the typist's stays behind."""
        entered: list[str] = []
        key = Key(SMART)

        def see(screen: Screen) -> None:
            if screen.kind is ScreenKind.ENTRY:
                entered.append(screen.lines[1])

        stop = key.device.on_screen(see)
        key.prepare(Stage.READY, authority)
        stop()
        length = SMART.activation_code.length
        assert entered == ["*" * typed + "_" * (length - typed) for typed in range(length + 1)] * 2
        assert not [thread for thread in threading.enumerate() if thread.name == "vukey-typist"]

    def test_a_wrong_code_on_the_keypad_counts_one_try(self, authority: CertificateAuthority) -> None:
        with Key(KEYPAD) as key:
            issue(key.session, KEYPAD, key.device.serial, authority, "00112233")
            with typing_on_keypad(key.device, "99999999"), pytest.raises(CodeIncorrectError, match="5 tries"):
                make_ready(key.session, KEYPAD, None)
            assert key.stage() is Stage.ISSUED


def commits(profile: Profile, authority: CertificateAuthority) -> int:
    storage = FaultyStorage(MemoryStorage())
    Key(profile, storage).prepare(Stage.READY, authority)
    return storage.commits


@pytest.mark.parametrize("phase", get_args(Phase))
@pytest.mark.parametrize("profile", [SM2_ONLY, HOST], ids=lambda p: p.activation)
def test_a_preparation_cut_off_anywhere_is_repeated(
    profile: Profile, phase: Phase, authority: CertificateAuthority
) -> None:
    """C9: at every commit the power fails, and the same call brings the key to the same end."""
    total = commits(profile, authority)
    assert total > 10
    for cut_at in range(1, total + 1):
        storage = FaultyStorage(MemoryStorage(), cut_at, phase)
        with pytest.raises(PowerCut):
            Key(profile, storage).prepare(Stage.READY, authority)
        storage.restart()
        key = Key(profile, storage)
        key.prepare(Stage.READY, authority)
        with key:
            assert key.stage() is Stage.READY
            application = key.session.open_application(profile.application)
            key.session.verify_pin(application, profile.ready_user_pin)
            container = key.session.open_container(application, names(profile)[0])
            for use in KeyUse:
                certificate = key.session.export_certificate(container, use=use)
                assert describe(certificate).public_key == key.session.public_key(container, use=use)


def test_a_key_cut_off_in_its_issue_is_blank_and_says_why(authority: CertificateAuthority) -> None:
    storage = FaultyStorage(MemoryStorage(), 5)
    with Key(SM2_ONLY, storage) as key:
        with pytest.raises(PowerCut):
            issue(key.session, SM2_ONLY, key.device.serial, authority)
        storage.restart()
    with Key(SM2_ONLY, storage) as key:
        assert SM2_ONLY.application in key.session.applications()
        assert key.session.device_info().label == UNFINISHED
        assert key.stage() is Stage.BLANK
        issue(key.session, SM2_ONLY, key.device.serial, authority)
        assert key.stage() is Stage.ISSUED
