"""What the file commands carry (docs/facts.md G27). Sizes and offsets are bytes."""

from __future__ import annotations

from typing import NamedTuple

from protocols.dialect import DEFAULT, Dialect
from protocols.fields import Fields, fixed_text, parse_name, u16, u32

NAME_SIZE = 2
"""Width of the length of a name in ReadFile and WriteFile."""


class FileInfo(NamedTuple):
    """GetFileInfo's answer, 12 bytes; the rights are values of `Rights`."""

    size: int
    read_rights: int
    write_rights: int

    def encode(self, dialect: Dialect = DEFAULT) -> bytes:
        """The answer."""
        return b"".join(u32(value, dialect) for value in self)

    @classmethod
    def decode(cls, raw: bytes, dialect: Dialect = DEFAULT) -> FileInfo:
        """The answer back.

        :raises LayoutError: not 12 bytes.
        """
        fields = Fields(raw, dialect)
        info = cls(fields.number(4), fields.number(4), fields.number(4))
        fields.end()
        return info


class NewFile(NamedTuple):
    """CreateFile's data: a name and what GetFileInfo tells of it."""

    name: str
    info: FileInfo

    def encode(self, dialect: Dialect = DEFAULT) -> bytes:
        """The data field.

        :raises LayoutError: the name is too long.
        """
        return fixed_text(self.name, dialect.file_name) + self.info.encode(dialect)

    @classmethod
    def decode(cls, data: bytes, dialect: Dialect = DEFAULT) -> NewFile:
        """The data field back.

        :raises LayoutError: too short, too long.
        :raises NameLayoutError: a name that cannot be one.
        """
        fields = Fields(data, dialect)
        return cls(parse_name(fields.take(dialect.file_name)), FileInfo.decode(fields.rest(), dialect))


class FilePlace(NamedTuple):
    """Where ReadFile and WriteFile begin."""

    name: str
    offset: int

    def encode(self, dialect: Dialect = DEFAULT) -> bytes:
        """Offset (2), length of the name (2), name."""
        name = self.name.encode()
        return u16(self.offset, dialect) + u16(len(name), dialect) + name

    @classmethod
    def take(cls, fields: Fields) -> FilePlace:
        """The next fields.

        :raises LayoutError: too short.
        :raises NameLayoutError: a name that cannot be one.
        """
        offset = fields.number(2)
        return cls(parse_name(fields.take(fields.number(2))), offset)

    @classmethod
    def decode(cls, data: bytes, dialect: Dialect = DEFAULT) -> FilePlace:
        """ReadFile's data after the application's handle.

        :raises LayoutError: too short, too long, a name that cannot be one.
        """
        fields = Fields(data, dialect)
        place = cls.take(fields)
        fields.end()
        return place


class FilePiece(NamedTuple):
    """WriteFile's data after the application's handle."""

    place: FilePlace
    data: bytes

    def encode(self, dialect: Dialect = DEFAULT) -> bytes:
        """Offset (2), name with its length (2), data with their length (2)."""
        return self.place.encode(dialect) + u16(len(self.data), dialect) + self.data

    @classmethod
    def decode(cls, data: bytes, dialect: Dialect = DEFAULT) -> FilePiece:
        """The same back.

        :raises LayoutError: too short, too long, a name that cannot be one.
        """
        fields = Fields(data, dialect)
        piece = cls(FilePlace.take(fields), fields.take(fields.number(2)))
        fields.end()
        return piece
