"""From TOML to a `Profile`: find the file, lay it over what it extends, check every value and its source.

Each value is written with its source beside it, `tries = { value = 6, source = "assumed" }`, so that a model
that overrides the one overrides the other. `{ value = "none", ... }` stands for a part that the model lacks.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from emulator.profiles import errors
from emulator.profiles.checks import check
from emulator.profiles.errors import ProfileError
from emulator.profiles.model import Profile, Range, Text

SHIPPED = Path(__file__).parent
FAMILIES = SHIPPED / "families"

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_SOURCE = re.compile(r"standard|assumed|[A-Z]\d{1,3}(, [A-Z]\d{1,3})*")
_TYPES = {str: "string", int: "integer", bool: "boolean", bytes: "string of hexadecimal digits"}
_NOT_IN_TOML = {"id", "sources"}


def profile_ids() -> tuple[str, ...]:
    """The ids of the shipped device models, sorted."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.toml")))


@cache
def load_profile(profile_id: str) -> Profile:
    """A shipped device model.

    :raises ProfileError: there is none of that id.
    """
    path = SHIPPED / f"{profile_id}.toml"
    if not _NAME.fullmatch(profile_id) or not path.is_file():
        known = ", ".join(profile_ids())
        raise ProfileError(errors.UNKNOWN_PROFILE, profile=profile_id, known=known)
    return load_profile_file(path)


def load_profile_file(path: Path | str, values: Mapping[str, object] | None = None) -> Profile:
    """A device model from a person's own TOML file; its id is the file's name without ".toml".

    `extends` names a shipped family or profile, or another file ("./base.toml", seen from this one).

    :param values: laid over the file's, by dotted path: ``{"confirm.timeout_s": 5}``.
    :raises ProfileError: naming the profile, the field and what is wrong with it.
    """
    path = Path(path)
    profile_id = path.stem
    if not _NAME.fullmatch(profile_id):
        raise ProfileError(errors.BAD_NAME, profile=profile_id)
    reader = _Reader(profile_id)
    table = _resolve(profile_id, path, ())
    for place, value in (values or {}).items():
        table = _overlay(table, _nested(place, {"value": value, "source": "assumed"}))
    profile = reader.profile(table)
    check(profile)
    return profile


def _resolve(profile: str, path: Path, below: tuple[Path, ...]) -> dict[str, Any]:
    if path.resolve() in below:
        raise ProfileError(errors.CYCLE, profile=profile, file=path.name)
    table = _parse(profile, path)
    parent = table.pop("extends", None)
    if parent is None:
        return table
    base = _resolve(profile, _locate(profile, parent, path), (*below, path.resolve()))
    return _overlay(base, table)


def _parse(profile: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ProfileError(errors.UNREADABLE, profile=profile, file=path, reason=error.strerror) from None
    except (ValueError, RecursionError) as error:
        raise ProfileError(errors.NOT_TOML, profile=profile, file=path, reason=error) from None


def _locate(profile: str, parent: object, child: Path) -> Path:
    if not isinstance(parent, str):
        raise ProfileError(errors.WRONG_TYPE, profile=profile, path="extends", wanted="string")
    if parent.endswith(".toml"):
        return child.parent / parent
    for folder in (FAMILIES, SHIPPED):
        path = folder / f"{parent}.toml"
        if _NAME.fullmatch(parent) and path.is_file():
            return path
    known = ", ".join(sorted(each.stem for each in SHIPPED.rglob("*.toml")))
    raise ProfileError(errors.UNKNOWN_PARENT, profile=profile, path="extends", parent=parent, known=known)


def _is_table(node: object) -> bool:
    return isinstance(node, dict) and not node.keys() & {"value", "source"}


def _overlay(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Lay one table over another, value by value; a value takes its source with it."""
    return {**base, **{name: _merge(base.get(name), node) for name, node in over.items()}}


def _nested(place: str, leaf: dict[str, Any]) -> dict[str, Any]:
    """A leaf in the tables that its dotted path names."""
    for name in reversed(place.split(".")):
        leaf = {name: leaf}
    return leaf


def _merge(base: Any, over: Any) -> Any:
    return _overlay(base, over) if _is_table(base) and _is_table(over) else over


@cache
def _hints(cls: type) -> dict[str, Any]:
    hints = get_type_hints(cls, include_extras=True)
    return {name: hint for name, hint in hints.items() if name not in _NOT_IN_TOML}


class _Reader:
    """Reads one merged table into dataclasses and gathers the sources."""

    def __init__(self, profile_id: str) -> None:
        self._id = profile_id
        self._sources = {"id": "assumed"}  # the ids are names of our own

    def profile(self, node: dict[str, Any]) -> Profile:
        values = self._fields(Profile, node, "")
        return Profile(id=self._id, sources=MappingProxyType(self._sources), **values)

    def _error(self, template: str, path: str, **values: object) -> ProfileError:
        return ProfileError(template, profile=self._id, path=path, **values)

    def _fields(self, cls: type, node: Any, prefix: str) -> dict[str, Any]:
        hints = _hints(cls)
        for name in node:
            if name not in hints:
                raise self._error(errors.UNKNOWN_FIELD, prefix + name, known=", ".join(hints))
        return {name: self._field(hint, node.get(name), prefix + name) for name, hint in hints.items()}

    def _field(self, hint: Any, node: Any, path: str) -> Any:
        if get_origin(hint) is UnionType:
            return self._part(get_args(hint)[0], node, path)
        if isinstance(hint, type) and hint not in _TYPES:
            return self._table(hint, {} if node is None else node, path)
        return self._leaf(hint, node, path)

    def _part(self, cls: type, node: Any, path: str) -> Any:
        """A part that a model may lack: its table, or a leaf that says "none"."""
        if node is None or _is_table(node):
            return self._table(cls, node or {}, path)
        return self._leaf(NoneType, node, path)

    def _table(self, cls: type, node: Any, path: str) -> Any:
        if not _is_table(node):
            raise self._error(errors.WRONG_TYPE, path, wanted="table")
        return cls(**self._fields(cls, node, f"{path}."))

    def _leaf(self, hint: Any, node: Any, path: str) -> Any:
        if node is None:
            raise self._error(errors.MISSING, path)
        if not isinstance(node, dict) or "source" not in node:
            raise self._error(errors.NO_SOURCE, path)
        if "value" not in node:
            raise self._error(errors.MISSING, f"{path}.value")
        for name in node.keys() - {"value", "source"}:
            raise self._error(errors.UNKNOWN_FIELD, f"{path}.{name}", known="value, source")
        self._sources[path] = self._source(node["source"], path)
        return self._value(hint, node["value"], path)

    def _source(self, source: object, path: str) -> str:
        if not isinstance(source, str) or not _SOURCE.fullmatch(source):
            raise self._error(errors.BAD_SOURCE, path, source=source)
        return source

    def _value(self, hint: Any, value: Any, path: str) -> Any:
        origin, arguments = get_origin(hint), get_args(hint)
        if hint is NoneType:
            self._choice(("none",), value, path)
            return None
        if origin is Literal:
            return self._choice(arguments, value, path)
        if origin is tuple:
            return self._items(arguments[0], value, path)
        if origin is Annotated:
            return self._limited(self._scalar(arguments[0], value, path), arguments[1], path)
        return self._scalar(hint, value, path)

    def _choice(self, known: tuple[object, ...], value: object, path: str) -> Any:
        if (type(value), value) not in [(type(each), each) for each in known]:
            choices = ", ".join(map(str, known))
            raise self._error(errors.NOT_A_CHOICE, path, found=value, known=choices)
        return value

    def _items(self, hint: Any, value: object, path: str) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise self._error(errors.WRONG_TYPE, path, wanted="array")
        return tuple(self._value(hint, item, path) for item in value)

    def _scalar(self, cls: type, value: Any, path: str) -> Any:
        try:
            if cls is bytes:
                return bytes.fromhex(value)
        except (TypeError, ValueError):
            raise self._error(errors.WRONG_TYPE, path, wanted=_TYPES[bytes]) from None
        if type(value) is not cls:  # exact: in Python True is an int
            raise self._error(errors.WRONG_TYPE, path, wanted=_TYPES[cls])
        return value

    def _limited(self, value: Any, limit: Range | Text, path: str) -> Any:
        if isinstance(limit, Range):
            if not limit.low <= value <= limit.high:
                raise self._error(errors.OUT_OF_RANGE, path, found=value, low=limit.low, high=limit.high)
            return value
        if not limit.low <= len(value) <= limit.high:
            raise self._error(errors.BAD_LENGTH, path, low=limit.low, high=limit.high)
        if limit.ascii and not (value.isascii() and value.isprintable()):
            raise self._error(errors.NOT_ASCII, path)
        return value
