"""Options and small helpers that the commands of ``vukey host`` share."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from hostdriver import tokens
from hostdriver.cli.person import AtTerminal
from hostdriver.errors import (
    BlankKeyError,
    Exit,
    HostError,
    KeyNotFoundError,
    NotFoundError,
    SeveralKeysError,
)
from hostdriver.gmt import Container, GmtSession
from hostdriver.printable import printable
from hostdriver.secrets import read_secret
from hostdriver.transport.ble import FIND_WITHIN_S
from hostdriver.transport.ble_token import BleName
from protocols.gmt import ApplicationInfo, ContainerType, HashAlgorithm, KeyUse, PinType
from protocols.i18n import N_, _
from protocols.sw import SW


class Algorithm(StrEnum):
    """``--alg``."""

    RSA = "rsa"
    SM2 = "sm2"


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


_TYPES = {Algorithm.RSA: ContainerType.RSA, Algorithm.SM2: ContainerType.ECC}

TokenOption = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar="VUKEY_TOKEN",
        metavar="KEY",
        help=_(
            "Which key: pcsc[:READER], socket[:SERIAL], usb[:VID:PID[:SERIAL]], serial[:PATH] or "
            "ble[:SERIAL[@ADAPTER]]; without it, the one key found, but not by Bluetooth."
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
            "How the key's maker reads GM/T 0017: default, longmai, sunyard or synochip; a virtual key says it."
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


def open_session(token: str | None, dialect: str | None = None) -> GmtSession:
    """See `tokens.open_session`; a person is asked here."""
    if token and BleName.parse(token):
        tell(
            _("Looking for the key by Bluetooth, for up to {seconds:g} seconds.").format(
                seconds=FIND_WITHIN_S
            )
        )
    return tokens.open_session(token, dialect, AtTerminal())


def print_json(value: Any) -> None:
    """JSON on standard output."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def tell(message: str) -> None:
    """A line for a person, beside the output."""
    typer.echo(message, err=True)


def only(names: list[str], wanted: str | None, option: str) -> str:
    """The wanted name, else the only one."""
    if wanted is not None:
        return wanted
    if not names:
        raise NotFoundError(SW.NOT_FOUND)
    if len(names) > 1:
        joined = printable(", ".join(names))
        raise SeveralKeysError(
            N_("several fit; choose one with {option}: {names}"), option=option, names=joined
        )
    return names[0]


def open_application(session: GmtSession, name: str | None) -> ApplicationInfo:
    """Open the named application, else the only one.

    :raises BlankKeyError: there is none.
    """
    names = session.applications()
    if not names:
        raise BlankKeyError(N_("this key is blank: it has no application yet; issue it: vukey issue"))
    return session.open_application(only(names, name, "--application"))


def find_container(
    session: GmtSession, application: ApplicationInfo, name: str | None, algorithm: Algorithm | None
) -> Container:
    """The named container, or the only one with a key pair of the wanted kind."""
    fitting = []
    for candidate in session.containers(application) if name is None else [name]:
        info = session.container_info(application, candidate)
        fits = info.type == _TYPES[algorithm] if algorithm else info.sign_bits > 0
        if fits:
            fitting.append(candidate)
    if not fitting:
        raise KeyNotFoundError(SW.KEY_NOT_FOUND)
    return session.open_container(application, only(fitting, name, "--alg / --container"))


def log_in(
    session: GmtSession, application: ApplicationInfo, file: Path | None, keypad: bool, admin: bool = False
) -> None:
    """Verify the PIN, typed on the key or handed over here."""
    pin_type = PinType.ADMIN if admin else PinType.USER
    if keypad:
        refuse_pin_file(file)
        tell(_("Type the PIN on the key and press OK there."))
        session.verify_pin_on_keypad(application, pin_type)
    else:
        session.verify_pin(application, read_pin(file, admin), pin_type)


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
