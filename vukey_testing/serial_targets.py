"""An emulated key on a serial line: a pseudo-terminal, which pyserial takes for a port."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from emulator.links.serial import Pty, SerialLink
from hostdriver.transport import Transport
from hostdriver.transport.serial import SerialTransport
from vukey_testing.targets import WireAtPath


class SerialLine(WireAtPath):
    """The target `serial`: a line of its own, in a directory of its own."""

    @property
    def token(self) -> str:
        """See `Wire.token`."""
        return f"serial:{self.path}"

    def open(self) -> Transport:
        """See `Wire.open`.

        :raises KeyBusyError: the test has it open already.
        """
        return SerialTransport.open(str(self.path))

    def _start(self, path: Path) -> Callable[[], None]:
        link = SerialLink(self._shared, Pty(path))
        link.start()
        return link.close
