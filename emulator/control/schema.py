"""The part of JSON Schema (draft 2020-12) that the control API's own document uses, and the check of a body by it."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from protocols.errors import VukeyError
from protocols.i18n import N_

Schema = dict[str, Any]

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}


class SchemaError(VukeyError):
    """A value does not fit; `where` is its path."""


def check(value: object, schema: Schema, where: str = "body") -> None:
    """Hold a value from outside against a schema.

    :raises SchemaError: it does not fit.
    """
    if "anyOf" in schema:
        _check_any(value, schema["anyOf"], where)
    if "type" in schema:
        _check_type(value, schema["type"], where)
    if "enum" in schema and not any(
        value == known and type(value) is type(known) for known in schema["enum"]
    ):
        known = ", ".join(json.dumps(item) for item in schema["enum"])
        raise SchemaError(N_("{where}: expected one of {known}"), where=where, known=known)
    if isinstance(value, str):
        _check_text(value, schema, where)
    elif isinstance(value, list):
        _check_list(value, schema, where)
    elif isinstance(value, dict):
        _check_object(value, schema, where)
    elif isinstance(value, int | float):
        _check_number(value, schema, where)


def _check_any(value: object, schemas: list[Schema], where: str) -> None:
    """A list is known by its first item: then the error told is of what it was meant to be."""
    meant = [schema for schema in schemas if _begins_like(value, schema)]
    if meant:
        check(value, meant[0], where)
    elif not any(_fits(value, schema, where) for schema in schemas):
        raise SchemaError(N_("{where}: it is none of what may stand here; see /docs"), where=where)


def _begins_like(value: object, schema: Schema) -> bool:
    return isinstance(value, list) and value[:1] == schema.get("prefixItems", [{}])[0].get("enum")


def _fits(value: object, schema: Schema, where: str) -> bool:
    try:
        check(value, schema, where)
    except SchemaError:
        return False
    return True


def _check_type(value: object, names: str | list[str], where: str) -> None:
    names = [names] if isinstance(names, str) else names
    fits = any(
        isinstance(value, _TYPES[name]) and (name == "boolean" or not isinstance(value, bool))
        for name in names
    )
    if not fits:
        raise SchemaError(N_("{where}: expected {type}"), where=where, type=" / ".join(names))


def _check_text(value: str, schema: Schema, where: str) -> None:
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", math.inf):
        low, high = schema.get("minLength", 0), schema["maxLength"]
        raise SchemaError(N_("{where}: expected {low} to {high} characters"), where=where, low=low, high=high)
    if "pattern" in schema and not re.fullmatch(schema["pattern"], value):
        raise SchemaError(N_("{where}: expected {pattern}"), where=where, pattern=schema["pattern"])


def _check_number(value: float, schema: Schema, where: str) -> None:
    low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    if not low <= value <= high:
        raise SchemaError(
            N_("{where}: expected a number from {low} to {high}"), where=where, low=low, high=high
        )


def _check_list(value: list[object], schema: Schema, where: str) -> None:
    first: list[Schema] = schema.get("prefixItems", [])
    low, high = schema.get("minItems", 0), schema.get("maxItems", math.inf)
    if not low <= len(value) <= high:
        raise SchemaError(N_("{where}: expected {low} to {high} items"), where=where, low=low, high=high)
    for number, item in enumerate(value):
        check(item, first[number] if number < len(first) else schema.get("items", {}), f"{where}[{number}]")


def _check_object(value: dict[str, object], schema: Schema, where: str) -> None:
    known: dict[str, Schema] = schema.get("properties", {})
    for name in schema.get("required", []):
        if name not in value:
            raise SchemaError(N_("{where}: “{name}” is missing"), where=where, name=name)
    for name, item in value.items():
        if name in known:
            check(item, known[name], f"{where}.{name}")
        elif schema.get("additionalProperties") is False:
            raise SchemaError(N_("{where}: “{name}” is not known here"), where=where, name=name[:40])
