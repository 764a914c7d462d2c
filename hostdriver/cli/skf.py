"""``vukey skf``: the SKF library for C programs, where it is and how to build against it."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import typer

from hostdriver.errors import MissingComponentError
from protocols.i18n import N_, _

app = typer.Typer(no_args_is_help=True, help=_("The SKF library (GM/T 0016) for C programs."))

_HOME = Path(__file__).parent.parent / "skf"
HEADER = _HOME / "include" / "skf_vukey.h"
LIBRARY = _HOME / "lib" / "libskf_vukey.so"


def library() -> Path:
    """The library.

    :raises MissingComponentError: it was not built, as there was no compiler.
    """
    if not LIBRARY.is_file():
        raise MissingComponentError(
            N_(
                "this vukey was installed without its SKF library, as no C compiler was found then: install one "
                "(gcc) and vukey again, or run make skf in its sources"
            )
        )
    return LIBRARY


@app.command(help=_("Print the path of libskf_vukey.so."))
def path() -> None:
    typer.echo(library())


@app.command(help=_("Print the path of skf_vukey.h."))
def header() -> None:
    typer.echo(HEADER)


@app.command(help=_("Print a pkg-config file for the library: vukey skf pc > skf_vukey.pc."))
def pc() -> None:
    typer.echo(pkg_config(library()), nl=False)


def pkg_config(found: Path) -> str:
    """The text of skf_vukey.pc; a program that is linked by it finds the library again where it is now."""
    directory = _quoted(found.parent)
    return (
        "Name: skf_vukey\n"
        "Description: SKF (GM/T 0016) for virtual bank keys\n"
        f"Version: {metadata.version('vukey')}\n"
        f"Cflags: -I{_quoted(HEADER.parent)}\n"
        f"Libs: -L{directory} -Wl,-rpath,{directory} -lskf_vukey\n"
    )


def _quoted(directory: Path) -> str:
    """As pkg-config reads it: a space would end the option."""
    return "".join(f"\\{letter}" if letter in " \\\"'$#" else letter for letter in str(directory))
