"""The picture of a run: how its latencies are spread, as shapes that a writer turns into SVG or PNG."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hostdriver.measuring.report import Run
from hostdriver.measuring.series import Figures, Series, significant
from hostdriver.printable import printable
from protocols.i18n import N_, Say, _

_WIDTH = 1000
_MARGIN = 32
_HEAD = 84
_ROW = 96
_PLOT_HEIGHT = 60
_MARK_HEIGHT = 11
_PLOT_LEFT = 392
_FOOT = 104
_BINS = 144
_LEAST_SPAN = math.log10(2)
_LABELLED_DECADES = 2.5
"""An axis of more decades has a number at 1, 10, 100 only, not at 2 and 5 as well."""

_INK, _FADED, _GRID, _PAPER = "#1c2733", "#5b6b7a", "#e3e8ed", "#ffffff"
_BAR, _BAR_PRESSED = "#4f86c6", "#b9a27a"
_MARKS = (("p50", "#14532d"), ("p95", "#d97706"), ("p99", "#dc2626"))


@dataclass(frozen=True, slots=True)
class Box:
    """A filled rectangle; all measures are pixels from the upper left corner."""

    x: float
    y: float
    width: float
    height: float
    fill: str


@dataclass(frozen=True, slots=True)
class Label:
    """A line of text.

    :param y: of its base line.
    :param anchor: which part of it is at x: `start`, `middle` or `end`.
    """

    x: float
    y: float
    text: str
    size: int
    fill: str = _INK
    anchor: str = "start"
    bold: bool = False


Shape = Box | Label


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture: its size and its shapes, the lowest first."""

    width: int
    height: int
    shapes: tuple[Shape, ...]


class _Axis:
    """Milliseconds, logarithmically, on the width of the plots."""

    def __init__(self, series: Sequence[Series]) -> None:
        samples = [sample / 1e6 for each in series for sample in each.samples_ns]
        low, high = math.log10(max(min(samples), 1e-4)), math.log10(max(*samples, 1e-4))
        pad = max((high - low) * 0.03, (_LEAST_SPAN - (high - low)) / 2)
        self._low, self._span = low - pad, high - low + 2 * pad
        self._width = _WIDTH - _MARGIN - _PLOT_LEFT

    def part(self, ms: float) -> float:
        """How far along it, 0 to 1."""
        return min(max((math.log10(max(ms, 1e-4)) - self._low) / self._span, 0.0), 1.0)

    def x(self, ms: float) -> float:
        """Where that is in the picture."""
        return _PLOT_LEFT + self.part(ms) * self._width

    def ticks(self) -> Iterator[float]:
        """Round numbers of milliseconds that it reaches."""
        factors = (1, 2, 5) if self._span < _LABELLED_DECADES else (1,)
        for decade in range(math.floor(self._low), math.ceil(self._low + self._span) + 1):
            for factor in factors:
                ms = factor * 10.0**decade
                if self._low <= math.log10(ms) <= self._low + self._span:
                    yield ms

    def bins(self, series: Series) -> list[float]:
        """How high each bar is, 0 to 1."""
        counts = [0] * _BINS
        for sample in series.samples_ns:
            counts[min(int(self.part(sample / 1e6) * _BINS), _BINS - 1)] += 1
        return [count / max(counts) for count in counts]

    @property
    def bar_width(self) -> float:
        """Pixels."""
        return self._width / _BINS


def draw(run: Run, say: Say = _) -> Scene:
    """A row for each series, all on one axis; there must be one.

    :param say: puts a message into the reader's language.
    """
    axis = _Axis(run.series)
    bottom = _HEAD + len(run.series) * _ROW
    shapes: list[Shape] = [Box(0, 0, _WIDTH, bottom + _FOOT, _PAPER), *_head(run, say), *_grid(axis, bottom)]
    for number, series in enumerate(run.series):
        shapes += _row(series, axis, _HEAD + number * _ROW, say)
    return Scene(_WIDTH, bottom + _FOOT, (*shapes, *_foot(run, bottom, say)))


def _head(run: Run, say: Say) -> Iterator[Shape]:
    where = run.circumstances
    title = say(N_("Latency: {key}")).format(key=where.key)
    way = say(N_("by {way}, {date}")).format(way=where.way, date=where.date)
    yield Label(_MARGIN, 40, printable(title), 20, bold=True)
    yield Label(_MARGIN, 62, printable(way), 13, _FADED)
    x = float(_PLOT_LEFT)
    for name, colour in _MARKS:
        yield Box(x, 52, 3, 12, colour)
        yield Label(x + 9, 62, name, 13, _FADED)
        x += 56


def _grid(axis: _Axis, bottom: float) -> Iterator[Shape]:
    for ms in axis.ticks():
        yield Box(axis.x(ms), _HEAD, 1, bottom - _HEAD, _GRID)
        yield Label(axis.x(ms), bottom + 18, f"{ms:,g} ms", 12, _FADED, "middle")


def _row(series: Series, axis: _Axis, top: float, say: Say) -> Iterator[Shape]:
    figures = series.figures()
    yield Label(_MARGIN, top + 30, printable(series.subject.title), 14, bold=True)
    yield Label(_MARGIN, top + 50, _first_line(series, figures, say), 12, _FADED)
    yield Label(_MARGIN, top + 67, _second_line(figures, say), 12, _FADED)
    base = top + 16 + _PLOT_HEIGHT
    for number, height in enumerate(axis.bins(series)):
        if height:
            pixels = max(height * _PLOT_HEIGHT, 1.5)
            x = _PLOT_LEFT + number * axis.bar_width
            fill = _BAR_PRESSED if series.pressed else _BAR
            yield Box(x, base - pixels, axis.bar_width - 0.5, pixels, fill)
    yield Box(_PLOT_LEFT, base, _WIDTH - _MARGIN - _PLOT_LEFT, 1, _FADED)
    for (_name, colour), value in zip(_MARKS, (figures.p50, figures.p95, figures.p99), strict=True):
        if value is not None:
            yield Box(axis.x(value) - 1, base + 1, 2, _MARK_HEIGHT, colour)


def _first_line(series: Series, figures: Figures, say: Say) -> str:
    if series.pressed:
        return say(N_("{count} times, key and person together")).format(count=figures.count)
    return say(N_("{count} times, {rate} /s")).format(count=figures.count, rate=significant(figures.rate))


def _second_line(figures: Figures, say: Say) -> str:
    slowest = say(N_("max"))
    known = (("p50", figures.p50), ("p95", figures.p95), ("p99", figures.p99), (slowest, figures.slowest))
    return "  ".join(f"{name} {significant(value)}" for name, value in known if value is not None) + " ms"


def _foot(run: Run, bottom: float, say: Say) -> Iterator[Shape]:
    where = run.circumstances
    own = say(N_("the tool's own part ({layers}): {ms:.4f} ms"))
    own = own.format(layers=say(run.overhead.layers), ms=run.overhead.ms)
    lines = (where.tool, where.computer(say), own)
    for number, line in enumerate(lines):
        yield Label(_MARGIN, bottom + 48 + 17 * number, printable(line), 12, _FADED)
