"""The control API as an ASGI application: routes from the table, requests checked, every error in one shape."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any, NoReturn

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from emulator.control.automation import RulesError
from emulator.control.events import TooManyStreamsError
from emulator.control.handlers import Answer, ApiError, Given, Panel
from emulator.control.keycontrol import NoBatteryError
from emulator.control.languages import language_of, translator
from emulator.control.openapi import document, page
from emulator.control.operations import OPERATIONS, Operation
from emulator.control.patterns import PatternError
from emulator.control.schema import Schema, SchemaError, check
from emulator.device import NoSuchButtonError, NotPoweredError, PowerLostError
from emulator.sharing import NoReaderError
from protocols.errors import ProtocolError, VukeyError
from protocols.i18n import N_

_log = logging.getLogger(__name__)

MAX_BODY = 256 * 1024
_BODY_WITHIN_S = 10.0
_REFUSALS: dict[type[VukeyError], tuple[int, str]] = {
    ProtocolError: (400, "bad-request"),
    SchemaError: (400, "bad-request"),
    RulesError: (400, "bad-rules"),
    PatternError: (400, "bad-regexp"),
    NoSuchButtonError: (404, "no-such-button"),
    NoBatteryError: (404, "no-battery"),
    NoReaderError: (409, "no-reader"),
    NotPoweredError: (409, "not-plugged"),
    PowerLostError: (409, "power-lost"),
    TooManyStreamsError: (503, "too-many-streams"),
    VukeyError: (409, "failed"),
}
_HTTP_ERRORS = {
    404: ("not-found", N_("there is nothing here; see /docs")),
    405: ("wrong-method", N_("this is done with another method; see /docs")),
}


async def _openapi(panel: Panel, given: Given) -> Answer:
    return document(ALL_OPERATIONS)


async def _docs(panel: Panel, given: Given) -> Answer:
    return HTMLResponse(page(ALL_OPERATIONS, given.query["lang"] or language_of(given.request.headers)))


def _line(error: VukeyError, request: Request) -> str:
    return error.localized(translator(language_of(request.headers)))


ALL_OPERATIONS = (
    *OPERATIONS,
    Operation("GET", "/openapi.json", _openapi, N_("This document."), {"type": "object"}),
    Operation(
        "GET", "/docs", _docs, N_("This document as a page."), "text/html",
        query={"lang": {"type": "string", "enum": ["en", "zh"]}},
    ),
)  # fmt: skip


def application(panel: Panel) -> Starlette:
    """The routes of the table, acting on that panel."""
    app = Starlette(
        routes=[_route(operation, panel) for operation in ALL_OPERATIONS],
        exception_handlers={HTTPException: _http_error},
    )
    app.router.redirect_slashes = False
    return app


def _route(operation: Operation, panel: Panel) -> Route:
    async def endpoint(request: Request) -> Response:
        return await _answer(operation, panel, request)

    route = Route(operation.path, endpoint, methods=[operation.method], name=operation.id)
    if route.methods:
        route.methods.discard("HEAD")
    return route


async def _answer(operation: Operation, panel: Panel, request: Request) -> Response:
    try:
        given = Given(request, _query(operation, request), await _body(operation, request))
        answer = await operation.handler(panel, given)
        return answer if isinstance(answer, Response) else JSONResponse(answer)
    except ApiError as error:
        return JSONResponse({"error": _line(error, request), "code": error.code, **error.more}, error.status)
    except VukeyError as error:
        status, code = next(told for kind, told in _REFUSALS.items() if isinstance(error, kind))
        return JSONResponse({"error": _line(error, request), "code": code}, status)
    except ClientDisconnect:
        return Response(status_code=400)  # to nobody
    except Exception as error:
        _log.error("%s %s failed: %s", operation.method, operation.path, type(error).__name__)
        _log.debug("where it failed", exc_info=True)
        return JSONResponse({"error": "the key's panel failed; its log says more", "code": "internal"}, 500)


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    code, message = _HTTP_ERRORS[status]
    return JSONResponse({"error": message, "code": code}, status)


def _query(operation: Operation, request: Request) -> dict[str, Any]:
    """The query's parameters; what is not ours is passed over."""
    return {name: _parameter(request, name, schema) for name, schema in operation.query.items()}


def _parameter(request: Request, name: str, schema: Schema) -> Any:
    given = request.query_params.getlist(name)
    if not given:
        return schema.get("default")
    if len(given) > 1:
        raise SchemaError(N_("{where}: it is given twice"), where=name)
    value = _READERS[schema["type"]](given[0])
    check(value, schema, name)
    return value


def _number(kind: Callable[[str], float]) -> Callable[[str], Any]:
    """A text that is no number stays one, and its check says what was expected."""

    def read(text: str) -> float | str:
        try:
            return kind(text)
        except ValueError:
            return text

    return read


_READERS: dict[str, Callable[[str], Any]] = {
    "string": str,
    "integer": _number(int),
    "number": _number(float),
    "boolean": lambda text: {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), text),
}


async def _body(operation: Operation, request: Request) -> dict[str, Any]:
    """The JSON of the request; nothing at all counts as an empty object.

    :raises ApiError: too long, too slow, or no JSON.
    :raises SchemaError: not what the operation takes.
    """
    try:
        raw = await asyncio.wait_for(_read(request), _BODY_WITHIN_S)
    except TimeoutError:
        raise ApiError(408, "too-slow", N_("the body did not come in time")) from None
    if operation.body is None:
        return {}
    body = _parse(raw) if raw else {}
    check(body, operation.body)
    return body


async def _read(request: Request) -> bytes:
    declared = request.headers.get("content-length", "0")
    raw = bytearray()
    if not declared.isdecimal() or int(declared) > MAX_BODY:
        raise _too_large()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_BODY:
            raise _too_large()
    return bytes(raw)


def _too_large() -> ApiError:
    return ApiError(413, "too-large", N_("the body is longer than {most} bytes"), most=MAX_BODY)


def _parse(raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(raw.decode("utf-8"), parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair could not be told again
    except (ValueError, RecursionError):
        raise ApiError(400, "bad-json", N_("the body is no JSON in UTF-8")) from None
    check(value, {"type": "object"})
    parsed: dict[str, Any] = value
    return parsed


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
