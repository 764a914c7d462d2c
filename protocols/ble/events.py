"""What fragments make of each end: to do for the key, to know for the host."""

from __future__ import annotations

from typing import NamedTuple

from protocols.ble.frames import FrameError


class Reply(NamedTuple):
    """To the key: send these fragments now."""

    fragments: list[bytes]


class Transmit(NamedTuple):
    """To the key: give the card a command; then `respond` or `fail`, after any number of `keep_alive`."""

    apdu: bytes


class Cancel(NamedTuple):
    """To the key: the host gives up what is under way: end it. It is answered already; do not answer it again."""


KeyEvent = Reply | Transmit | Cancel


class Response(NamedTuple):
    """To the host: the card's answer."""

    apdu: bytes


class KeepAlive(NamedTuple):
    """To the host: the key is at work.

    :param status: a KeepAliveStatus, or any other number that came.
    """

    status: int


class Failed(NamedTuple):
    """To the host: the command has no answer.

    :param error: a FrameError, or any other number that came.
    :param from_key: whether the key says so; else it is what is wrong with the key's own fragments.
    """

    error: int
    from_key: bool

    @property
    def name(self) -> str:
        """The error's name, or its number."""
        try:
            return FrameError(self.error).name
        except ValueError:
            return f"0x{self.error:02X}"


HostEvent = Response | KeepAlive | Failed
