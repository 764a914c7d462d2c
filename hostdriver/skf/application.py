"""Applications of GM/T 0016: their PINs (§7.2), files (§7.4) and containers (§7.5)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import byref, create_string_buffer

from hostdriver.errors import NewPinRefusedError
from hostdriver.outcomes import Sar
from hostdriver.skf import layouts
from hostdriver.skf.container import Container
from hostdriver.skf.errors import SkfFailedError
from hostdriver.skf.functions import Bool, Handle, ULong
from hostdriver.skf.layouts import FileFacts
from hostdriver.skf.library import Library, text
from protocols.gmt import PinInfo, PinType, Rights
from protocols.sw import SW

_PIECE = 1024
"""Bytes of a file in one call."""


class Application:
    """An open application."""

    def __init__(self, library: Library, handle: Handle, name: str) -> None:
        self.library = library
        self.handle = handle
        self.name = name

    def close(self) -> None:
        """CloseApplication."""
        self.library.call("SKF_CloseApplication", self.handle)

    # PINs

    def pin_info(self, pin_type: PinType = PinType.USER) -> PinInfo:
        """GetPINInfo."""
        most, left, initial = ULong(), ULong(), Bool()
        self.library.call("SKF_GetPINInfo", self.handle, pin_type, byref(most), byref(left), byref(initial))
        return PinInfo(most.value, left.value, bool(initial.value))

    def verify_pin(self, pin: str, pin_type: PinType = PinType.USER) -> None:
        """VerifyPIN.

        :raises PinIncorrectError: with the tries left.
        """
        left = ULong()
        self.library.call("SKF_VerifyPIN", self.handle, pin_type, text(pin), byref(left), tries=left)

    def change_pin(self, old: str, new: str, pin_type: PinType = PinType.USER) -> None:
        """ChangePIN.

        :raises PinIncorrectError: the old one is wrong.
        :raises NewPinRefusedError: the new one breaks the key's rules.
        """
        left = ULong()
        with _refusing_new_pin():
            self.library.call(
                "SKF_ChangePIN", self.handle, pin_type, text(old), text(new), byref(left), tries=left
            )

    def unblock_pin(self, admin_pin: str, new_user_pin: str) -> None:
        """UnblockPIN.

        :raises PinIncorrectError: the administrator's is wrong.
        :raises NewPinRefusedError: the new one breaks the key's rules.
        """
        left = ULong()
        with _refusing_new_pin():
            self.library.call(
                "SKF_UnblockPIN", self.handle, text(admin_pin), text(new_user_pin), byref(left), tries=left
            )

    def clear_secure_state(self) -> None:
        """ClearSecureState."""
        self.library.call("SKF_ClearSecureState", self.handle)

    # Files

    def create_file(
        self,
        name: str,
        size: int,
        read_rights: int = Rights.ANYONE,
        write_rights: int = Rights.USER,
    ) -> None:
        """CreateFile."""
        self.library.call("SKF_CreateFile", self.handle, text(name), size, read_rights, write_rights)

    def delete_file(self, name: str) -> None:
        """DeleteFile."""
        self.library.call("SKF_DeleteFile", self.handle, text(name))

    def files(self) -> list[str]:
        """EnumFiles."""
        return layouts.names_of(self.library.asked("SKF_EnumFiles", self.handle))

    def file_info(self, name: str) -> FileFacts:
        """GetFileInfo; shows how long the library's file names are."""
        filled = layouts.untouched(layouts.FILE_INFO_MOST)
        buffer = create_string_buffer(filled, len(filled))
        self.library.call("SKF_GetFileInfo", self.handle, text(name), buffer)
        self.library.see(file_name=layouts.file_name_seen(buffer.raw))
        return FileFacts.decode(buffer.raw, self.library.habits.file_name)

    def read_file(self, name: str, offset: int, size: int) -> bytes:
        """ReadFile, piece by piece; shorter where the file ends."""
        data = b""
        while len(data) < size:
            wanted = min(_PIECE, size - len(data))
            place = (text(name), offset + len(data), wanted)
            piece = self.library.filled("SKF_ReadFile", self.handle, *place, room=wanted)
            data += piece
            if len(piece) < wanted:
                break
        return data

    def write_file(self, name: str, offset: int, data: bytes) -> None:
        """WriteFile, piece by piece."""
        for at in range(0, len(data), _PIECE):
            piece = data[at : at + _PIECE]
            self.library.call("SKF_WriteFile", self.handle, text(name), offset + at, piece, len(piece))

    # Containers

    def create_container(self, name: str) -> Container:
        """CreateContainer."""
        return Container(
            self.library, self.library.handle("SKF_CreateContainer", self.handle, text(name)), name
        )

    def delete_container(self, name: str) -> None:
        """DeleteContainer."""
        self.library.call("SKF_DeleteContainer", self.handle, text(name))

    def open_container(self, name: str) -> Container:
        """OpenContainer."""
        return Container(
            self.library, self.library.handle("SKF_OpenContainer", self.handle, text(name)), name
        )

    def containers(self) -> list[str]:
        """EnumContainer."""
        return layouts.names_of(self.library.asked("SKF_EnumContainer", self.handle))


@contextmanager
def _refusing_new_pin() -> Iterator[None]:
    """What a library answers to a new PIN that breaks the key's rules has a type of its own."""
    try:
        yield
    except SkfFailedError as error:
        if error.code not in (Sar.INDATAERR, Sar.INDATALENERR):
            raise
        raise NewPinRefusedError(SW.WRONG_DATA) from None
