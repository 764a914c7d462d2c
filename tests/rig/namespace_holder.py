"""The process inside a private pcscd's namespaces: it holds them open, starts and ends pcscd, and connects.

`tests.rig.pcscd` runs this file under unshare, with the pcscd command as arguments. Standard input is a
SOCK_SEQPACKET socket with one request per message, each answered by one message:

    start          run pcscd, its output on this process's own
    halt SIGNAL    send it the signal and wait for its end
    wait SECONDS   "exited" or, after that time, "running"
    connect PORT   a connection to 127.0.0.1:PORT, passed by SCM_RIGHTS; or the errno

When the other end closes, this process ends, and pcscd with it.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import subprocess
import sys
from pathlib import Path

SIOCSIFFLAGS = 0x8914
IFF_UP = 1
CONNECT_SECONDS = 10.0
HALT_SECONDS = 10.0
HIDDEN = ("/run", "/usr/lib/pcsc/drivers")
"""The machine's own pcscd socket, and the drivers that would take its real readers."""


class Holder:
    """Obeys the requests of one channel."""

    def __init__(self, channel: socket.socket, command: list[str]) -> None:
        self._channel = channel
        self._command = command
        self._daemon: subprocess.Popen[bytes] | None = None

    def serve(self) -> None:
        """Answer until the other end closes."""
        while request := self._channel.recv(64).decode():
            verb, _, argument = request.partition(" ")
            if verb == "connect":
                self._connect(int(argument))
            elif verb == "start":
                self._reply(self._start())
            elif verb == "halt":
                self._reply(self._halt(int(argument)))
            elif verb == "wait":
                self._reply(self._wait(float(argument)))

    def _reply(self, text: str) -> None:
        self._channel.send(text.encode())

    def _start(self) -> str:
        self._daemon = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", *self._command])
        return "started"

    def _halt(self, signal: int) -> str:
        if self._daemon is not None:
            self._daemon.send_signal(signal)
            if self._wait(HALT_SECONDS) == "running":
                self._daemon.kill()
                self._daemon.wait()
        return "halted"

    def _wait(self, seconds: float) -> str:
        if self._daemon is None:
            return "exited"
        try:
            self._daemon.wait(seconds)
        except subprocess.TimeoutExpired:
            return "running"
        return "exited"

    def _connect(self, port: int) -> None:
        try:
            connection = socket.create_connection(("127.0.0.1", port), CONNECT_SECONDS)
        except OSError as error:
            self._reply(str(error.errno))
            return
        with connection:
            connection.setblocking(True)  # the flag lies in what is passed, not in our end
            socket.send_fds(self._channel, [b"connected"], [connection.fileno()])


def raise_loopback() -> None:
    """Bring `lo` up: a new network namespace has it down."""
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))


def hide_the_machine() -> None:
    """Empty directories over the machine's own, in this mount namespace."""
    for directory in HIDDEN:
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", directory], check=True)
    Path("/run/pcscd").mkdir()


def main() -> None:
    """Prepare the namespaces, say so, then serve."""
    with socket.socket(fileno=0) as channel:
        raise_loopback()
        hide_the_machine()
        channel.send(b"ready")
        Holder(channel, sys.argv[1:]).serve()


if __name__ == "__main__":
    main()
