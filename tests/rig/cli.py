"""The command line as a person uses it: `vukey` in processes of its own, its output read as it comes."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Self

from hostdriver.transport.unix_socket import SocketTransport
from tests.rig.patience import PATIENCE_S
from tests.rig.pcscd import PrivatePcscd

VUKEY = (sys.executable, "-m", "vukey")
PIN = "271828"
"""The user PIN that `--stage ready` leaves on every shipped model."""
INITIAL_PIN = "12345678"
ADMIN_PIN = "87654321"


def environment(run: Path, **more: str) -> dict[str, str]:
    """A person's environment: English, a run directory of its own, nothing left over from ours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VUKEY_")}
    own = {
        "XDG_RUNTIME_DIR": str(run),
        "LC_ALL": "C.UTF-8",
        "LANGUAGE": "en",
        "COLUMNS": "200",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "PCSCLITE_CSOCK_NAME": str(run / "no-pcscd"),  # a private pcscd brings its own
    }
    return kept | own | more


@contextmanager
def run_directory() -> Iterator[Path]:
    """An empty run directory in a short path, as unix sockets need it."""
    with tempfile.TemporaryDirectory(prefix="vk-") as directory:
        yield Path(directory)


def vukey(
    *arguments: str | Path,
    run: Path,
    stdin: str = "",
    inside: PrivatePcscd | None = None,
    **more: str,
) -> subprocess.CompletedProcess[str]:
    """Run `vukey` to its end, without a terminal.

    :param inside: whose network it lives in.
    :param more: environment variables.
    """
    call: Callable[..., Any] = inside.run if inside else subprocess.run
    done: subprocess.CompletedProcess[str] = call(
        [*VUKEY, *map(str, arguments)],
        input=stdin,
        env=environment(run, **more),
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_S,
    )
    assert "Traceback" not in done.stderr + done.stdout, done.stderr
    return done


def failing(code: int, *arguments: str | Path, run: Path, **named: Any) -> str:
    """The one line of a run that must end with that exit code."""
    done = vukey(*arguments, run=run, **named)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    *_, line = done.stderr.splitlines()
    assert line.startswith("vukey: "), done.stderr
    return line


class Lines:
    """A pipe's lines as they come."""

    def __init__(self, pipe: IO[str]) -> None:
        self._pipe = pipe
        self._lines: list[str] = []
        self._ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def wait_for(self, text: str, count: int = 1) -> str:
        """Wait for that text to have come in so many lines; the last of them."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or len(self._with(text)) >= count, PATIENCE_S)
            found = self._with(text)
            assert len(found) >= count, f"{text!r} did not come {count} times: {self._lines}"
            return found[-1]

    def all(self) -> list[str]:
        """Every line, once the pipe has ended."""
        self._thread.join(PATIENCE_S)
        return list(self._lines)

    def so_far(self) -> list[str]:
        """The lines until now."""
        return list(self._lines)

    def close(self) -> None:
        """Read to the end and close."""
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), f"another program still has the pipe: {self._lines}"
        self._pipe.close()

    def _with(self, text: str) -> list[str]:
        return [line for line in self._lines if text in line]

    def _read(self) -> None:
        for line in self._pipe:
            with self._changed:
                self._lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


class Started:
    """A `vukey` that runs on: what it says can be waited for.

    :param inside: whose network it lives in.
    :param own_group: in a process group of its own, as a shell would start it.
    :param more: environment variables.
    """

    def __init__(
        self,
        *arguments: str | Path,
        run: Path,
        inside: PrivatePcscd | None = None,
        own_group: bool = False,
        **more: str,
    ) -> None:
        start: Callable[..., subprocess.Popen[str]] = inside.popen if inside else subprocess.Popen
        self.process = start(
            [*VUKEY, *map(str, arguments)],
            env=environment(run, PYTHONUNBUFFERED="1", PYTHONFAULTHANDLER="1", **more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0 if own_group else None,
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.out, self.err = Lines(self.process.stdout), Lines(self.process.stderr)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE_S)
        self.out.close()
        self.err.close()

    def stop(self, by: signal.Signals = signal.SIGINT) -> int:
        """End it and wait; its exit code."""
        self.process.send_signal(by)
        return self.wait()

    def wait(self) -> int:
        """Wait for its end; its exit code."""
        code = self.process.wait(PATIENCE_S)
        assert "Traceback" not in "\n".join(self.err.all())
        return code


class Up(Started):
    """A `vukey up`: ``with Up(run, "--link", "socket") as key:`` waits until it is ready.

    :param inside: whose network it lives in.
    :param ready: whether to wait for the readiness line.
    """

    def __init__(
        self,
        run: Path,
        *arguments: str | Path,
        inside: PrivatePcscd | None = None,
        ready: bool = True,
    ) -> None:
        self._run_directory = run
        self._ready = ready
        self.facts: dict[str, Any] = {}
        command = ("up", *(["--json"] if ready else []), *arguments)
        super().__init__(*command, run=run, inside=inside)

    def __enter__(self) -> Self:
        if self._ready:
            try:
                self.facts = json.loads(self.out.wait_for('"ready"'))
            except AssertionError:
                self.process.send_signal(signal.SIGABRT)  # it says where each of its threads is
                said = self.err.all()
                self.__exit__()
                raise AssertionError(f"not ready: {said}") from None
        return self

    @property
    def serial(self) -> str:
        """The key's number."""
        return str(self.facts["serial"])

    @property
    def socket(self) -> Path:
        """Where its unix socket is."""
        return Path(self.facts["socket"])

    @property
    def run_files(self) -> list[str]:
        """What is in the run directory."""
        directory = self._run_directory / "vukey"
        return sorted(path.name for path in directory.iterdir()) if directory.exists() else []

    def connect(self) -> SocketTransport:
        """A client of ours on its socket."""
        return SocketTransport.open(self.socket)


_CONTROL_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\r")


class Terminal:
    """A program on a pseudo-terminal: what it draws, without the sequences that place it, and keys typed to it.

    :param program: what the arguments are for.
    :param inside: whose network it lives in.
    :param more: environment variables.
    """

    def __init__(
        self,
        run: Path,
        *arguments: str | Path,
        program: Sequence[str] = VUKEY,
        inside: PrivatePcscd | None = None,
        **more: str,
    ) -> None:
        self._master, slave = os.openpty()
        termios.tcsetwinsize(slave, (50, 120))
        self._slave = slave
        self.modes_before = termios.tcgetattr(slave)
        start: Callable[..., subprocess.Popen[bytes]] = inside.popen if inside else subprocess.Popen
        self.process = start(
            ["setsid", "--ctty", *program, *map(str, arguments)],
            env=environment(run, TERM="xterm", COLUMNS="120", **more),
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )
        self.text = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE_S)
        os.close(self._slave)
        os.close(self._master)

    @property
    def modes(self) -> list[Any]:
        """The terminal's modes now."""
        return termios.tcgetattr(self._slave)

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait until that is drawn, after what was waited for before."""
        deadline = time.monotonic() + PATIENCE_S
        while not (match := re.search(pattern, self.text)):
            assert self.take_in(deadline - time.monotonic()), f"{pattern!r} was not drawn: {self.text}"
        self.text = self.text[match.end() :]
        return match

    def type(self, keys: str) -> None:
        """Type on its keyboard."""
        os.write(self._master, keys.encode())

    def wait(self) -> int:
        """Wait for its end; its exit code. The rest of its output is in `text`."""
        assert self.ends_within(PATIENCE_S), self.text
        while self.take_in(0):
            continue
        assert "Traceback" not in self.text
        return self.process.wait()

    def ends_within(self, seconds: float) -> bool:
        """Whether it ends in that time, within which what it draws is read."""
        deadline = time.monotonic() + seconds
        with open(os.pidfd_open(self.process.pid), "rb", buffering=0) as end:
            while not select.select([end], [], [], 0)[0]:
                if not self.take_in(deadline - time.monotonic(), end.fileno()):
                    return False
        return True

    def take_in(self, seconds: float, *also: int) -> bool:
        """Read what is drawn within a time; whether there was something, or one of the other files was ready."""
        ready, _, _ = select.select([self._master, *also], [], [], max(seconds, 0))
        if self._master in ready:
            with suppress(OSError):
                raw = os.read(self._master, 0x10000)
                self.text += _CONTROL_SEQUENCE.sub("", raw.decode(errors="replace"))
        return bool(ready)


def openssl(*arguments: str | Path, stdin: bytes = b"") -> str:
    """Standard output of the system's openssl, which must succeed."""
    done = subprocess.run(["openssl", *map(str, arguments)], input=stdin, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def der_signature(raw: bytes) -> bytes:
    """SEQUENCE of r and s, as openssl takes an SM2 signature, from their 64 bytes (GM/T 0009 section 7.3)."""

    def integer(value: bytes) -> bytes:
        number = int.from_bytes(value)
        body = number.to_bytes(number.bit_length() // 8 + 1)
        return bytes((0x02, len(body))) + body

    body = integer(raw[:32]) + integer(raw[32:])
    return bytes((0x30, len(body))) + body


def openssl_accepts(certificate: Path, algorithm: str, message: bytes, signature: bytes) -> bool:
    """Whether openssl verifies a signature over the message with the public key of a certificate (PEM)."""
    directory = certificate.parent
    key, data, signed = (directory / name for name in ("public.pem", "message", "signature"))
    key.write_text(openssl("x509", "-in", certificate, "-noout", "-pubkey"))
    data.write_bytes(message)
    signed.write_bytes(signature if algorithm == "rsa" else der_signature(signature))
    rsa = ["dgst", "-sha256", "-verify", key, "-signature", signed, data]
    sm2 = ["pkeyutl", "-verify", "-rawin", "-digest", "sm3", "-pkeyopt", "distid:1234567812345678"]
    sm2 += ["-pubin", "-inkey", str(key), "-in", str(data), "-sigfile", str(signed)]
    done = subprocess.run(["openssl", *map(str, rsa if algorithm == "rsa" else sm2)], capture_output=True)
    return done.returncode == 0


def profile_file(directory: Path, name: str, extends: str, text: str) -> Path:
    """A user's own model (docs/profiles.md)."""
    path = directory / f"{name}.toml"
    path.write_text(f'extends = "{extends}"\n{text}\n')
    return path


def documented_rows(page: Path) -> list[list[str]]:
    """The cells of every row of a page's tables."""
    lines = [line for line in page.read_text().splitlines() if line.startswith("|") and "---" not in line]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
