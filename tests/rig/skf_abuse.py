"""Every function of libskf_vukey called wrongly, in a process of its own.

``python -m tests.rig.skf_abuse LIBRARY DEVICE APPLICATION``.

Prints what each wrong call answered, a JSON object of function to case to SAR code. A crash ends it before.
"""

from __future__ import annotations

import ctypes
import json
import sys
from collections.abc import Iterator
from typing import Any

from hostdriver.skf.functions import FUNCTIONS, OWN_FUNCTIONS, CipherParameters, Handle

ALL = {**FUNCTIONS, **OWN_FUNCTIONS}
ROOM = 4096
KINDS = ("device", "application", "container", "key", "hash", "mac", "agreement")
GARBAGE = {"zero": 0, "small": 7, "huge": 0xFFFFFFFFFFFFFFFF, "address": id(ROOM)}
SM4_ECB, SM3 = 0x401, 1
WAITS = ("SKF_WaitForDevEvent",)
"""Functions that are to wait where nothing is wrong with them."""


class Abuser:
    """The library, with an open handle of every kind."""

    def __init__(self, path: str, device: str, application: str) -> None:
        self.library = ctypes.CDLL(path)
        for name, arguments in ALL.items():
            function = getattr(self.library, name)
            function.restype = ctypes.c_uint32
            function.argtypes = [ctypes.c_void_p if each is ctypes.c_char_p else each for each in arguments]
        self.room = ctypes.create_string_buffer(ROOM)
        self.device = device.encode()
        self.application = application.encode()
        self.handles: dict[str, int] = {}

    def call(self, name: str, *arguments: Any) -> int:
        """A function's SAR code."""
        return int(getattr(self.library, name)(*arguments))

    def make(self, name: str, *arguments: Any) -> int:
        """The handle that a function makes."""
        handle = ctypes.c_void_p()
        status = self.call(name, *arguments, ctypes.byref(handle))
        assert status == 0, (name, hex(status))
        return handle.value or 0

    def open(self) -> None:
        """Handles of every kind that needs no PIN; agreements come of none."""
        made = self.handles
        made["device"] = self.make("SKF_ConnectDev", self.device)
        made["application"] = self.make("SKF_OpenApplication", made["device"], self.application)
        made["container"] = self.make("SKF_OpenContainer", made["application"], b"SM2-SIGN")
        made["key"] = self.make("SKF_SetSymmKey", made["device"], self.room, SM4_ECB)
        made["hash"] = self.make("SKF_DigestInit", made["device"], SM3, None, None, 0)
        parameters = CipherParameters()
        parameters.packed[32] = 16  # IVLen
        made["mac"] = self.make("SKF_MacInit", made["key"], ctypes.byref(parameters))

    def _arguments(self, name: str, handle: int) -> list[Any]:
        """Arguments that are there: the handle first, buffers with room, numbers of nothing."""
        ctypes.memset(self.room, 0, ROOM)
        first_handle = True
        made: list[Any] = []
        for position, each in enumerate(ALL[name]):
            if each is Handle and position == 0 and first_handle:
                made.append(handle)
                first_handle = False
            elif each is CipherParameters:
                made.append(CipherParameters())
            elif each in (ctypes.c_uint32, ctypes.c_int32):
                made.append(0)
            else:
                made.append(self.room)
        return made

    def pointers(self, name: str) -> list[int]:
        """Positions of what a function takes by address."""
        plain = (ctypes.c_uint32, ctypes.c_int32, CipherParameters)
        return [
            at for at, each in enumerate(ALL[name]) if each not in plain and not self._is_handle(name, at)
        ]

    def _is_handle(self, name: str, position: int) -> bool:
        return self.takes_handle(name) and position == 0

    @staticmethod
    def takes_handle(name: str) -> bool:
        """Whether its first argument is a handle."""
        without = ("SKF_WaitForDevEvent", "SKF_CancelWaitForDevEvent", "SKF_EnumDev", "SKF_ConnectDev")
        return name not in (*without, "SKF_GetDevState")

    def with_handles(self, name: str) -> Iterator[tuple[str, int]]:
        """Handles that are none."""
        for case, value in GARBAGE.items():
            yield case, self.call(name, *self._arguments(name, value))

    def of_other_kinds(self, name: str, own: str) -> Iterator[tuple[str, int]]:
        """Handles of other kinds, for a function that takes one of this kind."""
        for kind, handle in self.handles.items():
            if kind != own:
                yield kind, self.call(name, *self._arguments(name, handle))

    def with_nulls(self, name: str, own: str) -> Iterator[tuple[str, int]]:
        """NULL for each address in turn, and for all of them."""
        positions = self.pointers(name)
        for case in [*([each] for each in positions), *([positions] if len(positions) > 1 else [])]:
            arguments = self._arguments(name, self.handles.get(own, 0))
            for position in case:
                arguments[position] = None
            yield f"NULL {'all' if case is positions else case[0]}", self.call(name, *arguments)


def kind_of(name: str) -> str:
    """The kind of handle that a function takes (the header's DEVHANDLE, HAPPLICATION, HCONTAINER, HANDLE)."""
    return OWN_KINDS[name]


def _kinds() -> dict[str, str]:
    of: dict[str, str] = {}
    devices = (
        "DisConnectDev SetLabel GetDevInfo LockDev UnlockDev Transmit ChangeDevAuthKey DevAuth CreateApplication "
        "EnumApplication DeleteApplication OpenApplication GenRandom GenExtRSAKey RSAVerify ExtRSAPubKeyOperation "
        "ExtRSAPriKeyOperation ECCVerify ExtECCEncrypt ExtECCDecrypt ExtECCSign ExtECCVerify SetSymmKey DigestInit"
    )
    applications = (
        "ChangePIN GetPINInfo VerifyPIN UnblockPIN ClearSecureState CloseApplication CreateFile DeleteFile EnumFiles "
        "GetFileInfo ReadFile WriteFile CreateContainer DeleteContainer OpenContainer EnumContainer"
    )
    keys = "EncryptInit Encrypt EncryptUpdate EncryptFinal DecryptInit Decrypt DecryptUpdate DecryptFinal MacInit"
    of |= dict.fromkeys(devices.split(), "device")
    of |= dict.fromkeys(applications.split(), "application")
    of |= dict.fromkeys(keys.split(), "key")
    of |= dict.fromkeys(["Digest", "DigestUpdate", "DigestFinal"], "hash")
    of |= dict.fromkeys(["Mac", "MacUpdate", "MacFinal"], "mac")
    of["GenerateKeyWithECC"] = "agreement"
    named = {f"SKF_{name}": kind for name, kind in of.items()}
    return {name: named.get(name, "container") for name in ALL if Abuser.takes_handle(name)}


OWN_KINDS = _kinds()
CLOSES = {
    "SKF_DisConnectDev": "device", "SKF_CloseApplication": "application", "SKF_CloseContainer": "container",
    "SKF_CloseHandle": "key",
}  # fmt: skip


def main() -> None:
    """Call, and print what was answered."""
    abuser = Abuser(*sys.argv[1:])
    abuser.open()
    told: dict[str, dict[str, int]] = {name: {} for name in ALL}
    for name in ALL:
        if abuser.takes_handle(name):
            told[name] |= abuser.with_handles(name)
            if name != "SKF_CloseHandle":
                told[name] |= abuser.of_other_kinds(name, kind_of(name))
        if name not in (*WAITS, *CLOSES):
            told[name] |= abuser.with_nulls(name, OWN_KINDS.get(name, ""))
    print("remove", flush=True)
    sys.stdin.readline()
    for name, kind in OWN_KINDS.items():
        if name not in CLOSES and kind in abuser.handles:
            told[name]["removed"] = abuser.call(name, *abuser._arguments(name, abuser.handles[kind]))
    abuser.call("SKF_DisConnectDev", abuser.handles["device"])
    for name, kind in OWN_KINDS.items():
        told[name]["closed"] = abuser.call(name, *abuser._arguments(name, abuser.handles.get(kind, 1)))
    print(json.dumps(told))


if __name__ == "__main__":
    main()
