"""The control API's own document (OpenAPI 3.1), made from the table of operations, and a page that shows it."""

from __future__ import annotations

import gettext
import importlib.metadata
import json
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from emulator.control.schema import Schema
from emulator.control.shapes import COMPONENTS, ref
from protocols.i18n import DOMAIN, LOCALE_DIR, N_

if TYPE_CHECKING:
    from emulator.control.operations import Operation

Translate = gettext.NullTranslations

_COMMON: dict[int, tuple[str, ...]] = {
    400: ("bad-request", "bad-json"),
    401: ("unauthorized",),
    403: ("foreign-origin",),
    408: ("too-slow",),
    409: ("failed",),
    413: ("too-large",),
    415: ("not-json",),
    421: ("wrong-host",),
    500: ("internal",),
}
"""What any operation may answer; `_OPEN` is left of it where no token is asked for."""

TITLE = N_("vukey: control API of a virtual key")
ABOUT = N_(
    "A person's part at the key, for programs: screen, buttons, plug, clock and log. Errors are one line for people "
    "(error) and a code for programs (code). Send Authorization: Bearer TOKEN, or put /t/TOKEN before the path."
)
_LABELS = {
    "query": N_("Parameters"),
    "body": N_("Body"),
    "answer": N_("Answer"),
    "errors": N_("Error codes"),
    "shapes": N_("Shapes"),
}


def document(operations: tuple[Operation, ...]) -> dict[str, Any]:
    """The OpenAPI document of these operations, in English."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": importlib.metadata.version("vukey"), "description": ABOUT},
        "servers": [{"url": "."}],
        "security": [{"bearer": []}, {"cookie": []}],
        "paths": paths,
        "components": {
            "schemas": COMPONENTS,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "vukey-PORT"},
            },
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "parameters": [
            *_parameters("path", operation.path_parameters),
            *_parameters("query", operation.query),
        ],
        "responses": {
            str(operation.status): {"description": operation.summary, "content": _content(operation)},
            **{
                str(status): {
                    "description": ", ".join(codes),
                    "content": {"application/json": {"schema": ref("Error")}},
                }
                for status, codes in refusals(operation).items()
            },
        },
    }
    if operation.body is not None:
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": operation.body}},
        }
    if operation.open:
        described["security"] = []
    return described


def refusals(operation: Operation) -> dict[int, tuple[str, ...]]:
    """Every error code that an operation may answer, by HTTP status."""
    own = operation.refusals
    common = {status: codes for status, codes in _COMMON.items() if not (operation.open and status == 401)}
    return {status: (*own.get(status, ()), *common.get(status, ())) for status in sorted({*own, *common})}


def _parameters(where: str, schemas: Mapping[str, Schema]) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": where, "required": where == "path", "schema": schema}
        for name, schema in schemas.items()
    ]


def _content(operation: Operation) -> dict[str, Any]:
    if isinstance(operation.answer, str):
        return {operation.answer: {}}
    content: dict[str, Any] = {"application/json": {"schema": operation.answer}}
    return {**content, "text/event-stream": {}} if "stream" in operation.query else content


def page(operations: tuple[Operation, ...], language: str) -> str:
    """The same as a page for people, which needs no script and nothing from elsewhere."""
    texts = gettext.translation(DOMAIN, LOCALE_DIR, [language], fallback=True)
    other = {"zh": ("en", "English")}.get(language, ("zh", "中文"))
    return "".join(
        (
            f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(texts.gettext(TITLE))}</title>",
            '<link rel="stylesheet" href="panel/docs.css"></head><body><main>',
            f'<nav><a href="?lang={other[0]}" lang="{other[0]}">{other[1]}</a>',
            '<a href="openapi.json">OpenAPI</a></nav>',
            f"<h1>{escape(texts.gettext(TITLE))}</h1><p>{escape(texts.gettext(ABOUT))}</p>",
            *(_section(operation, texts) for operation in operations),
            f"<h2>{escape(texts.gettext(_LABELS['shapes']))}</h2>",
            *(f'<h3 id="{name}">{name}</h3>{_code(schema)}' for name, schema in COMPONENTS.items()),
            "</main></body></html>",
        )
    )


def _section(operation: Operation, texts: Translate) -> str:
    described = _operation(operation)
    answer = operation.answer if isinstance(operation.answer, dict) else {"media type": operation.answer}
    parts = {
        "query": _named(described["parameters"]),
        "body": operation.body and _code(operation.body),
        "answer": _code(answer),
        "errors": f"<p>{escape(_codes(operation))}</p>",
    }
    return "".join(
        (
            f'<section id="{operation.id}"><h2><b>{operation.method}</b> <code>{escape(operation.path)}</code></h2>',
            f"<p>{escape(texts.gettext(operation.summary))}</p>",
            *(
                f"<h3>{escape(texts.gettext(_LABELS[name]))}</h3>{part}"
                for name, part in parts.items()
                if part
            ),
            "</section>",
        )
    )


def _codes(operation: Operation) -> str:
    return ", ".join(f"{code} ({status})" for status, codes in refusals(operation).items() for code in codes)


def _named(parameters: list[dict[str, Any]]) -> str:
    return _code({each["name"]: each["schema"] for each in parameters}) if parameters else ""


def _code(schema: Mapping[str, Any]) -> str:
    return f"<pre>{escape(json.dumps(schema, ensure_ascii=False, indent=2))}</pre>"
