"""``vukey demo``: a key's first day, in the terminal, with nothing but Python.

A display key is issued, its PIN changed, a transfer shown and signed; a smart key takes its activation code; then
the refusals. The signatures are checked by code that is not the signer's.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

import typer
from rich.console import Console

from emulator.control.operator import Act, Operator, read_and_press_ok
from emulator.control.terminal import draw, geometry_of, keyboard, pressing
from emulator.device import Device
from emulator.firmware.confirm import Ask
from emulator.hardware.buttons import Button
from emulator.hardware.clock import SystemClock
from emulator.hardware.display import Screen, ScreenKind
from emulator.hardware.entropy import OsEntropy
from emulator.issuer.ca import CertificateAuthority
from emulator.issuer.personalise import issue, typing_on_keypad
from emulator.links.inproc import InProcessLink
from emulator.profiles import Profile, load_profile
from emulator.running import load_model
from hostdriver.errors import (
    CancelledError,
    ConfirmTimeoutError,
    MissingComponentError,
    PinIncorrectError,
    StatusError,
)
from hostdriver.gmt import Container, GmtSession
from protocols import sm2
from protocols.dialect import dialect_named
from protocols.errors import VukeyError
from protocols.gmt import ApplicationInfo, RsaPublicKey, SignInput
from protocols.i18n import N_, _, language
from protocols.sw import SW

DEFAULT_PROFILE = "bocom-2g-tendyron"
SMART_PROFILE = "bocom-smart-tendyron"
MESSAGE = (
    '<?xml version="1.0" encoding="utf-8"?><T><D>'
    "<M><k>收款人:</k><v>喆堃商贸有限公司</v></M>"
    "<M><k>收款账号:</k><v>6222600810012345678</v></M>"
    "<M><k>金额:</k><v>12,345.67元</v></M>"
    "</D><E><M><k>流水号:</k><v>202611210001</v></M></E></T>"
).encode()
"""A transfer as a bank's page hands it over: three items shown, one only signed."""

_PACE_S = 0.35
"""How long each screen stays on a terminal, so that it can be seen."""


class DemoFailedError(VukeyError):
    """A step did not end as it should."""


@dataclass
class Step:
    """A step of the demo with the screens that the key showed."""

    name: str
    ok: bool = False
    screens: list[list[str]] = field(default_factory=list)


@dataclass
class Report:
    """What ``--json`` prints (docs/json.md)."""

    steps: list[Step] = field(default_factory=list)
    signatures: list[dict[str, object]] = field(default_factory=list)
    refusals: list[dict[str, str]] = field(default_factory=list)


def _verifier(name: str) -> str:
    return f"{name} {importlib.metadata.version(name)}"


def verify_rsa(key: RsaPublicKey, message: bytes, signature: bytes) -> tuple[bool, str]:
    """PKCS#1 v1.5 over SHA-256, by pycryptodome; whether it is valid, and who says so."""
    try:
        from Crypto.Hash import SHA256
        from Crypto.PublicKey import RSA
        from Crypto.Signature import pkcs1_15
    except ImportError:
        raise _missing() from None
    try:
        pkcs1_15.new(RSA.construct((key.n, key.e))).verify(SHA256.new(message), signature)
    except ValueError:
        return False, _verifier("pycryptodome")
    return True, _verifier("pycryptodome")


def verify_sm2(key: sm2.PublicKey, message: bytes, signature: sm2.Signature) -> tuple[bool, str]:
    """SM2 with SM3 and the default ID, by gmalg; whether it is valid, and who says so."""
    try:
        import gmalg
    except ImportError:
        raise _missing() from None
    checker = gmalg.SM2(pk=b"\x04" + key.encode(), uid=sm2.DEFAULT_ID)
    valid = checker.verify(message, signature.r.to_bytes(sm2.SIZE), signature.s.to_bytes(sm2.SIZE))
    return bool(valid), _verifier("gmalg")


def _missing() -> MissingComponentError:
    return MissingComponentError(
        N_("the demo checks signatures with foreign code: pip install gmalg pycryptodome")
    )


def _half_typed(screen: Screen) -> bool:
    """A code with some of its digits: too many screens to print them all."""
    return screen.kind is ScreenKind.ENTRY and "*_" in screen.lines[-1]


def _makes_no(profile: Profile, algorithm: str) -> DemoFailedError:
    return DemoFailedError(N_("{profile} makes no {algorithm} keys"), profile=profile.id, algorithm=algorithm)


class _Key:
    """A key of the demo, its host and its face."""

    def __init__(self, profile: Profile, console: Console | None) -> None:
        self.clock = SystemClock()
        self.device = Device(profile, clock=self.clock)
        self.session = GmtSession(InProcessLink(self.device), dialect_named(profile.dialect))
        self.screens: list[list[str]] = []
        self._console = console
        self._last: Screen | None = None
        self.device.on_screen(self._show)
        self.session.transport.reset()

    def _show(self, screen: Screen) -> None:
        if screen == self._last or not (screen.lines or screen.kind is ScreenKind.LIGHT):
            return
        self._last = screen
        self.screens.append(list(screen.lines))
        if self._console and not _half_typed(screen):
            self._console.print(draw(screen, geometry_of(self.device)))

    def close(self) -> None:
        """Pull it out."""
        self.session.transport.close()
        self.clock.close()
        self.device.close()


class Demo:
    """The demo from its first step to its last.

    :param algorithms: ``rsa``, ``sm2`` or both.
    :param console: where the screens go; None shows nothing.
    :param interactive: a person presses the keys.
    """

    def __init__(
        self, profile: Profile, algorithms: tuple[str, ...], console: Console | None, interactive: bool
    ) -> None:
        self._profile = profile
        self._algorithms = algorithms
        self._console = console
        self._interactive = interactive
        self._pace = _PACE_S if console and console.is_terminal and not interactive else 0.0
        self.report = Report()

    def run(self) -> Report:
        """Every step; the report says how each ended.

        :raises VukeyError: a step failed.
        """
        with self._key(self._profile) as key:
            self._first_day(key)
            if self._profile.activation != "keypad":
                with self._key(load_profile(SMART_PROFILE)) as smart:
                    self._issue(smart)
            self._refusals(key)
        return self.report

    @contextmanager
    def _key(self, profile: Profile) -> Iterator[_Key]:
        key = _Key(profile, self._console)
        try:
            yield key
        finally:
            key.close()

    @contextmanager
    def _step(self, key: _Key, name: str, title: str) -> Iterator[None]:
        if self._console:
            self._console.print(f"\n[bold]{len(self.report.steps) + 1}. {title}[/]")
        step = Step(name)
        self.report.steps.append(step)
        seen = len(key.screens)
        try:
            yield
            step.ok = True
        finally:
            step.screens = key.screens[seen:]

    def _say(self, line: str) -> None:
        if self._console:
            self._console.print(f"   {line}")

    # The steps

    def _first_day(self, key: _Key) -> None:
        self._issue(key)
        pin = self._profile.pin.user
        with self._step(key, "change-initial-pin", _("The customer changes the initial PIN")):
            application = self._application(key)
            key.session.change_pin(application, pin.initial, self._profile.ready_user_pin)
            info = key.session.pin_info(application)
            self._say(_("PIN changed, {left} of {tries} tries").format(left=info.left, tries=info.tries))
        for algorithm in self._algorithms:
            title = (
                _("A transfer is shown on the key and signed: {algorithm}")
                if self._profile.display
                else _("A transfer is signed; this key has no screen to show it: {algorithm}")
            )
            with self._step(key, f"sign-{algorithm}", title.format(algorithm=algorithm.upper())):
                self._sign(key, algorithm)

    def _issue(self, key: _Key) -> None:
        profile = key.device.profile
        title = _("The bank issues a key: {title}, number {serial}")
        name = profile.title_zh if language() == "zh" else profile.title
        with self._step(key, "issue", title.format(title=name, serial=key.device.serial)):
            authority = CertificateAuthority(OsEntropy(), datetime.now(UTC), profile.issuer)
            issued = issue(key.session, profile, key.device.serial, authority)
            for container in issued.certificates:
                self._say(_("{container}: key pair made on the key, certificate from a throw-away CA").format(
                    container=container))  # fmt: skip
        if issued.activation_code:
            self._activate(key, issued.activation_code)

    def _activate(self, key: _Key, code: str) -> None:
        with self._step(key, "activate-on-keypad", _("The customer types the activation code on the key")):
            self._say(_("Activation code by SMS: {code}").format(code=code))
            application = self._application(key)
            for name in key.session.containers(application):
                container = key.session.open_container(application, name)
                with self._typing(key, code):
                    key.session.activate_on_keypad(container)
                self._say(_("{container}: activated").format(container=name))

    def _application(self, key: _Key) -> ApplicationInfo:
        return key.session.open_application(key.device.profile.application)

    def _container(self, key: _Key, algorithm: str) -> Container:
        containers = key.device.profile.containers
        chosen = containers.rsa if algorithm == "rsa" else containers.sm2
        if chosen is None:
            raise _makes_no(key.device.profile, algorithm)
        return key.session.open_container(self._application(key), chosen.name)

    def _sign(self, key: _Key, algorithm: str) -> None:
        session, container = key.session, self._container(key, algorithm)
        session.verify_pin(container.application, key.device.profile.ready_user_pin)
        public = session.public_key(container)
        with self._operator(key, self._approve(key), _("Read the screen (arrows), then press Enter for OK")):
            if isinstance(public, RsaPublicKey):
                signature = session.sign_rsa(container, MESSAGE, SignInput.MESSAGE)
                valid, verifier = verify_rsa(public, MESSAGE, signature)
                key_hex = public.encode_modulus().hex()
            else:
                pair = session.sign_sm2(container, MESSAGE, SignInput.MESSAGE)
                valid, verifier = verify_sm2(public, MESSAGE, pair)
                signature, key_hex = pair.encode(), public.encode().hex()
        self.report.signatures.append(
            {
                "alg": algorithm,
                "message_sha256": hashlib.sha256(MESSAGE).hexdigest(),
                "signature": signature.hex(),
                "public_key": key_hex,
                "verified": valid,
                "verifier": verifier,
            }
        )
        if not valid:
            raise DemoFailedError(N_("{verifier} says that the signature is not valid"), verifier=verifier)
        self._say(_("signature {start}…, valid, says {verifier}").format(
            start=signature.hex()[:32], verifier=verifier))  # fmt: skip

    def _refusals(self, key: _Key) -> None:
        algorithm = self._algorithms[0]
        with self._step(key, "refusals", _("What the key refuses")):
            self._wrong_pins(key)
            if key.device.profile.confirm.presses:
                cancel = self._operator(
                    key, lambda _: key.device.press(Button.CANCEL), _("Now press Esc for C")
                )
                self._refused(key, "cancel", CancelledError, algorithm, cancel)
                wait = Operator(key.device, lambda _: key.clock.advance(key.device.profile.confirm.timeout_s))
                seconds = key.device.profile.confirm.timeout_s
                self._say(_("Nobody presses; {seconds} s pass on the key's clock").format(seconds=seconds))
                self._refused(key, "time-out", ConfirmTimeoutError, algorithm, wait)

    def _wrong_pins(self, key: _Key) -> None:
        application = self._application(key)
        for _attempt in range(2):
            try:
                key.session.verify_pin(application, "0" * key.device.profile.pin.user.min)
            except PinIncorrectError as error:
                self._refuse("wrong-pin", SW.PIN_WRONG | (error.left or 0), error)
        key.session.verify_pin(application, key.device.profile.ready_user_pin)
        left = key.session.pin_info(application).left
        self._say(_("The right PIN gives the tries back: {left}").format(left=left))

    def _refused(
        self, key: _Key, case: str, wanted: type[StatusError], algorithm: str, operator: Operator | ExitStack
    ) -> None:
        container = self._container(key, algorithm)
        key.session.verify_pin(container.application, key.device.profile.ready_user_pin)
        sign = key.session.sign_rsa if algorithm == "rsa" else key.session.sign_sm2
        try:
            with operator:
                sign(container, MESSAGE, SignInput.MESSAGE)
        except wanted as error:
            self._refuse(case, error.sw, error)
        else:
            raise DemoFailedError(N_("the key signed although it should have refused"))

    def _refuse(self, case: str, sw: int, error: VukeyError) -> None:
        self.report.refusals.append({"case": case, "result": f"{sw:04X} {error}"})
        self._say(f"{sw:04X}: {error.localized()}")

    # The person at the key

    def _operator(self, key: _Key, act: Act, request: str) -> Operator | ExitStack:
        """A person at the terminal, or a script in a person's place."""
        if not self._interactive:
            return Operator(key.device, act)
        self._say(f"[yellow]{request}[/]")
        stack = ExitStack()
        stack.enter_context(keyboard(pressing(key.device)))
        return stack

    @contextmanager
    def _typing(self, key: _Key, code: str) -> Iterator[None]:
        if not self._interactive:
            with typing_on_keypad(key.device, code):
                yield
            return
        self._say("[yellow]" + _("Type {code} and press Enter").format(code=code) + "[/]")
        with keyboard(pressing(key.device)):
            yield

    def _approve(self, key: _Key) -> Callable[[Ask], None]:
        def act(ask: Ask) -> None:
            for _page in range(key.device.screen.pages - 1):
                self._pause()
                key.device.press(Button.DOWN)
            if key.device.screen.pages > 1:
                self._pause()
                key.device.press(Button.UP)
            self._pause()
            key.clock.advance(key.device.profile.confirm.ok_dead_ms / 1000)
            read_and_press_ok(key.device, ask)

        return act

    def _pause(self) -> None:
        if self._pace:
            threading.Event().wait(self._pace)


def run(
    profile_name: str | None, algorithms: tuple[str, ...] | None, interactive: bool, as_json: bool
) -> None:
    """The whole demo.

    :param algorithms: None takes every one that the model has.
    :raises VukeyError: a step failed, or the demo's verifiers are not installed.
    """
    profile = load_model(profile_name or DEFAULT_PROFILE)
    offered = tuple(name for name in ("rsa", "sm2") if getattr(profile.containers, name))
    for algorithm in set(algorithms or ()) - set(offered):
        raise _makes_no(profile, algorithm)
    demo = Demo(profile, algorithms or offered, None if as_json else Console(), interactive)
    report = demo.run()
    if as_json:
        typer.echo(json.dumps(asdict(report), ensure_ascii=False, indent=2))
    else:
        typer.echo(
            "\n" + _("Done. Plug such a key in: vukey up --profile {profile}").format(profile=profile.id)
        )
