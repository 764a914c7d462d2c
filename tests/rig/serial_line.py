"""Serial lines without hardware: a host that knows nothing but bytes, and a cable with two ports."""

from __future__ import annotations

import os
import select
import threading
import time
import tty
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from protocols.ble import FragmentStream, enclose
from tests.rig.patience import PATIENCE_S

_CHUNK = 0x10000


class RawEnd:
    """One end of a line, in the test's hands: sends any bytes, and sees the fragments that come."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._stream = FragmentStream()
        self._came: list[bytes] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave without a word."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def write(self, data: bytes) -> None:
        """Bytes as they are."""
        while data:
            data = data[os.write(self.descriptor, data) :]

    def send(self, *fragments: str) -> None:
        """Fragments, as hexadecimal digits."""
        self.write(b"".join(enclose(bytes.fromhex(fragment)) for fragment in fragments))

    def receive(self) -> str:
        """The next fragment that comes, as hexadecimal digits."""
        deadline = time.monotonic() + PATIENCE_S
        while not self._came:
            ready, _, _ = select.select([self.descriptor], [], [], max(deadline - time.monotonic(), 0))
            assert ready, "nothing came"
            self._came += self._stream.feed(os.read(self.descriptor, _CHUNK))
        return self._came.pop(0).hex()


class RawHost(RawEnd):
    """A host at a key's pseudo-terminal."""

    def __init__(self, path: Path) -> None:
        super().__init__(os.open(path, os.O_RDWR | os.O_NOCTTY))


class RawKey(RawEnd):
    """A key at a pseudo-terminal; `path` is the host's end."""

    def __init__(self) -> None:
        key, host = os.openpty()
        tty.setraw(host)
        self.path = os.ttyname(host)
        self._host = host  # so that the line is not hung up while no host is there
        super().__init__(key)

    def close(self) -> None:
        """Be pulled out."""
        if self.descriptor >= 0:
            os.close(self._host)
        super().close()


class Cable:
    """Two ports that look like a machine's own, and what lies between them. Neither sees the other close its port.

    :param directory: where the ports are: `key` and `host`.
    """

    def __init__(self, directory: Path) -> None:
        self.key, self.host = directory / "key", directory / "host"
        self._ends: list[int] = []
        self._kept: list[int] = []
        for path in (self.key, self.host):
            end, port = os.openpty()
            tty.setraw(port)
            path.unlink(missing_ok=True)
            path.symlink_to(os.ttyname(port))
            self._ends.append(end)
            self._kept.append(port)
        self._stop, self._stopped = os.pipe()
        self._thread = threading.Thread(target=self._carry, name="cable", daemon=True)
        self._thread.start()

    def pull_out(self) -> None:
        """Both ports are gone; harmless when repeated."""
        if self._ends:
            os.write(self._stopped, b"x")
            self._thread.join()
            for descriptor in (*self._ends, *self._kept, self._stop, self._stopped):
                os.close(descriptor)
            self._ends = []
            self.key.unlink()
            self.host.unlink()

    def _carry(self) -> None:
        first, second = self._ends
        other = {first: second, second: first}
        while True:
            ready, _, _ = select.select([self._stop, *self._ends], [], [])
            if self._stop in ready:
                return
            for end in ready:
                with suppress(OSError):
                    os.write(other[end], os.read(end, 1024))
