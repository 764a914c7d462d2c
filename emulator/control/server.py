"""The control API and the panel, served on loopback in a thread of their own."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Protocol

from emulator.control.keycontrol import KeyControl
from protocols.errors import MissingPackageError, VukeyError
from protocols.i18n import N_

_BACKLOG = 128
_LAST_PORT = 0xFFFF
_UNREAD_FOR_MS = 30_000
"""A client that takes nothing off its connection for so long has gone."""


class PanelError(VukeyError):
    """The panel cannot be served there."""


@dataclass(frozen=True, slots=True)
class PanelSpec:
    """Where the panel listens; port 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = 0


class PanelServer(Protocol):
    """A running panel: its base URL, and the token that opens it."""

    @property
    def url(self) -> str:
        """``http://HOST:PORT``."""
        ...

    @property
    def token(self) -> str:
        """For ``Authorization: Bearer``, or ``/t/TOKEN/`` before the path."""
        ...

    def ticket_url(self) -> str:
        """A URL that opens the panel in a browser, once, within ten minutes."""
        ...

    def close(self) -> None:
        """Stop serving and end every connection; harmless when it is closed."""
        ...


def start_panel(control: KeyControl, spec: PanelSpec) -> PanelServer:
    """Serve the key's panel.

    :raises PanelError: the address cannot be had.
    :raises MissingPackageError: Starlette, uvicorn or Pillow is not installed.
    """
    try:
        import PIL  # noqa: F401 - the first screenshot is too late to learn that it lacks

        from emulator.control.serving import Serving
    except ModuleNotFoundError as error:
        if (error.name or "").startswith(("emulator", "protocols")):
            raise
        raise MissingPackageError(
            N_("the panel needs starlette, uvicorn and Pillow: pip install 'vukey[panel]'")
        ) from None
    return Serving(control, spec.host, _listen(spec))


def _listen(spec: PanelSpec) -> socket.socket:
    try:
        if not 0 <= spec.port <= _LAST_PORT:  # getaddrinfo would take it modulo 65536
            raise OverflowError(f"there is no port {spec.port}")
        family, kind, number, _, address = socket.getaddrinfo(
            spec.host, spec.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, number)
    except (OSError, UnicodeError, OverflowError) as error:
        raise _no_address(spec, error) from None
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD_FOR_MS)
        listening.bind(address)
        listening.listen(_BACKLOG)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        raise _no_address(spec, error) from None
    return listening


def _no_address(spec: PanelSpec, error: Exception) -> PanelError:
    reason = getattr(error, "strerror", None) or str(error)
    return PanelError(
        N_("the panel cannot listen at {host}:{port}: {reason}; choose another with --panel-host or --panel-port"),
        host=spec.host, port=spec.port, reason=reason,
    )  # fmt: skip
