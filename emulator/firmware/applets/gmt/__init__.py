"""The GM/T 0017 application: one table of commands, one way through it."""

from __future__ import annotations

from emulator.firmware.applets.gmt import activation, applications, containers, device, pins, signing
from emulator.firmware.applets.gmt.table import Spec, Table, prepare
from emulator.firmware.confirm import Waiting
from emulator.firmware.core import Core
from emulator.firmware.facts import CommandFacts
from emulator.firmware.refused import Refused
from protocols.apdu import Command
from protocols.gmt import Ins
from protocols.sw import SW

COMMANDS: dict[int, Spec] = Table()
for _module in (device, pins, applications, containers, signing, activation):
    COMMANDS |= _module.TABLE


class GmtApplet:
    """Answers commands of class 80 and 84."""

    def __init__(self, core: Core) -> None:
        self._core = core
        numbers = {spec.ins: ins for ins, spec in COMMANDS.items()}
        numbers[Ins.ACTIVATION] = core.dialect.activation_ins
        self._commands = {number: COMMANDS[ins] for ins, number in numbers.items()}

    def facts(self, ins: int) -> CommandFacts:
        """What the command of a number is called, and whether its data are secret; an unknown one's may be."""
        spec = self._commands.get(ins)
        return CommandFacts(spec.title, spec.secret) if spec else CommandFacts(f"INS {ins:02X}", secret=True)

    def run(self, command: Command) -> bytes | Waiting:
        """Data at once, or a generator that waits for a person.

        :raises Refused: with a status word.
        """
        spec = self._commands.get(command.ins)
        if spec is None:
            raise Refused(SW.INS_NOT_SUPPORTED)
        return spec.handler(self._core, prepare(self._core, spec, command))
