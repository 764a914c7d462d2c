"""Keys behind their makers' SKF libraries (GM/T 0016).

`Library` loads one, `device_names` and `connect` begin, and from there on every function of the standard is a method
of `Device`, `Application`, `Container`, `SessionKey`, `Digest`, `Mac` or `Agreement`. `open_token` gives the same key
as a `Token`.
"""

from __future__ import annotations

from hostdriver.errors import HostError, NoKeyError, SeveralKeysError
from hostdriver.libraries import LibraryName
from hostdriver.printable import printable
from hostdriver.skf.application import Application
from hostdriver.skf.container import Container
from hostdriver.skf.device import FOREVER, Device, connect, device_names, device_state
from hostdriver.skf.errors import FunctionMissingError, NotSkfError, SkfFailedError
from hostdriver.skf.events import EventWatch
from hostdriver.skf.habits import Habits, said
from hostdriver.skf.library import Library
from hostdriver.skf.session_key import Agreement, Digest, Mac, SessionKey
from hostdriver.skf.token import SkfToken
from hostdriver.token import TokenInfo
from protocols.i18n import N_

__all__ = [
    "FOREVER",
    "Agreement",
    "Application",
    "Container",
    "Device",
    "Digest",
    "EventWatch",
    "FunctionMissingError",
    "Habits",
    "Library",
    "Mac",
    "NotSkfError",
    "SessionKey",
    "SkfFailedError",
    "SkfToken",
    "connect",
    "device_names",
    "device_state",
    "list_tokens",
    "open_token",
]


def open_token(name: str, habits: str | None = None) -> SkfToken:
    """The key that ``skf:LIBRARY[:DEVICE]`` names; without a device, the only one.

    :param name: what follows ``skf:``.
    :param habits: of the library's maker, words of `habits.WORDS`; None: as far as they can be seen.
    :raises NotSkfError: no such library.
    :raises NoKeyError: it finds no key, or none of that name.
    :raises SeveralKeysError: it finds several, and none was named.
    """
    wanted = LibraryName.parse(name)
    library = Library(wanted.path, said(habits))
    device = connect(library, _chosen(library, wanted.key))
    try:
        device.info()  # shows habits
    except BaseException:
        device.disconnect()
        raise
    return SkfToken(device, _spec(library, device.name))


def list_tokens(name: str, habits: str | None = None) -> list[TokenInfo]:
    """Every key that a library finds; of one that it cannot connect nothing but the name.

    :raises NotSkfError: no such library.
    """
    library = Library(LibraryName.parse(name).path, said(habits))
    return [_asked(library, device) for device in device_names(library)]


def _spec(library: Library, device: str) -> str:
    return f"skf:{library.path}:{device}"


def _asked(library: Library, name: str) -> TokenInfo:
    try:
        with SkfToken(connect(library, name), _spec(library, name)) as token:
            return token.info()
    except HostError:
        return TokenInfo(_spec(library, name), "", "", "", "", "", "")


def _knows(library: Library, name: str) -> bool:
    try:
        connect(library, name).disconnect()
    except HostError:
        return False
    return True


def _chosen(library: Library, wanted: str) -> str:
    """The wanted device, a part of whose name will do; else the only one.

    A library may know names that it does not list: ours takes ``socket:/path``.
    """
    names = device_names(library)
    fitting = [name for name in names if name == wanted] or [name for name in names if wanted in name]
    if not fitting and wanted and _knows(library, wanted):
        return wanted
    if not fitting:
        raise NoKeyError(
            N_("{library} finds no key “{name}”; see: vukey host list --token skf:{library}")
            if wanted
            else N_("{library} finds no key: plug it in"),
            library=printable(library.path),
            name=printable(wanted),
        )
    if len(fitting) > 1:
        specs = printable(", ".join(_spec(library, name) for name in fitting))
        raise SeveralKeysError(N_("several keys found; choose one with --token: {names}"), names=specs)
    return fitting[0]
