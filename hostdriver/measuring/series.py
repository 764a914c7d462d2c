"""What was measured, and its figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

NS_PER_S = 1_000_000_000
_NS_PER_MS = 1_000_000
_FEWEST_FOR_P95, _FEWEST_FOR_P99 = 20, 100
"""Samples from which a percentile is said at all: of fewer, none lies beyond it."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is done.

    :param operation: `sign`, `verify-pin`, `random` or `generate`.
    :param algorithm: `RSA-2048`, `SM2`, …; empty where the operation has none, as are `container` and `source`.
    :param source: what is signed: `digest` or `message`.
    :param size: bytes of what is signed or drawn; 0 where there are none.
    """

    operation: str
    algorithm: str = ""
    container: str = ""
    source: str = ""
    size: int = 0

    @property
    def title(self) -> str:
        """In a few words, the same in every language."""
        size = f"{self.size} bytes" if self.size else ""
        what = self.source if self.source == "digest" else size
        return " ".join(filter(None, (self.operation, self.algorithm, what)))


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one series: milliseconds, and operations a second one after the other.

    :param p95: None where there were too few samples to say it, as is `p99`.
    """

    count: int
    rate: float
    mean: float
    fastest: float
    p50: float
    p95: float | None
    p99: float | None
    slowest: float


@dataclass(slots=True)
class Series:
    """One subject's latencies, as they come.

    :param pressed: a person had to press OK each time, so that the times are the key's and the person's together.
    :param complete: nothing broke it off.
    """

    subject: Subject
    samples_ns: list[int] = field(default_factory=list)
    pressed: bool = False
    complete: bool = False

    def figures(self) -> Figures:
        """Its figures; there must be a sample."""
        times = sorted(sample / _NS_PER_MS for sample in self.samples_ns)
        mean = sum(times) / len(times)
        return Figures(
            count=len(times),
            rate=1000 / mean,
            mean=mean,
            fastest=times[0],
            p50=percentile(times, 50),
            p95=percentile(times, 95) if len(times) >= _FEWEST_FOR_P95 else None,
            p99=percentile(times, 99) if len(times) >= _FEWEST_FOR_P99 else None,
            slowest=times[-1],
        )


def percentile(ordered: Sequence[float], wanted: float) -> float:
    """The value below which so many per cent lie, between the two samples that are nearest to it.

    Definition 7 of Hyndman and Fan (1996), which most programs that compute percentiles take.

    :param ordered: samples in ascending order, at least one.
    :param wanted: 0 to 100.
    """
    place = (len(ordered) - 1) * wanted / 100
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def significant(value: float) -> str:
    """For a person, as many digits as say something: 0.1234, 12.34, 1,234."""
    digits = 3 - math.floor(math.log10(value)) if value > 0 else 0
    return f"{value:,.{min(max(digits, 0), 4)}f}"
