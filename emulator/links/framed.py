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
from protocols.errors import ProtocolError, VukeyError
from protocols.vpcd import HEADER_SIZE, Control, encode, parse_control

_log = logging.getLogger(__name__)


class Service(Protocol):
    """What a connection talks to."""

    def control(self, control: Control) -> bytes | None:
        """Carry out a control; the frame that answers it, None where it has no answer."""
        ...

    def begin(self, apdu: bytes) -> Exchange:
        """Hand an APDU over."""
        ...

    def leave(self, pending: Exchange | None) -> None:
        """The connection has ended, with the APDU that waited; whoever sees it closed finds the key free."""
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
        self._pending: Exchange | None = None
        self._wake = -1  # made when it serves, where a lack of files ends nothing but this connection
        self._tcp = connection.family in (socket.AF_INET, socket.AF_INET6)
        if self._tcp:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def serve(self) -> None:
        """Serve until the other end, or `close`, ends the connection."""
        try:
            self._wake = os.eventfd(0, os.EFD_CLOEXEC)
            first = self._receive()
            self._socket.settimeout(None)
            self._handle(first)
            while True:
                if self._pending is None or self._watch():
                    self._handle(self._receive())
        except TimeoutError:
            self.was_silent = True
        except (OSError, EOFError) as error:
            _log.debug("connection lost: %s", error)
        except VukeyError as error:
            _log.error("connection ended: %s", error)
        finally:
            self._end()

    def close(self) -> None:
        """End it from another thread."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _receive(self) -> bytes:
        """The next frame's body.

        vpcd sends a length and its body apart, and the body only once the length is acknowledged: the kernel,
        which forgets TCP_QUICKACK, would take 40 ms for that. The body's acknowledgement travels with our answer.
        """
        connection = self._socket
        if self._tcp:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        header = connection.recv(HEADER_SIZE)
        if len(header) < HEADER_SIZE:
            header += self._rest(HEADER_SIZE - len(header))
        size = header[0] << 8 | header[1]
        body = connection.recv(size) if size else b""
        return body if len(body) == size else body + self._rest(size - len(body))

    def _rest(self, size: int) -> bytes:
        pieces = b""
        while len(pieces) < size:
            piece = self._socket.recv(size - len(pieces))
            if not piece:
                raise EOFError
            pieces += piece
        return pieces

    def _handle(self, frame: bytes) -> None:
        if len(frame) > 1:
            exchange = self._service.begin(frame)
            self._send_what_ended()  # the one before may have ended while this one waited for its turn
            response = exchange.response
            if response is not None:
                self._socket.sendall(encode(response))
            else:
                self._pending = exchange
                exchange.on_end(lambda: os.eventfd_write(self._wake, 1))
            return
        try:
            control = parse_control(frame)
        except ProtocolError as error:
            _log.debug("%s", error)
            return
        answer = self._service.control(control) if control is not None else None
        if answer is not None:
            self._socket.sendall(encode(answer))

    def _watch(self) -> bool:
        """Wait for the person or the socket; whether the socket has something."""
        descriptor = self._socket.fileno()
        ready, _, _ = select.select([descriptor, self._wake], [], [])
        if self._wake in ready:
            os.eventfd_read(self._wake)
            self._send_what_ended()
        return descriptor in ready

    def _send_what_ended(self) -> None:
        """Answer the APDU that waited, if it waits no longer: before any later one is answered."""
        exchange = self._pending
        if exchange is None or not exchange.ended:
            return
        self._pending = None
        if exchange.response is not None:
            self._socket.sendall(encode(exchange.response))

    def _end(self) -> None:
        self._service.leave(self._pending)
        self._socket.close()
        if self._wake >= 0:
            os.close(self._wake)
