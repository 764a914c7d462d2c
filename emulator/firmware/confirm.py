"""Waiting for a person: what an applet asks, and the prompt on the key's screen that answers (E1, E2, E9–E11)."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from enum import Enum, auto, unique

from emulator.firmware.screens import Texts
from emulator.hardware.buttons import Button
from emulator.hardware.display import Geometry, Screen, ScreenKind, paginate
from emulator.profiles import Confirm


@unique
class Outcome(Enum):
    """How a request ended."""

    CONFIRMED = auto()
    CANCELLED = auto()
    TIMED_OUT = auto()


@dataclass(frozen=True, slots=True)
class Decision:
    """A person's answer; `text` is what was typed, empty where nothing was asked for."""

    outcome: Outcome
    text: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Ask:
    """What a command wants a person to decide.

    :param items: label and value pairs to show; a label may be empty.
    :param digits: how many digits to type on the keypad at most, 0 for a press of OK alone.
    :param presses: how many presses of OK count as one confirmation.
    :param least: with how many digits OK is taken; None: with all of them.
    :param within_s: how long the key waits, in seconds; None: as long as its model does.
    """

    title: str
    items: tuple[tuple[str, str], ...] = ()
    digits: int = 0
    presses: int = 1
    least: int | None = None
    within_s: float | None = None

    @property
    def fewest(self) -> int:
        """With how many digits OK is taken."""
        return self.digits if self.least is None else self.least


Waiting = Generator[Ask, Decision, bytes]
"""A command that may wait: yields what it asks, is resumed with the decision, returns the answer's data."""


class Prompt:
    """One request on the screen, driven by buttons. OK does nothing before `ok_from`, nor until `read` (E1, E10).

    :param now: the clock's time at which the screen was drawn.
    """

    def __init__(self, ask: Ask, rules: Confirm, geometry: Geometry, texts: Texts, now: float) -> None:
        self.ask = ask
        self.deadline = now + (rules.timeout_s if ask.within_s is None else ask.within_s)
        self.ok_from = now + (0 if ask.digits else rules.ok_dead_ms / 1000)
        self._texts = texts
        self._pages = paginate(ask.title, ask.items, geometry.columns, geometry.rows - 1)
        self._page = 0
        self.read = bool(ask.digits) or not rules.must_page_to_end or len(self._pages) == 1
        self._presses_left = ask.presses
        self._typed = ""

    @property
    def screen(self) -> Screen:
        """What the key shows now."""
        lines: tuple[str, ...]
        if self.ask.digits:
            lines = (self.ask.title, "*" * len(self._typed) + "_" * (self.ask.fewest - len(self._typed)))
            return Screen(ScreenKind.ENTRY, self.ask.title, lines, soft_keys=self._texts.soft_keys)
        lines = self._pages[self._page]
        if self._presses_left < self.ask.presses:
            lines = (self._texts.press_again,)
        return Screen(
            ScreenKind.CONFIRM,
            self.ask.title,
            lines,
            self._page + 1,
            len(self._pages),
            self._texts.soft_keys,
        )

    @property
    def expired(self) -> Decision:
        """What the deadline answers."""
        return Decision(Outcome.TIMED_OUT)

    def press(self, button: Button, now: float) -> Decision | None:
        """A button; None while the request stays on the screen."""
        if now >= self.deadline:
            return self.expired
        if button is Button.OK:
            return self._ok(now)
        if button is Button.CANCEL:
            return self._cancel()
        if button in (Button.UP, Button.DOWN):
            step = 1 if button is Button.DOWN else -1
            self._page = min(max(self._page + step, 0), len(self._pages) - 1)
            self.read = self.read or self._page == len(self._pages) - 1
        elif button.is_digit and len(self._typed) < self.ask.digits:
            self._typed += button
        return None

    def _ok(self, now: float) -> Decision | None:
        if self.ask.digits:
            enough = len(self._typed) >= self.ask.fewest
            return Decision(Outcome.CONFIRMED, self._typed) if enough else None
        if now < self.ok_from or not self.read:
            return None
        self._presses_left -= 1
        return None if self._presses_left else Decision(Outcome.CONFIRMED)

    def _cancel(self) -> Decision | None:
        """C clears what was typed; with nothing typed it cancels."""
        if self._typed:
            self._typed = ""
            return None
        return Decision(Outcome.CANCELLED)
