"""Serves a key over a stream socket that carries vpcd's frames.

One thread a connection. It never stops watching its socket: while the key waits for a person, the loss of the
link is noticed at once and ends the wait (E11).
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import socket
from typing import Protocol

from emulator.device import Exchange
from protocols.errors import ProtocolError
from protocols.vpcd import Control, FrameDecoder, encode, parse_control

_log = logging.getLogger(__name__)

_CHUNK = 0x10000 + 2


class Service(Protocol):
    """What a connection talks to."""

    def control(self, control: Control) -> bytes | None:
        """Carry out a control; the frame that answers it, None where it has no answer."""
        ...

    def begin(self, apdu: bytes) -> Exchange:
        """Hand an APDU over."""
        ...


class FramedConnection:
    """One connection, from its first frame to its end.

    :param first_frame_within: seconds after which a connection that stays silent is given up; None waits.
    """

    def __init__(
        self, connection: socket.socket, service: Service, first_frame_within: float | None = None
    ) -> None:
        connection.settimeout(first_frame_within)
        self.was_silent = False
        self._socket = connection
        self._service = service
        self._decoder = FrameDecoder()
        self._pending: Exchange | None = None
        self._wake = os.eventfd(0, os.EFD_CLOEXEC)
        self._tcp = connection.family in (socket.AF_INET, socket.AF_INET6)
        if self._tcp:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def serve(self) -> None:
        """Serve until the other end, or `close`, ends the connection."""
        try:
            self._first_frame()
            while True:
                if self._pending is not None and self._answered():
                    continue
                data = self._receive()
                if not data:
                    return
                self._feed(data)
        except TimeoutError:
            self.was_silent = True
        except OSError as error:
            _log.debug("connection lost: %s", error)
        finally:
            self._end()

    def close(self) -> None:
        """End it from another thread."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _first_frame(self) -> None:
        data = self._receive()
        self._socket.settimeout(None)
        self._feed(data)

    def _feed(self, data: bytes) -> None:
        for frame in self._decoder.feed(data):
            self._handle(frame)

    def _receive(self) -> bytes:
        if self._tcp:  # vpcd sends length and body apart: without this, 40 ms of delayed ACK a frame
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return self._socket.recv(_CHUNK)

    def _handle(self, frame: bytes) -> None:
        if len(frame) > 1:
            exchange = self._service.begin(frame)
            if exchange.response is not None:
                self._socket.sendall(encode(exchange.response))
            else:
                self._pending = exchange
                exchange.on_end(lambda: os.eventfd_write(self._wake, 1))
            return
        try:
            control = parse_control(frame)
        except ProtocolError as error:
            _log.warning("%s", error)
            return
        answer = self._service.control(control) if control is not None else None
        if answer is not None:
            self._socket.sendall(encode(answer))

    def _answered(self) -> bool:
        """Wait for the person or the socket; whether the person's answer was sent."""
        ready, _, _ = select.select([self._socket.fileno(), self._wake], [], [])
        if self._wake not in ready or self._pending is None:
            return False
        os.eventfd_read(self._wake)
        exchange, self._pending = self._pending, None
        if exchange.response is not None:
            self._socket.sendall(encode(exchange.response))
        return True

    def _end(self) -> None:
        if self._pending is not None:
            self._pending.abandon()
        self._socket.close()
        os.close(self._wake)
