"""The command table: each command with its class, parameters, length and preconditions beside its handler.

The dispatcher checks preconditions in the order of `Need`, so the same wrong use always answers the same status
word; docs/commands.md is generated from this table.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum, unique
from typing import NamedTuple

from emulator.firmware.catalogue import Application, Container
from emulator.firmware.confirm import Waiting
from emulator.firmware.core import Core
from emulator.firmware.refused import Refused
from protocols.apdu import Command
from protocols.gmt import CLA_MAC, CLA_PLAIN, Ins, PinType
from protocols.sw import SW


@unique
class Need(Enum):
    """A precondition, in the order of the checks, with the status word that its absence answers."""

    APPLICATION = ("an open application", SW.NOT_FOUND)
    CONTAINER = ("an open container of it", SW.NOT_FOUND)
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

    :param body: the data after the application's and the container's handle.
    """

    command: Command
    application: Application
    container: Container
    body: bytes


Handler = Callable[[Core, Call], "bytes | Waiting"]


@dataclass(frozen=True, slots=True)
class Spec:
    """One row of the table."""

    ins: Ins
    handler: Handler
    cla: int
    p1: Collection[int]
    p2: Collection[int]
    lc: range
    needs: tuple[Need, ...]
    answers: tuple[SW, ...]


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
    ) -> Callable[[Handler], Handler]:
        """Enter a handler under its number.

        :param lc: length of the data, or its bounds, both included; None has no upper bound.
        :param answers: the status words of its own, beside those of the checks.
        """
        low, high = lc if isinstance(lc, tuple) else (lc, lc)
        lengths = range(low, (_ANY_LENGTH if high is None else high) + 1)
        cla = CLA_MAC if mac else CLA_PLAIN

        def enter(handler: Handler) -> Handler:
            self[ins] = Spec(ins, handler, cla, p1, p2, lengths, needs, answers)
            return handler

        return enter


_NO_APPLICATION = Application(0, "", 0, 0, 0, 0)
_NO_CONTAINER = Container(0, 0, "")


def _check_form(spec: Spec, command: Command) -> None:
    if command.cla != spec.cla:
        wants_mac = spec.cla == CLA_MAC
        raise Refused(SW.MAC_MISSING if wants_mac else SW.SECURE_MESSAGING_NOT_SUPPORTED)
    if command.p1 not in spec.p1 or command.p2 not in spec.p2:
        raise Refused(SW.WRONG_P1_P2)
    if len(command.data) not in spec.lc:
        raise Refused(SW.WRONG_LENGTH)


def _lacks(core: Core, need: Need, application: Application, container: Container) -> bool:
    session = core.session
    if need is Need.DEVICE_AUTH:
        return not session.device_authenticated
    if need is Need.USER_PIN:
        return not session.logged_in(application, PinType.USER)
    if need is Need.PIN_CHANGED:
        return core.must_change_pin(application)
    if need is Need.ISSUER_OR_PIN_CHANGED:
        return core.must_change_pin(application) and not session.device_authenticated
    return not core.is_activated(container)


def prepare(core: Core, spec: Spec, command: Command) -> Call:
    """Check a command against its row.

    :raises Refused: with the first status word that applies.
    """
    _check_form(spec, command)
    application, container = _NO_APPLICATION, _NO_CONTAINER
    body = command.data
    for need in spec.needs:
        if need is Need.APPLICATION:
            found = core.session.application(core.catalogue, body[:2])
            if found is None:
                raise Refused(need.sw)
            application, body = found, body[2:]
        elif need is Need.CONTAINER:
            held = core.session.container(application, body[:2])
            if held is None:
                raise Refused(need.sw)
            container, body = held, body[2:]
        elif _lacks(core, need, application, container):
            raise Refused(need.sw)
    return Call(command, application, container, body)
