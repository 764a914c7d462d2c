"""libFuzzer makes up what a key answers: no answer may hurt the program (fuzz.c)."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.rig.cli import environment
from tests.rig.skf import CLANG, PROGRAMS, SOURCES, compiled

HARNESS = ("fuzz.c", "fuzz_calls.c")
CALLS = 53
SIZES = (0, 1, 2, 3, 4, 10, 12, 32, 64, 66, 68, 72, 130, 132, 134, 180, 182, 288)
"""Bytes of answers that some command has, and their neighbours."""


@cache
def harness() -> Path:
    """The library and the key in one program."""
    flags = ("-O1", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all")
    wrapped = ("-Wl,--wrap=socket_link_open", "-Wno-language-extension-token", "-ldl")
    sources = (*(PROGRAMS / name for name in HARNESS), *sorted(SOURCES.glob("*.c")))
    return compiled("fuzz", *flags, *sources, *wrapped, compiler=CLANG)


def seeds(directory: Path) -> None:
    """A first input for each call and each size: answers that begin with 256 or 1024 bits, and succeed."""
    for number in range(CALLS):
        for size in SIZES:
            for head in ("00000100", "0400"):
                answer = bytes.fromhex(head).ljust(size, b"\x01")[:size] + b"\x90\x00"
                counted = len(answer).to_bytes(2) + answer
                (directory / f"{number}-{size}-{head}").write_bytes(bytes((number,)) + 3 * counted)


def fuzz(run: Path, seconds: int) -> None:
    corpus = run / "corpus"
    corpus.mkdir()
    seeds(corpus)
    options = (
        f"-max_total_time={seconds}",
        "-max_len=2048",
        "-print_final_stats=1",
        f"-artifact_prefix={run}/",
    )
    env = environment(run, PATH=os.environ["PATH"])
    done = subprocess.run(
        [harness(), *options, corpus],
        env=env,
        capture_output=True,
        text=True,
        timeout=10 * seconds + 60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    assert "stat::number_of_executed_units" in done.stderr


@pytest.mark.slow
def test_seconds(run: Path) -> None:
    fuzz(run, 5)
