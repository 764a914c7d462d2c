"""``vukey``: the command line. What a command needs is imported when it is asked for."""

from __future__ import annotations

import gettext
import importlib
import io
import os
import signal
import sys
from collections import UserDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NamedTuple, NoReturn

from protocols.i18n import DOMAIN, _

gettext.textdomain(DOMAIN)  # click and typer speak through the process's domain: before they are imported

import typer
from typer.core import TyperGroup
from typer.main import get_group

from hostdriver.errors import Exit, HostError
from protocols.errors import MissingPackageError, VukeyError


class _Place(NamedTuple):
    """Where a command is: in the Typer `app` of a module, or it is that one as a whole."""

    module: str
    is_group: bool = False


_COMMANDS = {
    "bench": _Place("hostdriver.cli.measure"),
    "demo": _Place("vukey_commands"),
    "profiles": _Place("vukey_commands"),
    "up": _Place("vukey_commands"),
    "issue": _Place("vukey_commands"),
    "host": _Place("hostdriver.cli.host", is_group=True),
    "key": _Place("hostdriver.cli.key", is_group=True),
    "skf": _Place("hostdriver.cli.skf", is_group=True),
    "usb": _Place("emulator.cli", is_group=True),
}


def _loaded(name: str, place: _Place) -> Any:  # whichever click it is that typer has
    part = importlib.import_module(place.module).app
    whole = typer.Typer(rich_markup_mode=None)  # the panels cut Chinese lines off instead of folding them
    whole.add_typer(part, name=name if place.is_group else None)
    return get_group(whole).commands[name]


class _Commands(UserDict[str, Any]):
    """The commands by name."""

    def __init__(self) -> None:
        super().__init__(_COMMANDS)

    def __getitem__(self, name: str) -> Any:
        return _loaded(name, super().__getitem__(name))


class _LazyGroup(TyperGroup):
    """Both sides take twice as long to import as one does."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Commands()

    def list_commands(self, ctx: object) -> list[str]:
        return list(self.commands)


app = typer.Typer(
    cls=_LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help=_(
        "The virtual bank USB key: an emulated key with screen and OK button, and the host's side of any key."
    ),
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # which imports half of the library's e-mail

        typer.echo(f"vukey {version('vukey')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help=_("Show the version and exit.")
        ),
    ] = False,
) -> None:
    pass


def _exit_code(error: VukeyError) -> int:
    if isinstance(error, HostError):
        return error.exit_code
    if isinstance(error, MissingPackageError):
        return Exit.MISSING_COMPONENT
    from vukey_commands import EXIT_CODES  # the emulator's: only what has failed waits for their import

    return next((code for kind, code in EXIT_CODES if isinstance(error, kind)), Exit.FAILED)


@contextmanager
def _flushed() -> Iterator[None]:
    """What was printed has left before we say that all went well."""
    try:
        yield
    finally:
        sys.stdout.flush()


def main() -> NoReturn:
    """The entry point: an error is one line and an exit code (docs/exit-codes.md), never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot write Chinese is no reason to fail
    try:
        with _flushed():
            app(prog_name="vukey")
    except VukeyError as error:
        typer.echo(f"vukey: {error.localized()}", err=True)
        sys.exit(_exit_code(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        typer.echo(
            "vukey: " + ": ".join(str(part) for part in (error.filename, error.strerror) if part), err=True
        )
        sys.exit(Exit.FAILED)
    sys.exit(Exit.OK)


if __name__ == "__main__":
    main()
