"""The host's end: commands to fragments, fragments from the key to answers."""

from __future__ import annotations

from enum import Enum, auto

from protocols.ble.events import Failed, HostEvent, KeepAlive, Response
from protocols.ble.frames import MAX_DATA, Assembler, Frame, FrameCommand, FrameError, fragments
from protocols.errors import ProtocolError
from protocols.payload import unwrap, wrap

_MOST: dict[int, int] = {
    FrameCommand.PING: MAX_DATA,
    FrameCommand.KEEPALIVE: 1,
    FrameCommand.MESSAGE: MAX_DATA,
    FrameCommand.ERROR: 1,
}


class _State(Enum):
    IDLE = auto()
    CATCHING_UP = auto()
    """What arrives before the echo of our PING belongs to the past."""
    WAITING = auto()


class HostEnd:
    """One way to a key. Not thread-safe: its caller calls it under a lock.

    Frames have no number that joins question and answer, so an answer that comes late would be taken for the next
    one's. Hence, ours: after a failure the next command is preceded by CANCEL, which ends what the key may still be
    doing, and a PING of a new content; what arrives before the PING's echo is passed over. It costs no round trip.

    :param fragment_size: bytes of a fragment at most, as `fragment_size` works it out, or WHOLE. May change between
        two calls, as the connection's MTU does.
    :param fresh: whether the key's end is new too, as with every Bluetooth connection. On a serial line it may still
        be at work for somebody before us.
    """

    def __init__(self, fragment_size: int, *, fresh: bool = True) -> None:
        self.fragment_size = fragment_size
        self._assembler = Assembler(_MOST, urgent=FrameCommand.ERROR)
        self._state = _State.IDLE
        self._in_step = fresh
        self._pings = 0

    @property
    def under_way(self) -> bool:
        """Whether a command waits for its answer."""
        return self._state is not _State.IDLE

    @property
    def incomplete(self) -> bool:
        """Whether the rest of a frame is still to come: if it does not in `FRAGMENT_TIMEOUT_S`, call `timed_out`."""
        return self._assembler.incomplete

    def command(self, apdu: bytes) -> list[bytes]:
        """The fragments that carry a command, to be sent in this order.

        :raises ProtocolError: longer than 65,532 bytes.
        :raises RuntimeError: another one is under way.
        """
        if self.under_way:
            raise RuntimeError("a command is under way already")
        message = fragments(FrameCommand.MESSAGE, wrap(apdu), self.fragment_size)
        if self._in_step:
            self._state = _State.WAITING
            return message
        self._pings += 1
        self._state = _State.CATCHING_UP
        self._assembler.pass_over()
        return [
            *fragments(FrameCommand.CANCEL, b"", self.fragment_size),
            *fragments(FrameCommand.PING, self._mark, self.fragment_size),
            *message,
        ]

    def cancel(self) -> list[bytes]:
        """The fragments that ask the key to give up the command; none if there is none. Its end is still to come:
        Failed with CANCELLED, or the Response that was already on its way.
        """
        return fragments(FrameCommand.CANCEL, b"", self.fragment_size) if self.under_way else []

    def feed(self, fragment: bytes) -> HostEvent | None:
        """Take what the key has sent: one fragment, whatever it holds; None: nothing to know yet."""
        found = self._assembler.feed(fragment)
        if self._state is _State.CATCHING_UP:
            self._catch_up(found)
        elif self._state is _State.WAITING and found is not None:
            return self._failed(found, from_key=False) if isinstance(found, FrameError) else self._read(found)
        return None

    def timed_out(self) -> Failed | None:
        """The key has been silent for too long, by the caller's clock; None: no command is under way."""
        self._assembler.pass_over()
        return self._failed(FrameError.TIMEOUT, from_key=False) if self.under_way else None

    @property
    def _mark(self) -> bytes:
        """The content of the last PING."""
        return (self._pings & 0xFFFFFFFF).to_bytes(4, "big")

    def _catch_up(self, found: Frame | FrameError | None) -> None:
        if found == Frame(FrameCommand.PING, self._mark):
            self._state, self._in_step = _State.WAITING, True

    def _read(self, frame: Frame) -> HostEvent | None:
        match frame.command:
            case FrameCommand.MESSAGE:
                return self._response(frame.data)
            case FrameCommand.PING:
                return self._failed(FrameError.INVALID_COMMAND, from_key=False)
        if not frame.data:
            return self._failed(FrameError.INVALID_LENGTH, from_key=False)
        if frame.command == FrameCommand.KEEPALIVE:
            return KeepAlive(frame.data[0])
        return self._failed(frame.data[0], from_key=True)

    def _response(self, data: bytes) -> HostEvent:
        try:
            response = unwrap(data)
        except ProtocolError:
            return self._failed(FrameError.INVALID_PARAMETER, from_key=False)
        self._state = _State.IDLE
        return Response(response)

    def _failed(self, error: int, *, from_key: bool) -> Failed:
        self._state, self._in_step = _State.IDLE, False
        return Failed(error, from_key)
