"""A maker's SKF library: loading it, and calling its functions."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Mapping
from ctypes import byref, create_string_buffer
from dataclasses import replace
from pathlib import Path
from typing import Any

from hostdriver.errors import AnswerError
from hostdriver.outcomes import Sar
from hostdriver.printable import printable
from hostdriver.skf.errors import FunctionMissingError, NotSkfError, error_of
from hostdriver.skf.functions import FUNCTIONS, OWN_FUNCTIONS, Handle, ULong
from hostdriver.skf.habits import Habits
from hostdriver.skf.layouts import bytes_of
from protocols.errors import ProtocolError
from protocols.i18n import N_

MOST = 1 << 20
"""Bytes of the longest answer that we make room for."""
_ATTEMPTS = 4
"""How often a size that has grown meanwhile is asked for again."""
_NEEDED = ("SKF_EnumDev", "SKF_ConnectDev")
_ELF_HEADER = 20


class Library:
    """An SKF library in this process.

    :param path: as the system's loader takes it.
    :param habits: fields of `Habits` that somebody has said; the others are seen as they come.
    :raises NotSkfError: there is no such file, or it is no SKF library, or none for this computer.
    """

    def __init__(self, path: str, habits: Mapping[str, object] | None = None) -> None:
        self.path = path
        self._said = dict(habits or {})
        self.habits = replace(Habits(), **self._said)  # type: ignore[arg-type]
        self._library = _loaded(path, self.habits.stdcall)
        self._functions: dict[str, Any] = {}
        if not all(self.has(name) for name in _NEEDED):
            raise NotSkfError(
                N_("{library} is no SKF library: it has no SKF_EnumDev and SKF_ConnectDev"),
                library=printable(path),
            )

    def see(self, **seen: object) -> None:
        """What an answer has shown of its habits; what somebody has said stays."""
        new = {name: value for name, value in seen.items() if name not in self._said}
        self.habits = replace(self.habits, **new)  # type: ignore[arg-type]

    def has(self, function: str) -> bool:
        """Whether it has a function."""
        return hasattr(self._library, function)

    def call(self, function: str, *arguments: object, tries: ctypes.c_uint32 | None = None) -> None:
        """Call a function of GM/T 0016, or one of vukey's own.

        :param arguments: what its prototype wants: numbers, bytes, buffers, None for NULL; texts as `text`.
        :param tries: among the arguments, where it tells how many tries are left.
        :raises FunctionMissingError: the library does not have it.
        :raises HostError: the typed error of any code but SAR_OK.
        """
        code = self._function(function)(*arguments)
        if code != Sar.OK:
            left = tries.value if tries is not None else None
            raise error_of(code, printable(self.path), function, left)

    def _function(self, name: str) -> Any:
        if name not in self._functions:
            try:
                found = getattr(self._library, name)
            except AttributeError:
                raise FunctionMissingError(printable(self.path), name) from None
            found.restype = ULong
            found.argtypes = FUNCTIONS.get(name) or OWN_FUNCTIONS.get(name, ())
            self._functions[name] = found
        return self._functions[name]

    def number(self, function: str, *before: object) -> int:
        """A call whose last argument is a number that it fills."""
        value = ULong()
        self.call(function, *before, byref(value))
        return value.value

    def handle(self, function: str, *before: object) -> Handle:
        """A call whose last argument is a handle that it fills."""
        value = Handle()
        self.call(function, *before, byref(value))
        return value

    def blob(self, function: str, *before: object, size: int, room: int = 64) -> bytes:
        """A call whose last argument is a structure that it fills.

        :param room: bytes behind it, for a library that has more fields than the standard.
        """
        buffer = create_string_buffer(size + room)
        self.call(function, *before, buffer)
        return buffer.raw[:size]

    def asked(self, function: str, *before: object) -> bytes:
        """A call whose last arguments are a buffer and its size: without a buffer it tells the size."""
        size = ULong()
        self.call(function, *before, None, byref(size))
        for _ in range(_ATTEMPTS):
            buffer = self._room(size.value)
            told = ULong(len(buffer))
            code = self._function(function)(*before, buffer, byref(told))
            if code == Sar.OK:
                return self._filled(buffer, told.value)
            if code != Sar.BUFFER_TOO_SMALL:
                raise error_of(code, printable(self.path), function, None)
            size = told
        raise AnswerError(N_("the SKF library's answer does not end"))

    def filled(self, function: str, *before: object, room: int) -> bytes:
        """The same where the size is known, so that it is called once: that may ask a person."""
        buffer = self._room(room)
        told = ULong(room)
        self.call(function, *before, buffer, byref(told))
        return self._filled(buffer, told.value)

    def _room(self, size: int) -> ctypes.Array[ctypes.c_char]:
        if size > MOST:
            raise AnswerError(N_("the SKF library announces {size} bytes"), size=size)
        return create_string_buffer(max(size, 1))

    def _filled(self, buffer: ctypes.Array[ctypes.c_char], size: int) -> bytes:
        if size > len(buffer):
            raise AnswerError(N_("the SKF library announces {size} bytes"), size=size)
        return buffer.raw[:size]


def text(value: str) -> bytes:
    """A text as a C string.

    :raises ProtocolError: it has a NUL in it, so that the library would see another.
    """
    raw = bytes_of(value)
    if b"\0" in raw:
        raise ProtocolError(N_("a name or PIN with a NUL character in it cannot be handed over"))
    return raw


def _loaded(path: str, stdcall: bool) -> ctypes.CDLL:
    _check_architecture(path)
    try:
        if sys.platform == "win32" and stdcall:
            return ctypes.WinDLL(path)
        return ctypes.CDLL(path)
    except OSError as error:
        raise NotSkfError(
            N_("{library} cannot be loaded: {reason}"), library=printable(path), reason=printable(str(error))
        ) from None


def _check_architecture(path: str) -> None:
    """The loader's own line says of a library for another computer that there is no such file.

    :raises NotSkfError: a file that is none for this computer.
    """
    if "/" not in path or not sys.platform.startswith("linux"):
        return
    try:
        with Path(path).open("rb") as file:
            header = file.read(_ELF_HEADER)
    except OSError as error:
        raise NotSkfError(
            N_("{library} cannot be read: {reason}"), library=printable(path), reason=error.strerror
        ) from None
    with Path(sys.executable).open("rb") as file:
        own = file.read(_ELF_HEADER)
    if header[:4] != b"\x7fELF":
        raise NotSkfError(N_("{library} is no shared library"), library=printable(path))
    if (header[4:6], header[18:20]) != (own[4:6], own[18:20]):
        raise NotSkfError(N_("{library} is for another kind of processor"), library=printable(path))
