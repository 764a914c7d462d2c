"""A run's results for a person."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from hostdriver.measuring.overhead import FASTEST_REAL_KEY_MS, Overhead
from hostdriver.measuring.report import Run
from hostdriver.measuring.series import Series, significant
from hostdriver.printable import printable
from protocols.i18n import _


def print_table(run: Run) -> None:
    """On standard output; the circumstances are below it."""
    table = Table(_("milliseconds"), "n", "/s", "p50", "p95", "p99", _("max"), box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for series in run.series:
        table.add_row(*_cells(series))
    where = run.circumstances
    console = Console(soft_wrap=True)
    console.print(table)
    if any(series.pressed for series in run.series):
        console.print(_("* the key's time and the person's together, who pressed OK for each"), markup=False)
    for line in (
        f"{where.key}, {where.way}",
        where.computer(),
        f"{where.tool}, {where.date}",
        _own(run.overhead),
    ):
        console.print(printable(line), markup=False, highlight=False)


def _own(overhead: Overhead) -> str:
    text = _("of each time the tool's own ({layers}): {ms:.4f} ms, {share:.2%} of a real key's {real:g} ms")
    return text.format(
        layers=_(overhead.layers), ms=overhead.ms, share=overhead.share, real=FASTEST_REAL_KEY_MS
    )


def _cells(series: Series) -> tuple[str, ...]:
    figures = series.figures()
    rate = "*" if series.pressed else significant(figures.rate)
    times = (figures.p50, figures.p95, figures.p99, figures.slowest)
    cells = ("" if ms is None else significant(ms) for ms in times)
    return printable(series.subject.title), str(figures.count), rate, *cells
