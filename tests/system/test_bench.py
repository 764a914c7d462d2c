"""The benchmarks still run; how fast they find the key is for `make bench` to say."""

from __future__ import annotations

import pytest

from bench import suites
from bench.ratios import Result, compare
from tests.rig.pcscd import PrivatePcscd


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
