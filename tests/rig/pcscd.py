"""A pcscd of our own, with vsmartcard's virtual readers, in namespaces of its own: no root, no port of the machine.

The daemon lives in new network and mount namespaces (and a new user namespace, when not root). Its readers listen
on that network's loopback alone; the machine's own pcscd and its real readers are out of its reach, so any number
can run at once. Clients outside reach its unix socket through /proc/PID/root.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from tests.rig.patience import PATIENCE_S

FIRST_PORT = 35963
"""vsmartcard's own default."""
SLOTS_PER_READER = 2
"""Ports P and P+1: fixed when Debian and Ubuntu build vsmartcard-vpcd."""
POLL_SECONDS = 0.005

_HOLDER = Path(__file__).with_name("namespace_holder.py")
_SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
_PACKAGES = {
    "pcscd": "pcscd",
    "opensc-tool": "opensc",
    "pcsc_scan": "pcsc-tools",
    "mount": "mount",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
}
_DRIVERS = (
    "usr/lib/pcsc/drivers/serial/libifdvpcd.so",
    "usr/lib/*/pcsc/drivers/serial/libifdvpcd.so",
    "usr/local/lib/pcsc/drivers/serial/libifdvpcd.so",
)
_LISTENING_TCP = "0A"
_LISTENING_UNIX = "00010000"


def missing_components() -> str:
    """Why no private pcscd can run here and what to install, in one line; empty when one can."""
    packages = {package for program, package in _PACKAGES.items() if not _program(program)}
    if _driver() is None:
        packages.add("vsmartcard-vpcd")
    if packages:
        return (
            f"real PC/SC tests need: apt-get install {' '.join(sorted(packages))} (tests/install-packages.sh)"
        )
    if importlib.util.find_spec("smartcard") is None:
        return "real PC/SC tests need: pip install pyscard"
    if user_options() is None:
        return "real PC/SC tests need private namespaces: run as root, or let users make them (unshare -Urnm)"
    return ""


def _program(name: str) -> str | None:
    return shutil.which(name, path=_SEARCH_PATH)


def _driver() -> Path | None:
    return next((path for pattern in _DRIVERS for path in Path("/").glob(pattern)), None)


@functools.cache
def user_options() -> tuple[str, ...] | None:
    """What unshare needs besides --net --mount: nothing as root, else a user namespace; None if neither works."""
    for options in ((), ("--user", "--map-root-user")):
        probe = ["unshare", *options, "--net", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/run"]
        if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
            return options
    return None


class PrivatePcscd:
    """A private pcscd: ``with PrivatePcscd() as pcscd:`` starts it; the end of the block, or of us, ends it.

    :param readers: how many vpcd readers, each of two slots, on ports FIRST_PORT, FIRST_PORT + 2, ...
    """

    def __init__(self, readers: int = 1) -> None:
        self.ports = tuple(FIRST_PORT + SLOTS_PER_READER * number for number in range(readers))
        """The first slot's port of each reader."""
        self._children: list[subprocess.Popen[Any]] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        if reason := missing_components():
            raise RuntimeError(reason)
        self._directory = tempfile.TemporaryDirectory(prefix="vukey-pcscd-")
        self._configure()
        self._open_namespaces()
        try:
            if self._channel.recv(64) != b"ready":
                raise RuntimeError(f"no private namespaces:\n{self.log}")
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """The port of the first reader's first slot; its second slot listens on the next one."""
        return self.ports[0]

    @property
    def environment(self) -> dict[str, str]:
        """What leads PC/SC clients here. It stays true over a restart.

        libpcsclite reads it once per process, at its first call, and never again.
        """
        return {"PCSCLITE_CSOCK_NAME": f"/proc/{self._holder.pid}/root/run/pcscd/pcscd.comm"}

    @property
    def log(self) -> str:
        """All that pcscd has printed."""
        return self._log_path.read_text(errors="replace")

    def run(
        self, command: Sequence[str], env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.CompletedProcess[Any]:
        """As subprocess.run, in the private network: the readers are at 127.0.0.1, and PC/SC leads here."""
        return subprocess.run(self._inside(command), env=self._client_environment(env), **options)

    def popen(
        self, command: Sequence[str], env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[Any]:
        """As subprocess.Popen, in the private network; the process is the command itself, killed by `stop`."""
        child = subprocess.Popen(self._inside(command), env=self._client_environment(env), **options)
        self._children.append(child)
        return child

    def connect(self, port: int | None = None) -> socket.socket:
        """A connection from this process to a reader, by default to the first one's first slot.

        :raises ConnectionRefusedError: nothing listens there, as socket.create_connection would.
        """
        with self._lock:
            self._channel.send(f"connect {port or self.port}".encode())
            answer, descriptors, _, _ = socket.recv_fds(self._channel, 64, 1, socket.MSG_CMSG_CLOEXEC)
        if not descriptors:
            raise OSError(int(answer), os.strerror(int(answer)))
        return socket.socket(fileno=descriptors[0])

    def start(self) -> None:
        """Start pcscd; return when clients and cards can connect."""
        self._ask("start")
        deadline = time.monotonic() + PATIENCE_S
        while not self._is_ready():
            if self._ask(f"wait {POLL_SECONDS}") == "exited" or time.monotonic() > deadline:
                raise RuntimeError(f"pcscd did not start:\n{self.log}")

    def halt(self, by: signal.Signals = signal.SIGTERM) -> None:
        """End pcscd alone; the namespaces stay, and connections are refused."""
        self._ask(f"halt {by.value}")

    def restart(self, by: signal.Signals = signal.SIGTERM) -> None:
        """End pcscd and start it again, in the same namespaces."""
        self.halt(by)
        self.start()

    def stop(self) -> None:
        """End everything that was started here."""
        for child in self._children:
            child.kill()
            child.wait()
        self._channel.close()
        self._holder.wait()
        self._directory.cleanup()

    def _configure(self) -> None:
        directory, driver = Path(self._directory.name), _driver()
        assert driver is not None
        self._log_path, self._configuration = directory / "pcscd.log", directory / "conf"
        self._configuration.mkdir()
        definitions = []
        for number, port in enumerate(self.ports):
            # Two readers of one library hang pcscd: the driver keeps its state by slot alone. Copies do not.
            library = shutil.copyfile(driver, directory / f"libifdvpcd-{number}.so")
            name = f"Virtual PCD {number}" if number else "Virtual PCD"
            definitions.append(
                f'FRIENDLYNAME "{name}"\nDEVICENAME /dev/null:{port}\nLIBPATH {library}\nCHANNELID {port}\n'
            )
        (self._configuration / "vpcd").write_text(
            "\n".join(definitions)
        )  # one file: its order is the readers'

    def _open_namespaces(self) -> None:
        daemon = [_program("pcscd") or "pcscd", "--foreground", "--config", str(self._configuration)]
        holder = [sys.executable, "-I", "-S", str(_HOLDER)]
        self._channel, inner = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with inner, self._log_path.open("wb") as log:
            self._holder = subprocess.Popen(
                ["unshare", *(user_options() or ()), "--net", "--mount", *holder, *daemon],
                stdin=inner.fileno(),
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the tests, which then stop us in order
            )

    def _ask(self, request: str) -> str:
        with self._lock:
            self._channel.send(request.encode())
            return self._channel.recv(64).decode()

    def _inside(self, command: Sequence[str]) -> list[str]:
        user = ["--user", "--preserve-credentials"] if user_options() else []
        return ["nsenter", f"--target={self._holder.pid}", *user, "--net", "--", *command]

    def _client_environment(self, given: Mapping[str, str] | None) -> dict[str, str]:
        return {**(os.environ if given is None else given), **self.environment}

    def _is_ready(self) -> bool:
        """Do pcscd's socket and every slot listen? Read, not tried: a connection would look like a card."""
        slots = {port + slot for port in self.ports for slot in range(SLOTS_PER_READER)}
        tcp = [line.split() for line in self._network("tcp")]
        listening = {int(entry[1].rpartition(":")[2], 16) for entry in tcp if entry[3] == _LISTENING_TCP}
        return slots <= listening and any(
            line.endswith("/run/pcscd/pcscd.comm") and line.split()[3] == _LISTENING_UNIX
            for line in self._network("unix")
        )

    def _network(self, table: str) -> list[str]:
        return Path(f"/proc/{self._holder.pid}/net/{table}").read_text().splitlines()[1:]


def wait_for_card(slot: int = 0, *, present: bool = True) -> str:
    """Wait until pcscd says that a card is in that slot (or is not); return the reader's name."""
    from smartcard import scard  # not at the top: pyscard may be what is missing

    _, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
    _, names = scard.SCardListReaders(context, [])
    state, deadline = scard.SCARD_STATE_UNAWARE, time.monotonic() + PATIENCE_S
    while bool(state & scard.SCARD_STATE_PRESENT) != present or state == scard.SCARD_STATE_UNAWARE:
        _, [(_, state, _)] = scard.SCardGetStatusChange(context, 1000, [(names[slot], state)])
        if time.monotonic() > deadline:
            raise TimeoutError(f"{names[slot]}: state {state:#x}")
    scard.SCardReleaseContext(context)
    return str(names[slot])


@pytest.fixture(scope="session")
def pcscd() -> Iterator[PrivatePcscd]:
    """This test process's own pcscd; pyscard here speaks with it.

    libpcsclite looks for its socket once per process: every test that touches pyscard asks for this fixture.
    """
    if reason := missing_components():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    with PrivatePcscd() as daemon, pytest.MonkeyPatch.context() as patch:
        for name, value in daemon.environment.items():
            patch.setenv(name, value)
        yield daemon


@pytest.fixture
def fresh_pcscd(pcscd: PrivatePcscd) -> PrivatePcscd:
    """The same, restarted (10 ms), so that no card of an earlier test is still believed to be there."""
    pcscd.restart()
    return pcscd
