"""Does a job again and again and takes the time."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hostdriver.errors import NotLoggedInError
from hostdriver.measuring.jobs import Job
from hostdriver.measuring.series import NS_PER_S, Series

PRESS_S = 1.0
"""A first signature that takes longer waited for a person: chips need tens to hundreds of milliseconds
(docs/facts.md, E14), and a key whose screen comes up takes no OK in its first second (E10)."""
_USUAL_PRESSES = 3

Clock = Callable[[], int]
Seen = Callable[[Series], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """When it is enough.

    :param count: samples of each series; None: as many as is usual for the job.
    :param seconds: or all that can be had in so many seconds of each.
    :param pressed: whether a person presses OK for each signature; None: the first one tells.
    """

    count: int | None = None
    seconds: float | None = None
    pressed: bool | None = None


def run(job: Job, plan: Plan, series: Series, seen: Seen, clock: Clock = time.perf_counter_ns) -> None:
    """Fill the series; what is in it when something breaks this off was measured.

    The first time is a trial: it warms caches up and is not counted, unless a person had to press OK for it.

    :param seen: called after each sample, outside the time that is taken.
    """
    with _no_garbage_collection(), job:
        trial = _sample(job, clock)
        if job.may_ask:
            series.pressed = trial > PRESS_S * NS_PER_S if plan.pressed is None else plan.pressed
        if series.pressed:
            series.samples_ns.append(trial)
        seen(series)
        end = clock() + int(plan.seconds * NS_PER_S) if plan.seconds else None
        while _more(series, end, wanted(job, plan, series.pressed), clock):
            series.samples_ns.append(_sample(job, clock))
            seen(series)
    series.complete = True


def wanted(job: Job, plan: Plan, pressed: bool) -> int:
    """How many samples there shall be, where nothing is said of seconds."""
    return plan.count or (_USUAL_PRESSES if pressed else job.usual_count)


def _more(series: Series, end: int | None, count: int, clock: Clock) -> bool:
    if end is None:
        return len(series.samples_ns) < count
    return not series.samples_ns or clock() < end


def _sample(job: Job, clock: Clock) -> int:
    """One time; a key that wants its PIN for each signature is found out and given it from then on."""
    try:
        return _timed(job, clock)
    except NotLoggedInError:
        if job.login is None or job.login.each_time:
            raise
        job.login.each_time = True
        return _timed(job, clock)


def _timed(job: Job, clock: Clock) -> int:
    job.prepare()
    begun = clock()
    job.act()
    return clock() - begun


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Python's own pauses are not the key's."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
