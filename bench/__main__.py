"""``python -m bench [floors|speculos] [--json]``: the comparisons of one kind, as a table or as JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench import beside_speculos, speculos, suites
from bench.beside_speculos import Footprint
from bench.ratios import Result
from bench.speculos import Speculos
from tests.rig.namespace_holder import raise_loopback
from tests.rig.pcscd import PrivatePcscd

_START_LIMIT_S = 0.3
_FURTHER_KEY_LIMIT = 1e6


def _vpcd() -> Result:
    with PrivatePcscd() as pcscd:
        os.environ.update(pcscd.environment)
        return suites.vpcd(pcscd)


def main() -> None:
    """Run them one after the other."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "beside",
        nargs="?",
        choices=("floors", "speculos"),
        default="floors",
        help="the key beside what no key can leave out, or its control API beside that of Speculos from PyPI",
    )
    parser.add_argument("--json", action="store_true", help="print JSON for scripts")
    parser.add_argument(
        "--peer",
        type=Path,
        metavar="DIR",
        default=speculos.default_directory(),
        help="where Speculos is, or shall be installed (420 MB): %(default)s",
    )
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.beside == "floors":
        _floors(arguments.json)
        return
    try:
        peer = _installed(arguments.peer)
        if arguments.alone:
            _beside_speculos(arguments.json, peer)
        else:
            sys.exit(_alone())
    except speculos.UnavailableError as error:
        print(f"skipped: {error}", file=sys.stderr)


def _floors(as_json: bool) -> None:
    _pin_to_one_core()
    results = _measured([_vpcd, suites.rsa_2048, suites.sm2_sign], as_json)
    start = suites.start_seconds()
    if as_json:
        _print_json(results, start_s=start)
    else:
        _print(results, start)


def _installed(directory: Path) -> Speculos:
    with Console(stderr=True).status(f"Speculos {speculos.VERSION} from PyPI into {directory}"):
        return speculos.find(directory)


def _alone() -> int:
    """Run once more in a network of our own: Speculos listens on every address that it finds."""
    command = ["unshare", "--map-root-user", "--net", sys.executable, "-m", "bench", *sys.argv[1:], "--alone"]
    return subprocess.run(command, check=False).returncode


def _beside_speculos(as_json: bool, peer: Speculos) -> None:
    raise_loopback()
    _pin_to_one_core()
    results = _measured([partial(suite, peer) for suite in beside_speculos.SUITES], as_json)
    footprint = beside_speculos.footprint(peer)
    if as_json:
        _print_json(results, peer=f"speculos {speculos.VERSION}", footprint_bytes=asdict(footprint))
    else:
        _print_beside_speculos(results, footprint)


def _measured(suites: Sequence[Callable[[], Result]], quietly: bool) -> list[Result]:
    with Progress(disable=quietly, transient=True) as progress:
        return [suite() for suite in progress.track(suites, description="measuring")]


def _pin_to_one_core() -> None:
    """Round trips between cores measure the scheduler; every process started from here stays on this core too."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def _print_json(results: list[Result], **others: object) -> None:
    found = [asdict(result) | {"reached": result.reached} for result in results]
    print(json.dumps({"comparisons": found, **others, "machine": platform.platform()}, indent=2))


def _print(results: list[Result], start: float) -> None:
    table = Table("comparison (medians of interleaved runs)", "key /s", "floor /s", "ratio", "target")
    for result in results:
        rates = (f"{result.rates[label]:,.0f}" for label in ("key", "floor"))
        table.add_row(result.name, *rates, _judged(result), f"≥ {result.target}")
    limit = f"< {_START_LIMIT_S} s"
    table.add_row("import → first GetDevInfo of a blank key", "", "", f"{start:.3f} s", limit)
    Console().print(table)


def _print_beside_speculos(results: list[Result], footprint: Footprint) -> None:
    table = Table("medians, interleaved", "key", f"Speculos {speculos.VERSION}", "ratio")
    for result in results:
        key, peer = (_pace(result.rates[label]) for label in ("key", "floor"))
        table.add_row(result.name, key, peer, f"{_judged(result)} ≥ {result.target:g}")
    table.add_row("memory of one more process", _size(footprint.process), _size(footprint.peer))
    mark = "✓" if footprint.key < _FURTHER_KEY_LIMIT else "✗"
    table.add_row("memory of one more key", f"{_size(footprint.key)} {mark} < {_size(_FURTHER_KEY_LIMIT)}")
    Console().print(table)


def _pace(rate: float) -> str:
    return f"{1000 / rate:,.2f} ms, {rate:,.0f}/s"


def _size(bytes_: float) -> str:
    return f"{bytes_ / 1e6:,.2f} MB"


def _judged(result: Result) -> str:
    return f"{result.ratio:.3f} {'✓' if result.reached else '✗'}"


if __name__ == "__main__":
    main()
