"""The control API and the panel, served on loopback in a thread of their own."""

from __future__ import annotations

from dataclasses import dataclass

from emulator.control.keycontrol import KeyControl
from protocols.errors import VukeyError


class PanelError(VukeyError):
    """The panel cannot be served there."""


@dataclass(frozen=True, slots=True)
class PanelSpec:
    """Where the panel listens; port 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = 0


class PanelServer:
    """A running panel."""

    url: str
    token: str

    def ticket_url(self) -> str:
        """A URL that opens the panel in a browser, once."""
        raise NotImplementedError

    def close(self) -> None:
        """Stop serving."""
        raise NotImplementedError


def start_panel(control: KeyControl, spec: PanelSpec) -> PanelServer:
    """Serve the key's panel."""
    raise NotImplementedError
