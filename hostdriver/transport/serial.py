"""A key on a serial line: a port, RFCOMM, or a virtual key's pseudo-terminal (wire: `protocols.ble`), by pyserial.

Our own virtual key takes every CANCEL for a reset; a line has no other.
"""

from __future__ import annotations

import errno
import math
import os
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from hostdriver.errors import (
    HostError,
    KeyBusyError,
    KeyRemovedError,
    MissingComponentError,
    NoKeyError,
)
from hostdriver.transport.failures import error_for
from protocols.ble import (
    BAUD_RATE,
    WHOLE,
    FragmentStream,
    FrameCommand,
    HostEnd,
    HostEvent,
    KeepAlive,
    Response,
    enclose,
    fragments,
)
from protocols.errors import ProtocolError
from protocols.i18n import N_
from protocols.sw import SW

if TYPE_CHECKING:
    from serial import Serial

_CANCEL = enclose(fragments(FrameCommand.CANCEL, b"", WHOLE)[0])
_LOOK_S = 1.0
"""Longest uninterrupted wait for bytes."""
_SILENCE_S = 15.0
"""How long a key may say nothing that we understand: the longest frame takes 11.4 s, and a key at work speaks twice a
second."""
_FAREWELL_S = 2.0
"""How long a key may take for what no person is asked about, when we leave it."""


class SerialTransport:
    """An open port. A key's answer may be as late as a person, as long as the key says meanwhile that it is there."""

    def __init__(self, port: Serial, name: str) -> None:
        self._port = port
        self._name = name
        self._end = HostEnd(WHOLE, fresh=False)
        self._stream = FragmentStream()
        self._fragments: deque[bytes] = deque()
        self._one_at_a_time = threading.Lock()
        self._writing = threading.Lock()
        self._closed = False

    @classmethod
    def open(cls, path: str) -> Self:
        """Take the port for ourselves; the key itself is not asked anything yet.

        :raises NoKeyError: there is no such port.
        :raises KeyBusyError: another program has it.
        :raises MissingComponentError: pyserial is not installed.
        """
        try:
            from serial import Serial
        except ModuleNotFoundError:
            raise MissingComponentError(
                N_("a serial port needs pyserial: pip install 'vukey[serial]'")
            ) from None
        try:
            port = Serial(path, BAUD_RATE, timeout=_LOOK_S, write_timeout=_SILENCE_S, exclusive=True)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EBUSY):
                raise KeyBusyError(SW.BUSY) from None
            reason = os.strerror(error.errno) if error.errno else error
            raise NoKeyError(N_("no serial port at {path}: {reason}"), path=path, reason=reason) from None
        return cls(port, f"serial:{path}")

    @property
    def name(self) -> str:
        """As ``--token`` takes it."""
        return self._name

    def exchange(self, apdu: bytes) -> bytes:
        """One APDU; blocks while the key waits for a person. Interrupted, it cancels what the key is doing.

        :raises KeyRemovedError: the port is gone, or nothing is heard from the key.
        :raises HostError: the key has no answer: see `failures.error_for`.
        """
        with self._one_at_a_time:
            try:
                return self._exchange(apdu, math.inf)
            except KeyboardInterrupt:
                self._give_up()
                raise

    def last_words(self, apdu: bytes) -> bytes:
        """See `LeavesPower.last_words`.

        :raises KeyRemovedError: no answer came within some seconds.
        """
        with self._one_at_a_time:
            return self._exchange(apdu, time.monotonic() + _FAREWELL_S)

    def reset(self) -> bytes:
        """CANCEL, which a virtual key takes for a reset; no ATR comes this way: empty. Others end their command only.

        :raises KeyRemovedError: the port is gone.
        """
        self._write(_CANCEL)
        return b""

    def close(self) -> None:
        """Reset the key, and give the port back to the system; an exchange of another thread ends."""
        if self._closed:
            return
        self._closed = True
        self._port.cancel_read()
        with self._one_at_a_time:
            with suppress(HostError):
                self.reset()
            self._port.close()

    def _exchange(self, apdu: bytes, deadline: float) -> bytes:
        try:
            self._write(b"".join(map(enclose, self._end.command(apdu))))
            while isinstance(event := self._next_event(deadline), KeepAlive):
                continue
        except ProtocolError as error:
            raise HostError(error.message, **error.values) from None
        except HostError:
            self._forget()
            raise
        if isinstance(event, Response):
            return event.apdu
        raise error_for(event)

    def _next_event(self, deadline: float) -> HostEvent:
        deadline = min(deadline, time.monotonic() + _SILENCE_S)
        while True:
            while self._fragments:
                event = self._end.feed(self._fragments.popleft())
                if event is not None:
                    return event
            if time.monotonic() >= deadline:
                raise KeyRemovedError(N_("nothing is heard from a key at {name}"), name=self._name)
            self._fragments += self._stream.feed(self._read())

    def _read(self) -> bytes:
        try:
            data = self._port.read(self._port.in_waiting or 1)
        except OSError:
            raise self._removed() from None
        if self._closed:
            raise self._removed()
        return bytes(data)

    def _write(self, data: bytes) -> None:
        try:
            with self._writing:
                self._port.write(data)
        except OSError:
            raise self._removed() from None

    def _give_up(self) -> None:
        """Have the key end the command, and wait shortly until it has."""
        with suppress(HostError):
            self._write(_CANCEL)
            deadline = time.monotonic() + _FAREWELL_S
            while self._end.under_way:
                self._next_event(deadline)
        self._forget()

    def _forget(self) -> None:
        """What the key still says is not for us."""
        self._stream.drop()
        self._fragments.clear()
        self._end.timed_out()

    def _removed(self) -> KeyRemovedError:
        return KeyRemovedError(N_("the serial line {name} is gone: was the key pulled out?"), name=self._name)
