"""What a test wants its key to be (the mark `vukey`), and keys like that: made once in a process, then copied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

from emulator.device import Device
from emulator.hardware.clock import ManualClock
from emulator.hardware.entropy import OsEntropy
from emulator.hardware.storage import MemoryStorage
from emulator.issuer.ca import CertificateAuthority
from emulator.issuer.personalise import Issued, Stage, issue, make_ready, typing_on_keypad
from emulator.links.inproc import InProcessLink
from emulator.profiles import Profile, ProfileError, load_profile_file
from emulator.profiles.loader import SHIPPED
from emulator.running import load_model
from hostdriver.errors import PinIncorrectError
from hostdriver.gmt import GmtSession
from protocols.dialect import dialect_named
from protocols.errors import VukeyError
from protocols.i18n import N_
from vukey_testing.errors import SetupError

PROFILE = "bocom-2g-tendyron"
"""The model of tests that name none."""
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "profile": str,
    "stage": str,
    "pin_tries": int,
    "pin_locked": bool,
    "activated": bool,
    "initial_pin": bool,
    "values": Mapping,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A key as a test wants it.

    :param model: what `load_model` takes.
    :param values: changes to the model, by dotted path.
    :param pin_left: tries left of the user PIN; None: all.
    """

    model: str
    values: tuple[tuple[str, object], ...]
    stage: Stage
    initial_pin: bool
    activated: bool
    pin_left: int | None

    @property
    def profile(self) -> Profile:
        """The model, changed as the test wants it.

        :raises ProfileError: no such model, or a value does not fit.
        """
        return _changed(self.model, self.values) if self.values else load_model(self.model)

    @property
    def user_pin(self) -> str:
        """The PIN that the key has."""
        profile = self.profile
        return profile.pin.user.initial if self.initial_pin else profile.ready_user_pin


@cache
def _changed(model: str, values: tuple[tuple[str, object], ...]) -> Profile:
    path = model if "/" in model or model.endswith(".toml") else SHIPPED / f"{load_model(model).id}.toml"
    return load_profile_file(path, {name: _listed(value) for name, value in values})


def wanted(parts: Iterable[Mapping[str, Any]], model: str = PROFILE) -> Wanted:
    """What a test's marks say together.

    :param parts: named parts of the marks, the closest to the test first; it wins.
    :param model: where no mark names one.
    :raises SetupError: an unknown part, one of a wrong type, or parts that contradict each other.
    """
    said: dict[str, Any] = {}
    values: dict[str, object] = {}
    for part in parts:
        _check_types(part)
        values = {**part.get("values", {}), **values}
        said = {**part, **said}
    stage = _stage(said.get("stage", Stage.READY))
    is_ready = stage is Stage.READY
    result = Wanted(
        said.get("profile", model),
        tuple(sorted((name, _hashable(value)) for name, value in values.items())),
        stage,
        said.get("initial_pin", not is_ready),
        said.get("activated", is_ready),
        0 if said.get("pin_locked") else said.get("pin_tries"),
    )
    _check(result, said)
    return result


def _check_types(part: Mapping[str, Any]) -> None:
    for name, value in part.items():
        if name not in _TYPES:
            raise SetupError(
                N_("the mark vukey has no part {name}; it has: {known}"), name=name, known=", ".join(_TYPES)
            )
        kind = _TYPES[name]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise SetupError(N_("the mark vukey: {name}={value!r} does not fit"), name=name, value=value)


def _stage(name: str) -> Stage:
    try:
        return Stage(name)
    except ValueError:
        raise SetupError(
            N_("the mark vukey: stage is blank, issued or ready, not {name}"), name=name
        ) from None


def _check(wanted: Wanted, said: Mapping[str, Any]) -> None:
    """Hold the parts against each other and the model."""
    try:
        profile = wanted.profile
    except ProfileError as error:
        raise SetupError(N_("the mark vukey: {error}"), error=error) from None
    if wanted.stage is Stage.BLANK and said.keys() & {"initial_pin", "activated", "pin_tries", "pin_locked"}:
        raise SetupError(N_("the mark vukey: a blank key has no PIN and nothing to activate"))
    if said.get("activated") is False and profile.activation == "bank":
        raise SetupError(
            N_("the mark vukey: activated=False: the bank itself activates {profile}"), profile=profile.id
        )
    if said.get("pin_locked") and "pin_tries" in said:
        raise SetupError(N_("the mark vukey: pin_locked and pin_tries exclude each other"))
    if "pin_tries" in said and not 1 <= said["pin_tries"] <= profile.pin.user.tries:
        raise SetupError(
            N_("the mark vukey: pin_tries is what is left, 1 to {tries} on this model"),
            tries=profile.pin.user.tries,
        )


def _hashable(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _listed(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


@dataclass(frozen=True, slots=True)
class Made:
    """A key of which any number can be had.

    :param issued: what the bank knows of it; None for a blank one.
    """

    wanted: Wanted
    serial: str
    storage: MemoryStorage
    issued: Issued | None

    def device(self, clock: ManualClock) -> Device:
        """One of them, without power."""
        return Device(self.wanted.profile, self.serial, storage=self.storage.copy(), clock=clock)


@cache
def made(wanted: Wanted, number: int = 0) -> Made:
    """The key that a test wants.

    :param number: keys of different numbers have different serial numbers and key pairs.
    """
    profile = _lenient(wanted.profile)
    storage = MemoryStorage()
    device = Device(profile, storage=storage, clock=ManualClock())
    session = GmtSession(InProcessLink(device), dialect_named(profile.dialect))
    device.power_on()
    issued = None
    if wanted.stage is not Stage.BLANK:
        issued = issue(session, profile, device.serial, authority(profile.issuer))
        with typing_on_keypad(device, issued.activation_code or ""):
            hand_over(session, profile, wanted, issued.activation_code, profile.ready_user_pin)
        _spend_tries(session, profile, wanted)
    device.close()
    return Made(wanted, device.serial, storage, issued)


def _lenient(profile: Profile) -> Profile:
    """A model for the making: nobody is there to press at the last tries (E5); the initial PIN may come back (E6)."""
    user = replace(profile.pin.user, extra_press_at=0, weak="accept")
    return replace(profile, pin=replace(profile.pin, user=user))


@cache
def authority(bank: str) -> CertificateAuthority:
    """The test CA of a bank: its roots are made once in a process."""
    return CertificateAuthority(OsEntropy(), datetime.now(UTC), bank)


def hand_over(session: GmtSession, profile: Profile, wanted: Wanted, code: str | None, user_pin: str) -> None:
    """What the customer does on the first day, as far as it is wanted; in mode keypad somebody types the code.

    :param user_pin: the PIN that the customer chooses.
    """
    initial = profile.pin.user.initial
    profile = replace(profile, ready_user_pin=user_pin)
    if wanted.activated and profile.activation != "bank":
        make_ready(session, profile, code)
        if wanted.initial_pin:
            session.change_pin(session.open_application(profile.application), user_pin, initial)
    elif not wanted.initial_pin:
        session.change_pin(session.open_application(profile.application), initial, user_pin)


def _spend_tries(session: GmtSession, profile: Profile, wanted: Wanted) -> None:
    if wanted.pin_left is None:
        return
    application = session.open_application(profile.application)
    for _ in range(profile.pin.user.tries - wanted.pin_left):
        try:
            session.verify_pin(application, f"not {wanted.user_pin}")
        except PinIncorrectError:
            continue
        raise VukeyError(N_("the key takes a wrong PIN"))
