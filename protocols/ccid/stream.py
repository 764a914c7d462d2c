"""Bulk OUT as a stream: pieces of any size to whole commands (CCID 1.1, 6.1)."""

from __future__ import annotations

from typing import NamedTuple

from protocols.ccid.messages import COMMAND_HEADER, HEADER_SIZE, Command


class TooLong(NamedTuple):
    """A command with more data than the reader takes; they are passed over.

    :param command: its header, without the data.
    """

    command: Command


class CommandStream:
    """Puts commands together. It never holds more than one, and of a too long one its header alone.

    ``missing`` is how many bytes are still to come of a begun command, as far as its header tells; 0 between two.

    :param room: bytes of data that a command may have.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._partial = bytearray()
        self._skip = 0
        self._too_long = TooLong(Command(0, 0, 0))
        self.missing = 0

    def drop(self) -> None:
        """Forget a begun command; the next byte begins another."""
        self._partial.clear()
        self._skip = self.missing = 0

    def cut(self) -> Command | None:
        """Forget a begun command whose rest will not come; its header without the data, None if that is cut itself."""
        command = self._too_long.command if self._skip else None
        if len(self._partial) >= HEADER_SIZE:
            command = self._take_partial()._replace(data=b"")
        self.drop()
        return command

    def feed(self, data: bytes) -> list[Command | TooLong]:
        """The commands that these bytes complete."""
        commands: list[Command | TooLong] = []
        position = 0
        while position < len(data):
            piece = data[position : position + (self.missing or HEADER_SIZE)]
            position += len(piece)
            command = self._take(piece)
            self.missing = self._still_missing()
            if command is not None:
                commands.append(command)
        return commands

    def _still_missing(self) -> int:
        if self._skip:
            return self._skip
        held = len(self._partial)
        if held >= HEADER_SIZE:
            return HEADER_SIZE + self._length() - held
        return HEADER_SIZE - held if held else 0

    def _take(self, piece: bytes) -> Command | TooLong | None:
        """A piece that does not go beyond the command it belongs to."""
        if self._skip:
            self._skip -= len(piece)
            return None if self._skip else self._too_long
        self._partial += piece
        if len(self._partial) < HEADER_SIZE:
            return None
        if self._length() > self._room:
            self._skip = self._length()
            self._too_long = TooLong(self._take_partial())
            return None
        return None if self._still_missing() else self._take_partial()

    def _length(self) -> int:
        """dwLength of the command whose header is here."""
        return int.from_bytes(self._partial[1:5], "little")

    def _take_partial(self) -> Command:
        kind, _, slot, seq, first, low, high = COMMAND_HEADER.unpack_from(self._partial)
        command = Command(kind, slot, seq, first, low | high << 8, bytes(self._partial[HEADER_SIZE:]))
        self._partial.clear()
        return command
