"""What is asked of the key and not answered at once, because a person has to decide."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from protocols.errors import VukeyError
from protocols.i18n import N_


class PowerLostError(VukeyError):
    """Reset, power-off or removal ended a command that was waiting for a person (E11)."""


class _Key(Protocol):
    """Whose exchange it is."""

    lock: threading.RLock

    def abandon(self, exchange: Exchange) -> None:
        """Stop waiting for the person."""
        ...


class Exchange:
    """One APDU, or one pairing, from its arrival to its answer.

    ``response`` is None while the key waits for a person.
    """

    __slots__ = ("_done", "_key", "_listeners", "interrupted", "response")

    def __init__(self, key: _Key, response: bytes | None = None) -> None:
        self._key = key
        self._done: threading.Event | None = None if response is not None else threading.Event()
        self._listeners: tuple[Callable[[], None], ...] = ()
        self.response = response
        self.interrupted = False

    @property
    def ended(self) -> bool:
        """Whether it was answered or interrupted."""
        return self.response is not None or self.interrupted

    def wait(self) -> bytes:
        """The response, as soon as there is one. The key's own time-out bounds the wait.

        :raises PowerLostError: power was lost meanwhile.
        """
        if self._done is not None:
            self._done.wait()
        if self.response is None:
            raise PowerLostError(N_("the key was removed or reset before it answered"))
        return self.response

    def on_end(self, listener: Callable[[], None]) -> None:
        """Call `listener` once it has ended, in whatever thread ends it; at once if it has."""
        with self._key.lock:
            if not self.ended:
                self._listeners += (listener,)
                return
        listener()

    def abandon(self) -> None:
        """The link that carried it is gone: stop waiting for the person."""
        self._key.abandon(self)

    def end(self, response: bytes | None) -> None:
        """Answered, or interrupted if there is no response: the key's own affair."""
        self.response = response
        self.interrupted = response is None
        if self._done is not None:
            self._done.set()
        for listener in self._listeners:
            listener()
