"""A client of a control API, the same for the key and for its peer: both have the shape of Speculos'."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from typing import IO, Any, Self
from urllib.parse import urlsplit

PATIENCE_S = 30.0
"""Longest wait for anything: only a broken server makes a bench wait that long."""
_POLL_S = 0.002


class Remote:
    """The API at a base URL, over one connection for as long as the server keeps it open.

    :param url: ``http://HOST:PORT``, with a path in front of every other where the server wants one.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._prefix = parts.path.rstrip("/")
        self._connection = self._connect()

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()

    def texts(self) -> list[str]:
        """The lines of text on the screen now."""
        return [event["text"] for event in self._get_json("/events?currentscreenonly=true")["events"]]

    def press(self, button: str) -> None:
        """Press and release at once: no finger's delay."""
        self._post_json(f"/button/{button}", {"action": "press-and-release", "delay": 0})

    def screenshot(self) -> bytes:
        """The screen as a PNG."""
        return self._request("GET", "/screenshot")

    def apdu(self, command: str) -> str:
        """The answer to an APDU, both in hex."""
        answer: str = self._post_json("/apdu", {"data": command})["data"]
        return answer

    def wait_for_other(self, before: list[str]) -> list[str]:
        """The lines of text once there are some and they are others than `before`; the server may be starting yet.

        :raises TimeoutError: nothing changed.
        """
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            with suppress(ConnectionRefusedError):
                texts = self.texts()
                if texts and texts != before:
                    return texts
            time.sleep(_POLL_S)
        raise TimeoutError

    @contextmanager
    def stream(self) -> Iterator[TextStream]:
        """Every line of text from now on."""
        connection = self._connect()
        connection.request("GET", f"{self._prefix}/events?stream=true")
        with _checked(connection.getresponse()) as response:
            yield TextStream(response)
        connection.close()

    def _connect(self) -> HTTPConnection:
        return HTTPConnection(*self._address, timeout=PATIENCE_S)

    def _get_json(self, path: str) -> Any:
        return json.loads(self._request("GET", path))

    def _post_json(self, path: str, value: object) -> Any:
        return json.loads(self._request("POST", path, json.dumps(value).encode()))

    def _request(self, method: str, path: str, body: bytes | None = None) -> bytes:
        headers = {"Content-Type": "application/json"} if body else {}
        try:
            self._connection.request(method, self._prefix + path, body, headers)
        except OSError:
            self._connection.close()  # the next request opens it again
            raise
        return _checked(self._connection.getresponse()).read()


@dataclass(frozen=True)
class Running:
    """A process with a control API, its screen up."""

    process: subprocess.Popen[bytes]
    remote: Remote


class TextStream:
    """Server-sent events, one for each line of text that comes on the screen."""

    def __init__(self, lines: IO[bytes]) -> None:
        self._lines = lines

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        for line in self._lines:
            if line.startswith(b"data:"):
                text: str = json.loads(line.removeprefix(b"data:"))["text"]
                return text
        raise StopIteration

    def wait_for(self, text: str) -> None:
        """Read on until a line is `text`.

        :raises EOFError: the stream ended before.
        """
        if text not in self:
            raise EOFError


def _checked(response: HTTPResponse) -> HTTPResponse:
    if response.status != 200:
        raise OSError(f"{response.status} {response.reason}: {response.read()[:200]!r}")
    return response
