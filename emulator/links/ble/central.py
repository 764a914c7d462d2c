"""A connected central: its fragments, its command, its pairing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress

from emulator.exchange import Exchange
from emulator.firmware.pairing import ACCEPTED
from emulator.sharing import SharedKey
from protocols.ble import (
    FRAGMENT_TIMEOUT_S,
    KEEP_ALIVE_S,
    MIN_FRAGMENT,
    Cancel,
    FrameError,
    KeepAliveStatus,
    KeyEnd,
    Reply,
    Transmit,
)
from protocols.errors import ProtocolError, VukeyError

_log = logging.getLogger(__name__)


class _Work:
    """Something that the key does for a central; `exchange` is None until it has taken it."""

    def __init__(self, begin: Callable[[], Exchange]) -> None:
        self.exchange: Exchange | None = None
        self.abandoned = False
        self._begin = begin

    def run(self, on_end: Callable[[], None]) -> None:
        """In the worker: begin, and call `on_end` in whatever thread ends it."""
        if self.abandoned:
            on_end()
            return
        try:
            self.exchange = self._begin()
        except VukeyError as error:  # its power has gone
            _log.debug("%s", error)
        except Exception:
            _log.exception("the key failed")
        if self.exchange is not None:
            self.exchange.on_end(on_end)
        else:
            on_end()

    @property
    def response(self) -> bytes | None:
        """What the key has answered; None: nothing, and it will not."""
        return self.exchange.response if self.exchange else None

    def abandon(self) -> None:
        """In the worker: nobody waits for it any more."""
        if self.exchange is not None:
            self.exchange.abandon()


class Central:
    """All its methods run in the link's loop; the key is called in the worker alone, one call after the other, since it
    may compute for seconds.

    :param send: takes fragments for the central, in their order.
    """

    def __init__(self, shared: SharedKey, worker: Executor, send: Callable[[list[bytes]], None]) -> None:
        self._shared = shared
        self._worker = worker
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._end = KeyEnd(MIN_FRAGMENT)
        self._command: _Work | None = None
        self._pairing: _Work | None = None
        self._powered = False
        self._keep_alive: asyncio.TimerHandle | None = None
        self._rest: asyncio.TimerHandle | None = None

    def resize(self, fragment_size: int) -> None:
        """The connection's MTU has changed."""
        self._end.fragment_size = fragment_size

    def receive(self, fragment: bytes) -> None:
        """Take what the central has written."""
        for event in self._end.feed(fragment):
            match event:
                case Reply(fragments):
                    self._send(fragments)
                case Transmit(apdu):
                    self._begin(apdu)
                case Cancel():
                    self._drop_command()
        self._await_rest()

    def leave(self) -> None:
        """The connection has ended: so have its command, its pairing and its logins."""
        self.end_pairing()
        self._drop_command()
        if self._rest is not None:
            self._rest.cancel()
        self._worker.submit(self._shared.leave, self)

    async def compare(self, number: int) -> bool:
        """Have the person compare a pairing's number; False also where the key is busy or the pairing has ended."""
        self.end_pairing()
        work = self._pairing = _Work(lambda: self._shared.begin_pairing(self, number))
        ended = asyncio.Event()
        self._worker.submit(work.run, lambda: self._post(ended.set))
        await ended.wait()
        return work.response == ACCEPTED and not work.abandoned

    def end_pairing(self) -> None:
        """The other side has given the pairing up."""
        work, self._pairing = self._pairing, None
        self._abandon(work)

    # The command

    def _begin(self, apdu: bytes) -> None:
        if self._shared.device.battery_low:
            self._send(self._end.fail(FrameError.LOW_BATTERY))
            return
        work = self._command = _Work(lambda: self._begin_with_power(apdu))
        self._keep_alive = self._loop.call_later(KEEP_ALIVE_S, self._say_alive, work)
        self._worker.submit(work.run, lambda: self._post(lambda: self._answer(work)))

    def _begin_with_power(self, apdu: bytes) -> Exchange:
        """In the worker: a radio gives the key no power, it runs on its own."""
        if not self._powered:
            self._shared.power_on_battery(self)
            self._powered = True
        return self._shared.begin(self, apdu)

    def _answer(self, work: _Work) -> None:
        if work is not self._command:
            return
        self._forget_command()
        if work.response is not None:
            self._respond(work.response)
        elif self._shared.device.is_on:  # else the connection ends
            self._send(self._end.fail(FrameError.OTHER))

    def _respond(self, response: bytes) -> None:
        try:
            self._send(self._end.respond(response))
        except ProtocolError:  # a frame has no room for it
            self._send(self._end.fail(FrameError.OTHER))

    def _drop_command(self) -> None:
        work = self._command
        self._forget_command()
        self._abandon(work)

    def _forget_command(self) -> None:
        self._command = None
        if self._keep_alive is not None:
            self._keep_alive.cancel()

    def _abandon(self, work: _Work | None) -> None:
        if work is not None:
            work.abandoned = True
            self._worker.submit(work.abandon)

    def _say_alive(self, work: _Work) -> None:
        waits = work.exchange is not None
        status = KeepAliveStatus.USER_PRESENCE_NEEDED if waits else KeepAliveStatus.PROCESSING
        self._send(self._end.keep_alive(status))
        self._keep_alive = self._loop.call_later(KEEP_ALIVE_S, self._say_alive, work)

    def _await_rest(self) -> None:
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None
        if self._end.incomplete:
            self._rest = self._loop.call_later(FRAGMENT_TIMEOUT_S, self._give_rest_up)

    def _give_rest_up(self) -> None:
        self._rest = None
        self._send(self._end.timed_out())

    def _post(self, call: Callable[[], object]) -> None:
        """Into the loop, from any thread; into nothing once the link is closed."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call)
