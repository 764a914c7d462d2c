"""WaitForDevEvent of GM/T 0016 §7.1, with an end: the function itself waits for ever."""

from __future__ import annotations

import threading
from concurrent.futures import Future, TimeoutError  # noqa: A004 - what `result` raises
from contextlib import suppress
from ctypes import byref, create_string_buffer

from hostdriver.errors import HostError
from hostdriver.skf.functions import ULong
from hostdriver.skf.layouts import text_of
from hostdriver.skf.library import Library
from hostdriver.token import Event

_EVENTS = {1: Event.PLUGGED, 2: Event.UNPLUGGED}
_NAME_MOST = 1024
_GRACE_S = 5.0
"""What a library gets to end a wait that was cancelled; after it its thread is left to itself."""


def wait_for_event(library: Library, timeout: float | None = None) -> tuple[Event, str] | None:
    """The next device that comes or goes, and its name.

    :param timeout: seconds; None: however long it takes.
    :returns: None: nothing happened in time, or somebody else cancelled the wait.
    """
    told: Future[tuple[Event, str] | None] = Future()
    threading.Thread(target=_wait, args=(library, told), name="skf-event", daemon=True).start()
    try:
        return told.result(timeout)
    except TimeoutError:
        with suppress(HostError):  # a library without it; or the event has come just now
            library.call("SKF_CancelWaitForDevEvent")
    with suppress(TimeoutError, HostError):
        return told.result(_GRACE_S)
    return None


def _wait(library: Library, told: Future[tuple[Event, str] | None]) -> None:
    name, size, event = create_string_buffer(_NAME_MOST), ULong(_NAME_MOST), ULong()
    try:
        library.call("SKF_WaitForDevEvent", name, byref(size), byref(event))
    except BaseException as error:
        told.set_exception(error)
        return
    kind = _EVENTS.get(event.value)
    told.set_result((kind, text_of(name.value)) if kind else None)
