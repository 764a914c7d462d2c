"""What a key showed and was told: the last screens and the APDUs, for the report of a test that failed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any, Protocol

from emulator.control.journal import ApduRecord
from emulator.control.keycontrol import KeyControl
from emulator.control.watch import Shown
from emulator.hardware.display import Screen
from vukey_testing.operators import ApiOperator, Operator

_KEPT = 200


class Recorder(Protocol):
    """What a key showed and was told since it was plugged in, as far as its target lets us see that."""

    def screens(self) -> list[Shown]:
        """Every screen with its number (from 1) and the key's time in seconds, oldest first; at most the last 200."""
        ...

    def apdus(self) -> list[ApduRecord]:
        """Every APDU, oldest first, secret data withheld; at most the last 1000."""
        ...

    def saw(self, screen: Screen) -> Screen:
        """Take note of what an operator saw."""
        ...


class LogRecorder:
    """The logs of an emulated key in this process."""

    def __init__(self, control: KeyControl) -> None:
        self._control = control

    def screens(self) -> list[Shown]:
        """See `Recorder.screens`."""
        return self._control.screens.since(0)

    def apdus(self) -> list[ApduRecord]:
        """See `Recorder.apdus`."""
        return self._control.apdus.since(0)

    def saw(self, screen: Screen) -> Screen:
        """See `Recorder.saw`: the log has it already."""
        return screen


class SeenRecorder:
    """What was seen of a key that is not in this process.

    :param own: the APDUs of this test's own sessions; the control API, where there is one, knows of all.
    """

    def __init__(self, operator: Operator, own: Callable[[], list[ApduRecord]]) -> None:
        self._operator = operator
        self._own = own
        self._seen: deque[Shown] = deque(maxlen=_KEPT)
        self._before = operator.api.apdus()[-1:] if isinstance(operator, ApiOperator) else []

    def screens(self) -> list[Shown]:
        """See `Recorder.screens`: those that the test looked at."""
        return list(self._seen)

    def apdus(self) -> list[ApduRecord]:
        """See `Recorder.apdus`."""
        if isinstance(self._operator, ApiOperator):
            since = self._before[0]["number"] if self._before else 0
            with closing(self._operator.api) as api:  # the test may be over; who asks again connects anew
                return [_record(told) for told in api.apdus(since)]
        own = sorted(self._own(), key=lambda record: record.time)
        return [replace(record, number=number) for number, record in enumerate(own, 1)]

    def saw(self, screen: Screen) -> Screen:
        """See `Recorder.saw`."""
        number = self._seen[-1].number + 1 if self._seen else 1
        self._seen.append(Shown(number, self._operator.now(), screen))
        return screen


def _record(told: dict[str, Any]) -> ApduRecord:
    """A record as the control API tells it."""

    def octets(name: str) -> bytes | None:
        return None if told[name] is None else bytes.fromhex(told[name])

    sw = None if told["sw"] is None else int(told["sw"], 16)
    fields = {**told, "header": octets("header") or b"", "data": octets("data"), "answer": octets("answer")}
    return ApduRecord(**{**fields, "sw": sw})
