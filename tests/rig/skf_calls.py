"""The bare functions of libskf_vukey in this process: what each takes, and its SAR code."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hostdriver.skf.functions import FUNCTIONS, OWN_FUNCTIONS, ULong
from tests.rig.skf import SkfKey

OK = 0
FAIL = 0x0A000001
INVALID_HANDLE = 0x0A000005
INVALID_PARAMETER = 0x0A000006
NAME_LENGTH = 0x0A000009
TIMEOUT = 0x0A00000F
DATA_LENGTH = 0x0A000010
DATA = 0x0A000011
NO_RANDOM = 0x0A000012
KEY_NOT_FOUND = 0x0A00001B
CERTIFICATE_NOT_FOUND = 0x0A00001C
TOO_SMALL = 0x0A000020
NO_EVENT = 0x0A000022
REMOVED = 0x0A000023
PIN_INCORRECT = 0x0A000024
PIN_LOCKED = 0x0A000025
PIN_INVALID = 0x0A000026
PIN_LENGTH = 0x0A000027
USER_TYPE = 0x0A00002A
APPLICATION_NAME = 0x0A00002B
APPLICATION_EXISTS = 0x0A00002C
NOT_LOGGED_IN = 0x0A00002D
NO_APPLICATION = 0x0A00002E
FILE_EXISTS = 0x0A00002F
NO_ROOM = 0x0A000030
NO_FILE = 0x0A000031
NO_CONTAINER = 0x0A000036
CONTAINER_EXISTS = 0x0A000037
"""SAR codes (GM/T 0016 annex A; the last two are makers')."""

USER, ADMIN = 1, 0
INSERTED, GONE = 1, 2
FOR_EVER = 0xFFFFFFFF

Handle = ctypes.c_void_p


class Skf:
    """Each function of the standard as a method that answers its SAR code."""

    def __init__(self, path: Path) -> None:
        self._library = ctypes.CDLL(str(path))
        for name, arguments in {**FUNCTIONS, **OWN_FUNCTIONS}.items():
            function = getattr(self._library, name)
            function.argtypes, function.restype = arguments, ctypes.c_uint32

    def __getattr__(self, name: str) -> Callable[..., int]:
        function: Callable[..., int] = getattr(self._library, name)
        return function

    def new(self, function: str, *arguments: Any) -> Handle:
        """The handle that a function makes as its last argument."""
        handle = Handle()
        assert getattr(self, function)(*arguments, ctypes.byref(handle)) == OK
        return handle

    def output(self, function: str, *arguments: Any) -> bytes:
        """What a function hands out in a buffer: its size is asked for first."""
        size = ULong(0)
        assert getattr(self, function)(*arguments, None, ctypes.byref(size)) == OK
        buffer = ctypes.create_string_buffer(max(size.value, 1))
        assert getattr(self, function)(*arguments, buffer, ctypes.byref(size)) == OK
        return buffer.raw[: size.value]

    def names(self, function: str, *arguments: Any) -> list[str]:
        """A list of names."""
        raw = self.output(function, *arguments)
        assert raw.endswith(b"\0")
        *names, last, rest = raw.split(b"\0") if len(raw) > 1 else (b"", b"")
        assert last == rest == b""
        return [name.decode() for name in names]

    def number(self, function: str, *arguments: Any) -> int:
        """What a function tells as its last argument."""
        number = ULong(0xDEAD)
        assert getattr(self, function)(*arguments, ctypes.byref(number)) == OK
        return number.value

    def connect(self, key: SkfKey) -> Handle:
        """The key's handle."""
        return self.new("SKF_ConnectDev", key.name.encode())

    def open(self, device: Handle, key: SkfKey) -> Handle:
        """The bank's application, opened."""
        return self.new("SKF_OpenApplication", device, key.rig.profile.application.encode())

    def verify(self, application: Handle, pin: str, pin_type: int = USER) -> tuple[int, int | None]:
        """VerifyPIN: the SAR code and the tries that it told, if it did."""
        tries = ULong(0xDEAD)
        status = self.SKF_VerifyPIN(application, pin_type, pin.encode(), ctypes.byref(tries))
        return status, None if tries.value == 0xDEAD else tries.value

    def random(self, device: Handle, size: int = 8) -> bytes:
        """GenRandom."""
        buffer = ctypes.create_string_buffer(size)
        assert self.SKF_GenRandom(device, buffer, size) == OK
        return buffer.raw
