"""The key on a serial line: a port of this machine, RFCOMM, or a pseudo-terminal of its own (wire: `protocols.ble`).

Ours (*assumed*): every CANCEL takes the key's power away and gives it back with the next command. A host begins with
CANCEL and ends with it, so a login never outlives the host that made it (E8), even on a line that cannot hang up.
"""

from __future__ import annotations

import logging
import os
import select
import threading
import time
import tty
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

from emulator.device import Exchange
from emulator.links.errors import LinkError
from emulator.links.states import LinkState, OnState
from emulator.sharing import SharedKey
from protocols.ble import (
    BAUD_RATE,
    FRAGMENT_TIMEOUT_S,
    KEEP_ALIVE_S,
    WHOLE,
    Cancel,
    FragmentStream,
    FrameCommand,
    FrameError,
    KeepAliveStatus,
    KeyEnd,
    KeyEvent,
    Reply,
    Transmit,
    enclose,
    fragments,
)
from protocols.errors import MissingPackageError, ProtocolError
from protocols.i18n import N_

_log = logging.getLogger(__name__)

_CANCEL = fragments(FrameCommand.CANCEL, b"", WHOLE)[0]
_CHUNK = 0x10000
_MOST_UNSENT = 0x40000
"""Bytes that the host has not taken yet; with more, nothing is read from it. Two of the longest frames fit."""
_RETRY_S = 1.0
_GONE = select.EPOLLHUP | select.EPOLLERR


class Port(Protocol):
    """The key's end of a line."""

    path: Path
    outlives_hosts: bool
    """Whether a hang-up says that the host has left, and another may come; else the port itself has gone."""

    def open(self) -> int:
        """A descriptor that is raw and does not block.

        :raises OSError: it cannot be had.
        """
        ...

    def close(self) -> None:
        """Give it back; harmless when repeated."""
        ...


class Pty:
    """A pseudo-terminal, for this user alone.

    :param path: where a symbolic link leads to the host's end for as long as it is open.
    """

    outlives_hosts = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1

    def open(self) -> int:
        """See `Port.open`."""
        self._descriptor, host = os.openpty()
        try:
            tty.setraw(host)
            os.fchmod(host, 0o600)
            self.path.symlink_to(os.ttyname(host))
        except BaseException:
            os.close(self._descriptor)
            self._descriptor = -1
            raise
        finally:
            os.close(host)
        os.set_blocking(self._descriptor, False)
        return self._descriptor

    def close(self) -> None:
        """See `Port.close`."""
        if self._descriptor >= 0:
            self.path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = -1


class SerialPort:
    """A port of this machine, or anything else that Linux calls a terminal.

    :raises MissingPackageError: pyserial is not installed.
    """

    outlives_hosts = False

    def __init__(self, path: Path) -> None:
        try:
            from serial import Serial
        except ModuleNotFoundError:
            raise MissingPackageError(
                N_("a serial port needs pyserial: pip install 'vukey[serial]'")
            ) from None
        self.path = path
        self._port = Serial(baudrate=BAUD_RATE, timeout=0, exclusive=True)
        self._port.port = str(path)

    def open(self) -> int:
        """See `Port.open`."""
        self._port.open()
        return int(self._port.fileno())

    def close(self) -> None:
        """See `Port.close`."""
        self._port.close()


class _Command:
    """What the card is at work on."""

    def __init__(self, apdu: bytes) -> None:
        self.apdu = apdu
        self.status = KeepAliveStatus.PROCESSING


class _Card:
    """One user's key, in a thread of its own: while it computes, the line is still heard.

    :param on_end: told of each command's end, in any thread; without a response, it was broken off.
    """

    def __init__(self, shared: SharedKey, on_end: Callable[[_Command, bytes | None], None]) -> None:
        self._shared = shared
        self._on_end = on_end
        self._pending: Exchange | None = None
        self._orders: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="vukey-serial-card", daemon=True)
        self._thread.start()

    def execute(self, command: _Command) -> None:
        """Give the key a command."""
        self._orders.put(partial(self._execute, command))

    def leave(self) -> None:
        """Give up what is under way, the login and the power."""
        self._orders.put(self._leave)

    def close(self) -> None:
        """Leave, and end the thread."""
        self.leave()
        self._orders.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (order := self._orders.get()) is not None:
            order()

    def _execute(self, command: _Command) -> None:
        try:
            exchange = self._shared.begin(self, command.apdu)
        except Exception as error:  # the line must not fall silent for good
            _log.error("the command has failed: %s", error)
            _log.debug("where it failed", exc_info=True)
            self._on_end(command, None)
            return
        self._pending = exchange
        if exchange.response is None:
            command.status = KeepAliveStatus.USER_PRESENCE_NEEDED
        exchange.on_end(lambda: self._on_end(command, exchange.response))

    def _leave(self) -> None:
        pending, self._pending = self._pending, None
        self._shared.leave(self, pending)


class _Line:
    """The hosts that one descriptor brings, one after the other. All of it runs in one thread, but for `end`
    and the ends of commands.

    :param outlives_hosts: see `Port.outlives_hosts`.
    """

    def __init__(self, descriptor: int, outlives_hosts: bool, shared: SharedKey) -> None:
        self._descriptor = descriptor
        self._outlives_hosts = outlives_hosts
        self._ended: deque[tuple[_Command, bytes | None]] = deque()
        self._closed = False
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._epoll = select.epoll()
        self._epoll.register(self._wake, select.EPOLLIN)
        # A pseudo-terminal without a host is hung up all the time: only what changes is to wake us.
        self._epoll.register(descriptor, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)
        self._card = _Card(shared, self._end_command)
        self._begin()

    def serve(self) -> None:
        """Until the port has gone, or `end`."""
        try:
            while not self._closed:
                self._serve_once()
        except (OSError, EOFError) as error:
            _log.debug("the line is lost: %s", error)

    def end(self) -> None:
        """Have `serve` return; from another thread."""
        self._closed = True
        os.eventfd_write(self._wake, 1)

    def close(self) -> None:
        """The last host has left; after that, no `end`."""
        self._card.close()
        self._epoll.close()
        os.close(self._wake)

    def _begin(self) -> None:
        """Nothing is left of any host before."""
        self._stream = FragmentStream()
        self._key = KeyEnd(WHOLE)
        self._command: _Command | None = None
        self._unsent = bytearray()
        self._more = False
        self._heard_at = self._keep_alive_at = 0.0

    def _serve_once(self) -> None:
        events = dict(self._epoll.poll(self._patience()))
        if self._wake in events:
            os.eventfd_read(self._wake)
        while self._ended:
            self._answer(*self._ended.popleft())
        if events.get(self._descriptor, 0) & _GONE:
            self._hang_up()
        self._read()
        self._tick()
        self._write()

    def _patience(self) -> float | None:
        """Seconds until something is due."""
        if self._more:
            return 0
        due = []
        if self._key.under_way:
            due.append(self._keep_alive_at)
        if self._is_incomplete:
            due.append(self._heard_at + FRAGMENT_TIMEOUT_S)
        return max(min(due) - time.monotonic(), 0) if due else None

    @property
    def _is_incomplete(self) -> bool:
        return self._stream.incomplete or self._key.incomplete

    def _hang_up(self) -> None:
        """The host has left. The next one may be here already, and what is read now be its."""
        if not self._outlives_hosts:
            raise EOFError
        self._card.leave()
        self._begin()

    def _read(self) -> None:
        """One piece, so that a host that never stops does not keep us from all else."""
        self._more = False
        if len(self._unsent) > _MOST_UNSENT:
            return
        try:
            data = os.read(self._descriptor, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            self._hang_up()
            return
        if data:
            self._more = True
            self._heard_at = time.monotonic()
            for fragment in self._stream.feed(data):
                self._take(fragment)

    def _take(self, fragment: bytes) -> None:
        if fragment == _CANCEL:
            self._card.leave()
        for event in self._key.feed(fragment):
            self._obey(event)

    def _obey(self, event: KeyEvent) -> None:
        match event:
            case Reply(reply):
                self._send(reply)
            case Transmit(apdu):
                self._keep_alive_at = time.monotonic() + KEEP_ALIVE_S
                self._command = _Command(apdu)
                self._card.execute(self._command)
            case Cancel():
                self._command = None

    def _end_command(self, command: _Command, response: bytes | None) -> None:
        self._ended.append((command, response))
        os.eventfd_write(self._wake, 1)

    def _answer(self, command: _Command, response: bytes | None) -> None:
        if command is not self._command:
            return  # given up long ago
        self._command = None
        if response is None:
            self._send(self._key.fail(FrameError.OTHER))
            return
        try:
            self._send(self._key.respond(response))
        except ProtocolError as error:
            _log.error("%s", error)
            self._send(self._key.fail(FrameError.INVALID_LENGTH))

    def _tick(self) -> None:
        now = time.monotonic()
        if self._command is not None and now >= self._keep_alive_at:
            self._keep_alive_at = now + KEEP_ALIVE_S
            if not self._unsent:  # a host that does not read needs no second one
                self._send(self._key.keep_alive(self._command.status))
        if self._is_incomplete and now >= self._heard_at + FRAGMENT_TIMEOUT_S:
            self._stream.drop()
            self._send(self._key.timed_out())

    def _send(self, sent: list[bytes]) -> None:
        for fragment in sent:
            self._unsent += enclose(fragment)

    def _write(self) -> None:
        try:
            while self._unsent:
                del self._unsent[: os.write(self._descriptor, self._unsent)]
        except BlockingIOError:
            return
        except OSError:
            self._hang_up()


class SerialLink:
    """The key at a port. A port that goes takes the login with it; it is looked for until it is back.

    :param shared: the key as other links have it too.
    :param on_state: told of every change, in the link's thread.
    """

    def __init__(self, shared: SharedKey, port: Port, on_state: OnState = lambda state: None) -> None:
        self._shared = shared
        self._port = port
        self._on_state = on_state
        self._guard = threading.Lock()
        self._closed = threading.Event()
        self._line: _Line | None = None

    def start(self) -> None:
        """Open the port and listen.

        :raises LinkError: the port cannot be had.
        """
        try:
            line = self._open()
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise LinkError(
                N_("--link serial: {path} cannot be had: {reason}"), path=self._port.path, reason=reason
            ) from None
        self._thread = threading.Thread(target=self._run, args=(line,), name="vukey-serial", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Leave the line."""
        self._closed.set()
        with self._guard:
            if self._line:
                self._line.end()
        self._thread.join()

    def _open(self) -> _Line:
        descriptor = self._port.open()
        try:
            return _Line(descriptor, self._port.outlives_hosts, self._shared)
        except BaseException:
            self._port.close()
            raise

    def _run(self, first: _Line) -> None:
        line: _Line | None = first
        while line:
            self._serve(line)
            line = self._find_again()

    def _serve(self, line: _Line) -> None:
        with self._guard:
            self._line = line
            if self._closed.is_set():
                line.end()
        if not self._closed.is_set():
            self._on_state(LinkState.LISTENING)
        try:
            line.serve()
        finally:
            with self._guard:
                self._line = None
            line.close()
            self._port.close()
        if not self._closed.is_set():
            self._on_state(LinkState.UNPLUGGED)

    def _find_again(self) -> _Line | None:
        while not self._closed.wait(_RETRY_S):
            with suppress(OSError):
                return self._open()
        return None
