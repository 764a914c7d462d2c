"""A real key in a reader, or any that behaves like one: touched only where the rules for real devices allow it.

Its serial number is checked before anything else is sent, one test of a user has it at a time, and what
a test wants of its state must be so already, unless ``--allow-wipe`` lets us issue it anew.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from emulator.control.journal import ApduRecord
from emulator.issuer.personalise import UNFINISHED, Stage, issue
from emulator.profiles import Profile
from emulator.running import load_model
from hostdriver.apdu_token import ApduToken
from hostdriver.control import KeyApi
from hostdriver.errors import HostError, KeyBusyError, NoKeyError
from hostdriver.gmt import GmtSession
from hostdriver.printable import printable
from hostdriver.token import Token
from hostdriver.transport import Transport
from hostdriver.transport.unix_socket import run_files
from protocols.dialect import dialect_named
from protocols.errors import VukeyError
from protocols.gmt import KeyUse
from protocols.i18n import N_
from protocols.runfile import run_directory
from protocols.sw import SW
from vukey_testing.calls import PATIENCE_S, Calls
from vukey_testing.errors import GuardError, SetupError, skip
from vukey_testing.guard import Allowance, Guard
from vukey_testing.operators import ApiOperator, Operator, RobotOperator
from vukey_testing.person import PersonOperator
from vukey_testing.places import Place, place_of
from vukey_testing.recorder import SeenRecorder
from vukey_testing.states import Wanted, authority, hand_over


@dataclass(frozen=True, slots=True)
class RealOptions:
    """What the command line says of the real key.

    :param target: where it is, as ``--token`` says.
    :param model: its model, as `load_model` takes it; None: as its run file says.
    :param run: names this run of pytest, the same in all of its processes.
    """

    target: str
    serial: str
    model: str | None
    user_pin: str | None = field(repr=False)
    may_wipe: bool
    operator: str
    run: str

    @property
    def place(self) -> Place:
        """Where it is."""
        return place_of(self.target)

    @property
    def profile(self) -> Profile:
        """Its model, as `model_name` says."""
        return load_model(self.model_name)

    @property
    def model_name(self) -> str:
        """What `load_model` takes for it.

        :raises SetupError: nobody says which model it is.
        """
        model = self.model or next((key.model for key in run_files() if key.serial == self.serial), None)
        if model is None:
            raise SetupError(N_("which model is the key {serial}? Say --vukey-profile"), serial=self.serial)
        return model

    def new_operator(self) -> Operator:
        """Who works it: the control API of a virtual key that runs here, else a person; or as the option says."""
        if self.operator == "person":
            return PersonOperator()
        if self.operator != "auto":
            return RobotOperator(self.operator)
        try:
            return ApiOperator(KeyApi.find(self.serial))
        except NoKeyError:
            return PersonOperator()

    def open(self) -> Transport:
        """A way to the key, once it has said that it is the one.

        :raises SetupError: no such place, or another key is there; nothing but GetDevInfo was sent.
        """
        transport = self.place.open()
        try:
            self.identify(transport)
        except BaseException:
            transport.close()
            raise
        return transport

    def identify(self, transport: Transport) -> None:
        """See that the key is the one.

        :raises SetupError: it is another; nothing but GetDevInfo was sent.
        """
        serial = GmtSession(transport).device_info().serial
        if serial != self.serial:
            raise SetupError(
                N_("the key in {reader} says that it is {found}, not --serial {serial}: it was left alone"),
                reader=transport.name.removeprefix("pcsc:"), found=printable(serial), serial=self.serial,
            )  # fmt: skip


class Closable(Protocol):
    """A way to a key."""

    def close(self) -> None:
        """Leave the key."""
        ...


class Secret(str):
    """A real key's PIN: a report that shows a call's arguments does not show it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<PIN>"


class HeldKey:
    """A real key in the hands of one test, by whatever way.

    :param tries: how many the test may spend.
    """

    device = None

    def __init__(
        self, options: RealOptions, wanted: Wanted, tries: int, lock: Lock, operator: Operator
    ) -> None:
        self._options = options
        self.target = options.target.partition(":")[0]
        self.wanted = wanted
        self._lock = lock
        self.profile = options.profile
        self.operator = operator
        self._pin = None if lock.has_refused("PIN") else options.user_pin
        self._allowance = Allowance(
            tries, self.profile.application, self._pin, options.may_wipe, lambda: lock.note_refused("PIN")
        )
        self.recorder = SeenRecorder(self.operator, self._records)
        self.certificates: Mapping[str, bytes] = {}
        self.exchange_certificates: Mapping[str, bytes] = {}
        self.activation_code: str | None = None
        self.plugged = True
        self._left: int | None = None

    @property
    def serial(self) -> str:
        """Its number."""
        return self._options.serial

    @property
    def user_pin(self) -> str:
        """The PIN that was handed over.

        :raises SetupError: the key has refused it in this run.
        """
        if self._lock.has_refused("PIN"):
            raise SetupError(N_("the key has refused the PIN that was handed over; it is not tried again"))
        if self._pin is None:
            skip(N_("the PIN of the real key was not handed over: --vukey-pin-file, or VUKEY_PIN"))
        return Secret(self._pin)

    def _records(self) -> list[ApduRecord]:
        """The APDUs that the test has sent."""
        return []

    def _refuse_other_models(self) -> None:
        """Skip a test that wants another."""
        if self.wanted.profile.id != self.profile.id or self.wanted.values:
            skip(N_("the test wants another model than the real key is, or changed values"))

    def _keep(self, left: int | None) -> None:
        """Remember the tries left; a test skips that could spend the last."""
        self._left = left
        if left is not None and left <= self._allowance.tries and self.wanted.pin_left is None:
            skip(
                N_("only {left} tries are left on the real key, and the test may spend {tries}"),
                left=left, tries=self._allowance.tries,
            )  # fmt: skip

    def _check_pin(self) -> None:
        """At the end of the test.

        :raises GuardError: the PIN is another.
        """
        if self._allowance.user_pin not in (self._pin, None):
            self._lock.note_refused("PIN")
            raise GuardError(N_("the test has changed the real key's PIN and not changed it back"))

    def _check_tries(self, left: int | None) -> None:
        """At the end of the test.

        :raises GuardError: there are fewer tries left than there may be.
        """
        if left is not None and self._left is not None and left < self._left - self._allowance.tries:
            raise GuardError(
                N_("the test or its programs spent {spent} tries of the real key's PIN; {allowed} were allowed"),
                spent=self._left - left, allowed=self._allowance.tries,
            )  # fmt: skip


class RealKey(HeldKey):
    """A real key that takes our APDUs."""

    def __init__(
        self, options: RealOptions, wanted: Wanted, tries: int, lock: Lock, operator: Operator
    ) -> None:
        super().__init__(options, wanted, tries, lock, operator)
        self._dialect = dialect_named(self.profile.dialect)
        self._guards: list[Guard] = []
        self._place = options.place
        self.token = self._place.token()
        self._prepare()

    def plug(self) -> None:
        """Have it plugged in."""
        if not self.plugged:
            self.operator.plug()
            self._place.wait(self.token, present=True)
            self.plugged = True

    def unplug(self) -> None:
        """Have it pulled out."""
        if self.plugged:
            self.operator.unplug()
            self._place.wait(self.token, present=False)
            self.plugged = False
            for guard in self._guards:
                guard.is_open = False

    def open(self) -> Transport:
        """A guarded way to it.

        :raises KeyBusyError: the test has one already.
        """
        if self._guards and self._guards[-1].is_open:
            raise KeyBusyError(SW.BUSY)  # PC/SC would have the test wait for itself for ever
        way = self._options.open()
        self._guards.append(Guard(way, self._dialect, self._allowance, self._options.identify))
        return self._guards[-1]

    def open_token(self) -> Token:
        """The key as a `Token`, over a guarded way."""
        return ApduToken(GmtSession(self.open(), self._dialect))

    def close(self) -> None:
        """The end of the test: plugged in as before, and no try gone that was not allowed.

        :raises GuardError: there are fewer tries left than there may be, or the PIN is another.
        """
        for guard in self._guards:
            guard.close()
        self.plug()
        self._check_pin()
        with self._session() as session:
            self._check_tries(self._tries_left(session))

    def _session(self) -> GmtSession:
        return GmtSession(self._options.open(), self._dialect)

    def _records(self) -> list[ApduRecord]:
        return [record for guard in self._guards for record in guard.records]

    def _prepare(self) -> None:
        """See that the key is as the test wants it."""
        wanted = self.wanted
        self._refuse_other_models()
        with self._session() as session:
            why = self._differs(session)
            if why and self._options.may_wipe and wanted.pin_left is None:
                self._issue(session)
                why = self._differs(session)
            if why:
                skip(why)
            self.certificates = self._read_certificates(session, KeyUse.SIGN)
            self.exchange_certificates = self._read_certificates(session, KeyUse.EXCHANGE)
            left = self._tries_left(session)
        self._keep(left)

    def _differs(self, session: GmtSession) -> str:
        """What the test wants and the key is not, as a reason to skip; empty when it is as wanted."""
        wanted, profile = self.wanted, self.profile
        if self._has_application(session) != (wanted.stage is not Stage.BLANK):
            return N_(
                "the real key is not at the stage that the test wants; --allow-wipe would issue it anew"
            )
        if wanted.stage is Stage.BLANK:
            return ""
        application = session.open_application(profile.application)
        pin = session.pin_info(application)
        if wanted.pin_left not in (None, pin.left):
            return N_("the real key has another number of tries left than the test wants")
        if pin.initial != wanted.initial_pin:
            return N_("the real key's PIN is not as the test wants it; --allow-wipe would issue the key anew")
        if profile.activation != "bank" and self._is_activated(session) != wanted.activated:
            return N_(
                "the real key's activation is not as the test wants it; --allow-wipe would issue the key anew"
            )
        return ""

    def _has_application(self, session: GmtSession) -> bool:
        is_whole = session.device_info().label != UNFINISHED
        return is_whole and self.profile.application in session.applications()

    def _is_activated(self, session: GmtSession) -> bool:
        application = session.open_application(self.profile.application)
        names = session.containers(application)
        containers = [session.open_container(application, name) for name in names]
        return all(session.activation_status(container)[0] for container in containers)

    def _read_certificates(self, session: GmtSession, use: KeyUse) -> dict[str, bytes]:
        if not self._has_application(session):
            return {}
        application = session.open_application(self.profile.application)
        containers = (session.open_container(application, name) for name in session.containers(application))
        return {
            container.name: session.export_certificate(container, use=use)
            for container in containers
            if session.container_info(application, container.name).has_certificate(use)
        }

    def _tries_left(self, session: GmtSession) -> int | None:
        if not self._has_application(session):
            return None
        return session.pin_info(session.open_application(self.profile.application)).left

    def _issue(self, session: GmtSession) -> None:
        """Issue the key anew: everything on it is deleted."""
        profile = self.profile
        self._authenticate(session)
        if self.wanted.stage is Stage.BLANK:
            for name in session.applications():
                session.delete_application(name)
            return
        issued = issue(session, profile, self._options.serial, authority(profile.issuer), replace=True)
        self.activation_code = issued.activation_code
        customers = self._options.user_pin or profile.ready_user_pin
        self._pin = self._allowance.user_pin = (
            profile.pin.user.initial if self.wanted.initial_pin else customers
        )
        calls = Calls(self.operator)
        done = calls.start(hand_over, session, profile, self.wanted, issued.activation_code, customers)
        while not done.done():
            self.operator.type(issued.activation_code or "", ok=True)
            self.operator.asks_before(done, PATIENCE_S)
        calls.close()
        done.result()

    def _authenticate(self, session: GmtSession) -> None:
        """Try the model's device key, once in a run: a real key may count those tries as well."""
        if self._lock.has_refused("device key"):
            raise SetupError(N_("the key has refused its model's device key; it is not tried again"))
        try:
            session.authenticate_device(self.profile.device_auth_key)
        except HostError:
            self._lock.note_refused("device key")
            raise


class Lock:
    """Held by the one test that has the real key; it remembers which secrets the key has refused in this run."""

    def __init__(self, descriptor: int, run: str) -> None:
        self._descriptor = descriptor
        self._run = run

    def has_refused(self, secret: str) -> bool:
        """Whether what we know of it is wrong: trying it again would cost another try."""
        return f"{self._run} {secret}" in os.pread(self._descriptor, 256, 0).decode().splitlines()

    def note_refused(self, secret: str) -> None:
        """Remember it for the rest of the run; what other runs noted is over."""
        noted = [name for name in ("PIN", "device key") if name == secret or self.has_refused(name)]
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, "".join(f"{self._run} {name}\n" for name in noted).encode(), 0)


@contextmanager
def alone_with(serial: str, run: str) -> Iterator[Lock]:
    """Wait until no other test of this machine's user has the key of that number, and keep them out."""
    directory = run_directory(os.environ, Path.home())
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / f"{quote(serial, safe='')}.testing"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield Lock(descriptor, run)
    finally:
        os.close(descriptor)


def check_identity(options: RealOptions, way: Callable[[RealOptions], Closable]) -> None:
    """Before any test: is the key there, and the one that was named?

    :param way: opens it, once it has said that it is the one.
    :raises SetupError: no; the key was asked for nothing but its number.
    """
    with alone_with(options.serial, options.run):
        try:
            options.new_operator().close()
            way(options).close()
        except SetupError:
            raise
        except VukeyError as error:
            raise SetupError(
                N_("the key in {reader} cannot be used: {error}"),
                reader=options.target.removeprefix("pcsc:"),
                error=error,
            ) from None
