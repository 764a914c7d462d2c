"""``python -m bench [floors|sm2|skf|speculos|usb|ble] [--json]``: the comparisons of one kind, as table or JSON."""

from __future__ import annotations

import argparse
import json
import logging
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

from bench import beside_speculos, machine, peers, skf, sm2_core, speculos, suites, tables, usb
from bench.ratios import Result, UnavailableError
from bench.speculos import Speculos
from protocols import sm2
from tests.rig.namespace_holder import raise_loopback
from tests.rig.pcscd import PrivatePcscd
from tests.vm.guest import INSIDE


def _vpcd() -> Result:
    with PrivatePcscd() as pcscd:
        os.environ.update(pcscd.environment)
        return suites.vpcd(pcscd)


def main() -> None:
    """Run them one after the other."""
    arguments = _arguments()
    if arguments.beside == "floors":
        _floors(arguments.json)
    elif arguments.beside == "sm2":
        _sm2(arguments.json)
    elif arguments.beside == "skf":
        _skf(arguments.json)
    elif arguments.beside == "usb":
        _usb(arguments.json)
    elif arguments.beside == "ble":
        _ble(arguments.json)
    else:
        _speculos(arguments.json, arguments.peer, arguments.alone)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "beside",
        nargs="?",
        choices=("floors", "sm2", "skf", "speculos", "usb", "ble"),
        default="floors",
        help="the key beside what no key can leave out; SM2 beside OpenSSL, PyPI and its own fallbacks; "
        "calls through libskf beside the bare socket, SoftHSM2 and OpenSSL; "
        "the control API beside that of Speculos from PyPI; the key on USB, in a guest's kernel; "
        "or by Bluetooth and on a serial line, in one process",
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
    return parser.parse_args()


def _floors(as_json: bool) -> None:
    machine.pin_to_one_core()
    results = measured([_vpcd, suites.rsa_2048], as_json)
    start = suites.start_seconds()
    if as_json:
        _print_json(results, start_s=start)
    else:
        tables.print_floors(results, start)


def _sm2(as_json: bool) -> None:
    logging.disable(logging.WARNING)  # the fallback says that it is slow: that is what is measured
    machine.pin_to_one_core()
    results = measured(sm2_core.SUITES, as_json)
    first_use = sm2_core.first_use_seconds()
    ours, beside = sm2.ARITHMETIC, list(filter(None, (peers.openssl_version(), peers.pypi_version())))
    if as_json:
        _print_json(
            results,
            first_use_s=first_use,
            arithmetic=ours.name,
            features=ours.features,
            processor=machine.processor(),
            peers=beside,
        )
        return
    features = " ".join(ours.features) or "no features of the processor"
    caption = f"{ours.name}: {features}; {machine.processor()}; {', '.join(beside)}"
    tables.print_sm2(results, first_use, caption)


def _skf(as_json: bool) -> None:
    machine.pin_to_one_core()
    try:
        with skf.bench() as bench:
            results = measured(bench.suites, as_json)
    except UnavailableError as error:
        _say_skipped(error)
        return
    beside = list(filter(None, (peers.openssl_version(), skf.softhsm_version())))
    if as_json:
        _print_json(results, processor=machine.processor(), peers=beside)
    else:
        tables.print_skf(results, f"{machine.processor()}; {', '.join(beside)}")


def _usb(as_json: bool) -> None:
    if not INSIDE:
        sys.exit(usb.run_in_guest(sys.argv[1:]))
    try:
        results = list(usb.round_trips())
    except UnavailableError as error:
        sys.exit(f"python -m bench usb: {error}")
    if as_json:
        found = [asdict(result) | {"ratios": result.ratios, "share": result.share} for result in results]
        print(json.dumps({"round_trips": found, "machine": platform.platform()}, indent=2))
    else:
        tables.print_usb(results)


def _ble(as_json: bool) -> None:
    try:
        from bench import wireless
    except ModuleNotFoundError as error:
        sys.exit(f"python -m bench ble: {error.name} is not installed: pip install 'vukey[ble,serial]'")
    with Console(stderr=True).status("measuring"):
        results = list(wireless.measured())
    if as_json:
        found = [asdict(result) for result in results]
        print(json.dumps({"ways": found, "machine": platform.platform()}, indent=2))
    else:
        tables.print_wireless(results)


def _speculos(as_json: bool, directory: Path, alone: bool) -> None:
    try:
        peer = _installed(directory)
        if alone:
            _beside_speculos(as_json, peer)
        else:
            sys.exit(_alone())
    except UnavailableError as error:
        _say_skipped(error)


def _installed(directory: Path) -> Speculos:
    with Console(stderr=True).status(f"Speculos {speculos.VERSION} from PyPI into {directory}"):
        return speculos.find(directory)


def _alone() -> int:
    """Run once more in a network of our own: Speculos listens on every address that it finds."""
    command = ["unshare", "--map-root-user", "--net", sys.executable, "-m", "bench", *sys.argv[1:], "--alone"]
    return subprocess.run(command, check=False).returncode


def _beside_speculos(as_json: bool, peer: Speculos) -> None:
    raise_loopback()
    machine.pin_to_one_core()
    results = measured([partial(suite, peer) for suite in beside_speculos.SUITES], as_json)
    footprint = beside_speculos.footprint(peer)
    if as_json:
        _print_json(results, peer=f"speculos {speculos.VERSION}", footprint_bytes=asdict(footprint))
    else:
        tables.print_beside_speculos(results, footprint, f"Speculos {speculos.VERSION}")


def measured(suites: Sequence[Callable[[], Result]], quietly: bool) -> list[Result]:
    """Those that can be had here; what is missing says so in a line."""
    results = []
    with Progress(disable=quietly, transient=True) as progress:
        for suite in progress.track(suites, description="measuring"):
            try:
                results.append(suite())
            except UnavailableError as error:
                _say_skipped(error)
    return results


def _say_skipped(error: UnavailableError) -> None:
    print(f"skipped: {error}", file=sys.stderr)


def _print_json(results: list[Result], **others: object) -> None:
    found = [asdict(result) | {"reached": result.reached} for result in results]
    print(json.dumps({"comparisons": found, **others, "machine": platform.platform()}, indent=2))


if __name__ == "__main__":
    main()
