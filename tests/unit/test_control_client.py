"""The client of the control API against servers that are none: every answer is an error of ours or understood."""

from __future__ import annotations

import socket
import threading

import pytest

from hostdriver.control import KeyApi
from hostdriver.errors import AnswerError, ControlError, Exit, KeyRemovedError, NotShownError

TOKEN = "a-token-that-nobody-may-see"


class Scripted:
    """Answers the requests of each connection with these bytes, then closes it."""

    def __init__(self, *connections: tuple[bytes, ...]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections = connections
        self._closed = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.requests: list[bytes] = []

    def __enter__(self) -> KeyApi:
        self._thread.start()
        return KeyApi(f"http://127.0.0.1:{self._listener.getsockname()[1]}", TOKEN)

    def __exit__(self, *_: object) -> None:
        self._thread.join(10)
        self._listener.close()
        assert not self._thread.is_alive()

    def wait_until_closed(self) -> None:
        """One more connection is closed."""
        assert self._closed.acquire(timeout=10)

    def _serve(self) -> None:
        for answers in self._connections:
            connection, _ = self._listener.accept()
            with connection:
                for answer in answers:
                    self.requests.append(self._request(connection))
                    connection.sendall(answer)
            self._closed.release()

    @staticmethod
    def _request(connection: socket.socket) -> bytes:
        raw = b""
        while b"\r\n\r\n" not in raw:
            raw += connection.recv(0x10000)
        return raw


def answer(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", "")
    return "\r\n".join(lines).encode() + body


NOW = answer(b'{"now": 1.5}')


def test_one_connection_serves_many_requests() -> None:
    server = Scripted((NOW, NOW))
    with server as api, api:
        assert [api.clock(), api.advance(2)] == [1.5, 1.5]
    assert server.requests[0].startswith(b"GET /clock HTTP/1.1\r\n")
    assert all(f"Authorization: Bearer {TOKEN}".encode() in request for request in server.requests)


def test_a_connection_that_was_closed_for_idleness_is_made_anew() -> None:
    """RFC 9112, section 9.3.1: also for a request that must not be sent twice, for it was never read."""
    server = Scripted((NOW,), (NOW, NOW))
    with server as api, api:
        assert api.clock() == 1.5
        server.wait_until_closed()
        assert api.advance(1) == 1.5
        assert api.clock() == 1.5


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        answer(b"<html>"),
        answer(b"[" * 100_000),
        answer(b"[1.5]"),
        answer(b"{}"),
        answer(b'{"now": "soon"}'),
        answer(b"Internal Server Error", "500 Internal Server Error"),
        answer(b'{"now": 1.5, "more": "' + b" " * (16 << 20) + b'"}'),
    ],
    ids=len,
)
def test_what_is_no_control_api(raw: bytes) -> None:
    with Scripted((raw,)) as api, api, pytest.raises(AnswerError, match="no control API"):
        api.clock()


@pytest.mark.parametrize("raw", [b"", NOW[:-1]], ids=len)
def test_a_key_that_ends_in_the_middle(raw: bytes) -> None:
    with Scripted((raw,)) as api, api, pytest.raises(KeyRemovedError):
        api.clock()


def test_a_key_that_has_ended() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with KeyApi(f"http://127.0.0.1:{port}", TOKEN) as api:
        for ask in (api.clock, lambda: next(api.live()), lambda: api.apdu(b"")):
            with pytest.raises(KeyRemovedError):
                ask()


def test_a_key_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hostdriver.control._ANSWER_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        with KeyApi(url, TOKEN) as api, pytest.raises(ControlError, match="does not answer"):
            api.wait_for("x", timeout=0)


def test_a_refusal_is_told_in_the_apis_words() -> None:
    """Braces are no placeholders, and nothing may move the terminal's cursor."""
    raw = answer(b'{"error": "no {such} thing \\u001b[2J", "code": "strange"}', "400 Bad Request")
    with Scripted((raw,)) as api, api, pytest.raises(ControlError) as raised:
        api.press("x/../y")
    assert str(raised.value) == raised.value.localized() == "no {such} thing \\x1b[2J"
    assert (raised.value.code, raised.value.exit_code) == ("strange", Exit.FAILED)


def test_what_is_not_shown_comes_with_what_is() -> None:
    raw = answer(
        b'{"error": "not shown", "code": "not-shown", "screen": {"lines": ["hello", "you"]}}',
        "408 Request Timeout",
    )
    server = Scripted((raw,))
    with server as api, api, pytest.raises(NotShownError) as raised:
        api.wait_for("张三 & more", timeout=0)
    assert raised.value.screen == {"lines": ["hello", "you"]}
    assert str(raised.value) == "the key did not show “张三 & more” within 0 s; it shows: hello / you"
    assert b"/wait?text=%E5%BC%A0%E4%B8%89+%26+more&timeout=0 " in server.requests[0]


def test_events_come_as_they_are_sent() -> None:
    """WHATWG HTML, section 9.2.6: comments, several lines of data, ends of line of both kinds; in any chunks."""
    stream = ': hello\n\nevent: key\ndata: {"a":\ndata: "张"}\n\ndata: {}\n\r\nevent: cut\ndata: {'.encode()
    chunks = b"".join(
        b"%x\r\n%s\r\n" % (len(part), part) for part in (stream[:45], stream[45:46], stream[46:])
    )
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with Scripted((head + chunks + b"0\r\n\r\n",)) as api:
        live = api.live()
        assert next(live) == ("key", {"a": "张"})
        assert next(live) == ("", {})
        with pytest.raises(KeyRemovedError):
            next(live)


def test_events_that_are_refused() -> None:
    raw = answer(b'{"error": "no valid token", "code": "unauthorized"}', "401 Unauthorized")
    with Scripted((raw,)) as api, pytest.raises(ControlError, match="no valid token"):
        next(api.live())
