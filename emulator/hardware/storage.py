"""What the key remembers without power: named values, changed all together or not at all (C9).

A transaction collects its writes and applies them when its block ends without an exception. Until then readers,
its own block among them, see the values from before it. One transaction at a time: a second one, nested or from
another thread, is a programming error (RuntimeError), never a wait.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from protocols.errors import VukeyError


class StateError(VukeyError):
    """The state file cannot be used; the message names it."""


class StateBusyError(StateError):
    """Another key runs on the state file."""


class StateForeignError(StateError):
    """The state file is not one of ours, or is of a newer version; it was left as it is."""


class StateDamagedError(StateError):
    """The state file is ours but does not hold together; it was left as it is."""


class Transaction(Protocol):
    """Collects what is to be written."""

    def put(self, key: str, value: bytes) -> None:
        """Set the value of `key`."""
        ...

    def delete(self, key: str) -> None:
        """Remove `key`; nothing happens if there is none."""
        ...


class Storage(Protocol):
    """Values of the key, by name."""

    def read(self, key: str) -> bytes | None:
        """The value as of the last transaction that ended; None where there is none."""
        ...

    def keys(self, prefix: str = "") -> list[str]:
        """The names that begin with `prefix`, sorted by code point."""
        ...

    def transaction(self) -> AbstractContextManager[Transaction]:
        """All of the block's writes, or none if it ends with an exception; durable when the block has ended.

        :raises RuntimeError: a transaction is open already.
        :raises StateError: the writes cannot be kept (a full disk); nothing was changed.
        """
        ...

    def close(self) -> None:
        """Let go of what holds the values; harmless when repeated."""
        ...


class _Changes:
    """The writes of one open transaction; None stands for a deletion."""

    def __init__(self) -> None:
        self.values: dict[str, bytes | None] = {}

    def put(self, key: str, value: bytes) -> None:
        self.values[key] = bytes(value)

    def delete(self, key: str) -> None:
        self.values[key] = None


class BufferedStorage(ABC):
    """The transactions of a storage that can apply a set of changes in one step."""

    def __init__(self) -> None:
        self._writing = threading.Lock()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """See `Storage.transaction`."""
        if not self._writing.acquire(blocking=False):
            raise RuntimeError("a transaction is open already")
        try:
            changes = _Changes()
            yield changes
            if changes.values:
                self._apply(changes.values)
        finally:
            self._writing.release()

    @abstractmethod
    def _apply(self, changes: Mapping[str, bytes | None]) -> None:
        """Make all changes durable, or raise and make none; None stands for a deletion."""


class MemoryStorage(BufferedStorage):
    """Forgets everything with the process.

    :param initial: the first values.
    """

    def __init__(self, initial: Mapping[str, bytes] | None = None) -> None:
        super().__init__()
        self._values = dict(initial or {})

    def read(self, key: str) -> bytes | None:
        """See `Storage.read`."""
        return self._values.get(key)

    def keys(self, prefix: str = "") -> list[str]:
        """See `Storage.keys`."""
        return sorted(key for key in self._values if key.startswith(prefix))

    def close(self) -> None:
        """Nothing to let go of."""

    def copy(self) -> MemoryStorage:
        """A snapshot that lives its own life."""
        return MemoryStorage(self._values)

    def _apply(self, changes: Mapping[str, bytes | None]) -> None:
        merged: dict[str, bytes | None] = {**self._values, **changes}
        self._values = {key: value for key, value in merged.items() if value is not None}
