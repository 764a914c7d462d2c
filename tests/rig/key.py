"""A key under test: a fresh device, the person at it, and the host that reaches it over one of three wires."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any, ParamSpec, TypeVar

import pytest

from emulator.control.keycontrol import KeyControl
from emulator.device import Device, PowerLostError
from emulator.hardware.clock import ManualClock
from emulator.hardware.display import Screen
from emulator.hardware.storage import MemoryStorage
from emulator.profiles import Profile
from emulator.sharing import SharedKey
from hostdriver.errors import KeyRemovedError
from hostdriver.gmt import Container, GmtSession
from hostdriver.transport import Transport
from protocols.dialect import dialect_named
from protocols.gmt import ActivationVerifier, ApplicationInfo, NewApplication
from protocols.sm2 import sm3
from tests.rig.patience import PATIENCE_S
from vukey_testing.calls import Calls
from vukey_testing.operators import DeviceOperator
from vukey_testing.targets import InProcess, Wire

REMOVED = (KeyRemovedError, PowerLostError)
"""What a host learns of a key that was pulled out: over a wire the first, in process the second."""
SALT = bytes(range(16))
CERTIFICATE = b"\x30\x82\x02\xd5" + bytes(range(256)) * 2 + bytes(213)
"""Stands for a certificate: one DER sequence of 729 bytes, which is all that a key looks at."""

Value = TypeVar("Value")
Arguments = ParamSpec("Arguments")


class KeyRig:
    """The key, its person and its host.

    :param user_pin: the PIN that the key has now.
    """

    def __init__(
        self, device: Device, clock: ManualClock, wire: Callable[[SharedKey], Wire], user_pin: str
    ) -> None:
        self.device = device
        self.clock = clock
        self.shared = SharedKey(device)
        self.wire = wire(self.shared)
        self.user_pin = user_pin
        self.screens: list[Screen] = []
        device.on_screen(self.screens.append)
        self._control = KeyControl(self.shared, self.wire)
        self._operator = DeviceOperator(self._control)
        self._calls = Calls(self._operator)
        self.transport: Transport | None = None
        self.pending, self.start = self._calls.pending, self._calls.start
        self.plug_in()

    # The host

    @property
    def profile(self) -> Profile:
        """The model, changed as the test wants it."""
        return self.device.profile

    def plug_in(self) -> None:
        """Plug the key in, and give the host a new session."""
        self._let_go()
        self.wire.plug()
        self.transport = self.wire.open()
        self.session = GmtSession(self.transport, dialect_named(self.profile.dialect))

    def pull_out(self) -> None:
        """Pull the key out."""
        self.wire.unplug()

    def close(self) -> None:
        """The end of the test."""
        self._let_go()
        self.wire.unplug()
        self._calls.close()
        self._operator.close()
        self._control.close()

    def raw(self, apdu: bytes | str) -> bytes:
        """An APDU as it stands, bytes or hexadecimal digits, and its whole answer."""
        return self.session.transport.exchange(bytes.fromhex(apdu) if isinstance(apdu, str) else apdu)

    def status(self, apdu: bytes | str) -> int:
        """The status word of an APDU."""
        return int.from_bytes(self.raw(apdu)[-2:])

    def open(self) -> ApplicationInfo:
        """The bank's application, opened."""
        return self.session.open_application(self.profile.application)

    def log_in(self) -> ApplicationInfo:
        """The bank's application, opened, with its user PIN verified."""
        application = self.open()
        self.session.verify_pin(application, self.user_pin)
        return application

    def container(self, name: str = "sm2") -> Container:
        """One of the bank's containers, opened: rsa or sm2."""
        return self.session.open_container(self.open(), getattr(self.profile.containers, name).name)

    def authenticate_device(self) -> None:
        """The host proves that it is the issuer."""
        self.session.authenticate_device(self.profile.device_auth_key)

    def _let_go(self) -> None:
        if self.transport:
            self.transport.close()

    # The person

    @property
    def asks(self) -> bool:
        """Whether the key waits for a person."""
        return self.device.waiting is not None

    def press(self, *buttons: str) -> None:
        """Press buttons one after the other."""
        for button in buttons:
            self.device.press(button)

    def page_and_press_ok(self) -> None:
        """Read every page, wait until OK is alive, press it."""
        self.clock.advance(self.profile.confirm.ok_dead_ms / 1000)
        self.press(*["down"] * (self.device.screen.pages - 1), *["ok"] * self.profile.confirm.presses)

    def confirmed(
        self, call: Callable[Arguments, Value], *args: Arguments.args, **named: Arguments.kwargs
    ) -> Value:
        """The result of a call that the person reads to its end and confirms."""
        with self.pending(call, *args, **named) as future:
            self.page_and_press_ok()
        return future.result()

    @contextmanager
    def ending_in(
        self, error: type[Exception] | tuple[type[Exception], ...], call: Callable[[], object]
    ) -> Iterator[None]:
        """As `pending`, for a call that is to end in an error."""
        with pytest.raises(error), self.pending(call):
            yield

    def unasked(
        self, call: Callable[Arguments, Value], *args: Arguments.args, **named: Arguments.kwargs
    ) -> Value:
        """The result of a call that the key must answer without asking anybody."""
        future = self.start(call, *args, **named)
        if self.asks:
            screen = self.device.screen
            self.clock.advance(self.profile.confirm.timeout_s)
            pytest.fail(f"the key asks: {screen}")
        return future.result(PATIENCE_S)

    def shown_pages(self) -> str:
        """All that the request on the screen says, page by page, without the line breaks of its layout."""
        lines = [*self.device.screen.lines]
        for _ in range(self.device.screen.pages - 1):
            self.press("down")
            lines += self.device.screen.lines
        return "".join(lines)

    def wait_for(self, text: str) -> None:
        """Wait until a screen with that text is up."""
        self._operator.wait_for(text, regexp=False, timeout=PATIENCE_S)


def changed(profile: Profile, **values: object) -> Profile:
    """A model with some values changed: ``pin__user__tries=3`` is pin.user.tries."""
    for path, value in values.items():
        profile = _changed(profile, path.split("__"), value)
    return profile


def _changed(part: Any, path: list[str], value: object) -> Any:
    name, *rest = path
    return replace(part, **{name: _changed(getattr(part, name), rest, value) if rest else value})


def activation_code(profile: Profile) -> str:
    """The code of every container under test."""
    return "3141592653589793"[: profile.activation_code.length]


def user_pin(profile: Profile, stage: str) -> str:
    """The PIN that a key of this stage has."""
    return profile.ready_user_pin if stage == "ready" else profile.pin.user.initial


def stored(profile: Profile, stage: str) -> MemoryStorage:
    """The memory of a key at a stage: blank, issued or ready. It is the caller's own."""
    return _stored(changed(profile, pin__user__extra_press_at=0), stage).copy()


@cache
def _stored(profile: Profile, stage: str) -> MemoryStorage:
    """Made once in a test process: RSA pairs take their time."""
    storage = _stored(profile, "issued").copy() if stage == "ready" else MemoryStorage()
    clock = ManualClock()
    device = Device(profile, storage=storage, clock=clock)
    rig = KeyRig(device, clock, InProcess, profile.pin.user.initial)
    {"blank": lambda rig: None, "issued": _issue, "ready": _hand_over}[stage](rig)
    rig.close()
    return storage


def _issue(rig: KeyRig) -> None:
    session, profile = rig.session, rig.profile
    rig.authenticate_device()
    session.create_application(new_application(profile))
    application = rig.log_in()
    for wanted in (profile.containers.rsa, profile.containers.sm2):
        if wanted is None:
            continue
        container = session.create_container(application, wanted.name)
        if wanted is profile.containers.rsa:
            session.generate_rsa(container, wanted.bits)
        else:
            session.generate_sm2(container)
        session.import_certificate(container, CERTIFICATE)
        if profile.activation != "bank":
            session.install_activation(container, verifier(profile))


def _hand_over(rig: KeyRig) -> None:
    session, profile = rig.session, rig.profile
    application = rig.log_in()
    session.change_pin(application, rig.user_pin, profile.ready_user_pin)
    for name in session.containers(application):
        container = session.open_container(application, name)
        if profile.activation == "host":
            session.activate(container, activation_code(profile))
        elif profile.activation == "keypad":
            with rig.pending(session.activate_on_keypad, container):
                rig.press(*activation_code(profile), "ok")


def new_application(profile: Profile, name: str | None = None) -> NewApplication:
    """What personalisation creates."""
    pins = profile.pin
    return NewApplication(
        name or profile.application,
        pins.admin.initial.encode(),
        pins.admin.tries,
        pins.user.initial.encode(),
        pins.user.tries,
    )


def verifier(profile: Profile) -> ActivationVerifier:
    """What the issuer installs for the code."""
    code = activation_code(profile).encode()
    return ActivationVerifier(SALT, sm3(SALT, code), profile.activation_code.tries)
