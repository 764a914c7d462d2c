"""Somebody's test suite, run by pytest in a process of its own, on the machine's network or a private one."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.rig.messages import TRANSFER
from tests.rig.pcscd import PrivatePcscd

ROOT = Path(__file__).parents[2]
_INSTALLED = any(point.value == "pytest_vukey" for point in importlib.metadata.entry_points(group="pytest11"))
PLUGIN = () if _INSTALLED else ("-p", "pytest_vukey")
TIMEOUT_S = 100.0

BANK = f"""
import pytest
from protocols.gmt import SignInput

TRANSFER = {TRANSFER!r}


def log_in(key, session):
    application = session.open_application(key.profile.application)
    session.verify_pin(application, key.user_pin)
    return session.open_container(application, key.profile.containers.sm2.name)


def sign(key, session):
    return session.sign_sm2(log_in(key, session), TRANSFER, SignInput.MESSAGE)
"""
"""Begins a test module: a bank's program, which speaks with the key through our session."""


class Ended(NamedTuple):
    """A run of pytest."""

    code: int
    text: str

    @property
    def outcomes(self) -> dict[str, int]:
        """How many passed, failed and so on.

        :raises AssertionError: pytest did not come to its last line.
        """
        sums = [line for line in self.text.splitlines() if re.search(r" in \d+\.\d+s\b", line)]
        assert sums, f"{self.code}: {self.text}"
        found = re.findall(r"(\d+) (passed|failed|skipped|errors?)", sums[-1])
        return {name.rstrip("s") if name == "errors" else name: int(count) for count, name in found}


class Suite:
    """A folder with test modules."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.joinpath("pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")

    def write(self, source: str, name: str = "test_it.py") -> None:
        """Write a module."""
        self.path.joinpath(name).write_text(BANK + source, encoding="utf-8")

    def command(self, *options: str) -> list[str]:
        """How it is run."""
        # pytest-randomly takes as long to load as all the rest
        others = ("-p", "no:cacheprovider", "-p", "no:randomly")
        return [sys.executable, "-m", "pytest", *PLUGIN, *others, *options]

    def environment(self, **more: str) -> dict[str, str]:
        """English, nothing left over from ours."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("VUKEY_", "PYTEST_"))
        }
        own = {"PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8", "LANGUAGE": "en", "COLUMNS": "200"}
        return kept | own | more

    def run(self, *options: str, inside: PrivatePcscd | None = None, **more: str) -> Ended:
        """Run it.

        :param inside: whose network it lives in.
        :param more: environment variables.
        """
        run = inside.run if inside else subprocess.run
        done = run(
            self.command(*options),
            cwd=self.path,
            env=self.environment(**more),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
        return Ended(done.returncode, done.stdout + done.stderr)

    def passes(self, *options: str, inside: PrivatePcscd | None = None, **more: str) -> dict[str, int]:
        """Run it: nothing fails. What became of the tests."""
        ended = self.run(*options, inside=inside, **more)
        assert ended.code == 0, ended.text
        return ended.outcomes

    def refused(self, *options: str, inside: PrivatePcscd | None = None, **more: str) -> str:
        """Run it: pytest ends at once with a usage error. That one line."""
        ended = self.run(*options, inside=inside, **more)
        assert ended.code == 4, ended.text
        [line] = [line for line in ended.text.splitlines() if line.startswith("ERROR: ")]
        return line.removeprefix("ERROR: ")
