"""Does a call's time tell its secret? Welch's t-test over two classes of inputs in random order, as dudect does it.

O. Reparaz, J. Balasch, I. Verbauwhede, "Dude, is my code constant time?", 2017.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Sequence
from time import perf_counter_ns
from typing import TypeVar

T = TypeVar("T")

LIMIT = 10.0
"""|t| above it is a difference; dudect calls 4.5 suspicious and 10 certain."""
BATCHES = 3
"""A difference that is none does not come back three times."""
_KEPT = (0.5, 0.9)
"""Shares of the fastest calls that are compared: the slow ones met an interrupt."""


def differences(
    call: Callable[[T], object], fixed: Callable[[], T], drawn: Callable[[], T], count: int
) -> list[float]:
    """|t| of up to three batches; fewer when one of them shows no difference.

    :param call: what is timed.
    :param fixed: makes one more input of the fixed class, a new object each time: the caches must not tell classes.
    :param drawn: makes one more of the random class.
    :param count: calls of a batch.
    """
    found: list[float] = []
    for seed in range(BATCHES):
        found.append(_difference(call, fixed, drawn, count, random.Random(seed)))
        if found[-1] < LIMIT:
            break
    return found


def _difference(
    call: Callable[[T], object],
    fixed: Callable[[], T],
    drawn: Callable[[], T],
    count: int,
    chance: random.Random,
) -> float:
    classes = [chance.random() < 0.5 for _ in range(count)]
    inputs = [fixed() if is_fixed else drawn() for is_fixed in classes]
    times: tuple[list[int], list[int]] = ([], [])
    for is_fixed, value in zip(classes, inputs, strict=True):
        start = perf_counter_ns()
        call(value)
        times[is_fixed].append(perf_counter_ns() - start)
    return max(_welch(*_crop(times, share)) for share in _KEPT)


def _crop(times: tuple[list[int], list[int]], share: float) -> tuple[list[int], list[int]]:
    everything = sorted(times[0] + times[1])
    limit = everything[int(share * (len(everything) - 1))]
    return [t for t in times[0] if t <= limit], [t for t in times[1] if t <= limit]


def _welch(one: Sequence[int], other: Sequence[int]) -> float:
    if min(len(one), len(other)) < 2:
        return float("inf")  # one class is always slower
    spread = statistics.variance(one) / len(one) + statistics.variance(other) / len(other)
    distance = abs(statistics.fmean(one) - statistics.fmean(other))
    return distance / spread**0.5 if spread else 0.0 if not distance else float("inf")
