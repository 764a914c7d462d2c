"""The card: parses each APDU once, routes it, turns refusals into status words, hands long answers out in pieces."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from typing import NamedTuple

from emulator.firmware.applets.gmt import GmtApplet
from emulator.firmware.applets.gmt.table import HANDLE, Call, Spec
from emulator.firmware.confirm import Ask, Decision
from emulator.firmware.core import Core
from emulator.firmware.facts import CommandFacts
from emulator.firmware.pin_entry import PinEntry
from emulator.firmware.refused import Refused
from emulator.hardware.storage import StateError
from protocols.apdu import LE_SIZE, MAX_RESPONSE_DATA, ApduError, Command, encode_response, parse_command
from protocols.gmt import CLA_MAC, CLA_PLAIN
from protocols.sw import SW

_log = logging.getLogger(__name__)

_CLA_ISO = 0x00
_INS_SELECT = 0xA4
_OK = SW.OK.to_bytes(2)
_EXTENDED_HEAD = 7
"""Bytes of an APDU in extended form before its data."""

Answer = Generator[Ask, Decision, bytes]
"""An APDU under way: yields what it asks a person, returns the response APDU."""


Prepared = tuple[Spec, Call]
"""A command that passed its checks."""


class _Again(NamedTuple):
    """How a command is answered that comes once more, straight after itself, with other data: its checks stand.

    Only an APDU can change what they found, and any other APDU ends this (docs/decisions/011).

    :param head: its bytes up to the last handle.
    :param tail: its Le, the last two bytes.
    :param size: of the whole APDU.
    """

    head: bytes
    tail: bytes
    size: int
    answer: Callable[[bytes], bytes]


def _no_iso_applet(command: Command) -> Prepared:
    """Class 00 reaches the ISO applet that was selected: so far there is none."""
    raise Refused(SW.NOT_FOUND if command.ins == _INS_SELECT else SW.INS_NOT_SUPPORTED)


def _unknown_class(command: Command) -> Prepared:
    raise Refused(SW.CLA_NOT_SUPPORTED)


class Card:
    """Reset, routing and chaining above the applets."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._gmt = GmtApplet(core)
        gmt = self._gmt.prepare
        self._routes: dict[int, Callable[[Command], Prepared]] = {
            CLA_PLAIN: gmt,
            CLA_MAC: gmt,
            _CLA_ISO: _no_iso_applet,
        }
        self._chain: tuple[Command, bytes] | None = None
        self._again: _Again | None = None
        self._private = {int(sw): other for sw, other in core.dialect.private_sw.items()}
        self._piece = min(core.profile.max_apdu_data, MAX_RESPONSE_DATA)

    def reset(self) -> None:
        """Power-on or warm reset: nothing volatile survives."""
        self._chain = self._again = None
        self._core.start()

    def drop_begun(self) -> None:
        """Forget what is left of a long answer, and the random number that was asked for."""
        self._chain = None
        self._core.session.challenge = None

    def command_facts(self, apdu: bytes) -> CommandFacts:
        """What an APDU is called, for whoever looks on; unknown ones may carry a secret meant for another command."""
        if len(apdu) >= 2 and apdu[0] in (CLA_PLAIN, CLA_MAC):
            return self._gmt.facts(apdu[1])
        if apdu[:2] == bytes((_CLA_ISO, _INS_SELECT)):
            return CommandFacts("SELECT", secret=False)
        return CommandFacts(apdu[:2].hex(" ").upper(), secret=True)

    def run(self, apdu: bytes) -> bytes | Answer:
        """A response APDU at once, or a generator that waits for a person."""
        again = self._again
        if again is not None:
            head, tail, size, answer = again
            if len(apdu) == size and apdu.startswith(head) and apdu.endswith(tail):
                return answer(apdu[len(head) : -LE_SIZE]) + _OK
            self._again = None
        try:
            command = parse_command(apdu)
        except ApduError:
            self._chain = None
            return self._status(SW.WRONG_LENGTH)
        if self._chain is not None:
            rest, self._chain = self._remaining(command), None
            if rest:
                return self._pieces(command, rest)
        try:
            spec, call = self._routes.get(command.cla, _unknown_class)(command)
            result = spec.handler(self._core, call)
            if not isinstance(result, bytes):
                return self._start(command, result)
            if len(result) <= self._piece and (command.le is None or len(result) <= command.le):
                if spec.row:
                    self._expect_again(apdu, command, spec.row(self._core, call))
                return result + _OK
            return self._pieces(command, result)
        except (Refused, StateError) as failure:
            return self._failed(failure)

    def enter_pin(self, entry: PinEntry) -> bytes | Answer:
        """As `run`, with a PIN that is typed on the key's own keypad."""
        self._chain = self._again = None
        try:
            command = parse_command(entry.apdu)
        except ApduError:
            return self._status(SW.WRONG_LENGTH)
        if command.cla not in (CLA_PLAIN, CLA_MAC):
            return self._status(SW.CLA_NOT_SUPPORTED)
        try:
            return self._start(command, self._gmt.enter_pin(command, entry))
        except (Refused, StateError) as failure:
            return self._failed(failure)

    def _expect_again(self, apdu: bytes, command: Command, answer: Callable[[bytes], bytes] | None) -> None:
        """The same once more would be parsed and checked for nothing."""
        if answer is not None and command.extended and command.le is not None:
            head = apdu[:_EXTENDED_HEAD] + command.data[: 2 * HANDLE]
            self._again = _Again(head, apdu[-LE_SIZE:], len(apdu), answer)

    def _start(self, command: Command, waiting: Answer) -> bytes | Answer:
        """Run to the first question; most commands never ask one."""
        try:
            ask = next(waiting)
        except StopIteration as done:
            return self._pieces(command, done.value)
        return self._wait(command, waiting, ask)

    def _wait(self, command: Command, waiting: Answer, ask: Ask) -> Answer:
        try:
            while True:
                decision = yield ask
                ask = waiting.send(decision)
        except StopIteration as done:
            return self._pieces(command, done.value)
        except (Refused, StateError) as failure:
            return self._failed(failure)
        finally:
            waiting.close()

    def _failed(self, failure: Refused | StateError) -> bytes:
        if isinstance(failure, Refused):
            return self._status(failure.sw)
        _log.error("the key's memory could not be written: %s", failure)
        return self._status(SW.MEMORY_FAILURE)

    def _status(self, sw: int) -> bytes:
        return self._private.get(sw, sw).to_bytes(2)

    def _remaining(self, command: Command) -> bytes:
        """What is left of the last answer, if this is the same command again."""
        before, rest = self._chain or (None, b"")
        return rest if before is not None and before[:5] == command[:5] else b""

    def _pieces(self, command: Command, data: bytes) -> bytes:
        """As much as the host takes and one APDU holds; 6A9E says that more remains."""
        room = self._piece if command.le is None else min(command.le, self._piece)
        if len(data) <= room:
            return data + _OK
        self._chain = (command, data[room:])
        return encode_response(data[:room], SW.MORE_DATA)
