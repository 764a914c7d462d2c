"""``vukey key``: a running virtual key's screen, buttons, plug, clock and log, from another terminal."""

from __future__ import annotations

import getpass
import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import click
import typer
from rich.console import Console
from rich.live import Live

from hostdriver.cli.common import JsonOption, print_json
from hostdriver.cli.key_view import heading, log_line, picture, status_table
from hostdriver.control import Json, KeyApi
from hostdriver.errors import Exit, HostError
from protocols.ccid import SlotError
from protocols.duration import seconds_of
from protocols.errors import ProtocolError
from protocols.i18n import N_, _

app = typer.Typer(
    no_args_is_help=True,
    help=_("A running virtual key's screen, buttons, plug, clock and log: needs vukey up --panel."),
)

SerialOption = Annotated[
    str | None,
    typer.Option(
        "--serial",
        envvar="VUKEY_SERIAL",
        metavar="NUMBER",
        help=_("Serial number of the running key; without it, the only one."),
    ),
]
JsonLinesOption = Annotated[
    bool, typer.Option("--json", help=_("Print JSON for scripts; a line for each event when following."))
]


_FAULTS = [error.name.lower() for error in SlotError]


class ArgumentError(HostError):
    """An argument does not fit."""

    exit_code = Exit.USAGE


class NoBatteryError(HostError):
    """The model has none."""

    exit_code = Exit.NOT_FOUND


class ClockAction(StrEnum):
    """What to do to the clock."""

    ADVANCE = "advance"


@contextmanager
def _until_ctrl_c() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        return


def _seconds(text: str) -> float:
    try:
        return seconds_of(text)
    except ProtocolError as error:
        raise ArgumentError(error.message, **error.values) from None


def _print_line(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False))


@app.command(help=_("Show the key's screen."))
def screen(
    serial: SerialOption = None,
    png: Annotated[
        Path | None, typer.Option("--png", metavar="FILE", help=_("Write its pixels to a PNG file."))
    ] = None,
    scale: Annotated[
        int,
        typer.Option("--scale", metavar="N", min=1, help=_("Pixels of the PNG for each of the screen's.")),
    ] = 1,
    watch: Annotated[bool, typer.Option("--watch", help=_("Follow it until Ctrl-C."))] = False,
    as_json: JsonLinesOption = False,
) -> None:
    if png and watch:
        raise ArgumentError(N_("--png and --watch do not go together"))
    with KeyApi.find(serial) as api:
        if watch:
            _watch(api, as_json)
        elif png:
            png.write_bytes(api.screenshot(scale))
        elif as_json:
            print_json(api.screen())
        else:
            Console().print(picture(api.screen()))


def _watch(api: KeyApi, as_json: bool) -> None:
    console = Console()
    screens = (data for event, data in api.live() if event == "screen")
    with _until_ctrl_c(), Live(console=console, auto_refresh=False) as live:
        for shown in screens:
            if as_json:
                _print_line(shown)
            elif console.is_terminal:
                live.update(picture(shown), refresh=True)
            else:
                console.print(picture(shown))


@app.command(
    help=_(
        "Press buttons, one after the other: ok, cancel, up, down, power, 0 to 9. "
        "An OK that the key does not take yet is told on standard error."
    )
)
def press(
    buttons: Annotated[list[str], typer.Argument(metavar="BUTTON...", show_default=False)],
    serial: SerialOption = None,
) -> None:
    with KeyApi.find(serial) as api:
        for button in buttons:
            if button == "ok":
                _tell_if_not_taken(api.key()["waiting"])
            api.press(button)


def _tell_if_not_taken(waiting: Json | None) -> None:
    """A real key is silent about it, and a script would wait for nothing."""
    if waiting and waiting["unread"]:
        typer.echo(_("The key does not take OK before its last page: press down first."), err=True)
    elif waiting and waiting["ok_in"]:
        line = _("The key does not take OK yet: wait {seconds} s, or vukey key clock advance {seconds}s.")
        typer.echo(line.format(seconds=math.ceil(waiting["ok_in"])), err=True)


@app.command(
    "type",
    help=_(
        "Type a code on the key's keypad. An argument is seen by whoever lists the processes; "
        "- reads it from a prompt or from standard input."
    ),
)
def type_digits(
    digits: Annotated[str, typer.Argument(metavar="DIGITS", show_default=False)],
    ok: Annotated[bool, typer.Option("--ok", help=_("Press OK after it."))] = False,
    serial: SerialOption = None,
) -> None:
    with KeyApi.find(serial) as api:
        api.type(_typed() if digits == "-" else digits, ok)


def _typed() -> str:
    if sys.stdin.isatty():
        return getpass.getpass(_("Digits") + ": ")
    return sys.stdin.readline().strip()


@app.command(help=_("Plug the key in."))
def plug(serial: SerialOption = None) -> None:
    with KeyApi.find(serial) as api:
        api.plug()


@app.command(help=_("Pull the key out; its panel stays, and vukey key plug brings it back."))
def unplug(serial: SerialOption = None) -> None:
    with KeyApi.find(serial) as api:
        api.unplug()


@app.command(help=_("Show how the key is: plug, battery, what it waits for, PIN tries, containers."))
def status(serial: SerialOption = None, as_json: JsonOption = False) -> None:
    with KeyApi.find(serial) as api:
        key = api.key()
    if as_json:
        print_json(key)
    else:
        Console().print(status_table(key), picture(key["screen"]))


@app.command(help=_("Wait until the key's screen shows TEXT; exit code 10 if it does not in time."))
def wait(
    text: Annotated[str, typer.Argument(metavar="TEXT", show_default=False)],
    regexp: Annotated[bool, typer.Option("--regexp", help=_("TEXT is a regular expression."))] = False,
    timeout: Annotated[
        str, typer.Option("--timeout", metavar="TIME", help=_("How long at most, such as 10s, 0.5s or 2m."))
    ] = "10s",
    serial: SerialOption = None,
) -> None:
    with KeyApi.find(serial) as api:
        api.wait_for(text, regexp, _seconds(timeout))


@app.command(
    help=_("Print the key's time in seconds; advance TIME puts it forward, such as 59s, 1.5m, 24h, 1d.")
)
def clock(
    action: Annotated[ClockAction | None, typer.Argument(metavar="[advance]", show_default=False)] = None,
    time: Annotated[str | None, typer.Argument(metavar="[TIME]", show_default=False)] = None,
    serial: SerialOption = None,
) -> None:
    if (action is None) != (time is None):
        raise ArgumentError(N_("by how much? For instance: vukey key clock advance 59s"))
    seconds = None if time is None else _seconds(time)
    with KeyApi.find(serial) as api:
        typer.echo(f"{api.clock() if seconds is None else api.advance(seconds):.3f}")


@app.command(help=_("List the APDUs that the key was sent; data that carry a PIN, code or key are withheld."))
def log(
    serial: SerialOption = None,
    since: Annotated[
        int, typer.Option("--since", metavar="N", min=0, help=_("Only those after number N."))
    ] = 0,
    follow: Annotated[bool, typer.Option("--follow", "-f", help=_("Follow it until Ctrl-C."))] = False,
    as_json: JsonLinesOption = False,
) -> None:
    with KeyApi.find(serial) as api:
        if as_json and not follow:
            print_json(api.apdus(since))
            return
        if not as_json:
            typer.echo(heading())
        with _until_ctrl_c():
            for record in _followed(api, since) if follow else api.apdus(since):
                if as_json:
                    _print_line(record)
                else:
                    typer.echo(log_line(record))


def _followed(api: KeyApi, since: int) -> Iterator[Json]:
    """Every APDU after a number, and again with its answer if it had none yet."""
    last, pending = since, set[int]()
    for record in _all_apdus(api, since):
        number = record["number"]
        if number > last or number in pending:
            last = max(last, number)
            (pending.add if record["pending"] else pending.discard)(number)
            yield record


def _all_apdus(api: KeyApi, since: int) -> Iterator[Json]:
    """What the log holds, then what happens; an overlap is likely."""
    yield from api.apdus(since)
    yield from (data for event, data in api.live() if event == "apdu")


@app.command(help=_("Print the battery's level in per cent, or set it to LEVEL."))
def battery(
    level: Annotated[
        int | None, typer.Argument(metavar="[LEVEL]", min=0, max=100, show_default=False)
    ] = None,
    serial: SerialOption = None,
) -> None:
    with KeyApi.find(serial) as api:
        if level is not None:
            api.set_battery(level)
            return
        held = api.key()["battery"]
    if held is None:
        raise NoBatteryError(N_("this model has no battery"))
    typer.echo(held["level"])


@app.command(
    help=_(
        "Let the next CCID command that an error fits fail with it, once, for a key on USB: "
        "a name of table 6.2-2 of CCID 1.1, such as icc_mute or xfr_parity_error."
    )
)
def fault(
    error: Annotated[
        str, typer.Argument(metavar="ERROR", show_default=False, click_type=click.Choice(_FAULTS))
    ],
    serial: SerialOption = None,
) -> None:
    with KeyApi.find(serial) as api:
        api.fault(error)


@app.command(help=_("Print a URL that opens the key's panel in a browser, once."))
def panel(serial: SerialOption = None) -> None:
    with KeyApi.find(serial) as api:
        typer.echo(api.ticket())


@app.command(help=_("Press by rules: a JSON file as Speculos takes it, - for standard input."))
def automate(
    rules: Annotated[Path | None, typer.Argument(metavar="[RULES.json]", show_default=False)] = None,
    show: Annotated[bool, typer.Option("--show", help=_("Print the rules."))] = False,
    clear: Annotated[bool, typer.Option("--clear", help=_("Remove the rules."))] = False,
    serial: SerialOption = None,
) -> None:
    if (rules is not None) + show + clear != 1:
        raise ArgumentError(N_("say one of: a file of rules, --show, --clear"))
    wanted = {} if rules is None else _read_rules(rules)
    with KeyApi.find(serial) as api:
        if show:
            print_json(api.automation())
        else:
            api.automate(wanted)


def _read_rules(file: Path) -> Json:
    try:
        rules = json.loads(sys.stdin.read() if file == Path("-") else file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        rules = None
    if not isinstance(rules, dict):
        raise ArgumentError(N_("{file} does not hold JSON rules"), file=file)
    return rules
