"""Measure candidates beside each other: many short runs, interleaved, and the median of each."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


class UnavailableError(Exception):
    """What should be measured cannot be had here; the message is one line that says why."""


@dataclass(frozen=True)
class Result:
    """One comparison.

    :param rates: operations a second, the median of each candidate's runs; ``floor`` stands for a peer as well.
    :param ratio: the key's rate over the floor's: the median of the ratios of neighbouring runs.
    :param target: what the ratio should reach; None where the figure is for information.
    """

    name: str
    rates: Mapping[str, float]
    ratio: float
    target: float | None

    @property
    def reached(self) -> bool | None:
        """Whether the target was met in this run; None where there is none."""
        return None if self.target is None else self.ratio >= self.target


def compare(
    name: str,
    key: Callable[[], object],
    floor: Callable[[], object],
    *,
    target: float | None,
    rounds: int = 41,
    seconds: float = 0.05,
) -> Result:
    """The key's operation beside its floor's, in runs of about `seconds` each."""
    counts = _calibrate(key, seconds), _calibrate(floor, seconds)
    return compare_times(
        name,
        lambda: seconds_each(key, counts[0]),
        lambda: seconds_each(floor, counts[1]),
        target=target,
        rounds=rounds,
    )


def compare_times(
    name: str, key: Callable[[], float], floor: Callable[[], float], *, target: float | None, rounds: int
) -> Result:
    """The key's operation beside its floor's: each is a function that does it and says how many seconds it took."""
    rates: dict[str, list[float]] = {"key": [], "floor": []}
    for number in range(rounds):
        order = (("key", key), ("floor", floor)) if number % 2 else (("floor", floor), ("key", key))
        for label, operation in order:
            rates[label].append(1 / operation())
    ratio = statistics.median(k / f for k, f in zip(rates["key"], rates["floor"], strict=True))
    return Result(name, {label: statistics.median(found) for label, found in rates.items()}, ratio, target)


def _calibrate(operation: Callable[[], object], seconds: float) -> int:
    """How many operations fill a run."""
    operation()
    begun = time.perf_counter()
    done = 0
    while time.perf_counter() - begun < seconds:
        operation()
        done += 1
    return max(done, 1)


def seconds_each(operation: Callable[[], object], count: int) -> float:
    """Seconds for one, of so many in a row."""
    begun = time.perf_counter()
    for _ in range(count):
        operation()
    return (time.perf_counter() - begun) / count
