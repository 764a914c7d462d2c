"""The control API of a key under test: with an ordinary client, and as bytes on a raw connection."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import requests

from tests.rig.browser import PanelKey
from tests.rig.patience import PATIENCE_S


class Client:
    """An ordinary HTTP client that has the token."""

    def __init__(self, key: PanelKey) -> None:
        self.key = key
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {key.token}"

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()

    def ask(self, method: str, path: str, body: Any = None, **options: Any) -> requests.Response:
        """One request, whatever the answer."""
        return self.session.request(method, self.key.url + path, json=body, timeout=PATIENCE_S, **options)

    def get(self, path: str) -> Any:
        """The JSON of an answer that must be good."""
        return _good(self.ask("GET", path)).json()

    def post(self, path: str, body: Any = None) -> Any:
        """As `get`."""
        return _good(self.ask("POST", path, body)).json()

    def delete(self, path: str) -> Any:
        """As `get`."""
        return _good(self.ask("DELETE", path)).json()

    def press(self, *buttons: str) -> None:
        """Press buttons one after the other."""
        for button in buttons:
            self.post(f"/button/{button}", {"action": "press-and-release"})

    @contextmanager
    def stream(self, path: str) -> Iterator[Iterator[tuple[str, Any]]]:
        """Server-sent events as (event, data)."""
        with self.ask("GET", path, stream=True) as answer:
            yield _events(_good(answer))


def _good(answer: requests.Response) -> requests.Response:
    assert answer.status_code == 200, (answer.status_code, answer.text)
    return answer


def _events(answer: requests.Response) -> Iterator[tuple[str, Any]]:
    name = ""
    for line in answer.iter_lines(chunk_size=1):
        field, _, value = line.decode().partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)


class Raw:
    """A connection on which anything can be said."""

    def __init__(self, key: PanelKey, receive_buffer: int | None = None) -> None:
        parts = urlsplit(key.url)
        self.host = parts.netloc
        self._socket = socket.socket()
        if receive_buffer:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.settimeout(PATIENCE_S)
        self._socket.connect((parts.hostname, parts.port))

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def say(self, *lines: str, body: bytes = b"") -> None:
        """A request's lines, its empty line and its body."""
        self.send("".join(f"{line}\r\n" for line in (*lines, "")).encode("latin-1") + body)

    def send(self, data: bytes) -> None:
        """Bytes."""
        self._socket.sendall(data)

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of an answer, read to the end of its connection or its stated length."""
        with self._socket.makefile("rb") as file:
            status = int(file.readline().split()[1])
            headers = dict(_header(line) for line in iter(file.readline, b"\r\n"))
            length = headers.get("content-length")
            return status, headers, file.read(int(length) if length else -1)

    def status(self) -> int:
        """The status of an answer, of which nothing more is read."""
        line = b""
        while not line.endswith(b"\r\n"):
            line += self._socket.recv(1)
        return int(line.split()[1])

    def rest(self) -> bytes:
        """All that comes until the connection, or a stream of chunks on it, ends."""
        everything = bytearray()
        while not everything.endswith(b"\r\n0\r\n\r\n") and (data := self._socket.recv(1 << 16)):
            everything += data
        return bytes(everything)

    def at_end(self) -> bool:
        """Whether the server closes the connection now."""
        try:
            return self._socket.recv(1) == b""
        except ConnectionResetError:
            return True


def _header(line: bytes) -> tuple[str, str]:
    name, _, value = line.decode("latin-1").partition(":")
    return name.lower(), value.strip()
