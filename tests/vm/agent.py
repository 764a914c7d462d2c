"""The guest's end of the channel: it runs one command at a time and sends its output and exit code.

`guest.py` is the other end. A message is a kind of one byte, a length (four bytes, big-endian) and so many bytes:

    R  to the guest: run this; JSON with command (a list, or a line for bash), env, cwd, timeout in seconds
    H  from it: the guest is up
    O  from it: output as it comes, standard output and errors in one
    X  from it: the exit code, as decimal digits; a signal is negative

When the host closes its end, the command dies and the guest powers off.
"""

from __future__ import annotations

import json
import os
import select
import signal
import struct
import subprocess
import sys
import time
from typing import TypedDict

HEADER = struct.Struct(">cI")
CHUNK = 32768
SHELL = ["/bin/bash", "-c"]
CANNOT_RUN = 127
TIMED_OUT = 124
"""As timeout(1) says it."""


class HostGoneError(Exception):
    """The other end of the channel has closed."""


class Request(TypedDict):
    """What to run; `timeout` in seconds."""

    command: str | list[str]
    cwd: str
    env: dict[str, str]
    timeout: float


class Agent:
    """Obeys the host over one virtio port."""

    def __init__(self, port: int) -> None:
        self._port = port

    def serve(self) -> None:
        """Run commands until the host closes its end."""
        self._send(b"H", b"")
        while True:
            kind, length = HEADER.unpack(self._receive(HEADER.size))
            if kind == b"R":
                self._run(json.loads(self._receive(length)))

    def _receive(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = os.read(self._port, size - len(data))
            if not piece:
                raise HostGoneError
            data += piece
        return data

    def _send(self, kind: bytes, payload: bytes) -> None:
        message = HEADER.pack(kind, len(payload)) + payload
        while message:
            message = message[os.write(self._port, message) :]

    def _run(self, request: Request) -> None:
        command = request["command"]
        try:
            process = subprocess.Popen(
                command if isinstance(command, list) else [*SHELL, command],
                cwd=request["cwd"],
                env=request["env"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            self._send(b"O", f"{error}\n".encode())
            self._send(b"X", b"%d" % CANNOT_RUN)
            return
        try:
            code = self._follow(process, request["timeout"])
        except HostGoneError:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        self._send(b"X", b"%d" % code)

    def _follow(self, process: subprocess.Popen[bytes], timeout: float) -> int:
        """Pass the output on until the command ends; what it leaves in the background may keep the pipe open."""
        assert process.stdout is not None
        output, ended = process.stdout.fileno(), os.pidfd_open(process.pid)
        deadline = time.monotonic() + timeout
        poller = select.poll()
        for descriptor in (output, ended, self._port):
            poller.register(descriptor, select.POLLIN)
        try:
            while True:
                events = dict(poller.poll(max(0.0, deadline - time.monotonic()) * 1000))
                if events.get(self._port, 0) & select.POLLHUP:
                    raise HostGoneError
                if output in events:
                    piece = os.read(output, CHUNK)
                    self._send(b"O", piece)
                    if not piece:
                        poller.unregister(output)
                elif ended in events:
                    return process.wait()
                elif not events:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
                    self._send(b"O", f"\nguest: killed after {timeout:g} s\n".encode())
                    return TIMED_OUT
        finally:
            os.close(ended)
            process.stdout.close()


def main() -> None:
    """Serve the port that the command line names."""
    try:
        Agent(os.open(sys.argv[1], os.O_RDWR)).serve()
    except HostGoneError:
        return


if __name__ == "__main__":
    main()
