"""What the tool itself adds to each time: the same runner and the same layers over a key that answers at once."""

from __future__ import annotations

from dataclasses import dataclass

from hostdriver.measuring.jobs import Signing
from hostdriver.measuring.null_token import NULL_FACTS, null_container
from hostdriver.measuring.runner import Plan, run
from hostdriver.measuring.series import Series

FASTEST_REAL_KEY_MS = 10.0
"""A real key's signature takes tens to hundreds of milliseconds (docs/facts.md, E14): the least that may mean."""
_SAMPLES = 500


@dataclass(frozen=True, slots=True)
class Overhead:
    """Of one signature.

    :param layers: what it covers: `runner and APDUs`, `runner and calls by ctypes`, or `runner` alone (PKCS#11).
    :param ms: milliseconds, the median.
    """

    layers: str
    ms: float

    @property
    def share(self) -> float:
        """Of the fastest real key's signature."""
        return self.ms / FASTEST_REAL_KEY_MS


def overhead(kind: str) -> Overhead:
    """Measured now, on this machine.

    :param kind: of the token that is measured: `apdu`, `skf` or `pkcs11`.
    """
    layers, container = null_container(kind)
    job = Signing(container, NULL_FACTS, None, size=0)
    series = Series(job.subject)
    run(job, Plan(count=_SAMPLES, pressed=False), series, lambda _series: None)
    return Overhead(layers, series.figures().p50)
