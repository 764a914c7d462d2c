"""Clocks: a key measures waits, it has no date (E7)."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue

import pytest

from emulator.hardware.clock import ManualClock, SystemClock

AnyClock = ManualClock | SystemClock


@pytest.fixture
def system() -> Iterator[SystemClock]:
    clock = SystemClock()
    yield clock
    clock.close()


@pytest.fixture
def manual() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=["manual", "system"])
def clock(request: pytest.FixtureRequest) -> AnyClock:
    made: AnyClock = request.getfixturevalue(request.param)
    return made


def take(queue: SimpleQueue[str], count: int) -> list[str]:
    return [queue.get(timeout=10) for _ in range(count)]


def put(queue: SimpleQueue[str], name: str) -> Callable[[], None]:
    return lambda: queue.put(name)


class TestEveryClock:
    def test_advance_moves_it_forward(self, clock: AnyClock) -> None:
        before = clock.now()
        clock.advance(86_400)
        assert 86_400 <= clock.now() - before < 86_500

    def test_it_does_not_go_back(self, clock: AnyClock) -> None:
        with pytest.raises(ValueError, match="back"):
            clock.advance(-0.001)

    def test_due_callbacks_run_in_order_of_time_then_of_scheduling(self, clock: AnyClock) -> None:
        called: SimpleQueue[str] = SimpleQueue()
        start = clock.now()
        for name, delay in [("d", 300), ("b", 200), ("a", 100), ("c", 200), ("far", 9000)]:
            clock.call_at(start + delay, put(called, name))
        clock.advance(1000)
        assert take(called, 4) == ["a", "b", "c", "d"]
        assert called.empty()

    def test_a_callback_sees_its_time_reached(self, clock: AnyClock) -> None:
        seen: SimpleQueue[float] = SimpleQueue()
        when = clock.now() + 60
        clock.call_at(when, lambda: seen.put(clock.now()))
        clock.advance(60)
        assert seen.get(timeout=10) >= when

    def test_advance_returns_when_what_became_due_has_run(self, clock: AnyClock) -> None:
        ran: list[int] = []
        start = clock.now()
        for number in range(500):
            clock.call_at(start + 60, lambda number=number: ran.append(number))  # type: ignore[misc]  # a default
        clock.advance(60)
        assert ran == list(range(500))

    def test_a_callback_may_advance_the_clock(self, clock: AnyClock) -> None:
        """An operator that lets time pass when it is asked, in the very thread that calls it."""
        called: SimpleQueue[str] = SimpleQueue()
        start = clock.now()
        clock.call_at(start + 10, lambda: clock.advance(100))
        clock.call_at(start + 100, put(called, "later"))
        clock.advance(10)
        assert take(called, 1) == ["later"]

    def test_a_callback_may_schedule_more(self, clock: AnyClock) -> None:
        called: SimpleQueue[str] = SimpleQueue()
        start = clock.now()

        def first() -> None:
            clock.call_at(start + 20, put(called, "second"))

        clock.call_at(start + 10, first)
        clock.advance(100)
        assert take(called, 1) == ["second"]

    def test_a_time_that_has_passed_is_due(self, clock: AnyClock) -> None:
        called: SimpleQueue[str] = SimpleQueue()
        clock.advance(50)
        clock.call_at(clock.now() - 10, put(called, "late"))
        before = clock.now()
        clock.advance(0)
        assert take(called, 1) == ["late"]
        assert clock.now() >= before

    def test_a_cancelled_callback_does_not_run(self, clock: AnyClock) -> None:
        called: SimpleQueue[str] = SimpleQueue()
        start = clock.now()
        cancelled = clock.call_at(start + 10, put(called, "cancelled"))
        clock.call_at(start + 10, put(called, "kept"))
        cancelled.cancel()
        cancelled.cancel()
        clock.advance(100)
        assert take(called, 1) == ["kept"]
        assert called.empty()

    def test_cancel_after_and_within_the_call_is_harmless(self, clock: AnyClock) -> None:
        called: SimpleQueue[str] = SimpleQueue()
        start = clock.now()

        def first() -> None:
            timer.cancel()
            called.put("first")

        timer = clock.call_at(start + 10, first)
        clock.advance(20)
        assert take(called, 1) == ["first"]
        timer.cancel()
        clock.call_at(start + 10, put(called, "second"))
        clock.advance(20)
        assert take(called, 1) == ["second"]

    def test_one_callback_may_cancel_another_that_is_due_too(self, clock: AnyClock) -> None:
        called: SimpleQueue[str] = SimpleQueue()
        start = clock.now()
        clock.call_at(start + 10, lambda: victim.cancel())
        victim = clock.call_at(start + 11, put(called, "victim"))
        clock.call_at(start + 12, put(called, "last"))
        clock.advance(20)
        assert take(called, 1) == ["last"]

    def test_cancelled_timers_do_not_pile_up(self, clock: AnyClock) -> None:
        for _ in range(1000):
            clock.call_at(clock.now() + 3600, lambda: None).cancel()
        assert clock._agenda.soonest() is None

    def test_timers_may_be_made_and_cancelled_by_many_threads(self, clock: AnyClock) -> None:
        called: SimpleQueue[str] = SimpleQueue()
        when = clock.now() + 3600

        def work() -> None:
            for _ in range(200):
                clock.call_at(when, put(called, "cancelled")).cancel()
            clock.call_at(when, put(called, "kept"))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        clock.advance(3600)
        assert take(called, 4) == ["kept"] * 4
        assert called.empty()


class TestManualClock:
    def test_it_starts_at_zero_and_stands_still(self, manual: ManualClock) -> None:
        assert manual.now() == 0.0
        assert manual.now() == 0.0

    def test_callbacks_run_in_the_callers_thread_each_at_its_own_time(self, manual: ManualClock) -> None:
        seen: list[tuple[float, threading.Thread]] = []
        manual.call_at(2.5, lambda: seen.append((manual.now(), threading.current_thread())))
        manual.call_at(1.0, lambda: seen.append((manual.now(), threading.current_thread())))
        manual.advance(4)
        assert seen == [(1.0, threading.current_thread()), (2.5, threading.current_thread())]
        assert manual.now() == 4.0

    def test_nothing_runs_a_moment_too_early(self, manual: ManualClock) -> None:
        seen: list[float] = []
        manual.call_at(60.0, lambda: seen.append(manual.now()))
        manual.advance(math.nextafter(60.0, 0.0))
        assert seen == []
        manual.advance(60.0 - manual.now())
        assert seen == [60.0]

    def test_a_callback_that_raises_tells_the_caller_and_the_rest_still_waits(
        self, manual: ManualClock
    ) -> None:
        seen: list[float] = []
        manual.call_at(1.0, lambda: [][0])
        manual.call_at(2.0, lambda: seen.append(manual.now()))
        with pytest.raises(IndexError):
            manual.advance(5)
        assert (manual.now(), seen) == (1.0, [])
        manual.advance(4)
        assert (manual.now(), seen) == (5.0, [2.0])


class TestSystemClock:
    def test_it_calls_back_without_being_moved(self, system: SystemClock) -> None:
        seen: SimpleQueue[float] = SimpleQueue()
        when = system.now() + 0.02
        system.call_at(when, lambda: seen.put(system.now()))
        assert seen.get(timeout=10) >= when

    def test_a_sooner_timer_is_not_held_up_by_a_later_one(self, system: SystemClock) -> None:
        called: SimpleQueue[str] = SimpleQueue()
        system.call_at(system.now() + 3600, put(called, "late"))
        system.call_at(system.now() + 0.01, put(called, "soon"))
        assert take(called, 1) == ["soon"]

    def test_one_thread_and_none_before_the_first_timer(self, system: SystemClock) -> None:
        threads: SimpleQueue[threading.Thread] = SimpleQueue()
        before = set(threading.enumerate())
        system.advance(1)
        assert set(threading.enumerate()) == before
        for _ in range(20):
            system.call_at(system.now(), lambda: threads.put(threading.current_thread()))
        (only,) = {threads.get(timeout=10) for _ in range(20)}
        assert set(threading.enumerate()) - before == {only}
        assert only.daemon

    def test_a_callback_that_raises_is_logged_and_the_clock_goes_on(
        self, system: SystemClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        called: SimpleQueue[str] = SimpleQueue()
        with caplog.at_level(logging.ERROR, logger="emulator.hardware.clock"):
            system.call_at(system.now(), lambda: [][0])
            system.call_at(system.now(), put(called, "next"))
            assert take(called, 1) == ["next"]
        (record,) = caplog.records
        assert record.exc_info is not None
        assert record.exc_info[0] is IndexError

    def test_callbacks_run_outside_of_the_lock(self, system: SystemClock) -> None:
        started, go_on = threading.Event(), threading.Event()

        def slow() -> None:
            started.set()
            go_on.wait(10)

        system.call_at(system.now(), slow)
        assert started.wait(10)
        system.call_at(system.now() + 60, lambda: None).cancel()  # would hang here
        system.advance(1)
        go_on.set()

    def test_a_time_beyond_what_a_thread_can_wait(self, system: SystemClock) -> None:
        called: SimpleQueue[str] = SimpleQueue()
        system.call_at(math.inf, put(called, "never"))
        system.call_at(system.now(), put(called, "now"))
        assert take(called, 1) == ["now"]

    def test_close_ends_the_thread_and_nothing_is_called_any_more(self, system: SystemClock) -> None:
        called: SimpleQueue[str] = SimpleQueue()
        before = set(threading.enumerate())
        system.call_at(system.now() + 3600, put(called, "never"))
        system.close()
        system.close()
        assert set(threading.enumerate()) == before
        system.advance(7200)
        assert called.empty()
        with pytest.raises(RuntimeError, match="closed"):
            system.call_at(system.now(), put(called, "never"))

    def test_close_lets_go_whoever_waits_for_a_callback(self, system: SystemClock) -> None:
        began, go_on, advanced = threading.Event(), threading.Event(), threading.Event()

        def slow() -> None:
            began.set()
            go_on.wait(10)

        def advance() -> None:
            system.advance(60)
            advanced.set()

        system.call_at(system.now() + 60, slow)
        threads = [threading.Thread(target=advance), threading.Thread(target=system.close)]
        threads[0].start()
        assert began.wait(10)
        assert not advanced.is_set()
        threads[1].start()
        assert advanced.wait(10)
        go_on.set()
        for thread in threads:
            thread.join()

    def test_a_callback_may_close_the_clock(self, system: SystemClock) -> None:
        threads: SimpleQueue[threading.Thread] = SimpleQueue()

        def close() -> None:
            system.close()
            threads.put(threading.current_thread())

        system.call_at(system.now(), close)
        thread = threads.get(timeout=10)
        thread.join(10)
        assert not thread.is_alive()
