"""``vukey usb``: what a computer needs once before keys are plugged into it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emulator.links.usb.libccid import find_list, names_of, read_list, write_list
from emulator.profiles import load_profile, profile_ids
from emulator.running import load_model
from protocols.i18n import _

app = typer.Typer(
    no_args_is_help=True, help=_("USB: prepare this computer for keys of --link usbip, vhci and gadget.")
)


@app.callback()
def usb() -> None:
    """A group, though it has one command so far."""


@app.command(
    help=_("Enter the keys' USB numbers into libccid's list of devices (Linux): pcscd takes no key without.")
)
def install_ccid(
    plist: Annotated[
        Path | None,
        typer.Option("--plist", metavar="FILE", help=_("libccid's Info.plist; else it is looked for.")),
    ] = None,
    profile: Annotated[
        list[str] | None,
        typer.Option(
            "--profile", metavar="FILE", help=_("Also this model of yours (TOML); may be repeated.")
        ),
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help=_("Take out what was entered before."))] = False,
) -> None:
    """Change the list, and say what to do next."""
    path = plist or find_list()
    ccid_list = read_list(path)
    if remove:
        changed, done = ccid_list.remove(), _("Removed from {file}: {numbers}")
    else:
        models = [*map(load_profile, profile_ids()), *map(load_model, profile or ())]
        changed, done = ccid_list.add(names_of(models)), _("Added to {file}: {numbers}")
    if not changed:
        typer.echo(_("{file}: nothing to change").format(file=path))
        return
    write_list(path, ccid_list)
    typer.echo(done.format(file=path, numbers=", ".join(map(str, changed))))
    typer.echo(_("Now restart pcscd: sudo systemctl restart pcscd"))
