"""The benchmarks still run; how fast they find the key is for `make bench` to say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench import memory, suites
from bench.ratios import Result, compare, compare_times
from tests.rig.pcscd import PrivatePcscd

ROOT = Path(__file__).parents[2]


def judged(result: Result) -> bool:
    return result.ratio > 0 and set(result.rates) == {"key", "floor"} and min(result.rates.values()) > 0


def test_round_trips_through_pcscd(fresh_pcscd: PrivatePcscd) -> None:
    assert judged(suites.vpcd(fresh_pcscd, rounds=1))


@pytest.mark.parametrize("suite", [suites.rsa_2048, suites.sm2_sign])
def test_signatures(suite: object) -> None:
    assert callable(suite)
    assert judged(suite(rounds=1))


def test_the_start() -> None:
    assert suites.start_seconds(runs=1) > 0


def test_the_ratio_is_the_keys_rate_over_the_floors() -> None:
    """Counted, not timed: a floor that does a hundredth of the work is faster."""
    result = compare(
        "x", lambda: sum(range(50_000)), lambda: sum(range(500)), target=1.0, rounds=5, seconds=0.01
    )
    assert result.ratio < 1.0
    assert not result.reached


def test_the_ratio_of_times_is_turned_round() -> None:
    """Twice the time is half the rate."""
    result = compare_times("x", lambda: 0.5, lambda: 0.25, target=0.4, rounds=3)
    assert result.rates == {"key": 2.0, "floor": 4.0}
    assert result.ratio == 0.5
    assert result.reached


def test_a_further_key_takes_memory() -> None:
    assert memory.of_further_key(keys=4) > 10_000


def test_without_an_emulator_for_arm_one_line_says_what_to_install(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "speculos", "--peer", str(tmp_path / "peer")],
        cwd=ROOT,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0
    assert done.stdout == ""
    assert done.stderr == "skipped: Speculos needs qemu-arm-static: apt install qemu-user-static\n"
    assert not (tmp_path / "peer").exists()
