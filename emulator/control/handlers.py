"""What each request to the control API does. Whatever may block runs in the panel's pool, never in its loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from emulator.control.answers import apdu_json, frame_of, key_json, screen_json, text_events
from emulator.control.automation import NO_RULES, Automation, TwoButtons
from emulator.control.events import Feed, Hub
from emulator.control.keycontrol import KeyControl
from emulator.control.languages import translator
from emulator.control.panel_texts import PANEL_TEXTS
from emulator.control.patterns import compile_pattern
from emulator.control.security import BY_COOKIE, Access, closed_page
from emulator.control.watch import Accepts, Shown, matches, shows
from emulator.device import Exchange, PowerLostError
from emulator.hardware.frame import Frame
from protocols.ccid import SlotError
from protocols.duration import seconds_of
from protocols.errors import VukeyError
from protocols.i18n import N_

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")
Answer = Response | dict[str, Any]

PANEL_FILES = Path(__file__).with_name("panel")
_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
_SPECULOS_BUTTONS = {"left": (1,), "right": (2,), "both": (1, 2)}
_A_LOOK_S = 0.05
"""So long every wait is: one of 0 seconds asks whether the text is up."""
MAX_ADVANCE_S = 366 * 86_400


class ApiError(VukeyError):
    """A request is refused.

    :param status: HTTP's.
    :param code: for programs.
    """

    def __init__(self, status: int, code: str, message: str, **values: object) -> None:
        super().__init__(message, **values)
        self.status = status
        self.code = code
        self.more: dict[str, Any] = {}


@dataclass
class Panel:
    """What the handlers act on."""

    control: KeyControl
    hub: Hub
    automation: Automation
    access: Access
    ticket_url: Callable[[], str]
    pool: Executor
    two_buttons: TwoButtons = field(default_factory=TwoButtons)
    events_from: int = 0

    async def run(self, function: Callable[Arguments, Value], *args: Arguments.args) -> Value:  # type: ignore[valid-type]
        """Run what may block, in the pool."""
        return await asyncio.get_running_loop().run_in_executor(self.pool, function, *args)


@dataclass(frozen=True)
class Given:
    """A request, held against its operation's schemas."""

    request: Request
    query: dict[str, Any]
    body: dict[str, Any]


# As Speculos


async def press_button(panel: Panel, given: Given) -> Answer:
    name, action = given.request.path_params["name"], given.body["action"]
    if sides := _SPECULOS_BUTTONS.get(name):
        changes = {"press": (True,), "release": (False,)}.get(action, (True, False))
        for pressed in changes:
            for side in sides:
                if button := panel.two_buttons.change(side, pressed):
                    await panel.run(panel.control.press, button)
    elif action != "release":
        await panel.run(panel.control.press, name)
    panel.hub.touch()
    return {}


async def screenshot(panel: Panel, given: Given) -> Answer:
    frame = _frame(panel)
    try:
        png = await panel.run(frame.png, given.query["scale"])
    except ValueError as error:
        raise ApiError(
            400, "bad-request", N_("this scale cannot be had: {reason}"), reason=str(error)
        ) from None
    return Response(png, media_type="image/png")


def _frame(panel: Panel) -> Frame:
    frame = frame_of(panel.control.device, panel.control.screens.now.screen)
    if frame is None:
        raise ApiError(404, "no-screen", N_("this model has no display"))
    return frame


async def events(panel: Panel, given: Given) -> Answer:
    if given.query["stream"]:
        return _Stream(panel.hub, panel.hub.texts())
    screens = panel.control.screens
    shown = [screens.now] if given.query["currentscreenonly"] else screens.since(panel.events_from)
    return {"events": [event for each in shown for event in text_events(panel.control.device, each.screen)]}


async def forget_events(panel: Panel, given: Given) -> Answer:
    panel.events_from = panel.control.screens.now.number
    return {}


async def rules(panel: Panel, given: Given) -> Answer:
    return panel.automation.document


async def set_rules(panel: Panel, given: Given) -> Answer:
    await panel.run(panel.automation.follow, given.body)
    return {}


async def forget_rules(panel: Panel, given: Given) -> Answer:
    await panel.run(panel.automation.follow, NO_RULES)
    return {}


async def apdu(panel: Panel, given: Given) -> Answer:
    exchange = await panel.run(panel.control.begin, bytes.fromhex(given.body["data"]))
    return _told(exchange) if exchange.ended else _Pending(panel, exchange)


def _told(exchange: Exchange) -> dict[str, Any]:
    return {"data": exchange.wait().hex()}


# Ours


async def key(panel: Panel, given: Given) -> Answer:
    facts = await panel.run(key_json, panel.control)
    return {**facts, "screen": screen_json(panel.control.device, panel.control.screens.now)}


async def screen(panel: Panel, given: Given) -> Answer:
    return screen_json(panel.control.device, panel.control.screens.now)


async def wait(panel: Panel, given: Given) -> Answer:
    text, regexp, timeout = given.query["text"], given.query["regexp"], given.query["timeout"]
    if (text is None) == (regexp is None):
        raise ApiError(400, "bad-request", N_("say what to wait for: either text or regexp"))
    accepts = matches(compile_pattern(regexp)) if regexp is not None else shows(text)
    try:
        async with asyncio.timeout(max(timeout, _A_LOOK_S)):
            shown = await _while_there(given.request.receive, _first(panel.hub, accepts))
    except TimeoutError:
        error = ApiError(
            408, "not-shown", N_("the key did not show “{what}” within {seconds:g} s"),
            what=text or regexp, seconds=timeout,
        )  # fmt: skip
        error.more = {"screen": screen_json(panel.control.device, panel.control.screens.now)}
        raise error from None
    return screen_json(panel.control.device, shown)


async def _first(hub: Hub, accepts: Accepts) -> Shown:
    async with aclosing(hub.screens()) as screens:
        async for shown in screens:
            if accepts(shown.screen):
                return shown
    raise AssertionError("the screens never end")


async def type_digits(panel: Panel, given: Given) -> Answer:
    if not panel.control.device.profile.keypad:
        raise ApiError(404, "no-keypad", N_("this model has no keypad"))
    await panel.run(panel.control.type, given.body["digits"])
    if given.body.get("ok"):
        await panel.run(panel.control.press, "ok")
    return {}


async def plug(panel: Panel, given: Given) -> Answer:
    await panel.run(panel.control.plug)
    return _plugged(panel)


async def unplug(panel: Panel, given: Given) -> Answer:
    await panel.run(panel.control.unplug)
    return _plugged(panel)


def _plugged(panel: Panel) -> Answer:
    panel.hub.touch()
    return {"plugged": panel.control.plugged}


async def clock(panel: Panel, given: Given) -> Answer:
    return {"now": panel.control.device.clock.now()}


async def advance_clock(panel: Panel, given: Given) -> Answer:
    seconds = _seconds(given.body["advance"])
    await panel.run(panel.control.device.clock.advance, seconds)
    panel.hub.touch(clock_moved=True)
    return await clock(panel, given)


def _seconds(span: float | str) -> float:
    seconds = seconds_of(span) if isinstance(span, str) else span
    if seconds > MAX_ADVANCE_S:
        raise ApiError(400, "bad-request", N_("advance: a clock is moved by a year at most"))
    return seconds


async def set_battery(panel: Panel, given: Given) -> Answer:
    await panel.run(panel.control.set_battery, given.body["level"])
    panel.hub.touch()
    return {}


async def fault(panel: Panel, given: Given) -> Answer:
    await panel.run(panel.control.fault, SlotError[given.body["error"].upper()])
    return {}


async def apdus(panel: Panel, given: Given) -> Answer:
    return {"apdus": [apdu_json(record) for record in panel.control.apdus.since(given.query["since"])]}


async def live(panel: Panel, given: Given) -> Answer:
    return _Stream(panel.hub, await panel.hub.live())


async def new_ticket(panel: Panel, given: Given) -> Answer:
    if given.request.scope.get(BY_COOKIE):
        raise ApiError(403, "token-only", N_("a browser's cookie makes no further tickets: use the token"))
    return {"url": panel.ticket_url()}


# The pages


async def enter(panel: Panel, given: Given) -> Answer:
    headers = given.request.headers
    good = panel.access.spend_ticket(given.query["ticket"] or "")
    if not good and panel.access.holds_session(headers):
        return RedirectResponse("/", 303)
    if not good and (page := closed_page(headers)):
        return page
    if not good:
        raise ApiError(
            401, "ticket-used", N_("this URL has been used or is too old; ask for another: vukey key panel")
        )
    return RedirectResponse("/", 303, {"set-cookie": panel.access.cookie})


async def index(panel: Panel, given: Given) -> Answer:
    return _file("index.html")


async def panel_file(panel: Panel, given: Given) -> Answer:
    return _file(given.request.path_params["name"])


def _file(name: str) -> Response:
    """A file is found by its name in the directory's listing, so that no name leads out of it."""
    path = next((path for path in PANEL_FILES.iterdir() if path.name == name), None)
    if path is None or path.suffix not in _MEDIA_TYPES:
        raise ApiError(404, "not-found", N_("there is nothing here; see /docs"))
    return Response(path.read_bytes(), media_type=_MEDIA_TYPES[path.suffix])


async def panel_strings(panel: Panel, given: Given) -> Answer:
    translate = translator(given.query["lang"])
    return {text: translate(text) for text in PANEL_TEXTS}


# Answers that take their time


class _Stream(Response):
    """Server-sent events from a feed until it ends or its reader has gone."""

    def __init__(self, hub: Hub, feed: Feed) -> None:
        super().__init__(media_type="text/event-stream")
        del self.headers["content-length"]
        self._hub = hub
        self._feed = feed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await _while_there(receive, self._pump(send))
        except ClientDisconnect:
            pass
        finally:
            self._hub.forget(self._feed)

    async def _pump(self, send: Send) -> None:
        await _begin(self, send)
        async for event in self._feed:
            await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


class _Pending(Response):
    """The answer to an APDU that waits for a person. Its headers go out at once: Speculos' client looks for them."""

    def __init__(self, panel: Panel, exchange: Exchange) -> None:
        super().__init__(media_type="application/json")
        del self.headers["content-length"]
        self._panel = panel
        self._exchange = exchange

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()

        def end() -> None:
            with suppress(RuntimeError):  # the panel has just closed
                loop.call_soon_threadsafe(ended.set)

        await _begin(self, send)
        await self._panel.run(self._exchange.on_end, end)
        try:
            await _while_there(receive, ended.wait())
        except ClientDisconnect:
            await self._panel.run(self._exchange.abandon)
        else:
            await send({"type": "http.response.body", "body": self._body()})

    def _body(self) -> bytes:
        try:
            told = _told(self._exchange)
        except PowerLostError as error:
            told = {"error": str(error), "code": "power-lost"}
        return json.dumps(told).encode()


async def _begin(response: Response, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": response.raw_headers})
    await send({"type": "http.response.body", "body": b"", "more_body": True})


async def _while_there(receive: Receive, work: Coroutine[Any, Any, Value]) -> Value:
    """What the work comes to.

    :raises ClientDisconnect: the client has gone before; the work is cancelled.
    """
    working = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait((working, gone), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        gone.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
