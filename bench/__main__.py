"""``python -m bench [--json]``: every comparison, as a table or as JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable
from dataclasses import asdict

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench import suites
from bench.ratios import Result
from tests.rig.pcscd import PrivatePcscd

_START_LIMIT_S = 0.3


def _vpcd() -> Result:
    with PrivatePcscd() as pcscd:
        os.environ.update(pcscd.environment)
        return suites.vpcd(pcscd)


_SUITES: tuple[Callable[[], Result], ...] = (_vpcd, suites.rsa_2048, suites.sm2_sign)


def main() -> None:
    """Run them one after the other."""
    _pin_to_one_core()
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON for scripts")
    as_json = parser.parse_args().json
    with Progress(disable=as_json, transient=True) as progress:
        task = progress.add_task("measuring", total=len(_SUITES) + 1)
        results = []
        for suite in _SUITES:
            results.append(suite())
            progress.advance(task)
        start = suites.start_seconds()
    if as_json:
        found = [asdict(result) | {"reached": result.reached} for result in results]
        print(json.dumps({"comparisons": found, "start_s": start, "machine": platform.platform()}, indent=2))
    else:
        _print(results, start)


def _pin_to_one_core() -> None:
    """Round trips between cores measure the scheduler; every process started from here stays on this core too."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def _print(results: list[Result], start: float) -> None:
    table = Table("comparison (medians of interleaved runs)", "key /s", "floor /s", "ratio", "target")
    for result in results:
        rates = (f"{result.rates[label]:,.0f}" for label in ("key", "floor"))
        mark = "✓" if result.reached else "✗"
        table.add_row(result.name, *rates, f"{result.ratio:.3f} {mark}", f"≥ {result.target}")
    limit = f"< {_START_LIMIT_S} s"
    table.add_row("import → first GetDevInfo of a blank key", "", "", f"{start:.3f} s", limit)
    Console().print(table)


if __name__ == "__main__":
    main()
