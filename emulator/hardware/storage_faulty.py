"""A storage whose power fails at a chosen moment: what a person does who pulls the key out of its socket (C9)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from emulator.hardware.storage import Storage, Transaction

Phase = Literal["before", "during", "after"]


class PowerCut(BaseException):
    """The key has no power. Not an `Exception`: no handler in the firmware may survive it."""


class FaultyStorage:
    """Cuts the power at one commit of the storage inside.

    *before*: when the transaction opens, so nothing of its block runs. *during*: when its block has ended and the
    inner transaction is under way, which is then broken off. *after*: when the writes are durable, but whoever
    asked for them does not learn it. From then on everything but `close` raises `PowerCut`, until `restart`.

    :param cut_at: the commit at which the power fails, counted from 1; None: it never does.
    """

    def __init__(self, inner: Storage, cut_at: int | None = None, phase: Phase = "before") -> None:
        self.commits = 0  # transactions that have become durable
        self._inner = inner
        self._cut_at = cut_at
        self._phase = phase
        self._powered = True

    def restart(self) -> None:
        """Give the power back, this time for good."""
        self._powered = True
        self._cut_at = None

    def read(self, key: str) -> bytes | None:
        """See `Storage.read`; raises PowerCut without power."""
        self._need_power()
        return self._inner.read(key)

    def keys(self, prefix: str = "") -> list[str]:
        """See `Storage.keys`; raises PowerCut without power."""
        self._need_power()
        return self._inner.keys(prefix)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """See `Storage.transaction`; raises PowerCut at the chosen moment and without power."""
        self._pass("before")
        with self._inner.transaction() as transaction:
            yield transaction
            self._pass("during")
        self.commits += 1
        self._pass("after", self.commits)

    def close(self) -> None:
        """Close the storage inside, with or without power."""
        self._inner.close()

    def _pass(self, phase: Phase, commit: int | None = None) -> None:
        """Go through one phase of the commit under way, unless the power is to fail there."""
        if phase == self._phase and (commit or self.commits + 1) == self._cut_at:
            self._powered = False
        self._need_power()

    def _need_power(self) -> None:
        if not self._powered:
            raise PowerCut
