"""The command table: each command with its class, parameters, length and preconditions beside its handler.

The dispatcher checks preconditions in the order of `Need`, so the same wrong use always answers the same status
word; docs/commands.md is generated from this table.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import Enum, unique
from functools import partial
from typing import NamedTuple

from emulator.firmware.catalogue import Application, Container
from emulator.firmware.confirm import Waiting
from emulator.firmware.core import Core
from emulator.firmware.refused import Refused
from emulator.firmware.session_keys import SessionKey
from protocols.apdu import Command
from protocols.gmt import CLA_MAC, CLA_PLAIN, Ins, PinType
from protocols.gmt.session_keys import DEVICE_PLACE
from protocols.sw import SW


@unique
class Need(Enum):
    """A precondition, in the order of the checks, with the status word that its absence answers."""

    APPLICATION = ("an open application", SW.NOT_FOUND)
    CONTAINER = ("an open container of it", SW.NOT_FOUND)
    SESSION_KEY = ("a session key of it", SW.KEY_NOT_FOUND)
    DEVICE_AUTH = ("device authentication", SW.NOT_LOGGED_IN)
    USER_PIN = ("the user PIN verified", SW.NOT_LOGGED_IN)
    PIN_CHANGED = ("the initial PIN changed", SW.INITIAL_PIN)
    ISSUER_OR_PIN_CHANGED = ("the initial PIN changed, or device authentication", SW.INITIAL_PIN)
    ACTIVATED = ("the container activated", SW.NOT_ACTIVATED)

    def __init__(self, text: str, sw: SW) -> None:
        self.text = text
        self.sw = sw


class Call(NamedTuple):
    """A command that passed the checks.

    :param body: the data after the handles.
    :param key: the session key that the third handle names, where the command takes one.
    """

    command: Command
    application: Application
    container: Container
    body: bytes
    key: SessionKey | None


_new_call = partial(tuple.__new__, Call)
"""A call from its fields, without the generated constructor's call: this is the hot path."""


Handler = Callable[[Core, Call], "bytes | Waiting"]
Row = Callable[[Core, Call], "Callable[[bytes], bytes] | None"]
"""What answers further data of a command that has just been answered; None where each has to be looked at."""


def _lacks_device_auth(core: Core, application: Application, container: Container) -> bool:
    return not core.session.device_authenticated


def _lacks_user_pin(core: Core, application: Application, container: Container) -> bool:
    return not core.session.logged_in(application, PinType.USER)


def _lacks_changed_pin(core: Core, application: Application, container: Container) -> bool:
    return core.must_change_pin(application)


def _lacks_issuer_or_changed_pin(core: Core, application: Application, container: Container) -> bool:
    return core.must_change_pin(application) and not core.session.device_authenticated


def _lacks_activation(core: Core, application: Application, container: Container) -> bool:
    return not core.is_activated(container)


Lacks = Callable[[Core, Application, Container], bool]

_CHECKS: Mapping[Need, Lacks] = {
    Need.DEVICE_AUTH: _lacks_device_auth,
    Need.USER_PIN: _lacks_user_pin,
    Need.PIN_CHANGED: _lacks_changed_pin,
    Need.ISSUER_OR_PIN_CHANGED: _lacks_issuer_or_changed_pin,
    Need.ACTIVATED: _lacks_activation,
}


@dataclass(frozen=True, slots=True)
class Spec:
    """One row of the table.

    :param secret: its data carry a PIN, a code or a key, even if enciphered.
    :param handles: how many handles the data begin with: none, the application's, the container's, a session key's.
    :param handle_in_parameters: the application's handle stands in P1 and P2 instead.
    :param at_device: both handles zero stand for the device itself.
    :param checks: the needs beyond open handles, ready to be asked.
    :param row: how a row of equal commands goes on, where only their data differ (docs/decisions/011).
    """

    ins: Ins
    handler: Handler
    cla: int
    p1: frozenset[int]
    p2: frozenset[int]
    lc: range
    needs: tuple[Need, ...]
    answers: tuple[SW, ...]
    handles: int
    handle_in_parameters: bool
    at_device: bool
    checks: tuple[tuple[Lacks, SW], ...]
    secret: bool
    row: Row | None

    @property
    def title(self) -> str:
        """The command's name in GM/T 0017: the first word of its handler's docstring."""
        return (self.handler.__doc__ or f"{self.ins:02X}").partition(":")[0]


HANDLE = 2
"""Bytes of a handle."""
_HANDLES = (Need.APPLICATION, Need.CONTAINER, Need.SESSION_KEY)
_ANY_LENGTH = 0x10000


class Table(dict[int, Spec]):
    """Rows by INS, filled by the decorator."""

    def command(
        self,
        ins: Ins,
        *needs: Need,
        mac: bool = False,
        p1: Collection[int] = (0,),
        p2: Collection[int] = (0,),
        lc: int | tuple[int, int | None] = 0,
        answers: tuple[SW, ...] = (),
        secret: bool = False,
        handle_in_parameters: bool = False,
        at_device: bool = False,
        row: Row | None = None,
    ) -> Callable[[Handler], Handler]:
        """Enter a handler under its number.

        :param lc: length of the data, or its bounds, both included; None has no upper bound.
        :param answers: the status words of its own, beside those of the checks.
        :param secret: its data carry a PIN, a code or a key, even if enciphered: no log shows them.
        :param handle_in_parameters: the application's handle is P1 and P2, and the data have none.
        :param at_device: both handles zero stand for the device itself (SetSymmKey's keys of no container).
        :param row: how a row of equal commands goes on; its handler changes nothing that its checks look at.
        """
        if handle_in_parameters:
            p1 = p2 = range(256)
        low, high = lc if isinstance(lc, tuple) else (lc, lc)
        lengths = range(low, (_ANY_LENGTH if high is None else high) + 1)
        handles = 0 if handle_in_parameters else sum(need in needs for need in _HANDLES)
        checks = tuple((_CHECKS[need], need.sw) for need in needs if need in _CHECKS)
        cla = CLA_MAC if mac else CLA_PLAIN

        def enter(handler: Handler) -> Handler:
            self[ins] = Spec(
                ins,
                handler,
                cla,
                frozenset(p1),
                frozenset(p2),
                lengths,
                needs,
                answers,
                handles,
                handle_in_parameters,
                at_device,
                checks,
                secret,
                row,
            )
            return handler

        return enter


_NO_APPLICATION = Application(0, "", 0, 0, 0, 0)
_NO_CONTAINER = Container(0, 0, "")


def prepare(core: Core, spec: Spec, command: Command) -> Call:
    """Check a command against its row.

    :raises Refused: with the first status word that applies.
    """
    cla, _, p1, p2, body, _, _ = command
    if cla != spec.cla:
        raise Refused(SW.MAC_MISSING if spec.cla == CLA_MAC else SW.SECURE_MESSAGING_NOT_SUPPORTED)
    if p1 not in spec.p1 or p2 not in spec.p2:
        raise Refused(SW.WRONG_P1_P2)
    if len(body) not in spec.lc:
        raise Refused(SW.WRONG_LENGTH)
    application, container, key = _NO_APPLICATION, _NO_CONTAINER, None
    if spec.handles:
        if not (spec.at_device and body[: 2 * HANDLE] == DEVICE_PLACE):
            application = core.session.application(core.catalogue, body[:HANDLE])
            if spec.handles > 1:
                container = core.session.container(application, body[HANDLE : 2 * HANDLE])
        if spec.handles > 2:
            key = core.session.keys.find(container.place, body[2 * HANDLE : 3 * HANDLE])
        body = body[spec.handles * HANDLE :]
    elif spec.handle_in_parameters:
        application = core.session.application(core.catalogue, command.header[2:])
    for lacks, sw in spec.checks:
        if lacks(core, application, container):
            raise Refused(sw)
    return _new_call((command, application, container, body, key))
