"""WaitForDevEvent of GM/T 0016 §7.1, with an end: the function itself waits for ever."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from contextlib import suppress
from ctypes import byref, create_string_buffer
from queue import SimpleQueue

from hostdriver.errors import HostError
from hostdriver.outcomes import Sar
from hostdriver.skf.errors import SkfFailedError
from hostdriver.skf.functions import ULong
from hostdriver.skf.layouts import text_of
from hostdriver.skf.library import Library
from hostdriver.token import Event

_EVENTS = {1: Event.PLUGGED, 2: Event.UNPLUGGED}
_NAME_MOST = 1024
_GRACE_S = 5.0
"""What a library gets to end a wait that was cancelled; its thread goes on waiting then, for whoever asks next."""

Told = Future[tuple[Event, str] | None]


class EventWatch:
    """Which devices come and go. One thread does all the waiting, as libraries count what each thread was told."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._asked: SimpleQueue[Told | None] = SimpleQueue()
        self._told: Told | None = None
        self._thread: threading.Thread | None = None

    def wait(self, timeout: float | None = None) -> tuple[Event, str] | None:
        """The next device that comes or goes, and its name.

        :param timeout: seconds; None: however long it takes.
        :returns: None: nothing happened in time, or somebody cancelled the wait.
        """
        told = self._ask()
        try:
            return self._take(told, timeout)
        except TimeoutError:
            self._cancel()
        with suppress(TimeoutError):
            return self._take(told, _GRACE_S)
        return None

    def close(self) -> None:
        """Wait no more; harmless when repeated."""
        if self._thread is None:
            return
        if self._told is not None:
            self._cancel()
        self._asked.put(None)
        self._thread.join(_GRACE_S)
        self._thread = None

    def _ask(self) -> Told:
        if self._told is None:
            self._told = Future()
            self._asked.put(self._told)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="skf-events", daemon=True)
            self._thread.start()
        return self._told

    def _take(self, told: Told, timeout: float | None) -> tuple[Event, str] | None:
        try:
            event = told.result(timeout)
        except HostError:
            self._told = None
            raise
        self._told = None
        return event

    def _cancel(self) -> None:
        with suppress(HostError):  # a library without it; or the wait has ended just now
            self._library.call("SKF_CancelWaitForDevEvent")

    def _work(self) -> None:
        while (told := self._asked.get()) is not None:
            try:
                told.set_result(self._next())
            except BaseException as error:
                told.set_exception(error)

    def _next(self) -> tuple[Event, str] | None:
        name, size, event = create_string_buffer(_NAME_MOST), ULong(_NAME_MOST), ULong()
        try:
            self._library.call("SKF_WaitForDevEvent", name, byref(size), byref(event))
        except SkfFailedError as error:
            if error.code != Sar.NOT_EVENTERR:
                raise
            return None
        kind = _EVENTS.get(event.value)
        return (kind, text_of(name.value)) if kind else None
