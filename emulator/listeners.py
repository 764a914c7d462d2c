"""Those who look on while something happens to the key."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Generic, ParamSpec

_log = logging.getLogger(__name__)

Told = ParamSpec("Told")


class Listeners(Generic[Told]):
    """Told one after the other, under the key's lock. One that fails does not stop the key."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._all: tuple[Callable[Told, None], ...] = ()

    def __bool__(self) -> bool:
        return bool(self._all)

    def add(self, listener: Callable[Told, None]) -> Callable[[], None]:
        """One more, from now on; returns what ends that."""
        with self._lock:
            self._all += (listener,)

        def remove() -> None:
            with self._lock:
                self._all = tuple(other for other in self._all if other is not listener)

        return remove

    def tell(self, *args: Told.args, **named: Told.kwargs) -> None:
        """Tell everybody."""
        for listener in self._all:
            try:
                listener(*args, **named)
            except Exception as error:
                _log.error("a listener to the key failed: %s", error)
                _log.debug("where it failed", exc_info=True)
