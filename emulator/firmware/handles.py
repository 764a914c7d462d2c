"""Handles and KeyIDs: two opaque bytes each, which the key makes up (docs/facts.md G2)."""

from __future__ import annotations

from collections.abc import Container
from itertools import count


class Handles:
    """Hands out numbers of a range one after the other: a stale one reaches nothing for as long as possible.

    :param first: of the range.
    :param size: how many there are.
    """

    def __init__(self, first: int, size: int) -> None:
        self._first = first
        self._size = size
        self._next = count()

    def new(self, taken: Container[bytes]) -> bytes:
        """One that is not taken; it comes again only after all others."""
        handles = ((self._first + number % self._size).to_bytes(2) for number in self._next)
        return next(handle for handle in handles if handle not in taken)
