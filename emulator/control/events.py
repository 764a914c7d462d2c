"""What happens to the key, told to whoever looks on over HTTP. A slow reader is dropped, the key never waits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import suppress
from typing import Any

from emulator.control.answers import apdu_json, key_json, screen_json, text_events
from emulator.control.journal import ApduRecord
from emulator.control.keycontrol import KeyControl
from emulator.control.watch import Shown
from protocols.errors import VukeyError
from protocols.i18n import N_

_MOST_FEEDS = 32
_MOST_UNREAD = 512
_FIRST_APDUS = 100
_KEY_EVERY_S = 0.05
"""The key's facts are gathered no oftener."""


class TooManyStreamsError(VukeyError):
    """No more readers are taken."""


class Feed:
    """One reader's queue; it ends when the reader is too slow or the panel closes."""

    def __init__(self, wanted: frozenset[str]) -> None:
        self.wanted = wanted
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(_MOST_UNREAD)

    def put(self, event: bytes) -> bool:
        """Whether there was room."""
        with suppress(asyncio.QueueFull):
            self._queue.put_nowait(event)
            return True
        return False

    def end(self) -> None:
        """Nothing more comes; where the queue is full its first event makes room for the end."""
        if self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """All that has come, in one piece: after each the loop gets to see whether the reader is still there."""
        ended = False
        while not ended:
            events = [await self._queue.get()]
            events += [self._queue.get_nowait() for _ in range(self._queue.qsize())]
            ended = None in events
            yield b"".join(event for event in events if event is not None)


class Hub:
    """Made in the event loop's thread, which runs everything here but the listeners."""

    def __init__(self, control: KeyControl, pool: Executor) -> None:
        self._control = control
        self._pool = pool
        self._loop = asyncio.get_running_loop()
        self._feeds: set[Feed] = set()
        self._waiters: set[asyncio.Event] = set()
        self._told = control.screens.now.number
        self._key: dict[str, Any] = {}
        self._touched = asyncio.Event()
        self._task = self._loop.create_task(self._tell_key())
        self._ends: tuple[Callable[[], None], ...] = (
            control.device.on_screen(lambda _: self._soon(self._tell_screens)),
            control.apdus.on_change(lambda record: self._soon(self._tell_apdu, record)),
        )

    def close(self) -> None:
        """End every reader."""
        for end in self._ends:
            end()
        self._task.cancel()
        for feed in tuple(self._feeds):
            self._drop(feed)

    def touch(self, *, clock_moved: bool = False) -> None:
        """Something about the key may have changed that no screen and no APDU tells.

        :param clock_moved: by more than what passes by itself: the key is told again even if nothing else changed.
        """
        if clock_moved:
            self._key = {}
        self._touched.set()

    async def live(self) -> Feed:
        """For the panel: the present key, screen and last APDUs first, then whatever comes.

        :raises TooManyStreamsError: enough read already.
        """
        key = await self._gather()
        feed = self._open("key", "screen", "apdu")
        feed.put(_event("key", key))
        feed.put(_event("screen", screen_json(self._control.device, self._control.screens.now)))
        for record in self._control.apdus.since(0)[-_FIRST_APDUS:]:
            feed.put(_event("apdu", apdu_json(record)))
        self.touch()  # what changed since it was gathered
        return feed

    def texts(self) -> Feed:
        """As Speculos: the lines of every screen from now on.

        :raises TooManyStreamsError: enough read already.
        """
        return self._open("text")

    def forget(self, feed: Feed) -> None:
        """The reader has gone."""
        self._feeds.discard(feed)

    async def screens(self) -> AsyncGenerator[Shown, None]:
        """The screen that is up and every one that comes; close the generator."""
        changed = asyncio.Event()
        self._waiters.add(changed)
        try:
            seen = self._control.screens.now.number - 1
            while True:
                changed.clear()
                for shown in self._control.screens.since(seen):
                    seen = shown.number
                    yield shown
                await changed.wait()
        finally:
            self._waiters.discard(changed)

    def _open(self, *wanted: str) -> Feed:
        if len(self._feeds) >= _MOST_FEEDS:
            raise TooManyStreamsError(N_("too many read the key's events already"))
        feed = Feed(frozenset(wanted))
        self._feeds.add(feed)
        return feed

    def _drop(self, feed: Feed) -> None:
        self._feeds.discard(feed)
        feed.end()

    def _soon(self, tell: Callable[..., None], *args: object) -> None:
        """From a listener, under the device's lock: hand it to the loop and be gone."""
        with suppress(RuntimeError):  # the panel has just closed
            self._loop.call_soon_threadsafe(tell, *args)

    def _publish(self, kind: str, *events: bytes) -> None:
        for feed in tuple(self._feeds):
            if kind in feed.wanted and not all(feed.put(event) for event in events):
                self._drop(feed)

    def _is_wanted(self, kind: str) -> bool:
        return any(kind in feed.wanted for feed in self._feeds)

    def _tell_screens(self) -> None:
        for waiter in self._waiters:
            waiter.set()
        self.touch()
        device = self._control.device
        for shown in self._control.screens.since(self._told):
            self._told = shown.number
            if self._is_wanted("screen"):
                self._publish("screen", _event("screen", screen_json(device, shown)))
            if self._is_wanted("text"):
                self._publish("text", *(_event(None, line) for line in text_events(device, shown.screen)))

    def _tell_apdu(self, record: ApduRecord) -> None:
        self.touch()
        if self._is_wanted("apdu"):
            self._publish("apdu", _event("apdu", apdu_json(record)))

    async def _tell_key(self) -> None:
        while True:
            await self._touched.wait()
            self._touched.clear()
            if self._is_wanted("key"):
                key = await self._gather()
                if _lasting(key) != _lasting(self._key):
                    self._key = key
                    self._publish("key", _event("key", key))
            await asyncio.sleep(_KEY_EVERY_S)

    async def _gather(self) -> dict[str, Any]:
        return await self._loop.run_in_executor(self._pool, key_json, self._control)


def _lasting(key: dict[str, Any]) -> dict[str, Any]:
    """Without what changes by itself as time passes."""
    waiting = key.get("waiting")
    return {**key, "clock": None, "waiting": waiting and {**waiting, "seconds_left": None, "ok_in": None}}


def _event(name: str | None, data: dict[str, Any]) -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()
