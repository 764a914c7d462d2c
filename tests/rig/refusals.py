"""The table of refusals: what provokes which status word, entered by the scenarios of tests/conformance."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest

from protocols.gmt import Ins
from protocols.sw import SW
from tests.rig.commands import Call, Caller

WRONG_PIN = "999111"
BAD_UTF8 = b"\xff\xfe\xfd"

Scenario = Callable[[Caller], int]
CASES: dict[tuple[str, Ins], list[tuple[int, Scenario]]] = defaultdict(list)
"""By kind of key and command: the status words and what provokes them, in order."""

KINDS: dict[str, list[Any]] = {
    "usual": [pytest.mark.limits(activation="host", pin__user__extra_press_at=5)],
    "no digests": [pytest.mark.limits(ready_digest="refuse")],
    "no activation": [pytest.mark.limits(activation="bank")],
    "keypad": [pytest.mark.profile("bocom-smart-feitian")],
    "small": [pytest.mark.limits(max_containers=3)],
    "issued": [
        pytest.mark.stage("issued"),
        pytest.mark.limits(activation="host", pin__user__must_change=False),
    ],
}


def refusal(ins: Ins, sw: int, kind: str = "usual") -> Callable[[Scenario], Scenario]:
    """Enter a scenario into the table."""

    def enter(scenario: Scenario) -> Scenario:
        CASES[kind, ins].append((sw, scenario))
        return scenario

    return enter


def sent(ins: Ins, sw: int, call: Callable[[Caller], Call], kind: str = "usual") -> None:
    """Enter a scenario of a single call."""
    refusal(ins, sw, kind)(lambda k: k.call(ins, *call(k)))


def unanswered(ins: Ins, call: Callable[[Caller], Call], kind: str = "usual") -> None:
    """Enter what a person's C, and a person's absence, do to a call."""

    def cancelled(k: Caller) -> int:
        k.begin(ins, *call(k))
        k.rig.press("cancel")
        return k.end()

    def timed_out(k: Caller) -> int:
        k.begin(ins, *call(k))
        k.rig.clock.advance(k.rig.profile.confirm.timeout_s)
        return k.end()

    refusal(ins, SW.CANCELLED, kind)(cancelled)
    refusal(ins, SW.TIMED_OUT, kind)(timed_out)
