"""Which new PINs draw a hint: the host gives it, the key accepts them all the same (C7)."""

from __future__ import annotations

import string
from itertools import pairwise

_STRONG_LENGTH = 10
_RUN = 6
_COUNTED = frozenset(string.ascii_letters + string.digits)


def is_weak_pin(pin: str) -> bool:
    """Shorter than 10, or with 6 equal or consecutive letters or digits (C7; that one of them is enough: assumed)."""
    return len(pin) < _STRONG_LENGTH or any(
        _is_run(pin[start : start + _RUN]) for start in range(len(pin) - _RUN + 1)
    )


def _is_run(piece: str) -> bool:
    steps = {ord(after) - ord(before) for before, after in pairwise(piece)}
    return _COUNTED.issuperset(piece) and steps in ({0}, {1}, {-1})
