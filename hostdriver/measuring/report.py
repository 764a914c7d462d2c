"""A run's results for programs: one object for JSON, one table for CSV (docs/measuring.md)."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hostdriver.measuring.circumstances import Circumstances
from hostdriver.measuring.overhead import Overhead
from hostdriver.measuring.series import Series

_DIGITS = 6
"""Of milliseconds after the point: nanoseconds."""


@dataclass(frozen=True, slots=True)
class Run:
    """All of one run.

    :param series: those that have a sample, in the order in which they were measured.
    :param complete: nothing broke it off.
    """

    circumstances: Circumstances
    overhead: Overhead
    series: Sequence[Series]
    complete: bool


def json_object(run: Run) -> dict[str, Any]:
    """What ``vukey bench --json`` prints."""
    return {
        "complete": run.complete,
        "circumstances": asdict(run.circumstances),
        "overhead": _overhead(run.overhead),
        "series": [
            _facts(each) | {"samples_ms": [sample / 1e6 for sample in each.samples_ns]} for each in run.series
        ],
    }


def as_csv(run: Run) -> str:
    """A line for each series, the circumstances in each, so that the files of many runs can be put together."""
    about = {f"overhead_{name}": value for name, value in _overhead(run.overhead).items()}
    rows = [_facts(each) | asdict(run.circumstances) | about for each in run.series]
    file = io.StringIO()
    writer = csv.DictWriter(file, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def _overhead(overhead: Overhead) -> dict[str, Any]:
    return {
        "layers": overhead.layers,
        "ms": round(overhead.ms, _DIGITS),
        "share_of_real_key": round(overhead.share, _DIGITS),
    }


def _facts(series: Series) -> dict[str, Any]:
    """A signature for which a person pressed says nothing of what the key can do in a second."""
    figures = series.figures()
    times = {
        "mean_ms": figures.mean,
        "min_ms": figures.fastest,
        "p50_ms": figures.p50,
        "p95_ms": figures.p95,
        "p99_ms": figures.p99,
        "max_ms": figures.slowest,
    }
    return {
        **asdict(series.subject),
        "pressed": series.pressed,
        "complete": series.complete,
        "count": figures.count,
        "rate": None if series.pressed else round(figures.rate, _DIGITS),
        **{name: None if value is None else round(value, _DIGITS) for name, value in times.items()},
    }
