"""Options and small helpers that the commands of ``vukey host`` share."""

from __future__ import annotations

import json
import signal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from hostdriver import tokens
from hostdriver.apdu_token import ApduApplication
from hostdriver.cli.person import AtTerminal
from hostdriver.errors import Exit, HostError
from hostdriver.gmt import GmtSession
from hostdriver.secrets import read_secret
from hostdriver.token import Algorithm, Application, Token
from hostdriver.transport.ble import FIND_WITHIN_S
from hostdriver.transport.ble_token import BleName
from protocols.gmt import HashAlgorithm, KeyUse, PinType
from protocols.i18n import N_, _


class Hash(StrEnum):
    """``--hash``, for RSA."""

    SHA256 = "sha256"
    SHA1 = "sha1"
    SM3 = "sm3"

    @property
    def code(self) -> HashAlgorithm:
        """Its number in the commands."""
        return HashAlgorithm[self.name]


class Use(StrEnum):
    """``--use``."""

    SIGN = "sign"
    EXCHANGE = "exchange"

    @property
    def code(self) -> KeyUse:
        """Its number in the commands."""
        return KeyUse[self.name]


class KeypadOnlyError(HostError):
    """A PIN is to come from a file and from the key's keypad."""

    exit_code = Exit.USAGE


TokenOption = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar="VUKEY_TOKEN",
        metavar="KEY",
        help=_(
            "Which key: pcsc[:READER], socket[:SERIAL], usb[:VID:PID[:SERIAL]], serial[:PATH], "
            "ble[:SERIAL[@ADAPTER]], skf:LIBRARY[:KEY] or pkcs11:MODULE[:LABEL]; without it, the one key found, "
            "but neither by Bluetooth nor through a library."
        ),
    ),
]
DialectOption = Annotated[
    str | None,
    typer.Option(
        "--dialect",
        envvar="VUKEY_DIALECT",
        metavar="NAME",
        help=_(
            "How the key's maker reads GM/T 0017: default, longmai, sunyard or synochip; a virtual key says it. "
            "With skf: how the library reads GM/T 0016."
        ),
    ),
]
ApplicationOption = Annotated[
    str | None,
    typer.Option("--application", metavar="NAME", help=_("Application on the key; default: the only one.")),
]
ContainerOption = Annotated[
    str | None, typer.Option("--container", metavar="NAME", help=_("Container; default: the one that fits."))
]
AlgorithmOption = Annotated[Algorithm | None, typer.Option("--alg", help=_("Kind of key pair to use."))]
JsonOption = Annotated[bool, typer.Option("--json", help=_("Print JSON for scripts."))]
PinFileOption = Annotated[
    Path | None,
    typer.Option(
        "--pin-file", metavar="FILE", help=_("File that holds the PIN; else VUKEY_PIN or a prompt.")
    ),
]
KeypadOption = Annotated[
    bool, typer.Option("--keypad", help=_("Type the PIN on the key's own keypad: it never comes here."))
]


def open_token(spec: str | None, dialect: str | None = None) -> Token:
    """See `tokens.open_token`; a person is asked here."""
    _tell_if_it_takes_long(spec)
    return tokens.open_token(spec, dialect, AtTerminal())


def open_session(spec: str | None, dialect: str | None = None) -> GmtSession:
    """See `tokens.open_session`; a person is asked here."""
    _tell_if_it_takes_long(spec)
    return tokens.open_session(spec, dialect, AtTerminal())


def _tell_if_it_takes_long(token: str | None) -> None:
    if token and BleName.parse(token):
        tell(
            _("Looking for the key by Bluetooth, for up to {seconds:g} seconds.").format(
                seconds=FIND_WITHIN_S
            )
        )


def print_json(value: Any) -> None:
    """JSON on standard output; bytes of a library's that are no text are escaped."""
    text = json.dumps(value, ensure_ascii=False, indent=2).encode("utf-8", "backslashreplace").decode()
    typer.echo(text)


def tell(message: str) -> None:
    """A line for a person, beside the output."""
    typer.echo(message, err=True)


def log_in(application: Application, file: Path | None, keypad: bool, admin: bool = False) -> None:
    """Verify the PIN, typed on the key or handed over here."""
    pin_type = PinType.ADMIN if admin else PinType.USER
    if keypad:
        refuse_pin_file(file)
        tell(_("Type the PIN on the key and press OK there."))
        _let_ctrl_c_end(application)
        application.verify_pin_on_keypad(pin_type)
    else:
        pin = read_pin(file, admin)
        _let_ctrl_c_end(application)
        application.verify_pin(pin, pin_type)


def _let_ctrl_c_end(application: Application) -> None:
    """While a library waits for a person, Python hears no signal: from now on Ctrl-C ends the program by itself."""
    if not isinstance(application, ApduApplication):
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def refuse_pin_file(file: Path | None) -> None:
    """A PIN cannot come from here and from the keypad.

    :raises KeypadOnlyError: it is to.
    """
    if file is not None:
        raise KeypadOnlyError(N_("--keypad takes the PIN on the key: leave out the file that holds it"))


def read_pin(file: Path | None, admin: bool = False) -> str:
    """The PIN, from wherever it is handed over."""
    if admin:
        return read_secret(N_("Administrator PIN"), "VUKEY_ADMIN_PIN", file)
    return read_secret(N_("PIN"), "VUKEY_PIN", file)
