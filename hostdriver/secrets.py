"""PINs and codes from a person: environment, file or prompt, never an argument and never printed."""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path

from hostdriver.errors import Exit, HostError
from protocols.i18n import N_, _


class NoSecretError(HostError):
    """Nobody can be asked for a PIN, and none was handed over."""

    exit_code = Exit.USAGE


def read_secret(prompt: str, variable: str, file: Path | None, *, twice: bool = False) -> str:
    """A PIN or code.

    :param prompt: what a person is asked (a message of the catalogue).
    :param variable: environment variable that may hold it.
    :param file: file whose first line holds it; goes before the variable.
    :param twice: ask a person twice, as for a new PIN.
    :raises NoSecretError: none of them, and no terminal; or an empty one, which must not cost a try.
    """
    secret = _secret(prompt, variable, file, twice)
    if not secret:
        raise NoSecretError(N_("the PIN or code is empty; the key was not asked"))
    return secret


def _secret(prompt: str, variable: str, file: Path | None, twice: bool) -> str:
    if file is not None:
        return _first_line(file)
    if variable in os.environ:
        return _as_text(os.environ[variable], variable)
    if not sys.stdin.isatty():
        raise NoSecretError(
            N_("no terminal to ask for the PIN or code: set {variable}, or name a file"), variable=variable
        )
    secret = getpass.getpass(f"{_(prompt)}: ")
    if twice and getpass.getpass(f"{_(prompt)} ({_('again')}): ") != secret:
        raise NoSecretError(N_("the two entries differ; nothing was changed"))
    return secret


def handed_over(variable: str, file: Path | None) -> bool:
    """Whether a secret comes from a file or the environment, so that nobody need be asked."""
    return file is not None or variable in os.environ


def _as_text(value: str, variable: str) -> str:
    """A variable's value, unless its bytes are no text of this locale."""
    if any("\udc80" <= character <= "\udcff" for character in value):
        raise NoSecretError(N_("{variable} does not hold text"), variable=variable)
    return value


def _first_line(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
    except OSError as error:
        raise NoSecretError(N_("{file} cannot be read: {reason}"), file=file, reason=error.strerror) from None
    except UnicodeDecodeError:
        raise NoSecretError(N_("{file} does not hold text"), file=file) from None
