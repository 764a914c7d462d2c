"""An emulated key on a serial line: a pseudo-terminal, which pyserial takes for a port."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

from emulator.links.serial import Pty, SerialLink
from emulator.sharing import SharedKey
from hostdriver.transport import Transport
from hostdriver.transport.serial import SerialTransport


class SerialLine:
    """The target `serial`: a line of its own, in a directory of its own."""

    def __init__(self, shared: SharedKey) -> None:
        self._shared = shared
        self._held = ExitStack()
        self.path: Path | None = None

    @property
    def plugged(self) -> bool:
        """See `Wire.plugged`."""
        return self.path is not None

    def plug(self) -> None:
        """See `Wire.plug`."""
        if self.path:
            return
        directory = self._held.enter_context(tempfile.TemporaryDirectory(prefix="vukey-"))
        path = Path(directory, "key.tty")
        link = SerialLink(self._shared, Pty(path))
        link.start()
        self._held.callback(link.close)
        self.path = path

    def unplug(self) -> None:
        """See `Wire.unplug`."""
        self.path = None
        self._held.close()

    @property
    def token(self) -> str:
        """See `Wire.token`."""
        return f"serial:{self.path}"

    def open(self) -> Transport:
        """See `Wire.open`.

        :raises KeyBusyError: the test has it open already.
        """
        return SerialTransport.open(str(self.path))
