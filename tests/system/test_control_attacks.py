"""Attacks on the control API, as bytes on raw connections: each is answered as it should, and the key goes on."""

from __future__ import annotations

import json
import logging
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from http.cookiejar import Cookie
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
import requests

from emulator.control.security import Access
from emulator.profiles import load_profile
from hostdriver.errors import CancelledError
from tests.rig.browser import PanelKey
from tests.rig.control import Client, Raw
from tests.rig.messages import TRANSFER
from tests.rig.patience import PATIENCE_S

JSON = "Content-Type: application/json"
FORM = "Content-Type: application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def key() -> Iterator[PanelKey]:
    """One key for all: an attack that worked would show in those after it."""
    with PanelKey(load_profile("bocom-2g-tendyron"), "blank") as key:
        yield key


@pytest.fixture(autouse=True)
def the_key_goes_on(key: PanelKey) -> Iterator[None]:
    yield
    with Client(key) as client:
        assert client.get("/key")["serial"] == key.device.serial


def cookie_of(browser: requests.Session) -> Cookie:
    """The one cookie it has."""
    (cookie,) = browser.cookies
    assert isinstance(cookie, Cookie)
    return cookie


@pytest.fixture
def browser(key: PanelKey) -> Iterator[requests.Session]:
    """Somebody's browser, which came in by a ticket."""
    with requests.Session() as session:
        assert session.get(key.ticket_url(), timeout=PATIENCE_S).status_code == 200
        yield session


def bearer(key: PanelKey) -> str:
    return f"Authorization: Bearer {key.token}"


def told(key: PanelKey, *lines: str, body: bytes = b"") -> tuple[int, str]:
    """Status and code of the answer to these lines, as they are."""
    with Raw(key) as raw:
        raw.say(*(line.replace("OURS", raw.host) for line in lines), body=body)
        status, headers, content = raw.answer()
    check_headers(headers)
    return status, json.loads(content)["code"] if status >= 400 else ""


def check_headers(headers: dict[str, str]) -> None:
    """What every answer carries, and what none does."""
    assert headers["content-security-policy"].startswith("default-src 'self';")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert not [name for name in headers if name.startswith("access-control")]
    assert "server" not in headers


def get(path: str = "/key", *more: str) -> tuple[str, ...]:
    return (f"GET {path} HTTP/1.1", "Host: OURS", *more)


def post(path: str, *more: str, length: int = 0) -> tuple[str, ...]:
    return (f"POST {path} HTTP/1.1", "Host: OURS", f"Content-Length: {length}", *more)


# The token

UNAUTHORIZED = (401, "unauthorized")


def wrong_tokens() -> list[str]:
    return ["", "x", "é", "\xff\xfe", "x" * 43, "x" * 60_000, "Bearer", "%00", "null", "../", "*"]


@pytest.mark.parametrize("token", wrong_tokens())
def test_a_wrong_token(token: str, key: PanelKey) -> None:
    assert told(key, *get("/key", f"Authorization: Bearer {token}")) == UNAUTHORIZED


def test_no_token_says_how_it_is_asked_for(key: PanelKey) -> None:
    with Raw(key) as raw:
        raw.say("GET /key HTTP/1.1", f"Host: {raw.host}")
        status, headers, _ = raw.answer()
        assert (status, headers["www-authenticate"], headers["connection"]) == (401, "Bearer", "close")
        assert raw.at_end()


@pytest.mark.parametrize(
    "change", [lambda t: t[:-1], lambda t: t + "A", lambda t: t.swapcase(), lambda t: f'"{t}"']
)
def test_almost_the_token(change: object, key: PanelKey) -> None:
    assert callable(change)
    assert told(key, *get("/key", f"Authorization: Bearer {change(key.token)}")) == UNAUTHORIZED
    assert told(key, *get(f"/t/{change(key.token)}/key")) == UNAUTHORIZED


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer "])
def test_the_scheme_is_written_as_one_likes(scheme: str, key: PanelKey) -> None:
    assert told(key, *get("/key", f"Authorization: {scheme} {key.token}")) == (200, "")


@pytest.mark.parametrize("scheme", ["Basic", "Token", "", "Bearer,"])
def test_another_scheme(scheme: str, key: PanelKey) -> None:
    assert told(key, *get("/key", f"Authorization: {scheme} {key.token}".rstrip())) == UNAUTHORIZED


def test_two_authorizations(key: PanelKey) -> None:
    assert told(key, *get("/key", "Authorization: Bearer x", bearer(key))) == UNAUTHORIZED
    assert told(key, *get("/key", bearer(key), "Authorization: Bearer x")) == UNAUTHORIZED


@pytest.mark.parametrize("query", ["token", "access_token", "t", "ticket"])
def test_a_token_in_the_query_is_none(query: str, key: PanelKey) -> None:
    """It would stand in histories and logs."""
    assert told(key, *get(f"/key?{query}={key.token}")) == UNAUTHORIZED


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/openapi.json",
        "/docs",
        "/",
        "/panel/panel.js",
        "/panel/../../api.py",
        "/enter/",
        "//enter",
        "/ENTER",
    ],
)
def test_nothing_is_told_before_the_token(path: str, key: PanelKey) -> None:
    """Neither what there is nor what there is not."""
    assert told(key, *get(path)) == UNAUTHORIZED
    assert told(key, f"OPTIONS {path} HTTP/1.1", "Host: OURS") == UNAUTHORIZED
    assert told(key, f"BREW {path} HTTP/1.1", "Host: OURS") == UNAUTHORIZED
    assert told(key, *post(path)) == UNAUTHORIZED


def test_tokens_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every secret goes through hmac.compare_digest and nothing else."""
    access = Access("127.0.0.1", 1)
    ticket = access.new_ticket()
    monkeypatch.setattr("emulator.control.security.hmac", SimpleNamespace(compare_digest=lambda a, b: False))
    assert not access.is_token(access.token)
    assert not access.spend_ticket(ticket)
    session = re.search("=([^;]+);", access.cookie)
    assert session is not None
    assert not access.is_session(session[1])


# The path


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/t/TOKEN/key", (200, "")),
        ("/t/TOKEN/", (200, "")),
        ("/t/TOKEN/../key", (404, "not-found")),
        ("/t/TOKEN/%2e%2e/key", (404, "not-found")),
        ("/t/TOKEN//key", (404, "not-found")),
        ("/t/TOKEN/t/TOKEN/key", (404, "not-found")),
        ("/t/TOKEN/key%2f", (404, "not-found")),
        ("/t/TOKEN", (404, "not-found")),
        ("/t//TOKEN/key", UNAUTHORIZED),
        ("//t/TOKEN/key", UNAUTHORIZED),
        ("/./t/TOKEN/key", UNAUTHORIZED),
        ("/key/../t/TOKEN/key", UNAUTHORIZED),
        ("/t/x/../TOKEN/key", UNAUTHORIZED),
        ("/T/TOKEN/key", UNAUTHORIZED),
        ("/t/TOKEN%2fkey/key", (404, "not-found")),
        ("/t/TOKEN%00/key", UNAUTHORIZED),
        ("/t/TOKEN;x/key", UNAUTHORIZED),
        ("/t/%ff/key", UNAUTHORIZED),
        ("/t/", UNAUTHORIZED),
        ("/t", UNAUTHORIZED),
        ("http://OURS/t/TOKEN/key", UNAUTHORIZED),
    ],
)
def test_ways_around_the_prefix(path: str, expected: tuple[int, str], key: PanelKey) -> None:
    assert told(key, *get(path.replace("TOKEN", key.token))) == expected


@pytest.mark.parametrize(
    "path",
    [
        "/panel/../../api.py",
        "/panel/..%2f..%2fapi.py",
        "/panel/%2e%2e/%2e%2e/api.py",
        "/panel/%2e%2e%2fserver.py",
        "/panel/..\\server.py",
        "/panel//etc/passwd",
        "/panel/%2fetc%2fpasswd",
        "/panel/panel.js%00",
        "/panel/panel.js%00.css",
        "/panel/.",
        "/panel/..",
        "/panel/",
        "/panel/PANEL.JS",
        "/panel/%c0%ae%c0%ae/server.py",
        "/panel/panel.js/",
        "/panel/index.html%20",
        "/panel/" + "a" * 5000,
    ],
)
def test_files_that_are_not_the_panels(path: str, key: PanelKey) -> None:
    assert told(key, *get(path, bearer(key))) == (404, "not-found")


# The browser's cookie and its ticket


def test_a_ticket_opens_once(key: PanelKey) -> None:
    ticket = urlsplit(key.ticket_url())
    path = f"{ticket.path}?{ticket.query}"
    with Raw(key) as raw:
        raw.say(f"GET {path} HTTP/1.1", f"Host: {raw.host}")
        status, headers, _ = raw.answer()
    assert (status, headers["location"]) == (303, "/")
    name, *attributes = re.split("; ?", headers["set-cookie"])
    assert name.startswith(f"vukey-{urlsplit(key.url).port}=")
    assert {attribute.lower() for attribute in attributes} == {"httponly", "samesite=strict", "path=/"}
    assert key.token not in headers["set-cookie"]
    assert told(key, *get(path)) == (401, "ticket-used")


@pytest.mark.parametrize(
    "query", ["", "?ticket=", "?ticket=x", "?ticket=%ff", "?Ticket=TICKET", "?ticket=TICKET%00"]
)
def test_what_is_no_ticket(query: str, key: PanelKey) -> None:
    ticket = key.ticket_url().partition("=")[2]
    assert told(key, *get("/enter" + query.replace("TICKET", ticket))) == (401, "ticket-used")
    assert told(key, *get(f"/enter?ticket={ticket}&ticket={ticket}")) == (400, "bad-request")
    assert told(key, *get(f"/enter?ticket={'x' * 200}")) == (400, "bad-request")
    assert told(key, *get(f"/enter?ticket={ticket}")) == (303, "")


def test_a_person_with_a_spent_ticket_is_told_what_to_do(key: PanelKey) -> None:
    """In their own language, with nothing of the ticket in it."""
    url = key.ticket_url()
    headers = {"Accept": "text/html,*/*;q=0.8", "Accept-Language": "zh-CN,zh;q=0.9"}
    with requests.Session() as somebody, requests.Session() as another:
        assert somebody.get(url, headers=headers, timeout=PATIENCE_S).status_code == 200
        for page in (url, key.url):
            answer = another.get(page, headers=headers, timeout=PATIENCE_S)
            assert (answer.status_code, answer.headers["content-type"]) == (401, "text/html; charset=utf-8")
            assert "vukey key panel" in answer.text
            assert "一次" in answer.text
            assert url.partition("=")[2] not in answer.text
            assert not another.cookies


def test_a_browser_that_is_in_may_open_its_old_url_again(browser: requests.Session, key: PanelKey) -> None:
    url = key.ticket_url()
    for _ in range(2):
        answer = browser.get(url, timeout=PATIENCE_S)
        assert (answer.status_code, answer.url) == (200, f"{key.url}/")


def test_a_token_is_no_ticket_and_a_ticket_no_token(key: PanelKey) -> None:
    assert told(key, *get(f"/enter?ticket={key.token}")) == (401, "ticket-used")
    ticket = key.ticket_url().partition("=")[2]
    assert told(key, *get("/key", f"Authorization: Bearer {ticket}")) == UNAUTHORIZED


def test_a_ticket_does_not_last(monkeypatch: pytest.MonkeyPatch) -> None:
    access = Access("127.0.0.1", 1)
    tickets = [access.new_ticket() for _ in range(2)]
    made = time.monotonic()
    _at(monkeypatch, made + 590)
    assert access.spend_ticket(tickets[0])
    _at(monkeypatch, made + 601)
    assert not access.spend_ticket(tickets[1])


def _at(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """For `security` alone: the server's own loop lives by the same clock."""
    monkeypatch.setattr("emulator.control.security.time", SimpleNamespace(monotonic=lambda: seconds))


def test_tickets_do_not_pile_up() -> None:
    access = Access("127.0.0.1", 1)
    tickets = [access.new_ticket() for _ in range(100)]
    assert [access.spend_ticket(ticket) for ticket in tickets] == [False] * 84 + [True] * 16


def test_a_cookie_lets_in_and_makes_no_tickets(browser: requests.Session, key: PanelKey) -> None:
    assert browser.get(f"{key.url}/key", timeout=PATIENCE_S).status_code == 200
    answer = browser.post(f"{key.url}/ticket", timeout=PATIENCE_S)
    assert (answer.status_code, answer.json()["code"]) == (403, "token-only")
    with Client(key) as client:
        assert client.post("/ticket")["url"].startswith(f"{key.url}/enter?ticket=")


def test_cookies_that_are_not_ours(browser: requests.Session, key: PanelKey) -> None:
    """Forged; under another port's name; of another key."""
    cookie = cookie_of(browser)
    port = urlsplit(key.url).port or 0
    for line in (
        f"vukey-{port}=x", f"vukey-{port}={key.token}", f"vukey-{port}=", f"vukey-{port + 1}={cookie.value}",
        f"vukey={cookie.value}", f"xvukey-{port}={cookie.value}", f"VUKEY-{port}={cookie.value}", "\xff=\xff",
        "; ;=;", f"a=vukey-{port}={cookie.value}",
    ):  # fmt: skip
        assert told(key, *get("/key", f"Cookie: {line}")) == UNAUTHORIZED, line
    with PanelKey(load_profile("icbc-1g-gd"), "blank") as other:
        assert (
            told(other, *get("/key", f"Cookie: vukey-{urlsplit(other.url).port}={cookie.value}"))
            == UNAUTHORIZED
        )


def test_other_servers_cookies_beside_ours(browser: requests.Session, key: PanelKey) -> None:
    """All servers of this host share one line; what another wrote there, however odd, does not shut us out."""
    cookie = cookie_of(browser)
    line = f'a={{"b": 1, "c": "d"}}; {cookie.name}=forged; [x]; {cookie.name}={cookie.value}; é'
    assert told(key, *get("/key", f"Cookie: {line}")) == (200, "")


# Other sites' pages in the same browser


def own(key: PanelKey) -> str:
    return urlsplit(key.url).netloc


@pytest.mark.parametrize(
    "origin",
    [
        "null", "http://evil.example", "https://OWN", "http://OWN.evil.example", "http://OWN:80", "http://127.0.0.1",
        "http://127.0.0.1:1", "http://localhost:PORT", "file://", "", "OWN", "http://OWN/", "http://user@OWN",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_a_page_of_another_origin(origin: str, method: str, browser: requests.Session, key: PanelKey) -> None:
    """With the cookie, and even with the token."""
    netloc = own(key)
    origin = origin.replace("OWN", netloc).replace("PORT", netloc.partition(":")[2])
    cookie = cookie_of(browser)
    path = {"POST": "/unplug", "GET": "/key", "DELETE": "/events"}[method]
    for proof in (f"Cookie: {cookie.name}={cookie.value}", bearer(key)):
        lines = (f"{method} {path} HTTP/1.1", "Host: OURS", "Content-Length: 0", f"Origin: {origin}", proof)
        assert told(key, *lines) == (403, "foreign-origin")
    with Client(key) as client:
        assert client.get("/key")["plugged"]


def test_our_own_page(browser: requests.Session, key: PanelKey) -> None:
    answer = browser.delete(f"{key.url}/events", headers={"Origin": key.url}, timeout=PATIENCE_S)
    assert answer.status_code == 200
    assert browser.delete(f"{key.url}/events", timeout=PATIENCE_S).status_code == 200


def test_two_origins(key: PanelKey) -> None:
    lines = post("/unplug", bearer(key), f"Origin: {key.url}", "Origin: http://evil.example")
    assert told(key, *lines) == (403, "foreign-origin")


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_cookie_sent_by_another_sites_page(site: str, browser: requests.Session, key: PanelKey) -> None:
    """A picture or a script element sends no Origin; a server on another port of this host is the same site."""
    cookie = cookie_of(browser)
    proof = f"Cookie: {cookie.name}={cookie.value}"
    assert told(key, *get("/screenshot", proof, f"Sec-Fetch-Site: {site}")) == UNAUTHORIZED
    assert told(key, *get("/key", proof, "Sec-Fetch-Site: same-origin")) == (200, "")


@pytest.mark.parametrize(
    "kind",
    [
        FORM, "Content-Type: text/plain", "Content-Type: multipart/form-data; boundary=x", "Content-Type:", "X: y",
        "Content-Type: text/plain; application/json", "Content-Type: application/jsonp",
    ],
)  # fmt: skip
def test_a_form_cannot_speak_for_a_person(kind: str, browser: requests.Session, key: PanelKey) -> None:
    """Even if a browser sent the cookie and no Origin: a form cannot say that it is JSON."""
    cookie = cookie_of(browser)
    body = b'{"action": "press"}'
    for proof in (f"Cookie: {cookie.name}={cookie.value}", bearer(key)):
        assert told(key, *post("/button/ok", kind, proof, length=len(body)), body=body) == (415, "not-json")
        chunked = ("POST /button/ok HTTP/1.1", "Host: OURS", "Transfer-Encoding: chunked", kind, proof)
        assert told(key, *chunked, body=b"2\r\n{}\r\n0\r\n\r\n") == (415, "not-json")


def test_a_preflight_is_not_answered(key: PanelKey) -> None:
    lines = ("OPTIONS /unplug HTTP/1.1", "Host: OURS", "Origin: http://evil.example")
    assert told(key, *lines, "Access-Control-Request-Method: POST") == (403, "foreign-origin")


# The Host header: DNS rebinding


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:PORT", "127.0.0.1", "127.0.0.1:1", "127.0.0.1:PORT0", "localhost", "0.0.0.0:PORT",
        "127.0.0.2:PORT", "127.1:PORT", "2130706433:PORT", "127.0.0.1.evil.example:PORT", "localhost.:PORT", "",
        "user@127.0.0.1:PORT", "127.0.0.1:PORT/", "127.0.0.1:PORT, evil.example", "[::]:PORT", "[::1:PORT", ":PORT",
        "127.0.0.1:99999", "\xe9:PORT",
    ],
)  # fmt: skip
def test_another_name_for_this_address(host: str, key: PanelKey) -> None:
    port = own(key).partition(":")[2]
    lines = ("GET /key HTTP/1.1", f"Host: {host.replace('PORT', port)}", bearer(key))
    assert told(key, *lines) == (421, "wrong-host")


@pytest.mark.parametrize("host", ["127.0.0.1:PORT", "localhost:PORT", "LOCALHOST:PORT", "[::1]:PORT"])
def test_the_names_of_loopback(host: str, key: PanelKey) -> None:
    port = own(key).partition(":")[2]
    assert told(key, "GET /key HTTP/1.1", f"Host: {host.replace('PORT', port)}", bearer(key)) == (200, "")


def test_no_host(key: PanelKey) -> None:
    assert told(key, "GET /key HTTP/1.0", bearer(key)) == (421, "wrong-host")
    assert told(key, "GET /key HTTP/1.0", "Host: OURS", bearer(key)) == (200, "")


@pytest.mark.parametrize(
    ("bound", "own_hosts", "foreign"),
    [
        (
            "0.0.0.0",
            ["192.0.2.7:80", "127.0.0.1", "[2001:db8::1]:80", "localhost:80"],
            ["key.example:80", "a:80"],
        ),
        ("::", ["192.0.2.7:80", "[::1]:80", "localhost:80"], ["key.example:80"]),
        ("192.0.2.7", ["192.0.2.7:80"], ["localhost:80", "192.0.2.8:80"]),
        (
            "key.example",
            ["KEY.example:80", "key.example"],
            ["localhost:80", "evil.example:80", "192.0.2.7:80"],
        ),
        ("::1", ["[::1]:80", "localhost:80"], ["[::2]:80"]),
    ],
)
def test_the_names_of_what_is_bound(bound: str, own_hosts: list[str], foreign: list[str]) -> None:
    """Beyond loopback: the name it was told; on all addresses any literal one, since rebinding needs a name."""
    access = Access(bound, 80)
    assert [host for host in own_hosts if not access.is_own_host(host)] == []
    assert [host for host in foreign if access.is_own_host(host)] == []
    assert not access.is_own_host(None)


# Bodies


@pytest.mark.parametrize("length", [256 * 1024 + 1, 10**9, 10**18])
def test_a_body_that_says_it_is_too_long(length: int, key: PanelKey) -> None:
    """Answered before it comes."""
    for path in ("/automation", "/plug", "/button/ok"):
        assert told(key, *post(path, JSON, bearer(key), length=length)) == (413, "too-large")


def test_a_body_that_grows_too_long(key: PanelKey) -> None:
    with Raw(key) as raw:
        raw.say(
            "POST /automation HTTP/1.1", f"Host: {raw.host}", JSON, bearer(key), "Transfer-Encoding: chunked"
        )
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        with suppress(ConnectionError):
            for _ in range(5):
                raw.send(chunk)
        status, _, content = raw.answer()
    assert (status, json.loads(content)["code"]) == (413, "too-large")


def test_the_longest_body_is_taken(key: PanelKey) -> None:
    body = b'{"version": 1, "rules": []}'.ljust(256 * 1024)
    assert told(key, *post("/automation", JSON, bearer(key), length=len(body)), body=body) == (200, "")


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"\xff\xfe{}",
        b'{"version": 1, "rules": [{"text": "\xe9"}]}',
        b'{"version": NaN}',
        b'{"version": Infinity}',
        b'{"version": ' + b"9" * 5000 + b"}",
        b'{"version": 1, "rules": [{"text": "\\ud800"}]}',
        b"{",
        b"version=1",
        b"{}{}",
        b"\0",
    ],
)
def test_a_body_that_is_no_json(body: bytes, key: PanelKey) -> None:
    assert told(key, *post("/automation", JSON, bearer(key), length=len(body)), body=body) == (
        400,
        "bad-json",
    )


@pytest.mark.parametrize("body", [b"[]", b"1", b'"x"', b"null", b"true", b'{"version": 1e999, "rules": []}'])
def test_json_that_is_not_asked_for(body: bytes, key: PanelKey) -> None:
    assert told(key, *post("/automation", JSON, bearer(key), length=len(body)), body=body) == (
        400,
        "bad-request",
    )


def test_a_body_that_does_not_come(key: PanelKey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emulator.control.api._BODY_WITHIN_S", 0.1)
    assert told(key, *post("/automation", JSON, bearer(key), length=10), body=b"{") == (408, "too-slow")


# HTTP itself


def http_error(key: PanelKey, request: bytes) -> int:
    """The status of uvicorn's own answer."""
    with Raw(key) as raw:
        with suppress(ConnectionError):
            raw.send(request)
        return raw.answer()[0]


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200) + b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 50_000 + b"\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
    ],
)
def test_what_is_no_http(request_bytes: bytes, key: PanelKey, caplog: pytest.LogCaptureFixture) -> None:
    with suppress(ConnectionError, IndexError):  # or the connection is cut, with the rest of it on its way
        assert http_error(key, request_bytes) in (400, 421, 431, 501)
    assert caplog.messages == []  # it would stand on the terminal of whoever started the key


def test_length_and_chunks_at_once_are_not_two_requests(key: PanelKey) -> None:
    """Request smuggling: what follows is never a request of its own with somebody else's proof."""
    with Raw(key) as raw:
        raw.say(
            "POST /automation HTTP/1.1", f"Host: {raw.host}", bearer(key), JSON, "Content-Length: 4",
            "Transfer-Encoding: chunked", body=b"0\r\n\r\nPOST /unplug HTTP/1.1\r\nHost: x\r\n\r\n",
        )  # fmt: skip
        raw.answer()
    with Client(key) as client:
        assert client.get("/key")["plugged"]


def test_requests_one_after_the_other_without_waiting(key: PanelKey) -> None:
    """Each shows its own proof; after one that has none the connection is closed."""
    with Raw(key) as raw:
        good = f"GET /clock HTTP/1.1\r\nHost: {raw.host}\r\n{bearer(key)}\r\n\r\n"
        bad = f"POST /unplug HTTP/1.1\r\nHost: {raw.host}\r\nContent-Length: 0\r\n\r\n"
        raw.send((good * 3 + bad + good).encode())
        everything = raw.rest()
    assert re.findall(rb"HTTP/1\.1 (\d+)", everything) == [b"200"] * 3 + [b"401"]


@pytest.mark.parametrize("method", ["HEAD", "PUT", "PATCH", "TRACE", "OPTIONS", "CONNECT", "BREW"])
def test_other_methods(method: str, key: PanelKey) -> None:
    with Raw(key) as raw:
        raw.say(f"{method} /key HTTP/1.1", f"Host: {raw.host}", bearer(key), "Connection: close")
        status, headers, _ = raw.answer()
    assert status == 405
    check_headers(headers)


def test_an_upgrade_is_passed_over(key: PanelKey) -> None:
    lines = get("/key", bearer(key), "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
    assert told(key, *lines) == (200, "")


# Exhaustion


def test_half_requests_hold_nobody_up(key: PanelKey, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slowloris: others are served meanwhile, and who says nothing is cut off."""
    monkeypatch.setattr("emulator.control.serving._HEAD_WITHIN_S", 0.3)
    with ExitStack() as stack:
        slow = [stack.enter_context(Raw(key)) for _ in range(100)]
        for raw in slow:
            raw.send(b"GET /key HTTP/1.1\r\nX: ")
        with Client(key) as client:
            assert client.get("/key")["serial"] == key.device.serial
        assert all(raw.at_end() for raw in slow)


def test_too_many_readers_are_sent_away(key: PanelKey) -> None:
    statuses = []
    with ExitStack() as stack:
        for _ in range(60):
            raw = stack.enter_context(Raw(key))
            raw.say("GET /live HTTP/1.1", f"Host: {raw.host}", bearer(key))
            statuses.append(raw.status())
        assert (statuses.count(200), statuses.count(503)) == (32, 28)
        with Client(key) as client:
            assert client.get("/key")["serial"] == key.device.serial
    with Client(key) as client:  # they have gone: there is room again
        until_room(client)


def until_room(client: Client) -> None:
    """The server sees a reader leave a moment after it left."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with client.ask("GET", "/live", stream=True) as answer:
            if answer.status_code == 200:
                return
    pytest.fail("there is no room for another reader")


def test_too_many_connections_are_sent_away_and_the_wire_goes_on(key: PanelKey) -> None:
    with ExitStack() as stack:
        for _ in range(199):
            raw = stack.enter_context(Raw(key))
            raw.say("GET /wait?text=x&timeout=3600 HTTP/1.1", f"Host: {raw.host}", bearer(key))
        statuses = []
        for _ in range(50):
            raw = stack.enter_context(Raw(key))
            raw.say("GET /clock HTTP/1.1", f"Host: {raw.host}", bearer(key))
            statuses.append(raw.status())
        assert 503 in statuses
        serial = key.host(lambda session: session.device_info().serial).result(PATIENCE_S)
        assert serial == key.device.serial
    with Client(key) as client:
        deadline = time.monotonic() + PATIENCE_S
        while client.ask("GET", "/clock").status_code != 200:
            assert time.monotonic() < deadline


def test_a_reader_that_reads_nothing_is_dropped(key: PanelKey) -> None:
    """Its stream ends; it has not got everything."""
    with Raw(key, receive_buffer=4096) as stalled:
        stalled.say("GET /live HTTP/1.1", f"Host: {stalled.host}", bearer(key))
        assert stalled.status() == 200
        key.host(lambda session: [session.device_info() for _ in range(5000)]).result(PATIENCE_S)
        with Client(key) as client:
            last = client.get("/apdus")["apdus"][-1]["number"]
        everything = stalled.rest()
    assert everything.endswith(b"0\r\n\r\n")
    assert b'"number": %d,' % last not in everything


# Nothing secret is logged


def test_no_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A whole session at DEBUG: token, ticket, cookie, PIN and what the PIN becomes on the wire."""
    caplog.set_level(logging.DEBUG)
    heard: list[bytes] = []
    with (
        PanelKey(load_profile("bocom-2g-tendyron")) as key,
        requests.Session() as browser,
        Client(key) as client,
    ):
        key.device.on_apdu(lambda apdu, _: heard.append(apdu))
        ticket_url = key.ticket_url()
        browser.get(ticket_url, timeout=PATIENCE_S)
        cookie = cookie_of(browser)
        browser.get(f"{key.url}/t/{key.token}/key", timeout=PATIENCE_S)
        for path in ("/", "/key", "/screenshot", "/events", "/apdus", "/docs", "/nothing", "/wait?regexp=["):
            client.ask("GET", path)
        signing = key.signing(TRANSFER)
        client.get("/wait?text=请核对交易")
        client.press("cancel")
        with pytest.raises(CancelledError):
            signing.result(PATIENCE_S)
        told(key, *get("/key", f"Authorization: Bearer {key.token}x"))
        told(key, *post("/automation", JSON, bearer(key), length=1), body=b"{")
        http_error(key, f"GET /t/{key.token}/ HTTP/9.9\r\n\r\n".encode())
        token, pin = key.token, key.profile.ready_user_pin
    verify = next(apdu for apdu in heard if apdu[1] == 0x18)
    secrets = [token, cookie.value or "", ticket_url.partition("=")[2], pin, verify[7:].hex()]
    ours = [record for record in caplog.records if not record.name.startswith("urllib3")]  # the client's own
    for record in ours:
        line = logging.Formatter().format(record)
        assert [secret for secret in secrets if secret in line] == []


def test_a_failure_of_ours_is_one_line_without_the_request(
    key: PanelKey, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("with a secret in it")

    monkeypatch.setattr("emulator.control.keycontrol.KeyControl.press", fail)
    body = b'{"action": "press"}'
    with caplog.at_level(logging.INFO):
        assert told(key, *post("/button/ok", JSON, bearer(key), length=len(body)), body=body) == (
            500,
            "internal",
        )
    (line,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert line == "POST /button/{name} failed: RuntimeError"


def test_it_listens_on_loopback_alone(key: PanelKey) -> None:
    parts = urlsplit(key.url)
    assert parts.hostname == "127.0.0.1"
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.2", parts.port or 0)) != 0
