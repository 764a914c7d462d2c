"""The GM/T 0017 application: one table of commands, one way through it."""

from __future__ import annotations

from emulator.firmware.applets.gmt import (
    activation,
    agreement,
    applications,
    ciphers,
    containers,
    device,
    digests,
    external,
    files,
    keypad,
    keys,
    pins,
    session_keys,
    signing,
)
from emulator.firmware.applets.gmt.table import Call, Spec, Table, prepare
from emulator.firmware.confirm import Waiting
from emulator.firmware.core import Core
from emulator.firmware.facts import CommandFacts
from emulator.firmware.pin_entry import PinEntry
from emulator.firmware.refused import Refused
from emulator.profiles import Containers
from protocols.apdu import Command
from protocols.ins import RSA_COMMANDS, SM2_COMMANDS, Ins
from protocols.sw import SW

COMMANDS: dict[int, Spec] = Table()
for _module in (
    device,
    pins,
    applications,
    files,
    containers,
    keys,
    signing,
    external,
    session_keys,
    ciphers,
    digests,
    agreement,
    activation,
):
    COMMANDS |= _module.TABLE


def _lacking(containers: Containers) -> frozenset[Ins]:
    """The commands of an algorithm that the model does not have (GetDevInfo says so)."""
    none: frozenset[Ins] = frozenset()
    return (none if containers.rsa else RSA_COMMANDS) | (none if containers.sm2 else SM2_COMMANDS)


class GmtApplet:
    """Answers commands of class 80 and 84."""

    def __init__(self, core: Core) -> None:
        self._core = core
        numbered = ((core.dialect.number(spec.ins), spec) for spec in COMMANDS.values())
        self._specs = {number: spec for number, spec in numbered if number is not None}
        lacking = _lacking(core.profile.containers)
        self._commands = {n: spec for n, spec in self._specs.items() if spec.ins not in lacking}

    def facts(self, ins: int) -> CommandFacts:
        """What the command of a number is called, and whether its data are secret; an unknown one's may be."""
        spec = self._specs.get(ins)
        return CommandFacts(spec.title, spec.secret) if spec else CommandFacts(f"INS {ins:02X}", secret=True)

    def prepare(self, command: Command) -> tuple[Spec, Call]:
        """The command's row, and the command with what its checks found.

        :raises Refused: with a status word.
        """
        spec = self._commands.get(command.ins)
        if spec is None:
            known = command.ins in self._specs
            raise Refused(SW.FUNCTION_NOT_SUPPORTED if known else SW.INS_NOT_SUPPORTED)
        return spec, prepare(self._core, spec, command)

    def enter_pin(self, command: Command, entry: PinEntry) -> Waiting:
        """A PIN typed on the keypad instead of the command's own.

        :raises Refused: no keypad, or another command than the entry's.
        """
        spec = self._commands.get(command.ins)
        if not self._core.profile.keypad:
            raise Refused(SW.FUNCTION_NOT_SUPPORTED)
        if spec is None or spec.ins is not keypad.command_of(entry):
            raise Refused(SW.INS_NOT_SUPPORTED)
        call = prepare(self._core, spec, keypad.blank(command, spec.lc.start))
        return keypad.enter(self._core, call, entry)
