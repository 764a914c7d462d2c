"""Somebody at the key who is not a person: presses by rule, for scripts, tests and the demo."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Generic, Literal, TypeVar

from emulator.device import Device
from emulator.firmware.confirm import Ask
from emulator.hardware.buttons import Button
from emulator.hardware.clock import Timer
from emulator.hardware.display import Screen

Act = Callable[[Ask], None]
"""What the operator does when the key begins to ask something."""

Seen = TypeVar("Seen")


class Hands(Generic[Seen]):
    """A thread that acts on one thing after the other, so that whoever saw it need not."""

    def __init__(self, act: Callable[[Seen], None]) -> None:
        self._act = act
        self._queue: queue.Queue[tuple[Seen] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name="vukey-operator", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def take(self, seen: Seen) -> None:
        """Act on it next; returns at once."""
        self._queue.put((seen,))

    def settle(self) -> None:
        """Return once all that was taken has been acted on; hold no lock that the acting needs."""
        self._queue.join()

    def stop(self) -> None:
        """Finish what was taken, and end."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            try:
                self._act(item[0])
            finally:
                self._queue.task_done()
        self._queue.task_done()


class Operator:
    """Watches the screen and acts, in a thread of its own, once for each thing that the key asks."""

    def __init__(self, device: Device, act: Act) -> None:
        self._device = device
        self._hands = Hands(act)
        self._last: Ask | None = None

    def __enter__(self) -> Operator:
        self._look_away = self._device.on_screen(self._see)
        self._hands.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._look_away()
        self._hands.stop()

    def _see(self, screen: Screen) -> None:
        ask = self._device.waiting
        if ask is not None and ask is not self._last:
            self._hands.take(ask)
        self._last = ask


def read_and_press_ok(device: Device, ask: Ask) -> None:
    """Page to the end, then press OK as often as the key wants it."""
    for _ in range(device.screen.pages - 1):
        device.press(Button.DOWN)
    for _ in range(ask.presses):
        device.press(Button.OK)


class AutoApproval:
    """``--approve``: OK after a while of the key's clock, or C at once. Nobody reads what is signed.

    A code wanted on the keypad is left to time out: the rule does not know it.
    """

    def __init__(self, device: Device, rule: Literal["always", "never"] | float) -> None:
        self._device = device
        self._never = rule == "never"
        dead = device.profile.confirm.ok_dead_ms / 1000
        self._delay = max(rule if isinstance(rule, float) else 0.0, dead)
        self._timer: Timer | None = None
        self._operator = Operator(device, self._act)

    def __enter__(self) -> AutoApproval:
        self._operator.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._operator.__exit__()
        if self._timer is not None:
            self._timer.cancel()

    def _act(self, ask: Ask) -> None:
        if ask.digits:
            return
        if self._never:
            self._device.press(Button.CANCEL)
            return
        clock = self._device.clock
        self._timer = clock.call_at(clock.now() + self._delay, lambda: self._approve(ask))

    def _approve(self, ask: Ask) -> None:
        with self._device.lock:
            if self._device.waiting is ask:
                read_and_press_ok(self._device, ask)
