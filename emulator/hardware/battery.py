"""The battery of a Bluetooth key: what it has left, and whether the key is switched on without a host's power."""

from __future__ import annotations

from collections.abc import Callable

from emulator.hardware.clock import Clock, Timer

FULL = 100
LOW = 5
"""Percent, *assumed*: with no more than that the battery is low."""


class Battery:
    """Switched by a person.

    :param auto_off_s: seconds after which nobody's touch means that nobody is there; 0 = never.
    :param on_idle: called once that may be so, in the clock's thread, and when the battery is empty: `is_left` says.
    """

    def __init__(self, clock: Clock, auto_off_s: float, on_idle: Callable[[], None]) -> None:
        self.level = FULL
        self.on = False
        self._clock = clock
        self._auto_off_s = auto_off_s
        self._on_idle = on_idle
        self._touched = 0.0
        self._timer: Timer | None = None

    @property
    def is_low(self) -> bool:
        """Whether it should be charged."""
        return self.level <= LOW

    def set_level(self, percent: int) -> None:
        """Charge or drain it; empty, it has the key switched off as when nobody is there.

        :raises ValueError: not 0 … 100.
        """
        if not 0 <= percent <= FULL:
            raise ValueError("a battery's level is 0 to 100")
        self.level = percent
        if not percent:
            self._on_idle()

    def switch(self, *, on: bool) -> None:
        """Switch the key on or off; an empty battery switches nothing on."""
        self.on = on and self.level > 0
        self.touch()
        self._wait()

    def touch(self) -> None:
        """Somebody uses the key: the time until it switches itself off begins anew."""
        self._touched = self._clock.now()  # and no more: every APDU comes here

    def is_left(self) -> bool:
        """Whether the key is to be switched off: nobody is there, or nothing is left. Else it waits on."""
        nobody_there = self._auto_off_s > 0 and self._clock.now() >= self._off_at
        if nobody_there or not self.level:
            return True
        self._wait()
        return False

    @property
    def _off_at(self) -> float:
        return self._touched + self._auto_off_s

    def _wait(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.on and self._auto_off_s:
            self._timer = self._clock.call_at(self._off_at, self._on_idle)
