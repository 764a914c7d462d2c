"""From a person's decision to a status word: the one place where a wait ends."""

from __future__ import annotations

from emulator.firmware.confirm import Ask, Decision, Outcome, Waiting
from emulator.firmware.refused import Refused
from protocols.sw import SW

_REFUSALS = {Outcome.CANCELLED: SW.CANCELLED, Outcome.TIMED_OUT: SW.TIMED_OUT}


def require_press(ask: Ask) -> Waiting:
    """Wait for OK.

    :raises Refused: cancelled or timed out.
    """
    check(decision := (yield ask))
    return decision.text.encode()


def check(decision: Decision) -> None:
    """Let a confirmation pass.

    :raises Refused: cancelled or timed out.
    """
    if decision.outcome in _REFUSALS:
        raise Refused(_REFUSALS[decision.outcome])
