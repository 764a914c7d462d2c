"""How the host reaches a key: one interface, several wires."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from protocols.ccid import PinModify, PinVerify


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


@runtime_checkable
class LeavesPower(Protocol):
    """A transport whose `close` leaves the key its power, and with it what was unlocked (E8)."""

    def last_words(self, apdu: bytes) -> bytes:
        """`exchange` of a command that no person is asked about; a silent key is not waited for.

        :raises HostError: no answer came.
        """
        ...


@runtime_checkable
class TellsPresence(Protocol):
    """A transport that sees its key come and go."""

    def wait_until(self, *, present: bool, timeout: float | None) -> bool:
        """Wait until the key is there, or gone.

        :param timeout: seconds; None: however long it takes.
        :returns: whether it came to that in time.
        """
        ...


@runtime_checkable
class PinPad(Protocol):
    """A transport that can ask the key, or the reader that it is in, for a PIN on keys of its own."""

    def verify_pin(self, entry: PinVerify) -> bytes:
        """Have a PIN typed there and checked by the key: the answer to the entry's command, a status word.

        :raises NoPinPadError: it has no such keys.
        :raises CancelledError: the person has broken it off.
        :raises ConfirmTimeoutError: nobody has typed it in time.
        """
        ...

    def modify_pin(self, entry: PinModify) -> bytes:
        """Have the old PIN and a new one typed there: the answer to the entry's command, a status word.

        :raises NoPinPadError: it has no such keys.
        :raises CancelledError: the person has broken it off.
        :raises ConfirmTimeoutError: nobody has typed them in time.
        """
        ...
