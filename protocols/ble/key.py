"""The key's end: fragments from the host in, what is to be done out."""

from __future__ import annotations

from protocols.ble.events import Cancel, KeyEvent, Reply, Transmit
from protocols.ble.frames import (
    MAX_DATA,
    Assembler,
    Frame,
    FrameCommand,
    FrameError,
    KeepAliveStatus,
    fragments,
    is_first,
)
from protocols.errors import ProtocolError
from protocols.payload import unwrap, wrap

_CANCEL = bytes((FrameCommand.CANCEL, 0, 0))
_MOST: dict[int, int] = {FrameCommand.PING: MAX_DATA, FrameCommand.MESSAGE: MAX_DATA, FrameCommand.CANCEL: 0}


class KeyEnd:
    """One connection to the key. Not thread-safe: its caller calls it under a lock.

    It executes nothing itself: the card's work comes out as an event, and the caller says how it ended. Whatever the
    host sends, no method that takes it raises; a wrong fragment gets its error and the next frame works.

    While a command is under way every other one is answered BUSY, and what belongs to no frame is passed over, since
    an error would tell the host that its command has failed. An ERROR is never answered: it may be our own, come back.

    :param fragment_size: bytes of a fragment at most, as `fragment_size` works it out, or WHOLE. May change between
        two calls, as the connection's MTU does.
    """

    def __init__(self, fragment_size: int) -> None:
        self.fragment_size = fragment_size
        self._assembler = Assembler(_MOST, urgent=FrameCommand.CANCEL)
        self._under_way = False

    @property
    def under_way(self) -> bool:
        """Whether a command waits for its answer: then `keep_alive` is due every `KEEP_ALIVE_S` seconds."""
        return self._under_way

    @property
    def incomplete(self) -> bool:
        """Whether the rest of a frame is still to come: if it does not in `FRAGMENT_TIMEOUT_S`, call `timed_out`."""
        return self._assembler.incomplete

    def feed(self, fragment: bytes) -> list[KeyEvent]:
        """Take what the host has written: one fragment, whatever it holds."""
        if self._under_way and fragment != _CANCEL:
            return self._refuse(fragment)
        was_incomplete = self._assembler.incomplete
        found = self._assembler.feed(fragment)
        if isinstance(found, FrameError):
            return [] if _is_error(fragment) else [self._error(found)]
        return [] if found is None else self._obey(found, was_incomplete)

    def respond(self, response: bytes) -> list[bytes]:
        """The card's answer: the fragments to send; none if the command was cancelled.

        :raises ProtocolError: longer than 65,532 bytes; the command is still under way, `fail` ends it.
        """
        if not self._under_way:
            return []
        sent = fragments(FrameCommand.MESSAGE, wrap(response), self.fragment_size)
        self._under_way = False
        return sent

    def fail(self, error: FrameError) -> list[bytes]:
        """There will be no answer: the fragments that say so; none if the command was cancelled."""
        if not self._under_way:
            return []
        self._under_way = False
        return self._error(error).fragments

    def keep_alive(self, status: KeepAliveStatus) -> list[bytes]:
        """The answer takes its time: the fragments that say so; none if nothing is under way."""
        if not self._under_way:
            return []
        return fragments(FrameCommand.KEEPALIVE, bytes((status,)), self.fragment_size)

    def timed_out(self) -> list[bytes]:
        """The rest of a frame has not come: it is given up; the fragments of the error, none during a command."""
        self._assembler.pass_over()
        return [] if self._under_way else self._error(FrameError.TIMEOUT).fragments

    def _refuse(self, fragment: bytes) -> list[KeyEvent]:
        if not is_first(fragment) or _is_error(fragment):
            return []
        self._assembler.pass_over()
        return [self._error(FrameError.BUSY)]

    def _obey(self, frame: Frame, was_incomplete: bool) -> list[KeyEvent]:
        if frame.command == FrameCommand.CANCEL:
            return self._cancel(was_incomplete)
        if frame.command == FrameCommand.PING:
            return [Reply(fragments(FrameCommand.PING, frame.data, self.fragment_size))]
        return [self._message(frame.data)]

    def _cancel(self, was_incomplete: bool) -> list[KeyEvent]:
        """End the command, or the frame that was to be one. Nothing to end: the answer crossed the CANCEL."""
        if not (self._under_way or was_incomplete):
            return []
        events: list[KeyEvent] = [Cancel()] if self._under_way else []
        self._under_way = False
        return [*events, self._error(FrameError.CANCELLED)]

    def _message(self, data: bytes) -> KeyEvent:
        try:
            apdu = unwrap(data)
        except ProtocolError:
            return self._error(FrameError.INVALID_PARAMETER)
        if not apdu:
            return self._error(FrameError.INVALID_PARAMETER)
        self._under_way = True
        return Transmit(apdu)

    def _error(self, error: FrameError) -> Reply:
        return Reply(fragments(FrameCommand.ERROR, bytes((error,)), self.fragment_size))


def _is_error(fragment: bytes) -> bool:
    return fragment[:1] == bytes((FrameCommand.ERROR,))
