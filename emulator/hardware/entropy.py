"""Where the key's random bytes come from."""

from __future__ import annotations

import builtins
import hashlib
import itertools
import os
from typing import Protocol


class Entropy(Protocol):
    """A source of random bytes: nonces, challenges and keys are made from it."""

    def bytes(self, n: int) -> builtins.bytes:
        """`n` fresh random bytes.

        :raises ValueError: `n` is negative.
        """
        ...


class OsEntropy:
    """The operating system's random numbers: what every key outside of a test runs on."""

    def bytes(self, n: int) -> builtins.bytes:
        """`n` bytes that nobody can foretell.

        :raises ValueError: `n` is negative.
        """
        return os.urandom(n)


class SeededEntropy:
    """For tests only: the same seed gives the same bytes, so whoever knows the seed knows every key.

    Call number i (from 0) answers SHAKE-256(seed ‖ i as 8 bytes, big-endian), FIPS 202.
    """

    def __init__(self, seed: builtins.bytes) -> None:
        self._seed = seed
        self._calls = itertools.count()

    def bytes(self, n: int) -> builtins.bytes:
        """The next `n` bytes; what they are depends on how often this was called before.

        :raises ValueError: `n` is negative.
        """
        if n < 0:
            raise ValueError("a count of bytes is not negative")
        return hashlib.shake_256(self._seed + next(self._calls).to_bytes(8, "big")).digest(n)
