"""Time as a key knows it: seconds that pass. It has no date (E7)."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from bisect import insort
from collections.abc import Callable
from typing import Protocol

_log = logging.getLogger(__name__)


class Timer:
    """A callback that waits for its time."""

    def __init__(self, when: float, callback: Callable[[], None], agenda: _Agenda) -> None:
        self.when = when
        self.callback = callback
        self._agenda = agenda

    def cancel(self) -> None:
        """Take the callback off the clock; harmless at any time, also twice and from the callback itself.

        A callback that another thread has already begun is not stopped, and may end after this returns.
        """
        self._agenda.remove(self)


class Clock(Protocol):
    """Measures waits (E7)."""

    def now(self) -> float:
        """Seconds since some moment in the past; never goes back."""
        ...

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call back once, as soon as `now()` has reached `when`; callbacks of equal times keep their order."""
        ...

    def advance(self, seconds: float) -> None:
        """Move forward by `seconds`, and return when what became due has run: hold no lock that it needs.

        :raises ValueError: backwards.
        """
        ...


class _Agenda:
    """The timers that wait, soonest first, and the lock of the clock that they belong to."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self._number = itertools.count()
        self._entries: list[tuple[float, int, Timer]] = []

    def add(self, when: float, callback: Callable[[], None]) -> Timer:
        timer = Timer(when, callback, self)
        with self.changed:
            insort(self._entries, (when, next(self._number), timer))
            self.changed.notify_all()
        return timer

    def remove(self, timer: Timer) -> None:
        with self.changed:
            self._entries = [entry for entry in self._entries if entry[2] is not timer]

    def pop_due(self, now: float) -> Timer | None:
        """Take out the first timer whose time has come."""
        with self.changed:
            if self._entries and self._entries[0][0] <= now:
                return self._entries.pop(0)[2]
            return None

    def soonest(self) -> float | None:
        with self.changed:
            return self._entries[0][0] if self._entries else None


class SystemClock:
    """Real time, which a person may move forward to skip a wait.

    Callbacks run one after another in a thread of the clock, which starts with the first `call_at`. What they
    raise is logged, and the clock goes on.
    """

    def __init__(self) -> None:
        self._agenda = _Agenda()
        self._offset = 0.0
        self._thread: threading.Thread | None = None
        self._closed = False

    def now(self) -> float:
        """Seconds of the system's monotonic clock, plus what `advance` added."""
        return time.monotonic() + self._offset

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call back in the clock's thread, promptly if the time has passed already.

        :raises RuntimeError: the clock is closed.
        """
        with self._agenda.changed:
            if self._closed:
                raise RuntimeError("the clock is closed")
            timer = self._agenda.add(when, callback)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="vukey-clock", daemon=True)
                self._thread.start()
        return timer

    def advance(self, seconds: float) -> None:
        """Move forward by `seconds`, and return when what became due has run, in the clock's thread.

        Hold no lock that a callback needs. A callback that advances the clock itself does not wait.

        :raises ValueError: backwards.
        """
        _check_forward(seconds)
        with self._agenda.changed:
            self._offset += seconds
            self._agenda.changed.notify_all()
            soonest = self._agenda.soonest()
            if soonest is None or soonest > self.now() or self._thread is threading.current_thread():
                return
            self._wait_until_run()

    def close(self) -> None:
        """Call nothing back any more, and wait for a callback that runs: hold no lock that it needs."""
        with self._agenda.changed:
            self._closed = True
            self._agenda.changed.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _wait_until_run(self) -> None:
        """Wait for a timer of our own behind those that are due now."""
        changed, ran = self._agenda.changed, threading.Event()

        def run() -> None:
            with changed:
                ran.set()
                changed.notify_all()

        self._agenda.add(self.now(), run)
        changed.wait_for(lambda: ran.is_set() or self._closed)

    def _run(self) -> None:
        while (timer := self._wait_due()) is not None:
            try:
                timer.callback()
            except Exception:
                _log.exception("a timer's callback failed")

    def _wait_due(self) -> Timer | None:
        """The next timer whose time has come; None once the clock is closed."""
        with self._agenda.changed:
            while not self._closed:
                if (timer := self._agenda.pop_due(self.now())) is not None:
                    return timer
                self._agenda.changed.wait(self._seconds_to_wait())
        return None

    def _seconds_to_wait(self) -> float | None:
        soonest = self._agenda.soonest()
        return None if soonest is None else min(soonest - self.now(), threading.TIMEOUT_MAX)


class ManualClock:
    """Time that stands still until it is moved: a wait of 60 seconds or of a day takes a test no time."""

    def __init__(self) -> None:
        self._agenda = _Agenda()
        self._now = 0.0

    def now(self) -> float:
        """Seconds since the clock was made."""
        return self._now

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call back from within `advance`; one whose time has passed already waits for the next `advance`."""
        return self._agenda.add(when, callback)

    def advance(self, seconds: float) -> None:
        """Move forward by `seconds`, and run what becomes due in the caller's thread, each at its own time.

        What a callback raises goes to the caller; the clock then stands at that callback's time.

        :raises ValueError: backwards.
        """
        _check_forward(seconds)
        end = self._now + seconds
        while (timer := self._agenda.pop_due(end)) is not None:
            self._now = max(self._now, timer.when)
            timer.callback()
        self._now = max(self._now, end)


def _check_forward(seconds: float) -> None:
    if seconds < 0:
        raise ValueError("time does not go back")
