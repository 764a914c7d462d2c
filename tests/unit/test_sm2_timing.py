"""The core's time does not tell d or k: measured, and by valgrind, which sees every branch and index on a secret.

Each way of looking is shown to find something where there is something to find.
"""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from protocols.sm2 import N
from protocols.sm2.arithmetic import Arithmetic
from protocols.sm2.core import FEATURES, Core
from tests.rig.arithmetics import ARITHMETICS
from tests.rig.built import built
from tests.rig.timing import LIMIT, differences

CORES = ["core", "plain"]
ROOT = Path(__file__).parents[2]
CSRC = ROOT / "protocols" / "sm2" / "csrc"
HARNESS = ROOT / "tests" / "rig" / "timing_memcheck.c"

DIGEST = bytes(range(32))
KEY = bytes(range(1, 33))
CHANCE = random.Random(7)


@pytest.fixture(autouse=True)
def _one_processor() -> Iterator[None]:
    """A call that moves to another processor measures the move."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    yield
    os.sched_setaffinity(0, allowed)


def scalar() -> bytes:
    return CHANCE.randrange(1, N - 1).to_bytes(32)


def copy_of(secret: bytes) -> bytes:
    return bytes(bytearray(secret))


def signing(arithmetic: Arithmetic) -> Callable[[bytes], object]:
    return partial(arithmetic.signer(KEY).sign, DIGEST)


def multiplying_base(arithmetic: Arithmetic) -> Callable[[bytes], object]:
    return arithmetic.multiply_base


def multiplying(arithmetic: Arithmetic) -> Callable[[bytes], object]:
    point = arithmetic.signer(KEY).public
    return lambda k: arithmetic.multiply(k, point)


NONCES = {
    "sign": signing,
    "multiply_base": multiplying_base,
    "multiply": multiplying,
}
FIXED = {
    "1": 1,
    "one bit": 1 << 255,
    "few bits": (1 << 252) + (1 << 126) + 1,
    "all ones": (1 << 255) - 1,
    "n-1": N - 1,
    "any": int.from_bytes(KEY),
}


def differences_of_nonces(name: str, operation: str, fixed: int, count: int) -> list[float]:
    call = NONCES[operation](ARITHMETICS[name])
    for _ in range(200):
        call(scalar())
    return differences(call, partial(copy_of, fixed.to_bytes(32)), scalar, count)


@pytest.mark.parametrize("fixed", FIXED.values(), ids=FIXED)
@pytest.mark.parametrize("operation", NONCES)
@pytest.mark.parametrize("name", CORES)
def test_time_does_not_tell_the_scalar(name: str, operation: str, fixed: int) -> None:
    found = differences_of_nonces(name, operation, fixed, 4000)
    assert min(found) < LIMIT, found


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("fixed", FIXED.values(), ids=FIXED)
@pytest.mark.parametrize("operation", NONCES)
@pytest.mark.parametrize("name", CORES)
def test_time_does_not_tell_the_scalar_in_many_calls(name: str, operation: str, fixed: int) -> None:
    found = differences_of_nonces(name, operation, fixed, 100_000)
    assert min(found) < LIMIT, found


@pytest.mark.parametrize("operation", NONCES)
@pytest.mark.parametrize("name", ["gmpy2", "integers"])
def test_the_fallbacks_time_tells_the_scalar(name: str, operation: str) -> None:
    found = differences_of_nonces(name, operation, FIXED["1"], 300)
    assert max(found) > LIMIT, found


class Use(NamedTuple):
    """A private key and the nonce to use it with."""

    call: Callable[[bytes], object]
    nonce: bytes


@pytest.mark.parametrize("d", [1, N - 2, pow(3, -1, N) - 1], ids=["1", "n-2", "(1+d)^-1 = 3"])
@pytest.mark.parametrize("name", CORES)
def test_time_does_not_tell_the_private_key(name: str, d: int) -> None:
    arithmetic = ARITHMETICS[name]

    def fixed() -> Use:
        return Use(partial(arithmetic.signer(d.to_bytes(32)).sign, DIGEST), scalar())

    def drawn() -> Use:
        return Use(partial(arithmetic.signer(scalar()).sign, DIGEST), scalar())

    found = differences(lambda use: use.call(use.nonce), fixed, drawn, 4000)
    assert min(found) < LIMIT, found


# With secrets marked undefined, by valgrind

SECRET = ["load", "encode", "sign", "multiply_base", "multiply", "multiply_by_key", "agree"]
ENGINES = ["plain", "adx"] if FEATURES else ["plain"]


@pytest.fixture(scope="module")
def harness() -> Path:
    """The harness with the core's own sources, compiled as the extension is."""
    sources = [HARNESS, *sorted(CSRC.glob("*.c"))]
    options = [
        "-std=c11",
        "-O3",
        "-fno-tree-vectorize",
        "-gdwarf-4",
        "-Wall",
        "-Wextra",
        "-Werror",
        f"-I{CSRC}",
        "-pthread",
    ]
    return built("memcheck", lambda path: run(["gcc", *options, *sources, "-o", path]))


def run(command: list[str | Path]) -> None:
    subprocess.run(command, check=True)


def memcheck(harness: Path, engine: str, operation: str) -> subprocess.CompletedProcess[str]:
    command = ["valgrind", "-q", "--error-exitcode=99", str(harness), engine, operation]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("operation", SECRET)
@pytest.mark.parametrize("engine", ENGINES)
def test_no_branch_and_no_index_depends_on_a_secret(harness: Path, engine: str, operation: str) -> None:
    done = memcheck(harness, engine, operation)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_memcheck_sees_branches(harness: Path, engine: str) -> None:
    done = memcheck(harness, engine, "verify")
    assert done.returncode == 99
    assert "depends on uninitialised value" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("operation", SECRET)
@pytest.mark.parametrize("engine", ENGINES)
def test_no_secret_stays_on_the_stack(harness: Path, engine: str, operation: str) -> None:
    assert subprocess.run([harness, engine, operation, "stack"], check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_a_secret_on_the_stack_is_found(harness: Path, engine: str) -> None:
    assert subprocess.run([harness, engine, "unwiped", "stack"], check=False).returncode == 6


def test_the_plain_code_runs_when_asked_for() -> None:
    assert Core(features=()).features == ()
    assert Core().features == FEATURES
