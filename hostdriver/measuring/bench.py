"""A whole run: what is asked of a key, one job after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from hostdriver.errors import (
    DigestRefusedError,
    Exit,
    HostError,
    KeyNotFoundError,
    MessageRefusedError,
    NotSupportedError,
)
from hostdriver.measuring.jobs import Drawing, Generating, Job, Login, Signing, VerifyingPin
from hostdriver.measuring.runner import Plan, run
from hostdriver.measuring.series import Series
from hostdriver.token import Algorithm, Application, Container, ContainerFacts, Token
from protocols.i18n import N_
from protocols.sw import SW

_INSTEAD_OF_DIGEST = 512
"""Bytes of the message that is signed by a key which refuses ready digests."""

Held = tuple[Container, ContainerFacts]


class SizeError(HostError):
    """A message that the key does not take."""

    exit_code = Exit.USAGE


class Onlooker(Protocol):
    """Who is told how it goes, outside the times that are taken."""

    def begins(self, job: Job) -> None:
        """This one is next."""
        ...

    def seen(self, job: Job, series: Series) -> None:
        """It has been done once more."""
        ...

    def left_out(self, job: Job, why: HostError) -> None:
        """The key does not do that."""
        ...


@dataclass(slots=True)
class Outcome:
    """What came of it.

    :param series: those that have a sample.
    :param stopped: what broke it off: the key's error or Ctrl-C; None: nothing.
    """

    series: list[Series] = field(default_factory=list)
    stopped: HostError | KeyboardInterrupt | None = None


def containers(application: Application, name: str | None, algorithm: Algorithm | None) -> list[Held]:
    """Every container that can sign; the named one only, or those of an algorithm.

    :raises KeyNotFoundError: there is none.
    """
    opened = [application.container(each) for each in ([name] if name else application.containers())]
    held = [(each, each.facts()) for each in opened]
    fitting = [(each, facts) for each, facts in held if facts.bits and algorithm in (None, facts.algorithm)]
    if not fitting:
        raise KeyNotFoundError(SW.KEY_NOT_FOUND)
    return fitting


def jobs(token: Token, login: Login, held: Sequence[Held], sizes: Sequence[int]) -> list[Job]:
    """What is measured of every key: first what needs no person.

    :param sizes: of messages that are signed beside digests.
    :raises SizeError: the key does not take so long a message.
    """
    limit = token.max_message
    if limit is not None and max(sizes, default=0) > limit:
        raise SizeError(
            N_("--size {size}: the key takes at most {limit} bytes"), size=max(sizes), limit=limit
        )
    signing = [Signing(container, facts, login, size) for container, facts in held for size in (0, *sizes)]
    return [VerifyingPin(login), Drawing(token), *signing]


def generating(application: Application, login: Login, held: Sequence[Held]) -> Iterator[Job]:
    """Key pairs of each kind that is signed with."""
    kinds = {(facts.algorithm, facts.bits) for _container, facts in held}
    for algorithm, bits in sorted(kinds, key=str):
        if algorithm is not None:
            yield Generating(application, algorithm, bits, login)


def measure(todo: Sequence[Job], plan: Plan, onlooker: Onlooker) -> Outcome:
    """Do them. A key that is removed, or Ctrl-C, ends it; what was measured until then is kept."""
    outcome = Outcome()
    waiting = list(todo)
    try:
        while waiting:
            job = waiting.pop(0)
            if (instead := _done(job, plan, onlooker, outcome)) and _is_new(instead, waiting):
                waiting.insert(0, instead)
    except (HostError, KeyboardInterrupt) as stopped:
        outcome.stopped = stopped
    outcome.series = [series for series in outcome.series if series.samples_ns]
    return outcome


def _is_new(job: Job, waiting: Sequence[Job]) -> bool:
    """Whether the container's messages are not signed anyway."""
    subject = job.subject
    return all(
        (subject.container, subject.source) != (each.subject.container, each.subject.source)
        for each in waiting
    )


def _done(job: Job, plan: Plan, onlooker: Onlooker, outcome: Outcome) -> Job | None:
    """Do one; what should be done in its stead."""
    series = Series(job.subject)
    outcome.series.append(series)
    onlooker.begins(job)
    try:
        run(job, plan, series, lambda series: onlooker.seen(job, series))
    except DigestRefusedError as error:
        onlooker.left_out(job, error)
        return job.with_message(_INSTEAD_OF_DIGEST) if isinstance(job, Signing) else None
    except (MessageRefusedError, NotSupportedError) as error:
        onlooker.left_out(job, error)
    return None
