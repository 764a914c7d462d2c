"""``vukey host pin`` and ``activate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hostdriver.cli.common import (
    ApplicationOption,
    ContainerOption,
    DialectOption,
    KeypadOption,
    PinFileOption,
    TokenOption,
    log_in,
    open_token,
    read_pin,
    refuse_pin_file,
    tell,
)
from hostdriver.errors import ApduFailedError, Exit, HostError
from hostdriver.secrets import handed_over, read_secret
from hostdriver.token import Container
from hostdriver.weak_pin import is_weak_pin
from protocols.gmt import PinType
from protocols.i18n import N_, _
from protocols.sw import SW

_CODE_VARIABLE = "VUKEY_ACTIVATION_CODE"

pin_app = typer.Typer(no_args_is_help=True, help=_("Verify, change or unblock the PIN."))

NewPinFileOption = Annotated[
    Path | None,
    typer.Option(
        "--new-pin-file",
        metavar="FILE",
        help=_("File that holds the new PIN; else VUKEY_NEW_PIN or a prompt."),
    ),
]
AdminOption = Annotated[bool, typer.Option("--admin", help=_("The administrator PIN instead of the user's."))]


@pin_app.command("verify", help=_("Check the PIN; a wrong one costs a try."))
def pin_verify(
    token: TokenOption = None,
    dialect: DialectOption = None,
    application: ApplicationOption = None,
    admin: AdminOption = False,
    pin_file: PinFileOption = None,
    keypad: KeypadOption = False,
) -> None:
    with open_token(token, dialect) as opened:
        log_in(opened.application(application), pin_file, keypad, admin)
    typer.echo(_("The PIN is right."))


@pin_app.command("change", help=_("Change the PIN."))
def pin_change(
    token: TokenOption = None,
    dialect: DialectOption = None,
    application: ApplicationOption = None,
    admin: AdminOption = False,
    pin_file: PinFileOption = None,
    new_pin_file: NewPinFileOption = None,
    keypad: KeypadOption = False,
) -> None:
    pin_type = PinType.ADMIN if admin else PinType.USER
    with open_token(token, dialect) as opened:
        its = opened.application(application)
        if keypad:
            refuse_pin_file(pin_file or new_pin_file)
            tell(_("Type the old PIN on the key, then the new one twice; press OK there each time."))
            its.change_pin_on_keypad(pin_type)
        else:
            old, new = read_pin(pin_file, admin), _read_new_pin(new_pin_file)
            _hint_if_weak(new)
            its.change_pin(old, new, pin_type)
    typer.echo(_("The PIN was changed."))


@pin_app.command(
    "unblock", help=_("Set a new user PIN with the administrator PIN; a locked key works again.")
)
def pin_unblock(
    token: TokenOption = None,
    dialect: DialectOption = None,
    application: ApplicationOption = None,
    admin_pin_file: Annotated[
        Path | None,
        typer.Option(
            "--admin-pin-file",
            metavar="FILE",
            help=_("File that holds the administrator PIN; else VUKEY_ADMIN_PIN or a prompt."),
        ),
    ] = None,
    new_pin_file: NewPinFileOption = None,
) -> None:
    with open_token(token, dialect) as opened:
        its = opened.application(application)
        admin, new = read_pin(admin_pin_file, admin=True), _read_new_pin(new_pin_file)
        _hint_if_weak(new)
        its.unblock_pin(admin, new)
    typer.echo(_("The user PIN was set and has all its tries."))


def _read_new_pin(file: Path | None) -> str:
    return read_secret(N_("New PIN"), "VUKEY_NEW_PIN", file, twice=True)


def _hint_if_weak(pin: str) -> None:
    """Before the change, so that it can still be broken off (C7)."""
    if is_weak_pin(pin):
        tell(_("Hint: a PIN of 10 characters or more, without runs such as 123456 or 111111, is safer."))


def activate(
    token: TokenOption = None,
    dialect: DialectOption = None,
    application: ApplicationOption = None,
    container: ContainerOption = None,
    code_file: Annotated[
        Path | None,
        typer.Option(
            "--code-file",
            metavar="FILE",
            help=_(
                "File that holds the code, for keys that take it from the host; else VUKEY_ACTIVATION_CODE."
            ),
        ),
    ] = None,
) -> None:
    with open_token(token, dialect) as opened:
        its = opened.application(application)
        for name in [container] if container else its.containers():
            held = its.container(name)
            if _is_activated(held):
                typer.echo(_("{name}: already activated.").format(name=name))
            else:
                _activate(held, code_file)
                typer.echo(_("{name}: activated.").format(name=name))


class NothingToActivateError(HostError):
    """The key does not know the activation command."""

    exit_code = Exit.NOT_FOUND


def _is_activated(container: Container) -> bool:
    told = container.activation()
    if told is None:
        raise NothingToActivateError(
            N_("this key knows nothing of activation: enter the code on the bank's page")
        )
    return told[0]


def _activate(container: Container, code_file: Path | None) -> None:
    """From here where a code was handed over, else on the key's keypad; each where the key does not want the other."""
    ways = [_activate_from_here, _activate_on_keypad]
    if not handed_over(_CODE_VARIABLE, code_file):
        ways.reverse()
    try:
        ways[0](container, code_file)
    except ApduFailedError as error:
        if error.sw != SW.CONDITIONS_NOT_SATISFIED:
            raise
        ways[1](container, code_file)


def _activate_on_keypad(container: Container, code_file: Path | None) -> None:
    tell(_("{name}: type the activation code on the key and press OK there.").format(name=container.name))
    container.activate_on_keypad()


def _activate_from_here(container: Container, code_file: Path | None) -> None:
    container.activate(read_secret(N_("Activation code"), _CODE_VARIABLE, code_file))
