"""The person at this terminal, as a key by Bluetooth needs one."""

from __future__ import annotations

import sys

import typer
from rich.console import Console
from rich.status import Status

from protocols.ble import KeepAliveStatus
from protocols.i18n import N_, _

_WORKS: dict[int, str] = {
    KeepAliveStatus.PROCESSING: N_("the key is at work"),
    KeepAliveStatus.USER_PRESENCE_NEEDED: N_("the key waits for a person"),
}


class AtTerminal:
    """See `transport.ble_token.Person`."""

    def __init__(self) -> None:
        self._shown: Status | None = None

    def same_number(self, number: str) -> bool:
        """Ask; False without a terminal."""
        if not sys.stdin.isatty():
            typer.echo(
                _("Not paired yet: run it once at a terminal, where the number can be compared."), err=True
            )
            return False
        question = _("Does the key show {number}? Then press OK there, and answer yes here").format(
            number=number
        )
        try:
            return typer.confirm(question, err=True)
        except typer.Abort:
            return False

    def waits(self, status: int | None) -> None:
        """Turn something while the key says that it is there."""
        if status is None:
            if self._shown:
                self._shown.stop()
                self._shown = None
            return
        text = _(_WORKS.get(status, _WORKS[KeepAliveStatus.PROCESSING]))
        if self._shown:
            self._shown.update(text)
        else:
            self._shown = Console(stderr=True).status(text)
            self._shown.start()
