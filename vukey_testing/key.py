"""A key as a test has it in its hands: what the fixtures hand out, over every target alike.

For the report: `item.stash[vukey_testing.KEYS]` holds the keys of a test, still open while its call is reported;
`key.recorder` has the screens and the APDUs, `key.screen.frame()` the pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import ParamSpec, TypeVar

from emulator.hardware.display import Geometry, Screen, rows_of
from emulator.hardware.frame import Frame, draw_screen
from emulator.profiles import Profile
from hostdriver.gmt import GmtSession
from hostdriver.token import Token
from hostdriver.transport import Transport
from protocols.dialect import dialect_named
from protocols.duration import seconds_of
from protocols.i18n import N_
from vukey_testing.calls import PATIENCE_S, Calls
from vukey_testing.emulated import EmulatedKey
from vukey_testing.errors import skip
from vukey_testing.golden_files import Goldens
from vukey_testing.library_keys import LibraryKey
from vukey_testing.operators import Operator, RealHands
from vukey_testing.real import RealKey
from vukey_testing.recorder import Recorder

Value = TypeVar("Value")
Arguments = ParamSpec("Arguments")


class KeyScreen:
    """The fixture `screen`: what the key shows. Where nobody can see that, the test skips."""

    def __init__(
        self, operator: Operator, profile: Profile, recorder: Recorder, goldens: Callable[[], Goldens]
    ) -> None:
        self._operator = operator
        self._display = profile.display
        self._recorder = recorder
        self._goldens = goldens

    @property
    def now(self) -> Screen:
        """The screen that is up: its title, lines, page, pages, kind and soft_keys."""
        return self._recorder.saw(self._operator.screen())

    @property
    def text(self) -> str:
        """Title and lines of the screen that is up, one per line."""
        return self.now.text

    @property
    def rows(self) -> tuple[str, ...]:
        """Every text row of the display from the top, the soft keys last; without a display, title and lines."""
        screen, display = self.now, self._display
        if display is None:
            return (screen.title, *screen.lines)
        return rows_of(screen, Geometry.of_pixels(display.width, display.height))

    def frame(self) -> Frame | None:
        """Its pixels; None where the model has no display, or only its text can be had."""
        return None if isinstance(self._operator, RealHands) else self._frame(self.now)

    def wait_for(self, text: str, *, regexp: bool = False, timeout: float = 10.0) -> Screen:
        """The screen that shows the text, once it is up; also one that is up already. Line breaks do not count.

        :param regexp: whether `text` is a regular expression, which may match anywhere.
        :param timeout: seconds; a person is given the time that they need.
        :raises NotShownError: none came in time.
        """
        return self._recorder.saw(self._operator.wait_for(text, regexp=regexp, timeout=timeout))

    def _frame(self, screen: Screen) -> Frame | None:
        display = self._display
        return draw_screen(screen, display.width, display.height) if display else None

    def golden(self, name: str | None = None) -> None:
        """Hold the screen that is up against its golden file; at a real key a person does that.

        :param name: unique within the test; None counts: 01, 02, …
        :raises GoldenError: it differs, or there is no golden file.
        """
        __tracebackhide__ = True
        if isinstance(self._operator, RealHands):
            self._goldens().confirm(self._operator.agrees, name)
        else:
            screen = self.now
            self._goldens().compare(screen, self._frame(screen), name)


class KeyClock:
    """The fixture `clock`: the key's time, which stands still until the test moves it, except on real keys."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator

    def now(self) -> float:
        """Seconds since some moment in the past."""
        return self._operator.now()

    def advance(self, by: float | str) -> None:
        """Move forward. What became due has happened when this returns.

        :param by: seconds, or "59s", "10m", "24h".
        :raises ProtocolError: another text.
        :raises ValueError: backwards.
        """
        self._operator.advance(seconds_of(by) if isinstance(by, str) else by)


class Key:
    """The fixture `key`.

    ``target`` is inproc, socket, vpcd, gadget, usbip, usb, serial, ble or skf, or pcsc, usb, serial, ble, skf or pkcs11
    of a real key; ``device`` the emulated
    device behind it, None of a real key;
    ``certificates``, ``exchange_certificates`` (the other half of a double certificate; DER, by container) and
    ``activation_code`` what the bank knows of it.
    """

    def __init__(self, side: EmulatedKey | RealKey | LibraryKey, goldens: Callable[[], Goldens]) -> None:
        self._side = side
        self.target = side.target
        self.serial = side.serial
        self.profile = side.profile
        self.stage = side.wanted.stage.value
        self.device = side.device
        self.certificates = side.certificates
        self.exchange_certificates = side.exchange_certificates
        self.activation_code = side.activation_code
        self.recorder: Recorder = side.recorder
        self.operator: Operator = side.operator
        self.screen = KeyScreen(self.operator, side.profile, self.recorder, goldens)
        self.clock = KeyClock(side.operator)
        self.calls = Calls(side.operator, max(PATIENCE_S, side.profile.confirm.timeout_s + PATIENCE_S))

    def __repr__(self) -> str:
        return f"<Key {self.profile.id} {self.serial} on {self.target}>"

    # What programs need

    @property
    def token(self) -> str:
        """What a program under test takes to reach the key: ``socket:/path``, ``pcsc:READER``, ``usb:…`` and so on."""
        return self._side.token

    @property
    def env(self) -> dict[str, str]:
        """The environment variables by which `vukey` and programs of its kind find the key."""
        return {"VUKEY_TOKEN": self.token, "VUKEY_SERIAL": self.serial}

    @property
    def user_pin(self) -> str:
        """Its PIN; on a real key the one that was handed over."""
        return self._side.user_pin

    @property
    def admin_pin(self) -> str:
        """Its administrator PIN. A real key's is nobody's business here: the test skips."""
        if self.device is None:
            skip(N_("the administrator PIN of a real key is not handed over"))
        return self.profile.pin.admin.initial

    def open(self) -> Transport:
        """A way to the key, ours to close."""
        return self._side.open()

    def open_token(self) -> Token:
        """The key as a `hostdriver.token.Token`, ours to close: over APDUs, or by the library that the target names."""
        return self._side.open_token()

    def session(self) -> GmtSession:
        """A GM/T 0017 session with the key, ours to close."""
        return GmtSession(self.open(), dialect_named(self.profile.dialect))

    # The person

    def pending(
        self, call: Callable[Arguments, Value], *args: Arguments.args, **named: Arguments.kwargs
    ) -> AbstractContextManager[Future[Value]]:
        """Run a call in a thread until the key asks; at the end of the block it must have been answered.

        What the call raises comes out of the block.

        :raises CallError: the call ended and the key asked nothing; or the key still asks at the end of the block.
        """
        return self.calls.pending(call, *args, **named)

    def press(self, *buttons: str) -> None:
        """Press buttons one after the other: ok, cancel, up, down, power, 0 … 9.

        OK is pressed once it is alive: where the key wants its text read first (E10), its clock moves on until then.
        """
        self.operator.press(*buttons)

    def type_code(self, digits: str, *, ok: bool = True) -> None:
        """Type digits on the keypad, then OK."""
        self.operator.type(digits, ok=ok)

    @property
    def plugged(self) -> bool:
        """Whether the key is plugged in."""
        return self._side.plugged

    def plug(self) -> None:
        """Plug the key in; harmless when it is."""
        self._side.plug()

    def unplug(self) -> None:
        """Pull the key out; harmless when it is out."""
        self._side.unplug()

    def close(self) -> None:
        """The end of the test.

        :raises CallError: a call that the test started still runs.
        """
        try:
            self._side.close()
        finally:
            self.calls.close()
