"""How the host reaches a key: one interface, several wires."""

from __future__ import annotations

from typing import Protocol


class Transport(Protocol):
    """An open way to one key."""

    @property
    def name(self) -> str:
        """Names the key in messages, as ``--token`` takes it."""
        ...

    def exchange(self, apdu: bytes) -> bytes:
        """One command APDU and its response APDU; blocks while the key waits for a person.

        :raises KeyRemovedError: the key is gone.
        """
        ...

    def reset(self) -> bytes:
        """Reset the key; its ATR.

        :raises KeyRemovedError: the key is gone.
        """
        ...

    def close(self) -> None:
        """Let the key go; harmless when repeated."""
        ...
