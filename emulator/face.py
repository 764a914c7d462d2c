"""What a person sees of a running key: lines on standard error, and on a terminal the key itself."""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from collections.abc import Iterable
from contextlib import ExitStack, suppress

from rich.console import Console

from emulator.control.terminal import TerminalKey, keyboard, pressing
from emulator.device import Device
from emulator.links.states import LinkState
from emulator.links.usb import BUS_ID, USBIP_PORT
from emulator.running import LinkSpec
from protocols.i18n import N_, _

_STATE_TEXTS = {
    LinkState.NO_READER: N_("waiting for pcscd with vsmartcard-vpcd at {host}:{port}"),
    LinkState.TAKEN: N_("both readers are taken; waiting for a free one"),
    LinkState.PLUGGED: N_("plugged into reader {slot}"),
    LinkState.LISTENING: N_("listening"),
    LinkState.WAITING: N_("on the bus; the computer has not set it up yet"),
    LinkState.CONFIGURED: N_("plugged into a computer"),
    LinkState.UNPLUGGED: N_("unplugged"),
}
_LINK_TEXTS = {
    ("usbip", LinkState.LISTENING): N_("plug it in with: {command}"),
    ("serial", LinkState.LISTENING): N_("listening at {path}"),
    ("ble", LinkState.LISTENING): N_("can be found"),
    ("ble", LinkState.WAITING): N_("switched off, or not paired yet"),
    ("ble", LinkState.CONFIGURED): N_("connected"),
    ("ble", LinkState.UNPLUGGED): N_("no adapter"),
}


def _attach_command(host: str, port: int) -> str:
    """What the person types, on this computer or another one."""
    if host in ("0.0.0.0", "::"):  # noqa: S104 - not bound here, only named
        host = socket.gethostname()
    elsewhere = "" if port == USBIP_PORT else f"--tcp-port {port} "
    return f"sudo usbip {elsewhere}attach -r {host} -b {BUS_ID}"


def is_at_terminal() -> bool:
    """Whether a person can see and type: not in the background of their shell, which would stop us."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except OSError:  # not the terminal that rules over us
        return True


def is_loopback(host: str) -> bool:
    """Whether only this computer can reach that address."""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def warn_of_hosts(specs: Iterable[LinkSpec]) -> None:
    """USB/IP knows neither passwords nor encryption."""
    for spec in specs:
        if spec.kind == "usbip" and not is_loopback(spec.host):
            warning = _(
                "Warning: --link usbip at {host}: whoever reaches it can use the key, without a password."
            )
            sys.stderr.write(f"{warning.format(host=spec.host)}\n")


class Face:
    """One line for the links, one for the panel; on a terminal they stand under the key and are kept up to date.

    :param at_terminal: whether somebody sits there to see the key and press its buttons.
    """

    def __init__(self, device: Device, at_terminal: bool) -> None:
        self._device = device
        self._title = f"{device.profile.id} {device.serial}"
        self._terminal = TerminalKey(device, Console()) if at_terminal else None
        self._links: dict[LinkSpec, str] = {}
        self._panel = ""
        self._stack = ExitStack()

    def __enter__(self) -> Face:
        if self._terminal:
            self._stack.enter_context(self._terminal)
            self._stack.enter_context(keyboard(pressing(self._device)))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def link_changed(self, spec: LinkSpec, state: LinkState, slot: int) -> None:
        """A link changed its state."""
        text = _LINK_TEXTS.get((spec.kind, state)) or _STATE_TEXTS[state]
        line = _(text).format(
            host=spec.host,
            port=spec.port,
            slot=slot,
            command=_attach_command(spec.host, spec.port),
            path=spec.path,
        )
        self._links[spec] = f"{spec.kind}: {line}"
        self._show(self._link_line)

    def served(self, url: str) -> None:
        """The panel can be opened at that URL, once."""
        self._panel = _("Panel: {url}").format(url=url)
        self._show(self._panel)

    def _show(self, news: str) -> None:
        """Draw it all anew, or say what is new."""
        if self._terminal:
            self._terminal.status("\n".join(filter(None, (self._link_line, self._panel))))
        else:
            with suppress(BrokenPipeError):  # nobody reads any more: no reason to fall out of the reader
                sys.stderr.write(f"{news}\n")

    @property
    def _link_line(self) -> str:
        return " · ".join((self._title, *self._links.values()))
