"""Who works the key: reads its screen, presses, plugs. In the process, over the control API, a robot.

A person is in `person`. What an operator cannot do skips the test: it never passes for done.
"""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import Future, wait
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Protocol
from urllib.parse import urlsplit

from emulator.control.keycontrol import KeyControl
from emulator.control.patterns import compile_pattern
from emulator.control.watch import Accepts, NotShownError, matches, shows
from emulator.hardware.display import Screen, ScreenKind
from hostdriver.control import KeyApi
from hostdriver.errors import NotShownError as ApiNotShownError
from protocols.i18n import N_
from vukey_testing.errors import OperatorError, skip

_LOOK_S = 0.02
"""Between two looks at what cannot tell us of its changes."""
_UNSEEN_S = 1.0
"""A call to a key that nobody can look at waits for the person if it has not ended by then (assumed)."""
_MARGIN_S = 1e-6
"""Of differences between times, which are not exact."""
_ROBOT_S = 60.0
"""Longest time that a robot may take for one act."""

AnyCall = Future[Any]


class Operator(Protocol):
    """Everything that hands and eyes do to a key."""

    def press(self, *buttons: str) -> None:
        """Press buttons one after the other: ok, cancel, up, down, power, 0 … 9.

        While OK is dead (E10) it is not pressed: a person waits until the key takes it, an emulated key's clock moves.
        """
        ...

    def type(self, digits: str, *, ok: bool) -> None:
        """Type digits on the keypad, then OK if wanted."""
        ...

    def screen(self) -> Screen:
        """The screen that is up."""
        ...

    def wait_for(self, text: str, *, regexp: bool, timeout: float) -> Screen:
        """The screen that shows the text, once it is up; also one that is up already.

        :raises NotShownError: none came in time (seconds).
        """
        ...

    def agrees(self, question: str) -> bool | None:
        """Have a person compare what the key shows with a text; None where a program can see it."""
        ...

    def stand_by(self) -> None:
        """Before a call that may want somebody: the test skips if nobody is there."""
        ...

    def asks_before(self, call: AnyCall, seconds: float) -> bool | None:
        """Wait until the key asks or the call has ended; whether the key asks, None where nobody can tell."""
        ...

    def dismiss(self) -> None:
        """Make the key stop asking."""
        ...

    def plug(self) -> None:
        """Plug the key in; harmless when it is."""
        ...

    def unplug(self) -> None:
        """Pull the key out; harmless when it is out."""
        ...

    def now(self) -> float:
        """The key's time, in seconds."""
        ...

    def advance(self, seconds: float) -> None:
        """Put the key's clock forward."""
        ...

    def close(self) -> None:
        """The end of the test."""
        ...


class DeviceOperator:
    """Works an emulated key in this process."""

    def __init__(self, control: KeyControl) -> None:
        self._control = control
        self._device = control.device
        self._changed = threading.Condition()
        self._look_away = self._device.on_screen(lambda _: self._notify())

    def press(self, *buttons: str) -> None:
        """See `Operator.press`."""
        device = self._device
        for button in buttons:
            if button == "ok" and self._asks:
                self.advance(until_alive(device.ok_in))
            self._control.press(button)

    def type(self, digits: str, *, ok: bool) -> None:
        """See `Operator.type`."""
        self._control.type(digits)
        if ok:
            self._control.press("ok")

    def screen(self) -> Screen:
        """See `Operator.screen`."""
        return self._control.screens.now.screen

    def wait_for(self, text: str, *, regexp: bool, timeout: float) -> Screen:
        """See `Operator.wait_for`."""
        accepts = accepting(text, regexp=regexp)
        return self._control.screens.wait_for(accepts, timeout, text)

    def agrees(self, question: str) -> bool | None:
        """See `Operator.agrees`."""
        return None

    def stand_by(self) -> None:
        """See `Operator.stand_by`."""

    def asks_before(self, call: AnyCall, seconds: float) -> bool:
        """See `Operator.asks_before`."""
        call.add_done_callback(lambda _: self._notify())
        with self._changed:
            self._changed.wait_for(lambda: self._asks or call.done(), seconds)
        return self._asks

    def dismiss(self) -> None:
        """See `Operator.dismiss`."""
        if self._asks:
            self._control.press("cancel")

    def plug(self) -> None:
        """See `Operator.plug`."""
        self._control.plug()

    def unplug(self) -> None:
        """See `Operator.unplug`."""
        self._control.unplug()

    def now(self) -> float:
        """See `Operator.now`."""
        return self._device.clock.now()

    def advance(self, seconds: float) -> None:
        """See `Operator.advance`."""
        self._device.clock.advance(seconds)

    def close(self) -> None:
        """See `Operator.close`."""
        self._look_away()

    @property
    def _asks(self) -> bool:
        return self._device.waiting is not None

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()


class ApiOperator:
    """Works a key that runs elsewhere, over its control API (``vukey up --panel``)."""

    def __init__(self, api: KeyApi) -> None:
        self.api = api
        self.plug = api.plug
        self.unplug = api.unplug
        self.now = api.clock
        self.close = api.close

    def press(self, *buttons: str) -> None:
        """See `Operator.press`."""
        for button in buttons:
            if button == "ok" and (waiting := self._waiting):
                self.advance(until_alive(waiting["ok_in"]))
            self.api.press(button)

    def type(self, digits: str, *, ok: bool) -> None:
        """See `Operator.type`."""
        self.api.type(digits, ok)

    def screen(self) -> Screen:
        """See `Operator.screen`."""
        return screen_of(self.api.screen())

    def wait_for(self, text: str, *, regexp: bool, timeout: float) -> Screen:
        """See `Operator.wait_for`."""
        try:
            return screen_of(self.api.wait_for(text, regexp, timeout))
        except ApiNotShownError as error:
            raise NotShownError(error.message, **error.values) from None

    def agrees(self, question: str) -> bool | None:
        """See `Operator.agrees`."""
        return None

    def stand_by(self) -> None:
        """See `Operator.stand_by`."""

    def asks_before(self, call: AnyCall, seconds: float) -> bool:
        """See `Operator.asks_before`."""
        deadline = time.monotonic() + seconds
        while (
            not (asks := self._waiting is not None)
            and not wait([call], _LOOK_S).done
            and time.monotonic() < deadline
        ):
            continue
        return asks

    def dismiss(self) -> None:
        """See `Operator.dismiss`."""
        if self._waiting:
            self.api.press("cancel")

    def advance(self, seconds: float) -> None:
        """See `Operator.advance`."""
        self.api.advance(seconds)

    @property
    def _waiting(self) -> dict[str, Any] | None:
        """What the key asks now."""
        waiting: dict[str, Any] | None = self.api.key()["waiting"]
        return waiting


class RealHands:
    """What everybody shares who works a key that is no program."""

    def agrees(self, question: str) -> bool | None:
        """See `Operator.agrees`."""
        return None

    def stand_by(self) -> None:
        """See `Operator.stand_by`."""

    def asks_before(self, call: AnyCall, seconds: float) -> bool | None:
        """See `Operator.asks_before`."""
        return False if wait([call], min(seconds, _UNSEEN_S)).done else None

    def now(self) -> float:
        """See `Operator.now`: ours will do, for nobody can move a real key's."""
        return time.monotonic()

    def advance(self, seconds: float) -> None:
        """See `Operator.advance`."""
        skip(N_("a real key's clock cannot be put forward"))

    def close(self) -> None:
        """See `Operator.close`: nothing is held."""


class RobotOperator(RealHands):
    """Works a real key through a robot's HTTP endpoint: five requests (docs/testing-with-vukey.md)."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise OperatorError(N_("--vukey-operator {url}: expected auto, person or http://HOST…"), url=url)
        self._kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._host, self._port, self._base = parts.hostname, parts.port, parts.path.rstrip("/")

    def press(self, *buttons: str) -> None:
        """See `Operator.press`: ``POST /press {"button": "ok"}``."""
        for button in buttons:
            self._ask("POST", "/press", {"button": button})

    def type(self, digits: str, *, ok: bool) -> None:
        """See `Operator.type`: ``POST /type {"digits": "1234", "ok": true}``."""
        self._ask("POST", "/type", {"digits": digits, "ok": ok})

    def screen(self) -> Screen:
        """See `Operator.screen`: ``GET /screen`` answers ``{"text": "one line\\nanother"}``, 404 without a camera."""
        seen = self._ask("GET", "/screen")
        if seen is None:
            skip(N_("the robot has no camera to read the key's screen with"))
        title, *lines = str(seen.get("text", "")).split("\n")
        return Screen(ScreenKind.CONFIRM, title, tuple(lines))

    def wait_for(self, text: str, *, regexp: bool, timeout: float) -> Screen:
        """See `Operator.wait_for`."""
        accepts = accepting(text, regexp=regexp)
        deadline, pause = time.monotonic() + timeout, threading.Event()
        while not accepts(screen := self.screen()):
            if time.monotonic() > deadline:
                raise NotShownError(
                    N_("the key did not show “{what}” within {seconds:g} s; it shows: {text}"),
                    what=text, seconds=timeout, text=" / ".join(screen.text.split("\n")),
                )  # fmt: skip
            pause.wait(_LOOK_S)
        return screen

    def dismiss(self) -> None:
        """See `Operator.dismiss`."""
        self.press("cancel")

    def plug(self) -> None:
        """See `Operator.plug`: ``POST /plug``."""
        self._ask("POST", "/plug", {})

    def unplug(self) -> None:
        """See `Operator.unplug`: ``POST /unplug``."""
        self._ask("POST", "/unplug", {})

    def _ask(self, method: str, path: str, body: object = None) -> dict[str, Any] | None:
        """The answer's JSON, ``{}`` if it is empty; None if the robot cannot do that.

        :raises OperatorError: it does not answer, or answers anything but 2xx and 404.
        """
        connection = self._kind(self._host, self._port, timeout=_ROBOT_S)
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, self._base + path, content, {"Content-Type": "application/json"})
            response = connection.getresponse()
            raw, status = response.read(), response.status
            answer: dict[str, Any] = json.loads(raw or b"{}") if status // 100 == 2 else {}
        except (OSError, HTTPException, ValueError) as error:
            raise OperatorError(
                N_("the robot at {host} did not {act}: {reason}"), host=self._host, act=path, reason=error
            ) from None
        finally:
            connection.close()
        if status == 404 and method == "GET":
            return None
        if status // 100 != 2:
            raise OperatorError(
                N_("the robot at {host} did not {act}: {reason}"), host=self._host, act=path, reason=status
            )
        return answer


def until_alive(ok_in: float) -> float:
    """How far to move the clock until OK counts for certain, whatever the last digit of the sum; in seconds."""
    return ok_in + _MARGIN_S if ok_in else 0


def accepting(text: str, *, regexp: bool) -> Accepts:
    """Whether a screen shows the text, or what matches it.

    :raises PatternError: no regular expression, or one that the control API would not take either.
    """
    return matches(compile_pattern(text)) if regexp else shows(text)


def screen_of(told: dict[str, Any]) -> Screen:
    """A screen as the control API tells it."""
    lines, soft_keys = tuple(told["lines"]), tuple(told["soft_keys"])
    return Screen(ScreenKind(told["kind"]), told["title"], lines, told["page"], told["pages"], soft_keys)
