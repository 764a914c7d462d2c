"""The machine that is measured: its processor, and which of its cores are used."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.ratios import UnavailableError

_ALL_CORES = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
_CPUINFO = Path("/proc/cpuinfo")


def processor() -> str:
    """Its name, or what it is called where Linux does not know that (aarch64)."""
    lines = _CPUINFO.read_text().splitlines() if _CPUINFO.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def pin_to_one_core() -> None:
    """Round trips between cores measure the scheduler; every process started from here stays on this core too."""
    if _ALL_CORES:
        os.sched_setaffinity(0, {max(_ALL_CORES)})


@contextmanager
def unpinned() -> Iterator[None]:
    """Every core, for the threads and processes started meanwhile.

    :raises UnavailableError: there is one only.
    """
    if len(_ALL_CORES) < 2:
        raise UnavailableError("two cores: this process may use only one")
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, _ALL_CORES)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
