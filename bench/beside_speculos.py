"""The key's control API beside Speculos', where both do the same thing: the same requests by the same client.

Speculos runs a wallet's app, the key its firmware; each answers a command that costs it next to nothing, and turns
the pages of what it shows.
"""

from __future__ import annotations

import itertools
import os
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench import memory
from bench.ratios import Result, compare, compare_times
from bench.remote import Remote, Running, TextStream
from bench.speculos import Speculos
from emulator.profiles import load_profile
from hostdriver.errors import CancelledError
from hostdriver.gmt import GmtSession
from hostdriver.transport.unix_socket import SocketTransport
from protocols.gmt import SignInput
from protocols.runfile import RunFile
from vukey_demo import MESSAGE

_ROOT = Path(__file__).parents[1]
_PROFILE = load_profile("bocom-2g-tendyron")
_GEN_RANDOM = "80500000000008"  # 8 bytes
_GET_VERSION = "e003000000"  # of the wallet's app: 3 bytes
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes of memory that one more costs.

    :param key: a further key in one process.
    :param process: a further ``vukey up`` with its API.
    :param peer: a further Speculos.
    """

    key: float
    process: float
    peer: float


@dataclass(frozen=True)
class _Key(Running):
    """A ``vukey up``.

    :param socket: where hosts reach it.
    """

    socket: str


@contextmanager
def _key(stage: str) -> Iterator[_Key]:
    """A key whose screen is up."""
    command = [sys.executable, "-m", "vukey", "up", "--stage", stage, "--link", "socket", "--panel", "--json"]
    with ExitStack() as stack:
        runtime = stack.enter_context(tempfile.TemporaryDirectory(prefix="vukey-"))
        environment = {**os.environ, "XDG_RUNTIME_DIR": runtime}
        process = stack.enter_context(
            subprocess.Popen(
                command, cwd=_ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        )
        stack.callback(process.terminate)
        assert process.stdout
        assert process.stdout.readline(), f"it did not start; see why: {' '.join(command)}"
        (path,) = Path(runtime, "vukey").glob("*.json")
        run = RunFile.decode(path.read_bytes())
        assert run.socket
        remote = Remote(f"{run.panel}/t/{run.token}")
        stack.callback(remote.close)
        remote.wait_for_other([])
        yield _Key(process, remote, run.socket)


def start(peer: Speculos, rounds: int = 7) -> Result:
    """From the start of the process to the first screen that the API tells."""
    return compare_times(
        "start → first screen",
        lambda: _seconds_until(_key("blank")),
        lambda: _seconds_until(peer.running()),
        target=1.0,
        rounds=rounds,
    )


def _seconds_until(entered: AbstractContextManager[object]) -> float:
    begun = time.perf_counter()
    with entered:
        return time.perf_counter() - begun


def screenshot(peer: Speculos, rounds: int = 41) -> Result:
    """The screen as a picture."""
    with peer.running() as other, _key("blank") as key:
        for remote in (key.remote, other.remote):
            picture = remote.screenshot()
            assert picture.startswith(_PNG)
            assert struct.unpack(">II", picture[16:24]) == (128, 64)
        return compare(
            "GET /screenshot", key.remote.screenshot, other.remote.screenshot, target=1.0, rounds=rounds
        )


def apdu(peer: Speculos, rounds: int = 41) -> Result:
    """A command and its answer."""
    with peer.running() as other, _key("blank") as key:
        for remote, command in ((key.remote, _GEN_RANDOM), (other.remote, _GET_VERSION)):
            assert remote.apdu(command).endswith("9000")
        return compare(
            "POST /apdu",
            lambda: key.remote.apdu(_GEN_RANDOM),
            lambda: other.remote.apdu(_GET_VERSION),
            target=1.0,
            rounds=rounds,
        )


def press(peer: Speculos, rounds: int = 41) -> Result:
    """From the request to press a button to the other page's text on the stream of events."""
    with ExitStack() as stack:
        other = stack.enter_context(peer.running())
        key = stack.enter_context(_key("ready"))
        stack.enter_context(_transfer_shown(key))
        return compare(
            "press → next page's text",
            stack.enter_context(_paging(key.remote, "down", "up")),
            stack.enter_context(_paging(other.remote, "right", "left")),
            target=1.0,
            rounds=rounds,
        )


@contextmanager
def _transfer_shown(key: _Key) -> Iterator[None]:
    """A transfer on the key's screen, handed over by a host on the socket; cancelled in the end."""
    with GmtSession(SocketTransport.open(key.socket)) as session, ThreadPoolExecutor(1) as host:
        idle = key.remote.texts()
        signing = host.submit(_sign, session)
        key.remote.wait_for_other(idle)
        try:
            yield
        finally:
            key.remote.press("cancel")
            with suppress(CancelledError):
                signing.result()


def _sign(session: GmtSession) -> None:
    application = session.open_application(_PROFILE.application)
    session.verify_pin(application, _PROFILE.ready_user_pin)
    assert _PROFILE.containers.rsa
    session.sign_rsa(
        session.open_container(application, _PROFILE.containers.rsa.name), MESSAGE, SignInput.MESSAGE
    )


@contextmanager
def _paging(remote: Remote, forth: str, back: str) -> Iterator[_Paging]:
    """Two pages between which two buttons turn."""
    here = remote.texts()
    remote.press(forth)
    second = remote.wait_for_other(here)
    remote.press(back)
    first = remote.wait_for_other(second)
    with remote.stream() as stream:
        yield _Paging(remote, stream, {forth: _last_of(second, first), back: _last_of(first, second)})


def _last_of(page: list[str], other: list[str]) -> str:
    """The last line that tells a page from the other."""
    return [line for line in page if line not in other][-1]


class _Paging:
    """Each call turns the page and ends when its last line has come."""

    def __init__(self, remote: Remote, stream: TextStream, pages: dict[str, str]) -> None:
        self._remote = remote
        self._stream = stream
        self._turns = itertools.cycle(pages.items())

    def __call__(self) -> None:
        button, line = next(self._turns)
        self._remote.press(button)
        self._stream.wait_for(line)


SUITES = (start, press, screenshot, apdu)


def footprint(peer: Speculos, keys: int = 64) -> Footprint:
    """Memory, as the kernel counts it (PSS)."""
    return Footprint(
        memory.of_further_key(keys), _further(lambda: _key("blank")), _further(lambda: peer.running())
    )


def _further(opened: Callable[[], AbstractContextManager[Running]]) -> float:
    """Bytes of a second one beside a first."""
    with opened() as first:
        alone = memory.of_process(first.process.pid)
        with opened() as second:
            return memory.of_process(first.process.pid) + memory.of_process(second.process.pid) - alone
