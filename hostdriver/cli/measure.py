"""``vukey bench``."""

from __future__ import annotations

import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Annotated, Self

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from hostdriver.cli.common import (
    AlgorithmOption,
    ApplicationOption,
    ContainerOption,
    DialectOption,
    JsonOption,
    PinFileOption,
    TokenOption,
    open_token,
    print_json,
    read_pin,
)
from hostdriver.cli.files import check_writable, write
from hostdriver.errors import Exit, HostError
from hostdriver.measuring import bench as measuring
from hostdriver.measuring.circumstances import circumstances
from hostdriver.measuring.jobs import LEAST_MESSAGE, Job, log_in
from hostdriver.measuring.overhead import overhead
from hostdriver.measuring.png import check_pillow, png
from hostdriver.measuring.report import Run, as_csv, json_object
from hostdriver.measuring.runner import Plan, wanted
from hostdriver.measuring.scene import draw
from hostdriver.measuring.series import Series
from hostdriver.measuring.svg import svg
from hostdriver.measuring.table import print_table
from protocols.i18n import N_, _

app = typer.Typer()

_INTERRUPTED = 128 + signal.SIGINT
_REFRESH_S = 0.1

CountOption = Annotated[
    int | None,
    typer.Option(
        "--count", metavar="N", min=1, help=_("So many times each; default: 100, logins 20, key pairs 5.")
    ),
]
SecondsOption = Annotated[
    float | None,
    typer.Option("--seconds", metavar="S", min=0.01, help=_("As often as fits into S seconds each.")),
]
SizeOption = Annotated[
    list[int] | None,
    typer.Option(
        "--size",
        metavar="BYTES",
        min=LEAST_MESSAGE,
        help=_("Sign messages of so many bytes besides digests; may be repeated."),
    ),
]
PressOption = Annotated[
    bool | None,
    typer.Option(
        "--press/--no-press",
        help=_("Whether a person presses OK for each signature; default: the first one tells."),
    ),
]
GenerateOption = Annotated[
    bool,
    typer.Option("--generate", help=_("Make key pairs too, in a container that is deleted afterwards.")),
]
WithSerialOption = Annotated[
    bool, typer.Option("--with-serial", help=_("Write the key's serial number into the results."))
]
CsvOption = Annotated[
    Path | None, typer.Option("--csv", metavar="FILE", help=_("Write a line for each operation to a file."))
]
SvgOption = Annotated[
    Path | None, typer.Option("--svg", metavar="FILE", help=_("Draw how the times are spread."))
]
PngOption = Annotated[
    Path | None, typer.Option("--png", metavar="FILE", help=_("The same picture as PNG (needs Pillow)."))
]


class PlanError(HostError):
    """Options that exclude each other."""

    exit_code = Exit.USAGE


@dataclass(frozen=True, slots=True)
class _Files:
    """Where results go, beside the table or the JSON."""

    csv: Path | None
    svg: Path | None
    png: Path | None

    def check(self) -> None:
        """Before anybody waits for a run.

        :raises OutputError: one of them cannot be written.
        :raises MissingComponentError: no Pillow.
        """
        if self.png:
            check_pillow()
        for file in filter(None, (self.csv, self.svg, self.png)):
            check_writable(file)

    def write(self, run: Run) -> None:
        """Those that are wanted."""
        if self.csv:
            write(self.csv, as_csv(run).encode())
        if self.svg:
            write(self.svg, svg(draw(run)).encode())
        if self.png:
            write(self.png, png(draw(run, say=N_)))


@app.command(help=_("Measure how fast a key is, virtual or real: signatures, logins, random numbers."))
def bench(
    token: TokenOption = None,
    dialect: DialectOption = None,
    application: ApplicationOption = None,
    container: ContainerOption = None,
    alg: AlgorithmOption = None,
    count: CountOption = None,
    seconds: SecondsOption = None,
    size: SizeOption = None,
    press: PressOption = None,
    generate: GenerateOption = False,
    with_serial: WithSerialOption = False,
    pin_file: PinFileOption = None,
    csv: CsvOption = None,
    svg_file: SvgOption = None,
    png_file: PngOption = None,
    as_json: JsonOption = False,
) -> None:
    if count and seconds:
        raise PlanError(N_("--count and --seconds exclude each other"))
    plan = Plan(count, seconds, press)
    files = _Files(csv, svg_file, png_file)
    files.check()
    with open_token(token, dialect) as key:
        about, own = circumstances(key, with_serial), overhead(key.kind)
        opened = key.application(application)
        held = measuring.containers(opened, container, alg)
        login = log_in(opened, read_pin(pin_file))
        todo = measuring.jobs(key, login, held, size or [])
        if generate:
            todo += measuring.generating(opened, login, held)
        with _Watching(plan) as watching:
            outcome = measuring.measure(todo, plan, watching)
    if outcome.series:
        run = Run(about, own, outcome.series, complete=outcome.stopped is None)
        _hand_out(run, files, as_json, failed=isinstance(outcome.stopped, HostError))
    if isinstance(outcome.stopped, HostError):
        raise outcome.stopped
    if outcome.stopped:
        raise typer.Exit(_INTERRUPTED)


def _hand_out(run: Run, files: _Files, as_json: bool, failed: bool) -> None:
    """A program that asked for JSON gets none of a run that failed: it has the exit code."""
    files.write(run)
    if not as_json:
        print_table(run)
    elif not failed:
        print_json(json_object(run))


class _Watching:
    """Shows how it goes where there is a terminal; it draws between the times that are taken, never in them."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}")
        console = Console(stderr=True)
        self._progress = Progress(
            *columns, console=console, transient=True, auto_refresh=False, disable=not sys.stderr.isatty()
        )
        self._task = self._progress.add_task("")
        self._drawn = 0.0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def begins(self, job: Job) -> None:
        """See `Onlooker.begins`."""
        total = None if self._plan.seconds else wanted(job, self._plan, pressed=False)
        self._progress.reset(self._task, description=job.subject.title, total=total)
        self._progress.refresh()
        if job.subject.operation == "sign" and self._plan.pressed is not False:
            line = _("{name}: if the key asks, check its screen and press OK there each time.")
            self._tell(line.format(name=job.subject.title))

    def seen(self, job: Job, series: Series) -> None:
        """See `Onlooker.seen`."""
        now = time.monotonic()
        if now - self._drawn < _REFRESH_S:
            return
        self._drawn = now
        total = None if self._plan.seconds else wanted(job, self._plan, series.pressed)
        self._progress.update(self._task, completed=len(series.samples_ns), total=total)
        self._progress.refresh()

    def left_out(self, job: Job, why: HostError) -> None:
        """See `Onlooker.left_out`."""
        self._tell(_("{name}: left out: {why}").format(name=job.subject.title, why=why.localized()))

    def _tell(self, line: str) -> None:
        """Above the bar, if there is one."""
        self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)
