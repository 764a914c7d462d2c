"""An IN endpoint towards USB/IP: what the key sends, and the host's requests that wait for it."""

from __future__ import annotations

from collections import deque
from enum import Enum, auto, unique

from protocols.errors import ProtocolError
from protocols.i18n import N_
from protocols.usbip import Error, Submit, submitted

MAX_WAITING = 1024
"""Most requests that may wait on an endpoint; Linux's drivers have a few."""
_FULL = 16


@unique
class _End(Enum):
    """What follows the last byte of something sent."""

    OPEN = auto()
    """Whole packets, and more may come: the request still waits if it has room."""
    OVER = auto()
    """The last packet was a short one: the request ends."""
    EMPTY_PACKET = auto()
    """An empty packet, which ends this request, or the next one if this one has no room left."""
    HALT = auto()
    """The endpoint halts: this request, and all until the host clears that, end with a stall."""


class _Waiting:
    """A request of the host, and what it has got so far."""

    __slots__ = ("got", "pieces", "request")

    def __init__(self, request: Submit) -> None:
        self.request = request
        self.pieces: list[bytes | memoryview] = []
        self.got = 0


class InEndpoint:
    """Packets as on a real bus (USB 2.0, 5.8.3): a request ends when it is full or a packet is short. Not thread-safe.

    :param packet: wMaxPacketSize.
    :param halted: the addresses of all halted endpoints, from which the host's request strikes them out again.
    """

    def __init__(self, address: int, packet: int, halted: set[int]) -> None:
        self._address = address
        self._packet = packet
        self._halted = halted
        self._sent: deque[tuple[bytes | memoryview, _End]] = deque()
        self._waiting: deque[_Waiting] = deque()

    def is_full(self) -> bool:
        """Whether the host should first take something of what was sent."""
        return len(self._sent) >= _FULL

    @property
    def is_empty(self) -> bool:
        """Whether the host has taken all that was sent."""
        return not self._sent

    def send(self, data: bytes, message: bool) -> bytes:
        """Queue something; the answers to the requests that this completes."""
        whole_packets = data and not len(data) % self._packet
        end_of_whole = _End.EMPTY_PACKET if message else _End.OPEN
        self._sent.append((data, end_of_whole if whole_packets else _End.OVER))
        return self._answers() if self._waiting else b""

    def halt(self) -> bytes:
        """Halt once the host has taken what was sent; the answers to the requests that this completes."""
        if not (self._sent and self._sent[-1][1] is _End.HALT):
            self._sent.append((b"", _End.HALT))
        return self._answers()

    def request(self, request: Submit) -> bytes:
        """The host wants data; the answers to the requests that can be answered.

        :raises ProtocolError: too many requests wait already.
        """
        if self._sent and not self._waiting and self._address not in self._halted:
            data, end = self._sent[0]
            if end is _End.OVER and len(data) <= request.length and not request.short_not_ok:
                self._sent.popleft()
                return submitted(request, data)  # what nearly always happens, without more ado
        if len(self._waiting) >= MAX_WAITING:
            raise ProtocolError(N_("USB/IP: more requests wait than any driver sends"))
        self._waiting.append(_Waiting(request))
        return self._answers()

    def unlink(self, number: int) -> bool:
        """Forget a request; whether it waited here."""
        for waiting in self._waiting:
            if waiting.request.number == number:
                self._waiting.remove(waiting)
                return True
        return False

    def clear(self) -> None:
        """Drop what the host has not taken."""
        self._sent.clear()

    def _answers(self) -> bytes:
        answers = b""
        while self._waiting and (self._is_halted or (self._sent and self._fill(self._waiting[0]))):
            answers += self._answer(self._waiting.popleft())
        return answers

    @property
    def _is_halted(self) -> bool:
        return self._address in self._halted

    def _fill(self, waiting: _Waiting) -> bool:
        """Move what was sent into a request; whether that ends it."""
        while self._sent:
            data, end = self._sent.popleft()
            room = waiting.request.length - waiting.got
            if end is _End.HALT:
                self._halted.add(self._address)
            elif len(data) > room:
                self._sent.appendleft((memoryview(data)[room:], end))
                data = memoryview(data)[:room]
            elif len(data) == room and end is _End.EMPTY_PACKET:
                self._sent.appendleft((b"", _End.OVER))
            waiting.pieces.append(data)
            waiting.got += len(data)
            if end is not _End.OPEN or waiting.got == waiting.request.length:
                return True
        return False

    def _answer(self, waiting: _Waiting) -> bytes:
        request = waiting.request
        status = 0
        if self._is_halted:
            status = Error.STALL
        elif request.short_not_ok and waiting.got < request.length:
            status = Error.SHORT
        return submitted(request, b"".join(waiting.pieces), status)
