"""The library under what finds wrong memory and races: AddressSanitizer, UBSan, ThreadSanitizer, valgrind.

A finding ends the program with a bad exit code, and the test shows what was said.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.profiles import load_profile
from tests.rig.skf import Program, SkfKey, library, program, skf_key
from tests.rig.skf_walker import Walk

MODEL = load_profile("bocom-2g-tendyron")
CROWD = ("crowd.c", "step.c")
VALGRIND = (
    "valgrind",
    "--quiet",
    "--leak-check=full",
    "--errors-for-leak-kinds=definite",
    "--error-exitcode=99",
)


@pytest.mark.slow
def test_walk_under_address_sanitizer(run: Path) -> None:
    with skf_key(MODEL, "blank", run) as key:
        Walk(key, "asan")()


@pytest.mark.slow
def test_walk_under_valgrind(run: Path) -> None:
    with skf_key(MODEL, "blank", run) as key:
        Walk(key, before=VALGRIND)()


def crowd(key: SkfKey, kind: str) -> None:
    """Two programs of four threads each at one key; each ends well."""
    path = program(*CROWD, kind=kind)
    first = Program(path, library(kind), key.name, env=key.env)
    second = Program(path, library(kind), key.name, env=key.env)
    with first, second:
        for expected in ("ready", "done"):
            assert [each.line() for each in (first, second)] == [expected] * 2
            for each in (first, second):
                each.go_on()
        for each in (first, second):
            each.end()


def test_two_programs_of_several_threads(run: Path) -> None:
    with skf_key(MODEL, "ready", run) as key:
        crowd(key, "plain")


@pytest.mark.slow
def test_threads_under_thread_sanitizer(run: Path) -> None:
    with skf_key(MODEL, "ready", run) as key:
        crowd(key, "tsan")
