"""The JSON of the control API, as schemas: requests are checked by them, the OpenAPI document shows them."""

from __future__ import annotations

from typing import Any

from emulator.control.schema import Schema

TEXT: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
BOOLEAN: Schema = {"type": "boolean"}
HEX: Schema = {"type": "string", "pattern": "^([0-9a-f]{2})*$"}


def ref(name: str) -> Schema:
    """A schema by its name in `COMPONENTS`."""
    return {"$ref": f"#/components/schemas/{name}"}


def record(**properties: Schema) -> Schema:
    """An object with all of these and nothing else."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def array(items: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": items}


def nullable(schema: Schema) -> Schema:
    """That, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


_PIN = record(tries=INTEGER, left=INTEGER, initial=BOOLEAN, verified=BOOLEAN)
_CONTAINER = record(
    name=TEXT,
    type={"type": "string", "enum": ["rsa", "sm2", "empty"]},
    bits=INTEGER,
    certificate=BOOLEAN,
    exchange_bits=INTEGER,
    exchange_certificate=BOOLEAN,
    activated=BOOLEAN,
    activation_tries_left=nullable(INTEGER),
)
_APPLICATION = record(name=TEXT, user_pin=_PIN, admin_pin=_PIN, containers=array(_CONTAINER))
_ITEM: Schema = {"type": "array", "prefixItems": [TEXT, TEXT], "minItems": 2, "maxItems": 2}
_FACTS: dict[str, Schema] = {
    "serial": TEXT,
    "profile": TEXT,
    "title": TEXT,
    "title_zh": TEXT,
    "kind": TEXT,
    "maker": TEXT,
    "keypad": BOOLEAN,
    "buttons": array(TEXT),
    "display": nullable(record(type=TEXT, width=INTEGER, height=INTEGER)),
    "plugged": BOOLEAN,
    "powered": BOOLEAN,
    "battery": nullable(record(level=INTEGER, on=BOOLEAN)),
    "waiting": nullable(
        record(
            title=TEXT,
            items=array(_ITEM),
            digits=INTEGER,
            presses=INTEGER,
            seconds_left=NUMBER,
            ok_in=NUMBER,
            unread=BOOLEAN,
        )
    ),
    "applications": array(_APPLICATION),
    "clock": NUMBER,
}

COMPONENTS: dict[str, Schema] = {
    "Error": {
        "type": "object",
        "properties": {"error": TEXT, "code": {"type": "string", "pattern": "^[a-z]+(-[a-z]+)*$"}},
        "required": ["error", "code"],
    },
    "Screen": record(
        number=INTEGER,
        kind={"type": "string", "enum": ["idle", "confirm", "entry", "light", "off"]},
        title=TEXT,
        lines=array(TEXT),
        page=INTEGER,
        pages=INTEGER,
        soft_keys=array(TEXT),
        text=TEXT,
        width=INTEGER,
        height=INTEGER,
        bits=nullable(TEXT),
    ),
    "Key": record(**_FACTS, screen=ref("Screen")),
    "Apdu": record(
        number=INTEGER,
        time=NUMBER,
        name=TEXT,
        header=HEX,
        lc=INTEGER,
        le=nullable(INTEGER),
        data=nullable(HEX),
        sw=nullable({"type": "string", "pattern": "^[0-9a-f]{4}$"}),
        meaning=TEXT,
        answer=nullable(HEX),
        answer_length=INTEGER,
        ms=nullable(NUMBER),
        pending=BOOLEAN,
    ),
    "TextEvent": record(text=TEXT, x=INTEGER, y=INTEGER, w=INTEGER, h=INTEGER, clear=BOOLEAN),
}
EMPTY: Schema = {"type": "object", "additionalProperties": False}


def body(required: tuple[str, ...], **properties: Schema) -> Schema:
    """The body of a request."""
    made: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**made, "required": list(required)} if required else made
