"""Every operation of the control API, in one table: its route, its document and the check of its requests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from emulator.control import handlers
from emulator.control.automation import RULES_SCHEMA
from emulator.control.handlers import Answer, Given, Panel
from emulator.control.patterns import MAX_LENGTH
from emulator.control.schema import Schema
from emulator.control.shapes import BOOLEAN, EMPTY, HEX, INTEGER, NUMBER, TEXT, array, body, record, ref
from emulator.hardware.buttons import Button
from emulator.hardware.frame import MAX_SCALE
from protocols.ccid import SlotError
from protocols.i18n import N_

Handler = Callable[[Panel, Given], Awaitable[Answer]]

_APDU_DIGITS = 2 * (0xFFFF + 9)
_WAIT_S: Schema = {"type": "number", "minimum": 0, "maximum": 3600, "default": 10}


@dataclass(frozen=True)
class Operation:
    """One method of one path.

    :param summary: marked for the catalogue.
    :param answer: the schema of the JSON, or the media type of what is no JSON.
    :param query: each parameter's schema; one without a default is null where it is not given.
    :param refusals: the codes of its own errors, by HTTP status.
    :param status: HTTP's, when all went well.
    :param open: whether it needs no token.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    answer: Schema | str
    query: Mapping[str, Schema] = field(default_factory=dict)
    path_parameters: Mapping[str, Schema] = field(default_factory=dict)
    body: Schema | None = None
    refusals: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    status: int = 200
    open: bool = False

    @property
    def id(self) -> str:
        """Unique, for generators of clients."""
        return self.handler.__name__.lstrip("_")


_BUTTONS = ["left", "right", "both", *map(str, Button)]

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "POST", "/button/{name}", handlers.press_button,
        N_("Press a button. Keys act when a button is pressed, so that release and delay change nothing; Speculos' "
           "left is up, right is down, both is OK, and these act when they are let go."),
        EMPTY,
        path_parameters={"name": {"type": "string", "enum": _BUTTONS}},
        body=body(
            ("action",),
            action={"type": "string", "enum": ["press-and-release", "press", "release"]},
            delay={"type": "number", "minimum": 0, "maximum": 3600},
        ),
        refusals={404: ("no-such-button",)},
    ),
    Operation(
        "GET", "/screenshot", handlers.screenshot,
        N_("The display as a PNG, pixel for pixel or larger."),
        "image/png",
        query={"scale": {"type": "integer", "minimum": 1, "maximum": MAX_SCALE, "default": 1}},
        refusals={404: ("no-screen",)},
    ),
    Operation(
        "GET", "/events", handlers.events,
        N_("The rows of text that were shown: since the start or the last DELETE, on the present screen only, or as "
           "a stream of those that come (server-sent events)."),
        record(events=array(ref("TextEvent"))),
        query={"stream": {**BOOLEAN, "default": False}, "currentscreenonly": {**BOOLEAN, "default": False}},
        refusals={503: ("too-many-streams",)},
    ),
    Operation("DELETE", "/events", handlers.forget_events, N_("Forget the rows that were shown."), EMPTY),
    Operation("GET", "/automation", handlers.rules, N_("The automation rules."), RULES_SCHEMA),
    Operation(
        "POST", "/automation", handlers.set_rules,
        N_("Follow these automation rules instead, beginning with the present screen. For every row of text the "
           "first rule that fits acts. contains: the whole text of the screen; delay: seconds of the key's clock."),
        EMPTY, body=RULES_SCHEMA, refusals={400: ("bad-rules",)},
    ),
    Operation("DELETE", "/automation", handlers.forget_rules, N_("Follow no automation rules."), EMPTY),
    Operation(
        "POST", "/apdu", handlers.apdu,
        N_("Hand an APDU over, as one more host. While the key waits for a person so does this; the status is then "
           "200 already, and the body has error and code in place of data if the key was reset or pulled out."),
        {"anyOf": [record(data=HEX), ref("Error")]},
        body=body(
            ("data",),
            data={"type": "string", "pattern": "^([0-9a-fA-F]{2})+$", "maxLength": _APDU_DIGITS},
            tick_timeout=INTEGER,
        ),
        refusals={409: ("not-plugged", "power-lost")},
    ),
    Operation("GET", "/key", handlers.key, N_("Everything about the key now."), ref("Key")),
    Operation("GET", "/screen", handlers.screen, N_("What the screen shows now."), ref("Screen")),
    Operation(
        "GET", "/wait", handlers.wait,
        N_("Wait until the screen shows a text, or something that the regular expression finds; it may be up already."),
        ref("Screen"),
        query={
            "text": {**TEXT, "maxLength": 1000},
            "regexp": {**TEXT, "maxLength": MAX_LENGTH},
            "timeout": _WAIT_S,
        },
        refusals={400: ("bad-regexp",), 408: ("not-shown",)},
    ),
    Operation(
        "POST", "/keypad", handlers.type_digits, N_("Type digits on the keypad, and press OK after them if told."),
        EMPTY,
        body=body(("digits",), digits={"type": "string", "pattern": "^[0-9]{1,32}$"}, ok=BOOLEAN),
        refusals={404: ("no-keypad",)},
    ),
    Operation("POST", "/plug", handlers.plug, N_("Plug the key in."), record(plugged=BOOLEAN)),
    Operation("POST", "/unplug", handlers.unplug, N_("Pull the key out."), record(plugged=BOOLEAN)),
    Operation("GET", "/clock", handlers.clock, N_("The key's clock, in seconds."), record(now=NUMBER)),
    Operation(
        "POST", "/clock", handlers.advance_clock,
        N_("Move the key's clock forward, by seconds or 59s, 10m, 24h, 7d; what became due has run."),
        record(now=NUMBER),
        body=body(("advance",), advance={"type": ["number", "string"], "minimum": 0}),
    ),
    Operation(
        "POST", "/battery", handlers.set_battery, N_("Charge or drain the battery."), EMPTY,
        body=body(("level",), level={"type": "integer", "minimum": 0, "maximum": 100}),
        refusals={404: ("no-battery",)},
    ),
    Operation(
        "POST", "/fault", handlers.fault,
        N_("Let the next CCID command that an error of CCID 1.1, table 6.2-2, fits fail with it, once: a key on USB "
           "only."),
        EMPTY,
        body=body(("error",), error={"type": "string", "enum": [error.name.lower() for error in SlotError]}),
        refusals={409: ("no-reader",)},
    ),
    Operation(
        "GET", "/apdus", handlers.apdus,
        N_("The log of APDUs; bytes that hold a PIN, a code or a key are null."),
        record(apdus=array(ref("Apdu"))),
        query={"since": {"type": "integer", "minimum": 0, "default": 0}},
    ),
    Operation(
        "GET", "/live", handlers.live,
        N_("Server-sent events for a panel: key (as /key without its screen), screen and apdu, first as they are now."),
        "text/event-stream",
        refusals={503: ("too-many-streams",)},
    ),
    Operation(
        "POST", "/ticket", handlers.new_ticket, N_("A URL that opens the panel in a browser, once."),
        record(url=TEXT), refusals={403: ("token-only",)},
    ),
    Operation(
        "GET", "/enter", handlers.enter, N_("Where such a URL leads: sets the browser's cookie."), "text/html",
        query={"ticket": {**TEXT, "maxLength": 100}}, refusals={401: ("ticket-used",)}, status=303, open=True,
    ),
    Operation("GET", "/", handlers.index, N_("The panel."), "text/html"),
    Operation(
        "GET", "/panel/strings", handlers.panel_strings, N_("What the panel says, in a language."),
        {"type": "object", "additionalProperties": TEXT},
        query={"lang": {"type": "string", "enum": ["en", "zh"], "default": "en"}},
    ),
    Operation(
        "GET", "/panel/{name}", handlers.panel_file, N_("The panel's files."), "application/octet-stream",
        path_parameters={"name": TEXT}, refusals={404: ("not-found",)},
    ),
)  # fmt: skip
