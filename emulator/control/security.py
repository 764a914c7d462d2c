"""Who may talk to the control API: one gate before every route.

Against other users of the machine: a token. Against web pages in the user's own browser: `Host` is ours (no DNS
rebinding), `Origin` is absent or ours, the browser's cookie is SameSite=Strict and HttpOnly, nothing answers with
CORS, and what is sent must say that it is JSON, which no form can.
"""

from __future__ import annotations

import hmac
import html
import ipaddress
import re
import secrets
import threading
import time
from collections.abc import Iterable, MutableMapping
from typing import Any, NamedTuple

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from emulator.control.languages import language_of, translator
from protocols.i18n import N_

TICKET_LIFE_S = 600.0
"""How long a one-time URL waits for its browser (assumed)."""
_MOST_TICKETS = 16
BY_COOKIE = "vukey.by-cookie"
"""Set in the scope of a request that a browser's cookie let in."""

_HEADERS = {
    "content-security-policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "DENY",
}


_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[^:\[\]]+)(?::(?P<port>[0-9]{1,5}))?")


class Refusal(NamedTuple):
    """Why a request goes no further."""

    status: int
    code: str
    error: str


_MISDIRECTED = Refusal(421, "wrong-host", "the Host header names another server")
_FOREIGN = Refusal(403, "foreign-origin", "another site's page may not use this key")
_UNAUTHORIZED = Refusal(
    401, "unauthorized", "no valid token: it is in the key's run file; see docs/control-api.md"
)
_CLOSED = N_(
    "The panel opens with a URL that is good once. For another one, type in a terminal: vukey key panel"
)
_NOT_JSON = Refusal(415, "not-json", "a body must be sent as Content-Type: application/json")


class Access:
    """The secrets of one server, and what its own address is called.

    :param host: where it was told to listen.
    """

    def __init__(self, host: str, port: int) -> None:
        self.token = secrets.token_urlsafe(32)
        self.cookie_name = f"vukey-{port}"
        self._session = secrets.token_urlsafe(32)
        self._guard = threading.Lock()
        self._tickets: dict[str, float] = {}
        self._hosts = _Hosts(host, port)

    def new_ticket(self) -> str:
        """Opens the panel in a browser, once; the oldest make room."""
        ticket = secrets.token_urlsafe(32)
        with self._guard:
            while len(self._tickets) >= _MOST_TICKETS:
                del self._tickets[next(iter(self._tickets))]
            self._tickets[ticket] = time.monotonic() + TICKET_LIFE_S
        return ticket

    def spend_ticket(self, given: str) -> bool:
        """Whether the ticket was good; it is not any more."""
        with self._guard:
            found = next((ticket for ticket in self._tickets if _same(given, ticket)), None)
            return found is not None and self._tickets.pop(found) > time.monotonic()

    def is_own_host(self, host: str | None) -> bool:
        """Whether a `Host` header means us."""
        return host is not None and self._hosts.include(host)

    def is_token(self, given: str) -> bool:
        """Whether that is the token."""
        return _same(given, self.token)

    def is_session(self, given: str) -> bool:
        """Whether that is what the cookie holds."""
        return _same(given, self._session)

    def holds_session(self, headers: Headers) -> bool:
        """Whether a browser's cookies are those of one that came with a ticket."""
        return any(self.is_session(value) for value in _cookies(headers, self.cookie_name))

    @property
    def cookie(self) -> str:
        """`Set-Cookie` for the browser that came with a ticket: not the token, so that no page can read it."""
        return f"{self.cookie_name}={self._session}; HttpOnly; SameSite=Strict; Path=/"


class _Hosts:
    """What `Host` may say: the address itself, or on loopback any of its names.

    A server on every address takes any literal one: rebinding needs a name.
    """

    def __init__(self, host: str, port: int) -> None:
        self._port = port
        self._names = {host.lower()}
        address = _address(host)
        self._any_address = address is not None and address.is_unspecified
        if host.lower() == "localhost" or (
            address is not None and (address.is_loopback or self._any_address)
        ):
            self._names |= {"localhost", "127.0.0.1", "::1"}

    def include(self, host: str) -> bool:
        match = _HOST.fullmatch(host.lower())
        if match is None or int(match["port"] or 80) != self._port:
            return False
        name = match["name"].strip("[]")
        return name in self._names or (self._any_address and _address(name) is not None)


class Gate:
    """ASGI: lets a request through to `app` once it has shown whose it is."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; nothing but HTTP is served."""
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        app = self._app if refusal is None else _refuse(refusal, headers)
        await app(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope, headers: Headers) -> Refusal | None:
        if refusal := self._foreign(headers):
            return refusal
        if scope["path"] == "/enter" and scope["method"] == "GET":
            return None  # the ticket is the proof, and its handler asks for it
        if not self._authorized(scope, headers):
            return _UNAUTHORIZED
        return _NOT_JSON if _carries_something_else(scope, headers) else None

    def _foreign(self, headers: Headers) -> Refusal | None:
        host = headers.getlist("host")
        if len(host) != 1 or not self._access.is_own_host(host[0]):
            return _MISDIRECTED
        origins = headers.getlist("origin")
        return _FOREIGN if any(origin.lower() != f"http://{host[0].lower()}" for origin in origins) else None

    def _authorized(self, scope: Scope, headers: Headers) -> bool:
        if scope["path"].startswith("/t/"):
            return self._enter_by_prefix(scope)
        given = headers.getlist("authorization")
        if given:
            scheme, _, token = given[0].partition(" ")
            return len(given) == 1 and scheme.lower() == "bearer" and self._access.is_token(token.strip())
        scope[BY_COOKIE] = True
        is_own_page = headers.get("sec-fetch-site", "none") in ("same-origin", "none")
        return is_own_page and self._access.holds_session(headers)

    def _enter_by_prefix(self, scope: Scope) -> bool:
        """``/t/TOKEN/...``: the token becomes the application's root, so that the page's own links keep it."""
        token, _, _ = scope["path"].removeprefix("/t/").partition("/")
        if not self._access.is_token(token):
            return False
        scope["root_path"] = f"/t/{token}"
        return True


def _same(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), secret.encode())


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _cookies(headers: Headers, name: str) -> Iterable[str]:
    """Every value under that name; other servers of this host put theirs into the same line."""
    for line in headers.getlist("cookie"):
        for part in line.split(";"):
            found, _, value = part.strip().partition("=")
            if found == name:
                yield value


def _carries_something_else(scope: Scope, headers: Headers) -> bool:
    """Whether there is a body that is not called JSON: a form on another site could send that."""
    if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
        return "content-type" in headers and not _is_json(headers)
    return not _is_json(headers)


def _is_json(headers: Headers) -> bool:
    return headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


def closed_page(headers: Headers) -> Response | None:
    """What a person sees who opens the panel without a good ticket; None where a program asks."""
    if "text/html" not in headers.get("accept", ""):
        return None
    text = html.escape(translator(language_of(headers))(_CLOSED))
    return HTMLResponse(
        f'<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>vukey</title><p>{text}</p>",
        401,
    )


def _refuse(refusal: Refusal, headers: Headers) -> Response:
    page = closed_page(headers) if refusal is _UNAUTHORIZED else None
    answer = page or JSONResponse({"error": refusal.error, "code": refusal.code}, refusal.status)
    answer.headers["connection"] = "close"  # whoever has shown nothing holds no connection
    if refusal.status == 401:
        answer.headers["www-authenticate"] = "Bearer"
    return answer


def _with_headers(send: Send) -> Send:
    async def wrapped(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            own = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
            message["headers"] = [*message.get("headers", ()), *own]
        await send(message)

    return wrapped
