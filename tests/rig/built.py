"""What tests compile: once for all the workers of a run of pytest."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_PLACE = "VUKEY_TESTS_BUILT"
"""The environment variable by which workers, which are children, find the directory."""


def open_workshop() -> Callable[[], None]:
    """Make the run's directory, unless a parent has; returns what removes it again."""
    if _PLACE in os.environ:
        return lambda: None
    directory = os.environ[_PLACE] = tempfile.mkdtemp(prefix="vukey-built-")

    def remove() -> None:
        del os.environ[_PLACE]
        with suppress(OSError):
            shutil.rmtree(directory)

    return remove


def built(name: str, build: Callable[[Path], None]) -> Path:
    """The file of that name, made by the first who asks; the others wait for it."""
    directory = Path(os.environ[_PLACE])
    path = directory / name
    with (directory / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            fresh = directory / f"{name}.new"
            build(fresh)
            fresh.rename(path)
    return path
