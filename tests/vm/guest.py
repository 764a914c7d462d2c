"""A running guest: boot it once, run many commands in it.

    with Guest() as guest:
        result = guest.run("modprobe dummy_hcd && ls /sys/class/udc")

The guest's files are the host's, read-only at the same paths, under an overlay in the guest's memory: it may write
anywhere, and all of it is gone at the end. There is no network but its own loopback. QEMU translates (TCG): programs
take 13 to 19 times as long as outside.
"""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.vm.agent import HEADER, Request
from tests.vm.initramfs import build_initramfs
from tests.vm.kernel import Kernel, find_kernel, program

INSIDE = "VUKEY_GUEST" in os.environ
"""Whether this program runs in a guest."""
ROOT = Path(__file__).parents[2]
BOOT_SECONDS = 180.0
RUN_SECONDS = 120.0
GRACE_SECONDS = 60.0
"""How much later than the agent the host gives a command up, and with it the guest."""
MEMORY_MIB = 1024
PROCESSORS = min(2, os.cpu_count() or 1)
"""Of a guest that the tests run in."""
LAST_WORDS = 3000
"""Characters of the kernel's log that an error quotes."""
OUTPUT_LIMIT = 4 << 20
"""Bytes of a command's output that are kept: its end."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = {
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "PATH": PATH,
    "PYTHONUNBUFFERED": "1",
    "TMPDIR": "/run/tmp",
    "VUKEY_GUEST": "1",
    "XDG_RUNTIME_DIR": "/run/user/0",
}
"""What a command finds; `run` takes more."""

_PARAMETERS = "console=ttyS0 loglevel=4 panic=-1 mitigations=off nokaslr no_timer_check tsc=reliable audit=0"
_LOG = "log_buf_len=16M"
"""So much that hours of tests do not push the boot out of it."""


class GuestError(RuntimeError):
    """The guest did not boot, or died; the message ends with its kernel's last lines."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a command did. `code`: its exit code, a signal as a negative number, 124 when it was killed for time."""

    code: int
    output: str


class Guest:
    """One virtual machine. Not for several threads at once.

    :raises NoGuestError: none can run here.
    :raises GuestError: it does not come up.
    """

    def __init__(self, *, processors: int = 1) -> None:
        kernel = find_kernel()
        self._directory = tempfile.TemporaryDirectory(prefix="vukey-guest-")
        self._log = Path(self._directory.name, "kernel.log")
        self._said = Path(self._directory.name, "qemu.log")
        initramfs = Path(self._directory.name, "initramfs")
        initramfs.write_bytes(build_initramfs(kernel))
        self._channel, inner = socket.socketpair()
        with inner, self._said.open("wb") as said:
            self._qemu = subprocess.Popen(
                _qemu(kernel, initramfs, self._log, inner.fileno(), processors),
                pass_fds=[inner.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,  # Ctrl-C is for us, who then stop it
            )
        try:
            self._message(time.monotonic() + BOOT_SECONDS)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(
        self,
        command: str | Sequence[str],
        *,
        timeout: float = RUN_SECONDS,
        env: Mapping[str, str] | None = None,
        cwd: Path | str = ROOT,
    ) -> Result:
        """Run a command as root and wait for its end.

        :param command: a line for bash, or a program and its arguments.
        :param timeout: seconds, by the guest's clock; then its process group is killed.
        :raises GuestError: the guest died; it cannot be used any more.
        """
        output = bytearray()
        for piece in self.follow(command, timeout=timeout, env=env, cwd=cwd):
            if isinstance(piece, int):
                return Result(piece, output.decode(errors="replace"))
            output = (output + piece)[-OUTPUT_LIMIT:]
        raise AssertionError("a command has an exit code")

    def follow(
        self,
        command: str | Sequence[str],
        *,
        timeout: float = RUN_SECONDS,
        env: Mapping[str, str] | None = None,
        cwd: Path | str = ROOT,
    ) -> Iterator[bytes | int]:
        """As `run`, but with the output as it comes, and then the exit code. Take all of it: there is one channel."""
        request: Request = {
            "command": command if isinstance(command, str) else list(command),
            "cwd": str(cwd),
            "env": {**ENVIRONMENT, **(env or {})},
            "timeout": timeout,
        }
        payload = json.dumps(request).encode()
        try:
            self._channel.sendall(HEADER.pack(b"R", len(payload)) + payload)
        except OSError:
            raise GuestError(self._obituary("died")) from None
        deadline = time.monotonic() + timeout + GRACE_SECONDS
        while True:
            kind, data = self._message(deadline)
            if kind == b"X":
                yield int(data)
                return
            yield data

    def dmesg(self) -> str:
        """The guest's kernel log."""
        return self.run(["dmesg"]).output

    def close(self) -> None:
        """Switch the guest off: nothing in it is worth an orderly end."""
        self._channel.close()
        self._qemu.kill()
        self._qemu.wait()
        self._directory.cleanup()

    def _message(self, deadline: float) -> tuple[bytes, bytes]:
        kind, length = HEADER.unpack(self._receive(HEADER.size, deadline))
        return kind, self._receive(length, deadline)

    def _receive(self, size: int, deadline: float) -> bytes:
        data = b""
        while len(data) < size:
            ready, _, _ = select.select([self._channel], [], [], max(0.0, deadline - time.monotonic()))
            piece = self._channel.recv(size - len(data)) if ready else b""
            if not piece:
                raise GuestError(self._obituary("died" if ready else "fell silent"))
            data += piece
        return data

    def _obituary(self, verb: str) -> str:
        texts = [path.read_text(errors="replace") for path in (self._said, self._log) if path.exists()]
        return f"the guest {verb}\n{''.join(texts)[-LAST_WORDS:]}"


def _qemu(kernel: Kernel, initramfs: Path, log: Path, channel: int, processors: int) -> list[str]:
    """The command line. No network, no disk, no display; KVM is not used: not every /dev/kvm boots a stock kernel."""
    agent = Path(__file__).with_name("agent.py")
    handed_over = f"GUEST_MODULES={kernel.modules} GUEST_PYTHON={sys.executable} GUEST_AGENT={agent}"
    return [
        "setpriv", "--pdeathsig", "KILL", "--",
        program("qemu-system-x86_64"),
        "-machine", "q35", "-accel", "tcg,thread=multi,tb-size=256", "-cpu", "qemu64",
        "-smp", str(processors), "-m", str(MEMORY_MIB),
        "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
        "-kernel", str(kernel.image), "-initrd", str(initramfs),
        "-append", f"{_PARAMETERS} {_LOG} {handed_over}",
        "-serial", f"file:{log}",
        "-fsdev", "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap",
        "-device", "virtio-9p-pci,fsdev=host,mount_tag=host",
        "-chardev", f"socket,id=channel,fd={channel}",
        "-device", "virtio-serial-pci", "-device", "virtserialport,chardev=channel",
    ]  # fmt: skip
