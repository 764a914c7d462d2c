"""Personalisation: from a blank key to one that a customer uses, by the commands of GM/T 0017 alone.

It works through whatever session it is handed, so a key behind any transport can be issued. While a key is being
issued its label says so: a key whose issue was cut off is known by it, and issuing it again starts over (C9).
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Generic, Protocol, TypeVar

from emulator.device import Device
from emulator.hardware.buttons import Button
from emulator.hardware.display import Screen, ScreenKind
from emulator.hardware.entropy import Entropy
from emulator.issuer.ca import CertificateAuthority, PublicKey
from emulator.profiles import Profile
from protocols import sm2
from protocols.errors import VukeyError
from protocols.gmt import (
    SALT_LENGTH,
    ActivationVerifier,
    ApplicationInfo,
    DeviceInfo,
    KeyUse,
    NewApplication,
    PinInfo,
    RsaPublicKey,
)
from protocols.i18n import N_

UNFINISHED = "vukey: being issued"
"""The label of a key from the first step of its issue to the last but one (assumed)."""

Container = TypeVar("Container")


@unique
class Stage(StrEnum):
    """How far a key has come."""

    BLANK = "blank"
    ISSUED = "issued"
    READY = "ready"


class IssueError(VukeyError):
    """The key cannot be issued."""


class KeySession(Protocol[Container]):
    """What personalisation needs of a GM/T 0017 session; `Container` is the session's own type."""

    def authenticate_device(self, key: bytes) -> None:
        """DevAuth."""

    def device_info(self) -> DeviceInfo:
        """GetDevInfo."""

    def set_label(self, label: str) -> None:
        """SetLabel."""

    def applications(self) -> list[str]:
        """EnumApplication."""

    def create_application(self, new: NewApplication) -> None:
        """CreateApplication."""

    def delete_application(self, name: str) -> None:
        """DeleteApplication."""

    def open_application(self, name: str) -> ApplicationInfo:
        """OpenApplication."""

    def close_application(self, application: ApplicationInfo) -> None:
        """CloseApplication."""

    def pin_info(self, application: ApplicationInfo) -> PinInfo:
        """GetPINInfo of the user PIN."""

    def verify_pin(self, application: ApplicationInfo, value: str) -> None:
        """VerifyPIN of the user PIN."""

    def change_pin(self, application: ApplicationInfo, old: str, new: str) -> None:
        """ChangePIN of the user PIN."""

    def clear_secure_state(self, application: ApplicationInfo) -> None:
        """ClearSecureState."""

    def containers(self, application: ApplicationInfo) -> list[str]:
        """EnumContainer."""

    def create_container(self, application: ApplicationInfo, name: str) -> Container:
        """CreateContainer."""

    def open_container(self, application: ApplicationInfo, name: str) -> Container:
        """OpenContainer."""

    def import_certificate(self, container: Container, der: bytes, *, use: KeyUse = KeyUse.SIGN) -> None:
        """ImportCertificate."""

    def generate_rsa(self, container: Container, bits: int) -> RsaPublicKey:
        """GenerateRSAKeyPair."""

    def generate_sm2(self, container: Container) -> sm2.PublicKey:
        """GenECCKeyPair."""

    def import_sm2_key_pair(self, container: Container, enveloped: sm2.EnvelopedKey) -> None:
        """ImportECCKeyPair."""

    def public_key(self, container: Container, *, use: KeyUse = KeyUse.SIGN) -> PublicKey:
        """ExportPublicKey."""

    def activation_status(self, container: Container) -> tuple[bool, int]:
        """Whether it is activated, and the tries left."""

    def activate_on_keypad(self, container: Container) -> None:
        """Activation by a code that a person types on the key; blocks."""

    def activate(self, container: Container, code: str) -> None:
        """Activation by a code from the host."""

    def install_activation(self, container: Container, verifier: ActivationVerifier) -> None:
        """A new activation code."""


@dataclass(frozen=True, slots=True)
class Issued:
    """What the bank knows of a key that it has issued.

    :param certificates: of the signature pairs; DER by container name.
    :param exchange_certificates: of the encryption pairs, where there are any; SM2 containers have one.
    :param activation_code: what the customer is sent by SMS (A5); None where the key does not ask for it (A6).
    """

    application: str
    certificates: Mapping[str, bytes]
    exchange_certificates: Mapping[str, bytes]
    activation_code: str | None

    def as_json(self) -> dict[str, object]:
        """What `vukey issue --json` prints of it (docs/json.md): a contract, key for key."""
        uses = {"sign": self.certificates, "exchange": self.exchange_certificates}
        return {
            "application": self.application,
            "containers": list(self.certificates),
            "certificates": [
                {"container": name, "use": use, "sha256": hashlib.sha256(der).hexdigest()}
                for use, certificates in uses.items()
                for name, der in certificates.items()
            ],
            "activation_code": self.activation_code,
        }


def stage_of(session: KeySession[Container], profile: Profile) -> Stage:
    """How far a key has come; one whose issue was cut off counts as blank."""
    if profile.application not in session.applications() or session.device_info().label == UNFINISHED:
        return Stage.BLANK
    with _opened(session, profile) as application:
        initial = session.pin_info(application).initial
        waiting = _waiting_for_code(session, profile, application)
    return Stage.ISSUED if initial or waiting else Stage.READY


def issue(
    session: KeySession[Container],
    profile: Profile,
    serial: str,
    authority: CertificateAuthority,
    activation_code: str | None = None,
    *,
    replace: bool = False,
) -> Issued:
    """Make the application, the pairs and their certificates: the key as it goes to the customer.

    Signature pairs are made on the key. Of an SM2 container the encryption pair is made here, imported, and forgotten.
    One that was cut off starts over (C9).

    :param serial: the number printed on the key; the certificates name it.
    :param activation_code: drawn at random if None.
    :param replace: delete what was issued before, keys and certificates included.
    :raises IssueError: the key is issued already, or made a wrong answer; the session's own errors pass through.
    """
    code = _activation_code(profile, authority.entropy, activation_code)
    session.authenticate_device(profile.device_auth_key)
    exists = profile.application in session.applications()
    if exists and not replace and session.device_info().label != UNFINISHED:
        raise IssueError(
            N_("the key is issued already; to delete application {name} and start again: --replace"),
            name=profile.application,
        )
    session.set_label(UNFINISHED)
    if exists:
        session.delete_application(profile.application)
    session.create_application(_new_application(profile))
    with _opened(session, profile) as application:
        session.verify_pin(application, profile.pin.user.initial)
        filled = _Filling(session, application, serial, authority)
        filled.fill(profile)
        _install_code(session, profile, application, authority.entropy, code)
    session.set_label(profile.application)
    certificates = filled.certificates
    return Issued(profile.application, certificates[KeyUse.SIGN], certificates[KeyUse.EXCHANGE], code)


def renew_activation_code(
    session: KeySession[Container], profile: Profile, entropy: Entropy, activation_code: str | None = None
) -> str | None:
    """Give the code out again (A5): a new one for every certificate that waits for its own.

    :returns: None where the key does not ask for it (A6).
    """
    code = _activation_code(profile, entropy, activation_code)
    session.authenticate_device(profile.device_auth_key)
    with _opened(session, profile) as application:
        _install_code(session, profile, application, entropy, code)
    return code


def make_ready(session: KeySession[Container], profile: Profile, activation_code: str | None) -> None:
    """What the customer does on the first day: change the initial PIN to `ready_user_pin`, activate.

    In mode `keypad` it blocks until the code is typed on the key: see `typing_on_keypad`. What is done already is
    left alone.
    """
    with _opened(session, profile) as application:
        if session.pin_info(application).initial:
            session.change_pin(application, profile.pin.user.initial, profile.ready_user_pin)
        for container in _waiting_for_code(session, profile, application):
            if profile.activation == "keypad":
                session.activate_on_keypad(container)
            else:
                session.activate(container, activation_code or "")


def prepare(
    device: Device, session: KeySession[Container], stage: Stage, authority: CertificateAuthority
) -> Issued | None:
    """Bring a key forward to a stage, never back; it ends without power, so nobody is logged in.

    :param session: speaks to this device in process.
    :returns: what was issued; None when nothing had to be.
    """
    profile, issued = device.profile, None
    device.power_on()
    try:
        before = stage_of(session, profile)
        if before is Stage.BLANK and stage is not Stage.BLANK:
            issued = issue(session, profile, device.serial, authority)
        if before is not Stage.READY and stage is Stage.READY:
            code = _known_code(session, profile, issued, authority.entropy)
            with typing_on_keypad(device, code or ""):
                make_ready(session, profile, code)
        return issued
    finally:
        device.power_off()


@contextmanager
def typing_on_keypad(device: Device, code: str) -> Iterator[None]:
    """Somebody at the key who types the code and OK whenever it asks for one.

    Screens are announced under the device's lock, and a press would nest inside the announcement: so a thread of
    its own types.
    """
    typists: list[threading.Thread] = []
    asking = False

    def type_code() -> None:
        device.type(code)
        device.press(Button.OK)

    def see(screen: Screen) -> None:
        nonlocal asking
        asked, asking = asking, screen.kind is ScreenKind.ENTRY
        if asking and not asked:
            typists.append(threading.Thread(target=type_code, name="vukey-typist", daemon=True))
            typists[-1].start()

    look_away = device.on_screen(see)
    try:
        yield
    finally:
        look_away()
        for typist in typists:
            typist.join()


@contextmanager
def _opened(session: KeySession[Container], profile: Profile) -> Iterator[ApplicationInfo]:
    """The application, closed and logged out afterwards; after a failure the key is left as it is."""
    application = session.open_application(profile.application)
    yield application
    session.clear_secure_state(application)
    session.close_application(application)


def _new_application(profile: Profile) -> NewApplication:
    user, admin = profile.pin.user, profile.pin.admin
    return NewApplication(
        profile.application,
        admin.initial.encode(),
        admin.tries,
        user.initial.encode(),
        user.tries,
        max_containers=profile.max_containers,
        max_certificates=profile.max_certificates,
        max_files=profile.max_files,
    )


@dataclass(frozen=True, slots=True)
class _Filling(Generic[Container]):
    """The containers of an application while they are made.

    :param certificates: imported so far; DER by use and container name.
    """

    session: KeySession[Container]
    application: ApplicationInfo
    serial: str
    authority: CertificateAuthority
    certificates: dict[KeyUse, dict[str, bytes]] = field(default_factory=lambda: {use: {} for use in KeyUse})

    def fill(self, profile: Profile) -> None:
        """Make the profile's containers, each with its pairs and certificates."""
        if rsa := profile.containers.rsa:
            self._add_rsa(rsa.name, rsa.bits)
        if profile.containers.sm2:
            self._add_sm2(profile.containers.sm2.name)

    def _add_rsa(self, name: str, bits: int) -> None:
        container = self.session.create_container(self.application, name)
        self._certify(container, name, self.session.generate_rsa(container, bits), KeyUse.SIGN)

    def _add_sm2(self, name: str) -> None:
        """With a double certificate: the encryption pair is imported under the signature pair, and not kept."""
        container = self.session.create_container(self.application, name)
        signature_key = self.session.generate_sm2(container)
        self._certify(container, name, signature_key, KeyUse.SIGN)
        pair = self.authority.encryption_pair()
        self.session.import_sm2_key_pair(container, self.authority.enveloped(pair, signature_key))
        self._certify(container, name, pair.public, KeyUse.EXCHANGE)

    def _certify(self, container: Container, name: str, public_key: PublicKey, use: KeyUse) -> None:
        if self.session.public_key(container, use=use) != public_key:
            raise IssueError(
                N_("container {name} exports a public key that is not its pair's; do not use this key"),
                name=name,
            )
        certificate = self.authority.issue(public_key, self.serial, use)
        self.session.import_certificate(container, certificate, use=use)
        self.certificates[use][name] = certificate


def _waiting_for_code(
    session: KeySession[Container], profile: Profile, application: ApplicationInfo
) -> list[Container]:
    """The profile's containers that are not activated; none where the key does not ask (A6)."""
    if profile.activation == "bank":
        return []
    present = session.containers(application)
    names = [made.name for made in (profile.containers.rsa, profile.containers.sm2) if made]
    containers = [session.open_container(application, name) for name in names if name in present]
    return [container for container in containers if not session.activation_status(container)[0]]


def _activation_code(profile: Profile, entropy: Entropy, given: str | None) -> str | None:
    """The code as given, or random digits; none where the key does not ask for it (A6)."""
    if profile.activation == "bank":
        return None
    length = profile.activation_code.length
    code = given or f"{int.from_bytes(entropy.bytes(32)) % 10**length:0{length}d}"
    if not (code.isascii() and code.isdigit() and len(code) == length):
        raise IssueError(N_("an activation code of this model has {length} digits"), length=length)
    return code


def _install_code(
    session: KeySession[Container],
    profile: Profile,
    application: ApplicationInfo,
    entropy: Entropy,
    code: str | None,
) -> None:
    """One code for all of the key's certificates (assumed), salted for each."""
    if code is None:
        return
    for container in _waiting_for_code(session, profile, application):
        salt = entropy.bytes(SALT_LENGTH)
        digest = sm2.sm3(salt, code.encode())
        session.install_activation(container, ActivationVerifier(salt, digest, profile.activation_code.tries))


def _known_code(
    session: KeySession[Container], profile: Profile, issued: Issued | None, entropy: Entropy
) -> str | None:
    """The code of a key just issued; a key issued earlier gets a new one."""
    return issued.activation_code if issued else renew_activation_code(session, profile, entropy)
