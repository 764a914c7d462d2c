"""The key on USB beside the bare responder: round trips of an APDU, in a kernel whose USB is emulated.

It needs root, dummy_hcd and vhci_hcd, changes libccid's list and starts pcscd: it runs in a guest, which forgets it.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from bench.ratios import UnavailableError
from emulator.profiles import load_profile
from hostdriver.errors import NoKeyError
from hostdriver.transport import Transport
from hostdriver.transport.pcsc import PcscTransport, readers_with_a_card
from hostdriver.transport.usb import UsbName, find_one
from tests.vm.stack import UsbPcscd, enter_our_keys, load_modules

TARGET = 0.9
"""What the bare responder's time over the key's should reach, at p50 and at p99."""
_RANDOM_8 = bytes.fromhex("80500000000008")
_ROOT = Path(__file__).parents[1]
_MODEL = "bocom-2g-tendyron"
_KEY, _BARE = "5200000001", "5200000002"
"""The serial numbers that tell the two apart."""
_GUEST_S = 1800
_PATIENCE_S = 60.0
_POLL_S = 0.05
_HOSTS, _DEVICES = 0, min(1, (os.cpu_count() or 1) - 1)
"""The processors of either: a device has its own, where there are two."""

Found = TypeVar("Found")
Open = Callable[[UsbName], Transport]


@dataclass(frozen=True)
class Times:
    """Round trips of one candidate, in seconds.

    :param busy: processor time of its process for one of them, its system calls included.
    """

    p50: float
    p99: float
    busy: float


@dataclass(frozen=True)
class RoundTrips:
    """The key beside the bare responder, on one way from a program to an APDU's answer."""

    name: str
    key: Times
    bare: Times

    @property
    def ratios(self) -> tuple[float, float]:
        """The bare responder's time over the key's, at p50 and at p99."""
        return self.bare.p50 / self.key.p50, self.bare.p99 / self.key.p99

    @property
    def share(self) -> float:
        """How much of the key's round trip its own process is at work."""
        return self.key.busy / self.key.p50


@dataclass(frozen=True)
class _Bus:
    """How both are plugged in.

    :param attach: what the host's user types besides.
    """

    name: str
    link: str
    bare: tuple[str, ...]
    attach: str = ""


_BUSES = (
    _Bus("gadget", "gadget:dummy_udc.0", ("bench.bare_gadget", "dummy_udc.1")),
    _Bus("usbip", "usbip", ("bench.bare_usbip", "tcp"), "usbip attach -r 127.0.0.1 -b 1-1"),
    _Bus("vhci", "vhci", ("bench.bare_usbip", "unix")),
)


@dataclass(frozen=True)
class _Candidate:
    """The key or the bare responder, plugged in."""

    process: subprocess.Popen[bytes]
    name: UsbName

    def busy(self) -> float:
        """Processor time of all threads of its process until now, in seconds."""
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def run_in_guest(arguments: Sequence[str]) -> int:
    """Boot a guest and run `python -m bench` with these arguments in it; its exit code."""
    processors = str(min(2, os.cpu_count() or 1))
    boot = [
        sys.executable, "-m", "tests.vm", "--processors", processors, "--timeout", str(_GUEST_S), "--",
    ]  # fmt: skip
    return subprocess.run(
        [*boot, sys.executable, "-m", "bench", *arguments], cwd=_ROOT, check=False
    ).returncode


def round_trips(rounds: int = 40, exchanges: int = 25) -> Iterator[RoundTrips]:
    """GenRandom(8) on every bus, through pyusb and through pcscd: so many rounds of so many exchanges.

    :raises UnavailableError: the guest's system does not see what is plugged in.
    """
    load_modules()
    enter_our_keys()
    os.sched_setaffinity(0, {_HOSTS})
    for bus in _BUSES:
        with _key(bus) as key, _bare(bus) as bare:
            yield _compared(f"{bus.name}, pyusb", (key, bare), _claimed, rounds, exchanges)
            with UsbPcscd():
                yield _compared(f"{bus.name}, pcscd", (key, bare), _reader, rounds, exchanges)


@contextmanager
def _key(bus: _Bus) -> Iterator[_Candidate]:
    name = _name(_KEY)
    up = ("-m", "vukey", "up", "--profile", _MODEL, "--serial", _KEY, "--stage", "blank", "--link", bus.link)
    with _started(sys.executable, *up) as process:
        if bus.attach:
            _patiently(lambda: subprocess.run(bus.attach.split(), capture_output=True).returncode == 0)
        _patiently(lambda: _is_there(name))
        yield _Candidate(process, name)


@contextmanager
def _bare(bus: _Bus) -> Iterator[_Candidate]:
    name = _name(_BARE)
    module, where = bus.bare
    with _started(sys.executable, "-m", module, f"{name.vid:04x}:{name.pid:04x}", _BARE, where) as process:
        _patiently(lambda: _is_there(name))
        yield _Candidate(process, name)


def _name(serial: str) -> UsbName:
    usb = load_profile(_MODEL).usb
    return UsbName(usb.vid, usb.pid, serial)


@contextmanager
def _started(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    quiet = subprocess.DEVNULL  # a guest's command has one stream for both, and JSON may go there
    pinned = ("taskset", "-c", str(_DEVICES), *command)
    with subprocess.Popen(pinned, cwd=_ROOT, stdout=quiet, stderr=quiet) as process:
        try:
            yield process
        finally:
            process.terminate()


def _is_there(name: UsbName) -> bool:
    with suppress(NoKeyError):
        return bool(find_one(name))
    return False


def _claimed(name: UsbName) -> Transport:
    """Past pcscd, through pyusb."""
    return find_one(name).open()


def _reader(name: UsbName) -> Transport:
    """Through pcscd."""
    return PcscTransport.open(_patiently(lambda: _reader_of(name.serial)))


def _reader_of(serial: str) -> str | None:
    """libccid writes the serial number into the reader's name; pcscd may still be looking round."""
    with suppress(NoKeyError):
        return next((reader for reader in readers_with_a_card() if f"({serial})" in reader), None)
    return None


def _patiently(look: Callable[[], Found | None]) -> Found:
    """What is found as soon as something is.

    :raises UnavailableError: it does not come.
    """
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(_POLL_S)
    raise UnavailableError("the host does not see what was plugged in")


def _compared(name: str, both: Sequence[_Candidate], open_: Open, rounds: int, exchanges: int) -> RoundTrips:
    """Both in turn; they take turns at being first."""
    with ExitStack() as stack:
        ways = []
        for candidate in both:
            ways.append(open_(candidate.name))
            stack.callback(ways[-1].close)
            _seconds(ways[-1], exchanges)
        before = [candidate.busy() for candidate in both]
        seconds: tuple[list[float], ...] = ([], [])
        for number in range(rounds):
            for which in (0, 1) if number % 2 else (1, 0):
                seconds[which].extend(_seconds(ways[which], exchanges))
        busy = [candidate.busy() - begun for candidate, begun in zip(both, before, strict=True)]
    return RoundTrips(name, *map(_times, seconds, busy))


def _seconds(way: Transport, exchanges: int) -> list[float]:
    """How long each of so many round trips took."""
    found = []
    for _ in range(exchanges):
        begun = time.perf_counter()
        answer = way.exchange(_RANDOM_8)
        found.append(time.perf_counter() - begun)
        assert len(answer) == 10
    return found


def _times(seconds: Sequence[float], busy: float) -> Times:
    cuts = statistics.quantiles(seconds, n=100)
    return Times(p50=cuts[49], p99=cuts[98], busy=busy / len(seconds))
