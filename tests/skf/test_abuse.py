"""All functions of libskf_vukey with wrong handles, NULL, and a key that is gone: a SAR code, never a crash."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.profiles import load_profile
from tests.rig.cli import run_directory
from tests.rig.skf import Program, library, skf_key
from tests.rig.skf_abuse import GARBAGE, KINDS, OWN_KINDS

INVALID_HANDLE, INVALID_PARAMETER, REMOVED, NOT_LOCKED = 0x0A000005, 0x0A000006, 0x0A000023, 0x0A000001
MODEL = load_profile("bocom-2g-tendyron")
WAITING = {"SKF_WaitForDevEvent", "SKF_CancelWaitForDevEvent"}
"""They take no handle and wait: see test_devices.py."""
Answers = dict[str, dict[str, int]]


def abused(run: Path, kind: str = "plain", **environment: str) -> Answers:
    """What each wrong call answered."""
    with skf_key(MODEL, "ready", run) as key:
        arguments = ("-m", "tests.rig.skf_abuse", library(kind), key.name, MODEL.application)
        with Program(Path(sys.executable), *arguments, env={**key.env, **environment}) as program:
            assert program.line() == "remove"
            key.pull_out()
            program.go_on()
            told: Answers = json.loads(program.line())
            program.end()
    return told


@pytest.fixture(scope="module")
def answers() -> Iterator[Answers]:
    with run_directory() as run:
        yield abused(run)


def test_every_function_is_called(answers: Answers) -> None:
    assert len(answers) == 78 + 3
    assert all(
        answers[name] for name in answers if name not in ("SKF_WaitForDevEvent", "SKF_CancelWaitForDevEvent")
    )


def test_what_is_no_handle_is_found_out(answers: Answers) -> None:
    for name in OWN_KINDS:
        for case in (*GARBAGE, *KINDS, "closed"):
            assert answers[name].get(case, INVALID_HANDLE) == INVALID_HANDLE, (name, case)


QUESTIONS = {
    ("SKF_EnumDev", 1), ("SKF_EnumApplication", 1), ("SKF_EnumFiles", 1), ("SKF_EnumContainer", 1),
    ("SKF_Digest", 3), ("SKF_DigestFinal", 1), ("SKF_Mac", 3), ("SKF_MacFinal", 1), ("V_SignMessage", 4),
}  # fmt: skip
"""Where NULL asks for a size."""
NO_DATA = {("SKF_DigestUpdate", 1), ("SKF_MacUpdate", 1)}
"""Where NULL is fine with a length of 0, as here."""


def test_null_is_refused(answers: Answers) -> None:
    """Alone it may come after another fault, as the other arguments are all zero."""
    for name, cases in answers.items():
        for case, status in cases.items():
            if case == "NULL all":
                assert status == (
                    INVALID_HANDLE if name == "SKF_GenerateKeyWithECC" else INVALID_PARAMETER
                ), name
            elif case.startswith("NULL"):
                is_good = (name, int(case[5:])) in QUESTIONS | NO_DATA
                assert (status == 0) == is_good, (name, case, hex(status))


def test_a_key_that_has_gone(answers: Answers) -> None:
    for name, cases in answers.items():
        expected = NOT_LOCKED if name == "SKF_UnlockDev" else REMOVED
        assert cases.get("removed", expected) == expected, name


@pytest.mark.slow
def test_under_address_sanitizer(run: Path) -> None:
    preload = subprocess.check_output(["gcc", "-print-file-name=libasan.so"], text=True).strip()
    assert abused(run, "asan", LD_PRELOAD=preload, ASAN_OPTIONS="detect_leaks=0")
