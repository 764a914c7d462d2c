"""What the key's screen has shown, and waiting for it to show something: with a deadline, never with a sleep."""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from emulator.device import Device
from emulator.hardware.display import Screen
from protocols.errors import VukeyError
from protocols.i18n import N_

_KEPT = 200

Accepts = Callable[[Screen], bool]


class NotShownError(VukeyError):
    """The screen did not show it in time."""


class Shown(NamedTuple):
    """A screen, its number from 1, and the key's time at which it came up."""

    number: int
    time: float
    screen: Screen


def shows(text: str) -> Accepts:
    """Whether a screen shows the text; the line breaks of the layout do not count."""
    return lambda screen: text in screen.text or text in "".join(screen.lines)


def matches(pattern: re.Pattern[str]) -> Accepts:
    """Whether the pattern is found in the title, in a line, or in the lines without their breaks."""
    return lambda screen: any(map(pattern.search, (screen.title, *screen.lines, "".join(screen.lines))))


class ScreenLog:
    """Watches a device from now on, the screen that is up included; keeps the last screens."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._changed = threading.Condition()
        with device.lock:
            self._shown = deque([Shown(1, device.clock.now(), device.screen)], _KEPT)
            self._look_away = device.on_screen(self._see)

    @property
    def now(self) -> Shown:
        """The screen that is up."""
        with self._changed:
            return self._shown[-1]

    def since(self, number: int) -> list[Shown]:
        """The screens after that number, oldest first."""
        with self._changed:
            return [shown for shown in self._shown if shown.number > number]

    def wait_for(self, accepts: Accepts, timeout: float, what: str = "") -> Screen:
        """The first screen that is accepted: the one that is up, or one that comes, however shortly.

        :param timeout: seconds of real time.
        :param what: what is waited for, for the message.
        :raises NotShownError: none came.
        """
        seen = self.now.number - 1
        found: Screen | None = None

        def came() -> bool:
            nonlocal seen, found
            for shown in self.since(seen):
                seen = shown.number
                if accepts(shown.screen):
                    found = shown.screen
                    return True
            return False

        with self._changed:
            self._changed.wait_for(came, timeout)
        if found is None:
            text = " / ".join(self.now.screen.lines)
            raise NotShownError(
                N_("the key did not show “{what}” within {seconds:g} s; it shows: {text}"),
                what=what, seconds=timeout, text=text,
            )  # fmt: skip
        return found

    def close(self) -> None:
        """Look away."""
        self._look_away()

    def _see(self, screen: Screen) -> None:
        with self._changed:
            self._shown.append(Shown(self._shown[-1].number + 1, self._device.clock.now(), screen))
            self._changed.notify_all()
