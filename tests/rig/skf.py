"""libskf_vukey under test: compiled here, loaded by C programs compiled here, with a key on its socket beside."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Self

from emulator.device import Device
from emulator.hardware.clock import ManualClock
from emulator.profiles import Profile
from protocols.runfile import RunFile
from tests.rig.built import built
from tests.rig.cli import Lines, environment
from tests.rig.key import KeyRig, stored, user_pin
from tests.rig.patience import PATIENCE_S
from vukey_testing.targets import UnixSocket

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "hostdriver" / "skf" / "csrc"
INCLUDE = ROOT / "hostdriver" / "skf" / "include"
PROGRAMS = ROOT / "tests" / "skf"
WALK = ("walk.c", "walk_access.c", "walk_keys.c", "walk_session.c", "walk_ciphers.c", "step.c")
CLANG = "clang"

_FLAGS = (
    "-std=c11",
    "-g",
    "-Wall",
    "-Wextra",
    "-Wpedantic",
    "-Wshadow",
    "-Wconversion",
    "-Werror",
    "-pthread",
    "-D_POSIX_C_SOURCE=200809L",
)
_SANITIZERS = {
    "plain": (),
    "asan": ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"),
    "tsan": ("-fsanitize=thread",),
}
_OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=1",
    "TSAN_OPTIONS": "halt_on_error=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}


def compiled(name: str, *arguments: str | Path, compiler: str = "gcc") -> Path:
    """What the compiler makes of that, without a warning."""

    def build(path: Path) -> None:
        call = [compiler, *_FLAGS, "-I", INCLUDE, "-I", SOURCES, *arguments, "-o", path]
        done = subprocess.run([*map(str, call)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    return built(name, build)


@cache
def library(kind: str = "plain") -> Path:
    """libskf_vukey.so: plain, asan or tsan."""
    flags = ("-O1", "-shared", "-fPIC", "-fvisibility=hidden", *_SANITIZERS[kind])
    return compiled(f"libskf_vukey-{kind}.so", *flags, *sorted(SOURCES.glob("*.c")), "-ldl")


@cache
def program(*sources: str, kind: str = "plain") -> Path:
    """A program of tests/skf that loads the library."""
    name = f"{Path(sources[0]).stem}-{kind}"
    return compiled(name, "-O0", *_SANITIZERS[kind], *(PROGRAMS / source for source in sources), "-ldl")


class Program:
    """A C program that runs on: what it says, and what it waits for.

    :param before: what it is run under.
    """

    def __init__(
        self, path: Path, *arguments: str | Path, env: Mapping[str, str], before: Sequence[str] = ()
    ) -> None:
        self.process = subprocess.Popen(
            [*before, *map(str, (path, *arguments))],
            env={**_OPTIONS, **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._out, self._err = Lines(self.process.stdout), Lines(self.process.stderr)
        self._read = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate(
            timeout=PATIENCE_S
        ) if self.process.stdin is None else self.process.stdin.close()
        self.process.wait(PATIENCE_S)
        self._out.close()
        self._err.close()

    def peek(self) -> str:
        """The next line that it says."""
        try:
            self._out.wait_for("", self._read + 1)
        except AssertionError:
            self.process.kill()
            raise AssertionError("\n".join(self._err.all())) from None
        return self._out.so_far()[self._read]

    def line(self) -> str:
        """The next line, which is read then."""
        line = self.peek()
        self._read += 1
        return line

    def go_on(self) -> None:
        """What it waits for is ready."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self) -> str:
        """Wait for its good end; what it said on standard error."""
        code = self.process.wait(2 * PATIENCE_S)
        said = "\n".join(self._err.all())
        assert code == 0, (code, said)
        return said


class SkfKey:
    """A key on its socket, found by the library through its run file."""

    def __init__(self, rig: KeyRig, run: Path) -> None:
        self.rig = rig
        self.run = run
        self.env = environment(run)
        self.name = f"socket:{rig.device.serial}"
        self.files = run / "files"
        self.files.mkdir()
        self.show()

    @property
    def _run_file(self) -> Path:
        return self.run / "vukey" / f"{self.rig.device.serial}.json"

    def show(self) -> None:
        """Write the run file of a plugged key."""
        profile, path = self.rig.profile, self.rig.wire.token.partition(":")[2]
        told = RunFile(
            os.getpid(),
            self.rig.device.serial,
            profile.id,
            profile.id,
            ("socket",),
            path,
            dialect=profile.dialect,
        )
        self._run_file.parent.mkdir(mode=0o700, exist_ok=True)
        self._run_file.write_bytes(told.encode())
        self._run_file.chmod(0o600)

    def pull_out(self) -> None:
        """Pull the key out, as `vukey up` does: socket and run file are gone."""
        self.rig.pull_out()
        self._run_file.unlink()


@contextmanager
def skf_key(profile: Profile, stage: str, run: Path) -> Iterator[SkfKey]:
    """A fresh key of that model and stage on a socket; nobody else is at it."""
    clock = ManualClock()
    device = Device(profile, storage=stored(profile, stage), clock=clock)
    rig = KeyRig(device, clock, UnixSocket, user_pin(profile, stage))
    assert rig.transport is not None
    rig.transport.close()
    yield SkfKey(rig, run)
    rig.close()
