"""Files of GM/T 0017 §9.4."""

from __future__ import annotations

from hostdriver.gmt.wire import ALL, Wire, decoded
from protocols.fields import decode_names
from protocols.gmt import ApplicationInfo, Ins
from protocols.gmt.files import FileInfo, FilePiece, FilePlace, NewFile

PIECE = 1024
"""Bytes of a file that go in one command, as other hosts do it; every known key takes that many."""
_LAST_OFFSET = 0xFFFF


class FileCommands(Wire):
    """Files of an application. Rights are values of `Rights`; sizes and offsets are bytes."""

    def files(self, application: ApplicationInfo) -> list[str]:
        """EnumFiles."""
        return decoded(decode_names, self._send_at(Ins.ENUM_FILES, application, le=ALL))

    def create_file(
        self, application: ApplicationInfo, name: str, size: int, read_rights: int, write_rights: int
    ) -> None:
        """CreateFile; it holds zeros.

        :raises LayoutError: the name is too long.
        """
        new = NewFile(name, FileInfo(size, read_rights, write_rights))
        self._send_at(Ins.CREATE_FILE, application, new.encode(self.dialect))

    def delete_file(self, application: ApplicationInfo, name: str) -> None:
        """DeleteFile."""
        self._send_at(Ins.DELETE_FILE, application, name.encode())

    def file_info(self, application: ApplicationInfo, name: str) -> FileInfo:
        """GetFileInfo."""
        answer = self._send_at(Ins.GET_FILE_INFO, application, name.encode(), le=12)
        return decoded(FileInfo.decode, answer, self.dialect)

    def read_file(
        self, application: ApplicationInfo, name: str, offset: int = 0, size: int | None = None
    ) -> bytes:
        """ReadFile, in pieces.

        :param size: how many bytes at most; None: up to the file's end.
        """
        content = b""
        while offset + len(content) <= _LAST_OFFSET:
            wanted = PIECE if size is None else min(PIECE, size - len(content))
            if not wanted:
                break
            place = FilePlace(name, offset + len(content)).encode(self.dialect)
            piece = self.send(Ins.READ_FILE, application.handle + place, le=wanted)
            content += piece
            if len(piece) < wanted:
                break
        return content

    def write_file(self, application: ApplicationInfo, name: str, data: bytes, offset: int = 0) -> None:
        """WriteFile, in pieces: each is written whole or not at all."""
        for start in range(0, len(data) or 1, PIECE):
            piece = FilePiece(FilePlace(name, offset + start), data[start : start + PIECE])
            self.send(Ins.WRITE_FILE, application.handle + piece.encode(self.dialect))

    def _send_at(
        self, ins: Ins, application: ApplicationInfo, data: bytes = b"", le: int | None = None
    ) -> bytes:
        """A command with the application's handle in P1 and P2."""
        p1, p2 = application.handle
        return self.send(ins, data, p1=p1, p2=p2, le=le)
