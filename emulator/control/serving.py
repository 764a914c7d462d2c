"""The panel's thread: an event loop with uvicorn's HTTP in it, beside the key and never before it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from emulator.control.api import application
from emulator.control.automation import Automation
from emulator.control.events import Hub
from emulator.control.handlers import Panel
from emulator.control.keycontrol import KeyControl
from emulator.control.security import Access, Gate

_MOST_CONNECTIONS = 200
_HEAD_WITHIN_S = 10.0
"""A connection that has not said by then what it wants is closed."""
_END_WITHIN_S = 0.5
_WORKERS = 4


class _Connection(H11Protocol):
    """uvicorn's HTTP/1.1, which alone would wait for ever for the end of a request's head."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        self._patience = self.loop.call_later(_HEAD_WITHIN_S, self._close_if_silent)

    def connection_lost(self, exc: Exception | None) -> None:
        self._patience.cancel()
        super().connection_lost(exc)

    def _close_if_silent(self) -> None:
        request: object = self.cycle
        if request is None:
            self.transport.abort()


class Serving:
    """A running panel.

    :param host: the name to call the address by.
    :param listening: a bound socket, which is closed in the end.
    """

    def __init__(self, control: KeyControl, host: str, listening: socket.socket) -> None:
        port: int = listening.getsockname()[1]
        self._control = control
        self._listening = listening
        self._access = Access(host, port)
        name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not bound here
        self.url = f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
        self.token = self._access.token
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._started: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="vukey-panel", daemon=True)
        self._thread.start()
        self._started.result()

    def ticket_url(self) -> str:
        """A URL that opens the panel in a browser, once, within ten minutes."""
        return f"{self.url}/enter?ticket={self._access.new_ticket()}"

    def close(self) -> None:
        """Stop serving and end every connection; harmless when it is closed."""
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        except BaseException as error:
            if self._started.done():
                raise
            self._started.set_exception(error)

    async def _serve(self) -> None:
        with (
            ThreadPoolExecutor(_WORKERS, thread_name_prefix="vukey-panel") as pool,
            Automation(self._control) as automation,
        ):
            hub = Hub(self._control, pool)
            panel = Panel(self._control, hub, automation, self._access, self.ticket_url, pool)
            config = Config(
                Gate(application(panel), self._access),
                log_config=None,
                log_level="error",  # what strangers send us is no news for the person at the terminal
                access_log=False,
                server_header=False,
                date_header=False,
                limit_concurrency=_MOST_CONNECTIONS,
                lifespan="off",
                ws="none",
                http=_Connection,
            )
            config.load()
            state = ServerState()
            server = await self._loop.create_server(
                partial(_Connection, config, state, {}), sock=self._listening
            )
            self._started.set_result(None)
            await self._stop.wait()
            server.close()
            hub.close()
            await _end(state)
        self._control.close()


async def _end(state: ServerState) -> None:
    """End every connection: streams have been told, what runs gets a moment, the rest is cut."""
    if state.tasks:
        await asyncio.wait(list(state.tasks), timeout=_END_WITHIN_S)
    for connection in list(state.connections):
        connection.transport.abort()
    await asyncio.sleep(0)
    if state.tasks:
        await asyncio.wait(list(state.tasks), timeout=_END_WITHIN_S)
    for task in list(state.tasks):
        task.cancel()
