"""A host's calls that a person answers: each runs in a thread until the key asks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from protocols.i18n import N_
from vukey_testing.errors import CallError
from vukey_testing.operators import Operator

PATIENCE_S = 30.0
"""Longest wait for a call: only a broken program makes a test wait that long."""
_GRACE_S = 1.0
"""What a call gets at the end of the test that has had all of its time."""

Value = TypeVar("Value")
Arguments = ParamSpec("Arguments")


class Calls:
    """The calls of one test to one key.

    :param operator: who sees whether the key asks.
    :param patience: seconds that a call may take once the person has answered.
    """

    def __init__(self, operator: Operator, patience: float = PATIENCE_S) -> None:
        self._operator = operator
        self._patience = patience
        self._patience_at_end = patience
        self._threads: list[threading.Thread] = []

    def start(
        self, call: Callable[Arguments, Value], *args: Arguments.args, **named: Arguments.kwargs
    ) -> Future[Value]:
        """Run a call in a thread of its own; return when it has ended or the key asks.

        :raises CallError: neither came in time.
        """
        self._operator.stand_by()
        answer: Future[Value] = Future()
        thread = threading.Thread(
            target=_run, args=(answer, lambda: call(*args, **named)), name="vukey-call", daemon=True
        )
        self._threads.append(thread)
        thread.start()
        if self._operator.asks_before(answer, self._patience) is False and not answer.done():
            self._patience_at_end = _GRACE_S
            raise CallError(
                N_("the call has not ended within {seconds:g} s, and the key asks nothing"),
                seconds=self._patience,
            )
        return answer

    @contextmanager
    def pending(
        self, call: Callable[Arguments, Value], *args: Arguments.args, **named: Arguments.kwargs
    ) -> Iterator[Future[Value]]:
        """Run a call until the key asks; at the end of the block it must have been answered.

        What the call raises comes out of the block.

        :raises CallError: the call ended and the key asked nothing; or the key still asks at the end of the block.
        """
        answer = self.start(call, *args, **named)
        if answer.done():
            answer.result()
            raise CallError(N_("the call has ended, and the key asked nothing"))
        try:
            yield answer
            if self._operator.asks_before(answer, self._patience):
                raise CallError(N_("the test presses nothing more, and the key still asks"))
        except BaseException as error:
            self._give_up(answer, error)
            raise
        self._await(answer)
        answer.result()

    def close(self) -> None:
        """The end of the test.

        :raises CallError: a call still runs.
        """
        for thread in self._threads:
            thread.join(self._patience_at_end)
        if any(thread.is_alive() for thread in self._threads):
            raise CallError(N_("a call that the test started still runs: its thread cannot be ended"))

    def _give_up(self, answer: Future[Value], error: BaseException) -> None:
        """The block failed: end the wait; a call that had failed by itself is likely why."""
        if answer.done():
            if failure := answer.exception():
                error.add_note(f"the call ended with {type(failure).__name__}: {failure}")
            return
        self._operator.dismiss()
        self._ends(answer)

    def _await(self, answer: Future[Value]) -> None:
        if not self._ends(answer):
            raise CallError(
                N_("the person has answered, but the call has not ended within {seconds:g} s"),
                seconds=self._patience,
            )

    def _ends(self, answer: Future[Value]) -> bool:
        if not wait([answer], self._patience).done:
            self._patience_at_end = _GRACE_S
        return answer.done()


def _run(answer: Future[Value], call: Callable[[], Value]) -> None:
    """The thread: whatever ends the call is handed to the test."""
    try:
        result = call()
    except BaseException as error:
        answer.set_exception(error)
    else:
        answer.set_result(result)
