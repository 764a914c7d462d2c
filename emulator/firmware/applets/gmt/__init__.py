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
    keys,
    pins,
    session_keys,
    signing,
)
from emulator.firmware.applets.gmt.table import Call, Spec, Table, prepare
from emulator.firmware.core import Core
from emulator.firmware.facts import CommandFacts
from emulator.firmware.refused import Refused
from protocols.apdu import Command
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


class GmtApplet:
    """Answers commands of class 80 and 84."""

    def __init__(self, core: Core) -> None:
        self._core = core
        numbered = ((core.dialect.number(spec.ins), spec) for spec in COMMANDS.values())
        self._commands = {number: spec for number, spec in numbered if number is not None}

    def facts(self, ins: int) -> CommandFacts:
        """What the command of a number is called, and whether its data are secret; an unknown one's may be."""
        spec = self._commands.get(ins)
        return CommandFacts(spec.title, spec.secret) if spec else CommandFacts(f"INS {ins:02X}", secret=True)

    def prepare(self, command: Command) -> tuple[Spec, Call]:
        """The command's row, and the command with what its checks found.

        :raises Refused: with a status word.
        """
        spec = self._commands.get(command.ins)
        if spec is None:
            raise Refused(SW.INS_NOT_SUPPORTED)
        return spec, prepare(self._core, spec, command)
