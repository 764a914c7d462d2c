"""The control API of a running virtual key, from outside: what a person's hands and eyes are to a real one."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlencode, urlsplit

from hostdriver.errors import (
    AnswerError,
    ControlError,
    KeyRemovedError,
    NoKeyError,
    NotShownError,
    SeveralKeysError,
)
from hostdriver.printable import printable
from hostdriver.transport.unix_socket import run_files
from protocols.i18n import N_, language
from protocols.runfile import RunFile, run_directory

_ANSWER_S = 30.0
"""Longest wait for an answer that waits for nobody."""
_LONGEST = 16 << 20
"""Bytes of an answer or an event."""

Json = dict[str, Any]


class KeyApi:
    """A client of one key's control API (docs/control-api.md). Its methods may be called from any thread.

    Every method raises `KeyRemovedError` when the key has gone, and `ControlError` with the API's own line when
    it refuses.

    :param url: the API's base, such as ``http://127.0.0.1:40123``.
    :param token: what opens it; never shown again.
    """

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        self._url, self._host, self._port = url, parts.hostname or "", parts.port
        self._headers = {"Authorization": f"Bearer {token}", "Accept-Language": language()}
        self._idle: list[HTTPConnection] = []

    @classmethod
    def find(cls, serial: str | None = None) -> Self:
        """The key that runs here, by its run file.

        :param serial: which one; None where there is only one.
        :raises NoKeyError: none runs, or it runs without a panel.
        :raises SeveralKeysError: several; the message lists them.
        """
        running = [key for key in _living() if serial in (None, key.serial)]
        served = [key for key in running if key.panel]
        if len(served) > 1:
            names = printable(", ".join(key.serial for key in served))
            raise SeveralKeysError(
                N_("several keys are running; choose one with --serial: {names}"), names=names
            )
        if not served:
            raise _nothing_served(running, serial)
        return cls(served[0].panel or "", served[0].token or "")

    def __repr__(self) -> str:
        return f"KeyApi({self._url})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that are idle."""
        while self._idle:
            self._idle.pop().close()

    def key(self) -> Json:
        """Everything about the key now."""
        return self._ask("GET", "/key")

    def screen(self) -> Json:
        """What its screen shows."""
        return self._ask("GET", "/screen")

    def screenshot(self, scale: int = 1) -> bytes:
        """The screen's pixels as PNG.

        :param scale: pixels of the picture for each of the display's, each way.
        """
        return self._fetch("GET", f"/screenshot?scale={scale}")

    def press(self, *buttons: str) -> None:
        """Press buttons one after the other: ok, cancel, up, down, power, 0 … 9."""
        for button in buttons:
            self._ask("POST", f"/button/{quote(button, safe='')}", {"action": "press-and-release"})

    def type(self, digits: str, ok: bool = False) -> None:
        """Type digits on the keypad, then OK if wanted."""
        self._ask("POST", "/keypad", {"digits": digits, "ok": ok})

    def wait_for(self, text: str, regexp: bool = False, timeout: float = 10.0) -> Json:
        """The screen that shows the text, once it is up; also one that is up already.

        :param regexp: whether `text` is a regular expression.
        :param timeout: seconds.
        :raises NotShownError: no such screen came in time.
        """
        query = urlencode({"regexp" if regexp else "text": text, "timeout": timeout})
        try:
            return self._ask("GET", f"/wait?{query}", timeout=timeout + _ANSWER_S)
        except ControlError as error:
            if error.screen is None:
                raise
            raise NotShownError(text, timeout, error.screen) from None

    def plug(self) -> None:
        """Plug the key in; harmless when it is."""
        self._ask("POST", "/plug")

    def unplug(self) -> None:
        """Pull the key out: every host loses it; its panel stays."""
        self._ask("POST", "/unplug")

    def clock(self) -> float:
        """The key's time, in seconds."""
        return _number(self._ask("GET", "/clock"))

    def advance(self, seconds: float) -> float:
        """Put the key's clock forward; what became due has happened when this returns. The time then."""
        return _number(self._ask("POST", "/clock", {"advance": seconds}))

    def set_battery(self, level: int) -> None:
        """Charge or drain the battery, to 0 … 100 per cent."""
        self._ask("POST", "/battery", {"level": level})

    def fault(self, error: str) -> None:
        """Let the next CCID command that an error fits fail with it, once: `xfr_parity_error`, `icc_mute` …"""
        self._ask("POST", "/fault", {"error": error})

    def apdus(self, since: int = 0) -> list[Json]:
        """The APDUs after that number, oldest first."""
        records: list[Json] = self._ask("GET", f"/apdus?since={since}").get("apdus", [])
        return records

    def apdu(self, apdu: bytes) -> bytes:
        """Hand the key one APDU; the response. Blocks while the key waits for a person."""
        answer = self._ask("POST", "/apdu", {"data": apdu.hex()}, timeout=None)
        if "error" in answer:  # power was lost while the key waited, when the answer had begun already
            raise _refusal(answer)
        try:
            return bytes.fromhex(answer["data"])
        except (KeyError, TypeError, ValueError):
            raise _not_ours() from None

    def automation(self) -> Json:
        """The rules that press by themselves."""
        return self._ask("GET", "/automation")

    def automate(self, rules: Json) -> None:
        """Set those rules; ``{}`` removes them."""
        if rules:
            self._ask("POST", "/automation", rules)
        else:
            self._ask("DELETE", "/automation")

    def ticket(self) -> str:
        """A URL that opens the panel in a browser, once."""
        return str(self._ask("POST", "/ticket").get("url", ""))

    def live(self) -> Generator[tuple[str, Json], None, None]:
        """What happens from now on, as (event, data): `key`, `screen` or `apdu`.

        What is so now comes first: the key, its screen and the last APDUs. Close the iterator to end it.
        """
        connection = HTTPConnection(self._host, self._port)
        try:
            with _understood():
                response = self._send(connection, "GET", "/live", None, None)
                if response.status != 200:
                    raise _refusal(_object(_body(response)))
                yield from _events(response)
            raise _gone()
        finally:
            connection.close()

    def _ask(
        self, method: str, path: str, body: Json | None = None, timeout: float | None = _ANSWER_S
    ) -> Json:
        return _object(self._fetch(method, path, body, timeout))

    def _fetch(
        self, method: str, path: str, body: Json | None = None, timeout: float | None = _ANSWER_S
    ) -> bytes:
        connection = self._take()
        try:
            with _understood():
                response = self._send(connection, method, path, body, timeout)
                raw = _body(response)
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        if response.status >= 400:
            raise _refusal(_object(raw))
        return raw

    def _take(self) -> HTTPConnection:
        with suppress(IndexError):
            return self._idle.pop()
        return HTTPConnection(self._host, self._port)

    def _send(
        self, connection: HTTPConnection, method: str, path: str, body: Json | None, timeout: float | None
    ) -> HTTPResponse:
        connection.timeout = timeout
        was_open = connection.sock is not None
        if was_open:
            connection.sock.settimeout(timeout)
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        headers = self._headers | ({"Content-Type": "application/json"} if body is not None else {})
        try:
            connection.request(method, path, content, headers)
            return connection.getresponse()
        except ConnectionError:
            connection.close()
            if not was_open:
                raise
        # The server had closed it for idleness and has not read the request (RFC 9112, section 9.3.1).
        connection.request(method, path, content, headers)
        return connection.getresponse()


def _living() -> list[RunFile]:
    """The keys whose run file is held: the lock ends with the process, however that ends."""
    directory = run_directory(os.environ, Path.home())
    return [key for key in run_files() if _is_held(directory / f"{key.serial}.json")]


def _is_held(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _nothing_served(running: list[RunFile], serial: str | None) -> NoKeyError:
    if running:
        names = printable(", ".join(key.serial for key in running))
        return NoKeyError(
            N_("key {serial} runs without a panel; start it with one: vukey up --panel"), serial=names
        )
    if serial is not None:
        return NoKeyError(
            N_("no virtual key {serial} is running; start it: vukey up --panel"), serial=printable(serial)
        )
    return NoKeyError(N_("no virtual key is running; start one: vukey up --panel"))


@contextmanager
def _understood() -> Iterator[None]:
    """What can go wrong on the way, as errors of ours."""
    try:
        yield
    except TimeoutError:
        raise ControlError(N_("the key's control API does not answer"), "time-out") from None
    except (OSError, IncompleteRead):
        raise _gone() from None
    except HTTPException:
        raise _not_ours() from None


def _gone() -> KeyRemovedError:
    return KeyRemovedError(N_("the virtual key has gone: start it again with vukey up"))


def _not_ours() -> AnswerError:
    return AnswerError(
        N_("what answers there is no control API of a key; start the key again: vukey up --panel")
    )


def _object(raw: bytes) -> Json:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        raise _not_ours() from None
    if not isinstance(value, dict):
        raise _not_ours()
    return value


def _number(answer: Json) -> float:
    try:
        return float(answer["now"])
    except (KeyError, TypeError, ValueError):
        raise _not_ours() from None


def _refusal(refused: Json) -> ControlError:
    """The error of an answer that refuses: its own line."""
    line, code, screen = (refused.get(name) for name in ("error", "code", "screen"))
    return ControlError(printable(str(line)), str(code), screen if isinstance(screen, dict) else None)


def _body(response: HTTPResponse) -> bytes:
    raw = response.read(_LONGEST + 1)
    if len(raw) > _LONGEST:
        raise _not_ours()
    if response.length:
        raise IncompleteRead(raw, response.length)
    return raw


def _events(response: HTTPResponse) -> Iterator[tuple[str, Json]]:
    """Server-sent events (WHATWG HTML, section 9.2), of which ours use the fields `event` and `data`."""
    name, data = "", ""
    while line := response.readline(_LONGEST):
        field, _, value = line.decode("utf-8", "replace").rstrip("\r\n").partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            data += value
        elif not field and data:
            yield name, _object(data.encode())
            name, data = "", ""
