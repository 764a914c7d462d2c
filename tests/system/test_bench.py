"""The benchmarks still run; how fast they find the key is for `make bench` to say."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from bench import machine, memory, skf, sm2_core, suites
from bench.__main__ import measured
from bench.ratios import Result, UnavailableError, compare, compare_times
from bench.two_at_once import processes, signatures_until, threads
from bench.usb import RoundTrips, Times
from tests.rig.pcscd import PrivatePcscd
from tests.rig.skf import library

ROOT = Path(__file__).parents[2]


def judged(result: Result) -> bool:
    return result.ratio > 0 and set(result.rates) == {"key", "floor"} and min(result.rates.values()) > 0


def test_round_trips_through_pcscd(fresh_pcscd: PrivatePcscd) -> None:
    assert judged(suites.vpcd(fresh_pcscd, rounds=1))


@pytest.mark.parametrize("suite", [suites.rsa_2048, *sm2_core.SUITES])
def test_a_suite(suite: Callable[..., Result]) -> None:
    try:
        result = suite(rounds=1)
    except UnavailableError as error:
        pytest.skip(str(error))
    assert judged(result)


@pytest.mark.slow
def test_the_suites_of_libskf() -> None:
    with skf.bench(library()) as bench:
        for suite in bench.suites:
            try:
                assert judged(suite(rounds=1))
            except UnavailableError as error:
                pytest.skip(str(error))


def test_without_a_library_one_line_says_what_makes_it(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"^libskf: make skf$"), skf.bench(tmp_path / "none.so"):
        pass


def test_the_start() -> None:
    assert suites.start_seconds(runs=1) > 0


def test_the_first_use() -> None:
    assert sm2_core.first_use_seconds(runs=1) > 0


def test_a_missing_peer_says_what_to_install_and_the_others_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "gmssl_pyx", None)
    there = compare_times("x", lambda: 1.0, lambda: 1.0, target=None, rounds=1)
    assert measured([sm2_core.sign_beside_pypi, lambda: there], quietly=True) == [there]
    assert capsys.readouterr().err == "skipped: gmssl-pyx: pip install gmssl-pyx\n"


def test_two_sign_until_the_deadline_and_not_after_it() -> None:
    assert signatures_until(time.monotonic()) == 0
    deadline = time.monotonic() + 0.3
    assert signatures_until(deadline) > 0
    assert time.monotonic() >= deadline


@pytest.mark.parametrize("two", [threads, processes])
def test_two_at_once_answer_every_time(
    two: Callable[[], AbstractContextManager[Callable[[], float]]],
) -> None:
    with two() as seconds_each:
        assert min(seconds_each(), seconds_each()) > 0


def test_unpinned_is_every_core_for_as_long_as_it_lasts() -> None:
    everything = os.sched_getaffinity(0)
    if len(everything) < 2:
        pytest.skip("one core")
    machine.pin_to_one_core()
    pinned = os.sched_getaffinity(0)
    try:
        with machine.unpinned():
            assert os.sched_getaffinity(0) == everything
        assert os.sched_getaffinity(0) == pinned == {max(everything)}
    finally:
        os.sched_setaffinity(0, everything)


def test_the_bare_responders_are_bare() -> None:
    """Issue 5 allows a hundred lines each."""
    lengths = {path.stem: len(path.read_text().splitlines()) for path in ROOT.glob("bench/bare_*.py")}
    assert lengths.keys() >= {"bare_ccid", "bare_gadget", "bare_usbip"}
    assert max(lengths.values()) <= 100


def test_the_ratio_on_usb_is_of_times() -> None:
    """The bare responder's over the key's, at p50 and p99; the share is of the key's p50."""
    result = RoundTrips("x", Times(0.004, 0.016, 0.001), Times(0.003, 0.008, 0.001))
    assert result.ratios == (0.75, 0.5)
    assert result.share == 0.25


def test_the_processor_has_a_name() -> None:
    assert machine.processor().strip()


def test_the_ratio_is_the_keys_rate_over_the_floors() -> None:
    """Counted, not timed: a floor that does a hundredth of the work is faster."""
    result = compare(
        "x", lambda: sum(range(50_000)), lambda: sum(range(500)), target=1.0, rounds=5, seconds=0.01
    )
    assert result.ratio < 1.0
    assert not result.reached


def test_without_a_target_nothing_is_judged() -> None:
    assert compare_times("x", lambda: 1.0, lambda: 2.0, target=None, rounds=1).reached is None


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
