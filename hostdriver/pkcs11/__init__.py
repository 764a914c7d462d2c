"""Keys behind their makers' PKCS#11 modules.

A module is spoken to through ctypes, as an SKF library is: docs/decisions/012-pkcs11-through-ctypes.md.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import NamedTuple

from hostdriver.errors import HostError, KeyRemovedError, NoKeyError, SeveralKeysError
from hostdriver.libraries import LibraryName
from hostdriver.pkcs11.cryptoki import TokenFlag
from hostdriver.pkcs11.module import Module, load
from hostdriver.pkcs11.token import Pkcs11Token, described
from hostdriver.printable import printable
from hostdriver.token import Token, TokenInfo
from protocols.i18n import N_


class _Found(NamedTuple):
    slot: int
    info: TokenInfo


def open_token(name: str) -> Token:
    """The key that ``pkcs11:MODULE[:LABEL]`` names; without a label, the only one.

    :param name: what follows ``pkcs11:``; a serial number will do for the label.
    :raises ModuleError: there is no such module, or it cannot be loaded.
    :raises NoKeyError: it finds no key, or none of that label.
    :raises SeveralKeysError: it finds several; the message lists them.
    """
    module, key = _module(name)
    found = _find(module)
    fitting = [one for one in found if key in ("", one.info.label, one.info.serial)]
    if not fitting:
        raise _nothing(module, key, found)
    if len(fitting) > 1:
        names = printable(", ".join(one.info.token for one in fitting))
        raise SeveralKeysError(N_("several keys found; choose one with --token: {names}"), names=names)
    return Pkcs11Token(module, fitting[0].slot, fitting[0].info.token)


def list_tokens(name: str) -> list[TokenInfo]:
    """Every key that a module finds.

    :raises ModuleError: there is no such module, or it cannot be loaded.
    """
    return [one.info for one in _find(_module(name)[0])]


def _module(name: str) -> tuple[Module, str]:
    path, key = LibraryName.parse(name)
    return load(path), key


def _find(module: Module) -> list[_Found]:
    """Slots with an initialised token: the others are no keys yet. What is just being pulled out is left out."""
    module.look()
    tokens = []
    for slot in module.slots():
        try:
            info = module.token_info(slot)
        except KeyRemovedError:
            continue
        if info.flags & TokenFlag.TOKEN_INITIALIZED:
            tokens.append((slot, described(info, "")))
    labels = Counter(info.label for _, info in tokens)
    return [_Found(slot, _named(module, info, labels[info.label] == 1)) for slot, info in tokens]


def _named(module: Module, info: TokenInfo, is_alone: bool) -> TokenInfo:
    """Called by its label, where no other has the same and it has one."""
    key = info.label if info.label and is_alone else info.serial
    return replace(info, token=f"pkcs11:{module.path}:{key}")


def _nothing(module: Module, key: str, found: list[_Found]) -> HostError:
    if not key:
        return NoKeyError(N_("the PKCS#11 module {path} finds no key: is it plugged in?"), path=module.path)
    names = printable(", ".join(one.info.token for one in found)) or "-"
    return NoKeyError(
        N_("the PKCS#11 module {path} finds no key {key}; it finds: {names}"),
        path=module.path, key=printable(key), names=names,
    )  # fmt: skip
