"""USB buses in the guest, and pcscd with libccid for the readers on them. Inside the guest only.

``python -m tests.vm.stack [--no-pcscd | --log FILE] COMMAND…`` runs a command with them.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from contextlib import nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from emulator.links.usb.libccid import find_list, names_of, read_list, write_list
from emulator.profiles import load_profile, profile_ids
from tests.rig.patience import PATIENCE_S
from tests.rig.pcscd import POLL_SECONDS

UNDER = (sys.executable, "-m", "tests.vm.stack")
"""Before a command: run it with the buses and pcscd."""
MODULES = ("dummy_hcd", "libcomposite", "usb_f_fs", "vhci_hcd")

THREAD = "at the end, thread"
"""Begins, in pcscd's log, what is told of one of its threads when it is stopped: its system call and kernel stack."""

_MARK = "vukey-tests: from here on"
_TIME = re.compile(r"\[ *\d+\.\d+\] ")
_PULLED_OUT = re.compile(r"vhci_hcd: sendmsg failed!, ret=-32 for \d+")
"""EPIPE in vhci_send_cmd_submit or vhci_send_cmd_unlink (vhci_tx.c). Their thread outlives the connection, whoever ends
it (vhci_shutdown_connection in vhci_hcd.c), and still sends what the host's own drivers queue meanwhile."""
_SLOW_MACHINE = re.compile(
    r"hrtimer: interrupt took \d+ ns"
    r"|perf: interrupt took too long .*"
    r"|sched: RT throttling activated"
    r"|clocksource: .*"
    r"|tsc: Marking TSC unstable due to clocksource watchdog"
)
"""The guest's processors waited for the host's: kernel/time/hrtimer.c and clocksource.c, kernel/events/core.c,
kernel/sched/rt.c, arch/x86/kernel/tsc.c. It tells of other programs on the host, and nothing of a key."""
_LISTENS = "/run/pcscd/pcscd.comm"
_NO_READERS = Path("/run/no-readers")
"""An empty directory of configuration: Debian's vsmartcard would come before our keys."""


def load_modules(*more: str) -> None:
    """The buses: four UDCs of dummy_hcd (see init.sh), and vhci_hcd; and more modules."""
    subprocess.run(["modprobe", "--all", *MODULES, *more], check=True)


def enter_our_keys() -> None:
    """What `vukey usb install-ccid` does, without its seconds of starting here."""
    path = find_list()
    ccid_list = read_list(path)
    ccid_list.add(names_of(map(load_profile, profile_ids())))
    write_list(path, ccid_list)


def mark_kernel_log() -> None:
    """Let `kernel_complaints` begin here."""
    Path("/dev/kmsg").write_text(f"<3>{_MARK}\n")


def kernel_complaints() -> list[str]:
    """What the kernel has said of keys or drivers since the last mark, warnings and worse, without its times."""
    levels = "emerg,alert,crit,err,warn"
    said = subprocess.run(["dmesg", "--level", levels], capture_output=True, text=True, check=True).stdout
    lines = [_TIME.sub("", line, count=1) for line in said.rpartition(_MARK)[2].splitlines() if line]
    return [line for line in lines if not _PULLED_OUT.fullmatch(line) and not _SLOW_MACHINE.fullmatch(line)]


class UsbPcscd:
    """The guest's pcscd: ``with UsbPcscd():``. It takes every key with a CCID function that is plugged in meanwhile.

    :param log: gets all that it can say, which slows it down.
    """

    def __init__(self, log: Path | None = None) -> None:
        self._log = log

    def __enter__(self) -> Self:
        _NO_READERS.mkdir(exist_ok=True)
        command = ["pcscd", "--foreground", "--config", str(_NO_READERS)]
        if self._log:
            with self._log.open("ab") as log:
                self._daemon = subprocess.Popen([*command, "--debug"], stdout=log, stderr=log)
        else:
            self._daemon = subprocess.Popen(command)
        deadline = time.monotonic() + PATIENCE_S
        while not self._is_ready():
            assert self._daemon.poll() is None
            assert time.monotonic() < deadline
            self._wait(POLL_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._log:
            self._note_threads(self._log)
        self._daemon.terminate()
        if not self._wait(PATIENCE_S):
            self._daemon.kill()
            self._daemon.wait()

    def _note_threads(self, log: Path) -> None:
        """Where each of its threads is, for when it has stopped making readers."""
        with log.open("a") as lines, suppress(OSError):  # a thread may end meanwhile
            for thread in sorted(Path(f"/proc/{self._daemon.pid}/task").iterdir()):
                lines.write(
                    f"{THREAD} {thread.name}: {(thread / 'syscall').read_text()}{(thread / 'stack').read_text()}"
                )

    def _is_ready(self) -> bool:
        return any(line.endswith(_LISTENS) for line in Path("/proc/net/unix").read_text().splitlines())

    def _wait(self, seconds: float) -> bool:
        try:
            self._daemon.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True


def main() -> int:
    """Run the command; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.vm.stack")
    parser.add_argument("--no-pcscd", action="store_true", help="leave the keys to pyusb")
    parser.add_argument("--log", type=Path, help="have pcscd say everything, into a file")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    chosen = parser.parse_args()
    load_modules()
    enter_our_keys()
    with nullcontext() if chosen.no_pcscd else UsbPcscd(chosen.log):
        return subprocess.call(chosen.command)


if __name__ == "__main__":
    sys.exit(main())
