"""A PKCS#11 module in this process: loaded once, initialised once, called from any thread."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from ctypes import CDLL, POINTER, byref, c_ubyte, c_ulong
from typing import Any, TypeVar

from hostdriver.errors import AnswerError, HostError
from hostdriver.outcomes import Ckr
from hostdriver.pkcs11.cryptoki import (
    CKF_DONT_BLOCK,
    CKF_OS_LOCKING_OK,
    FunctionList,
    Info,
    InitializeArguments,
    SlotInfo,
    TokenInfo,
    functions_of,
    name_of,
)
from hostdriver.pkcs11.failures import ModuleError, failure
from hostdriver.pkcs11.habits import Habits, habits_of
from protocols.i18n import N_
from protocols.sw import SW

_Structure = TypeVar("_Structure", Info, SlotInfo, TokenInfo)
_MOST = 1024
"""Slots or mechanisms that a module may list."""
_TRIES = 8
_WITHOUT_LOCKS = (Ckr.CANT_LOCK, Ckr.NEED_TO_CREATE_THREADS)


class Module:
    """What a module does beside its sessions.

    :param functions: as `functions_of` finds them.
    """

    def __init__(self, path: str, functions: Mapping[str, Any]) -> None:
        self.path = path
        self._functions = functions
        self._turn: AbstractContextManager[Any] = nullcontext()
        self._answers: Mapping[int, SW] = {}
        self._is_ours = False
        self._initialize()
        self.manufacturer = text(self._read("GetInfo", Info()).manufacturer)

    def ask(self, function: str, *arguments: object) -> int:
        """Call a function, named without its C_; what it answers."""
        called = self._functions.get(function)
        if called is None:
            return Ckr.FUNCTION_NOT_SUPPORTED
        with self._turn:
            return int(called(*arguments))

    def call(self, function: str, *arguments: object) -> None:
        """Call a function, named without its C_.

        :raises HostError: it answered anything but CKR_OK; see `failure`.
        """
        code = self.ask(function, *arguments)
        if code != Ckr.OK:
            raise self.failed(function, code)

    def failed(self, function: str, code: int) -> HostError:
        """The typed error of an answer."""
        return failure(function, code, self._answers)

    def slots(self) -> list[int]:
        """Those with a token in them."""
        return self._numbers("GetSlotList", c_ubyte(1))

    def slot_info(self, slot: int) -> SlotInfo:
        """CK_SLOT_INFO."""
        return self._read("GetSlotInfo", SlotInfo(), slot)

    def token_info(self, slot: int) -> TokenInfo:
        """CK_TOKEN_INFO.

        :raises KeyRemovedError: there is no token in the slot.
        """
        return self._read("GetTokenInfo", TokenInfo(), slot)

    def mechanisms(self, slot: int) -> frozenset[int]:
        """What the token in that slot can do."""
        return frozenset(self._numbers("GetMechanismList", slot))

    def habits(self, slot: int) -> Habits:
        """Its maker's; from now on the maker's own answers have types as well."""
        habits = habits_of(self.manufacturer, self.mechanisms(slot))
        self._answers = habits.answers
        return habits

    def look(self) -> None:
        """Have the module notice what was plugged in or pulled out; not every module can be asked."""
        slot = c_ulong()
        if self.ask("WaitForSlotEvent", CKF_DONT_BLOCK, byref(slot), None) != Ckr.OK:
            self.ask("GetSlotList", c_ubyte(0), None, byref(slot))

    def finalize(self) -> None:
        """Once, where we started it."""
        if self._is_ours:
            self._is_ours = False
            self.ask("Finalize", None)

    def _initialize(self) -> None:
        """Once in the process; where somebody else did, it is theirs to end. A module without locks gets ours."""
        code = self.ask("Initialize", byref(InitializeArguments(flags=CKF_OS_LOCKING_OK)))
        if code in _WITHOUT_LOCKS:
            self._turn = threading.RLock()
            code = self.ask("Initialize", None)
        self._is_ours = code == Ckr.OK
        if code not in (Ckr.OK, Ckr.CRYPTOKI_ALREADY_INITIALIZED):
            raise ModuleError(
                N_("the PKCS#11 module {path} does not start: {code}"), path=self.path, code=name_of(code)
            )

    def _read(self, function: str, into: _Structure, *arguments: int) -> _Structure:
        self.call(function, *arguments, byref(into))
        return into

    def _numbers(self, function: str, first: object) -> list[int]:
        """A list that may grow between the question for its length and the one for itself.

        :raises AnswerError: it is absurdly long, or never fits.
        """
        for _ in range(_TRIES):
            count = c_ulong()
            self.call(function, first, None, byref(count))
            if count.value > _MOST:
                break
            numbers = (c_ulong * (count.value or 1))()
            code = self.ask(function, first, numbers, byref(count))
            if code == Ckr.OK:
                return numbers[: min(count.value, len(numbers))]
            if code != Ckr.BUFFER_TOO_SMALL:
                raise self.failed(function, code)
        raise AnswerError(
            N_("the PKCS#11 module answers C_{function} with a list that has no end"), function=function
        )


_loaded: dict[int, Module] = {}
_loading = threading.Lock()


def load(path: str) -> Module:
    """The module at a path, or of a name that the system's loader looks up; the same one each time.

    :raises ModuleError: no such file, no shared library for this machine, or no PKCS#11 module.
    """
    with _loading:
        try:
            library = CDLL(path)  # RTLD_LOCAL: two makers' modules do not see each other
        except OSError as error:
            raise ModuleError(
                N_("the PKCS#11 module {path} cannot be loaded: {reason}"), path=path, reason=error
            ) from None
        if library._handle not in _loaded:  # one file by whatever path
            _loaded[library._handle] = Module(path, _functions(path, library))
        return _loaded[library._handle]


@atexit.register
def finalize_all() -> None:
    """End every module that we started; one that is loaded again begins anew."""
    with _loading:
        while _loaded:
            _loaded.popitem()[1].finalize()


def _functions(path: str, library: CDLL) -> dict[str, Any]:
    found = POINTER(FunctionList)()
    try:
        code = library.C_GetFunctionList(byref(found))
    except AttributeError:
        raise ModuleError(N_("{path} is no PKCS#11 module: it has no C_GetFunctionList"), path=path) from None
    if code != Ckr.OK:
        raise ModuleError(
            N_("the PKCS#11 module {path} does not start: {code}"), path=path, code=name_of(code)
        )
    return functions_of(found.contents)


def text(padded: bytes) -> str:
    """A text of the standard's fixed fields: UTF-8, padded with spaces, by some with NUL."""
    return padded.decode(errors="replace").rstrip(" \0")
