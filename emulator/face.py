"""What a person sees of a running key: lines on standard error, and on a terminal the key itself."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, suppress

from rich.console import Console

from emulator.control.terminal import TerminalKey, keyboard, pressing
from emulator.device import Device
from emulator.links.vpcd import LinkState
from emulator.running import LinkSpec
from protocols.i18n import _


def is_at_terminal() -> bool:
    """Whether a person can see and type: not in the background of their shell, which would stop us."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except OSError:  # not the terminal that rules over us
        return True


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
        texts = {
            LinkState.NO_READER: _("waiting for pcscd with vsmartcard-vpcd at {host}:{port}"),
            LinkState.TAKEN: _("both readers are taken; waiting for a free one"),
            LinkState.PLUGGED: _("plugged into reader {slot}"),
            LinkState.LISTENING: _("listening"),
            LinkState.UNPLUGGED: _("unplugged"),
        }
        text = texts[state].format(host=spec.host, port=spec.port, slot=slot)
        self._links[spec] = f"{spec.kind}: {text}"
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
