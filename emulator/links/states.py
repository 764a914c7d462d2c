"""Where a key stands with what it is plugged into."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto, unique


@unique
class LinkState(Enum):
    """Where a key stands with what it is plugged into."""

    NO_READER = auto()
    """Nothing listens: pcscd is not running, or has no vpcd."""
    TAKEN = auto()
    """Every slot has another key in it."""
    PLUGGED = auto()
    """pcscd has asked for power or the ATR: only now is the key plugged in."""
    LISTENING = auto()
    """The unix socket takes clients, the USB/IP server hosts, or the serial line whoever is at its other end."""
    WAITING = auto()
    """It is on a USB bus, whose host has not configured it yet, or no longer."""
    CONFIGURED = auto()
    """A USB host has configured it: its drivers can use the key."""
    UNPLUGGED = auto()
    """It was pulled out, or its serial port was, and can be plugged in again."""


OnState = Callable[[LinkState], None]
"""Told of every change of a USB link, in the link's own threads."""
