"""Two that sign as fast as they can, in threads of one process or in a process each, counted over the same interval.

A process that is waiting for its interval: ``python -m bench.two_at_once`` reads deadlines and prints counts.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from protocols import sm2

_ROOT = Path(__file__).parents[1]
_SECONDS = 0.2
_BETWEEN_LOOKS = 16  # signatures from one look at the clock to the next


def signatures_until(deadline: float) -> int:
    """How many a new key makes until a moment of `time.monotonic`, which all processes share."""
    sign, digest = sm2.PrivateKey.from_bytes(os.urandom(31).rjust(sm2.SIZE, b"\1")).sign_raw, bytes(sm2.SIZE)
    count = 0
    while time.monotonic() < deadline:
        for _ in range(_BETWEEN_LOOKS):
            sign(digest, os.urandom(sm2.SIZE))
        count += _BETWEEN_LOOKS
    return count


@contextmanager
def threads() -> Iterator[Callable[[], float]]:
    """Two threads, ready: seconds for one signature of theirs."""
    with ThreadPoolExecutor(2) as pool:
        yield lambda: _seconds_each(lambda deadline: pool.map(signatures_until, [deadline] * 2))


@contextmanager
def processes() -> Iterator[Callable[[], float]]:
    """Two processes, ready: seconds for one signature of theirs."""
    with ExitStack() as stack:
        both = [stack.enter_context(_process()) for _ in range(2)]

        def count(deadline: float) -> Iterator[int]:
            for process in both:
                print(deadline, file=process.stdin, flush=True)
            return (int(process.stdout.readline()) for process in both if process.stdout)

        yield lambda: _seconds_each(count)


def _seconds_each(count: Callable[[float], Iterable[int]]) -> float:
    return _SECONDS / sum(count(time.monotonic() + _SECONDS))


@contextmanager
def _process() -> Iterator[subprocess.Popen[str]]:
    """One that has signed already; it ends when its input does."""
    command = [sys.executable, "-m", "bench.two_at_once"]
    with subprocess.Popen(
        command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        with process.stdin:
            process.stdout.readline()
            yield process


def main() -> None:
    """Say when ready, then answer deadlines with counts."""
    print(signatures_until(time.monotonic()), flush=True)
    for line in sys.stdin:
        print(signatures_until(float(line)), flush=True)


if __name__ == "__main__":
    main()
