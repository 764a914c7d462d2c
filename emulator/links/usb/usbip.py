"""USB/IP: the key on a host's virtual USB bus, over TCP or any other connected stream socket."""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, Protocol

from emulator.links.accepting import Acceptor
from emulator.links.errors import LinkError
from emulator.links.states import LinkState, OnState
from emulator.links.usb import BUS_ID, USBIP_PORT
from emulator.links.usb.function import Function
from emulator.links.usb.transfers import InEndpoint
from protocols.errors import ProtocolError
from protocols.i18n import N_
from protocols.usb import ControlEndpoint, DeviceModel, Setup, Speed
from protocols.usbip import (
    COMMAND_SIZE,
    HEADER_SIZE,
    IMPORT_BODY_SIZE,
    MAX_OUT,
    Error,
    ExportedDevice,
    OpCode,
    Status,
    Submit,
    Unlink,
    import_reply,
    list_reply,
    parse_bus_id,
    parse_command,
    parse_operation,
    submitted,
    unlinked,
)

_log = logging.getLogger(__name__)

DEFAULT_HOST = "127.0.0.1"
SPEED = Speed.HIGH

_PORTS = 32
"""How many ports are tried, from the default one on."""
_BACKLOG = 16
_MAX_CLIENTS = 16
_READ_AHEAD = 4096
"""Bytes: a request and the APDU in it, mostly."""
_PATIENCE_S = 5.0
"""How long a client may take to say what it wants, from its first byte to its last."""
_KEEPALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 20),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 50_000),
)
"""A host that vanishes is noticed after 50 s, also with data on the way to it, which no keepalive follows (tcp(7))."""


class UsbIpError(LinkError):
    """The server's address cannot be had."""


class UsbDevice(Protocol):
    """What a host imports: a `UsbKey`."""

    @property
    def model(self) -> DeviceModel:
        """Its descriptors."""
        ...

    @property
    def functions(self) -> Sequence[Function]:
        """Its interfaces, in their order."""
        ...


class _Out(NamedTuple):
    """An OUT endpoint: where it leads, and the function's own IN endpoints."""

    address: int
    function: Function
    answers: tuple[InEndpoint, ...]

    def must_wait(self) -> bool:
        """Whether the host should first take what the function has sent: a key without room does not acknowledge."""
        return any(map(InEndpoint.is_full, self.answers))


class _Bus:
    """What the functions send through in one configuration: later than that, nothing of it reaches the host."""

    def __init__(self, session: UsbIpSession) -> None:
        self._session = session

    def send(self, endpoint: int, data: bytes, *, message: bool = True) -> None:
        """See `Bus.send`."""
        self._session.send(self, endpoint, data, message)

    def is_taken(self, endpoint: int) -> bool:
        """See `Bus.is_taken`."""
        return self._session.is_taken(endpoint)

    def halt(self, endpoint: int) -> None:
        """See `Bus.halt`."""
        self._session.halt(self, endpoint)


class _Stream:
    """What the host sends, cut as asked for, with as few system calls as it takes.

    A request comes with its data in one piece nearly always.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._receive = connection.recv
        self._ahead = b""

    def read(self, size: int) -> bytes:
        """So many bytes.

        :raises EOFError: the other end has closed.
        """
        ahead = self._ahead
        if size and not ahead:
            ahead = self._receive(_READ_AHEAD)
        while len(ahead) < size:
            piece = self._receive(size - len(ahead), socket.MSG_WAITALL)
            if not piece:
                raise EOFError
            ahead += piece
        self._ahead = ahead[size:]
        return ahead[:size]

    def has(self, size: int) -> bool:
        """Whether so many bytes are here already."""
        return len(self._ahead) >= size


class UsbIpSession:
    """A host has imported the key: its requests (URBs) until it, or `close`, ends the connection.

    :param connection: connected; the session closes it.
    :param on_configured: told, in the session's thread, when the host configures the key or takes that back.
    """

    def __init__(
        self,
        connection: socket.socket,
        key: UsbDevice,
        on_configured: Callable[[bool], None] = lambda configured: None,
    ) -> None:
        self._socket = connection
        self._stream = _Stream(connection)
        self._functions = key.functions
        self._on_configured = on_configured
        self._control_endpoint = ControlEndpoint(key.model, SPEED, key.functions, self._configure)
        self._bus: _Bus | None = None
        self._lock = threading.Lock()
        self._ins: dict[int, InEndpoint] = {}
        outs = [out for function in key.functions for out in self._wire(function)]
        self._handlers: dict[int, Callable[[Submit], None]] = {
            0x00: self._control,
            0x80: self._control,
            **{address: partial(self._take, endpoint) for address, endpoint in self._ins.items()},
            **{out.address: partial(self._put, out) for out in outs},
        }
        self._held: deque[tuple[_Out, Submit, bytes]] = deque()
        self._tcp = connection.family in (socket.AF_INET, socket.AF_INET6)
        if self._tcp:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for level, option, value in _KEEPALIVE:
                connection.setsockopt(level, option, value)

    def serve(self) -> None:
        """Serve until the end; then the key is as if pulled out."""
        try:
            while True:
                command = parse_command(self._stream.read(COMMAND_SIZE))
                if isinstance(command, Unlink):
                    self._unlink(command)
                else:
                    self._handlers.get(command.endpoint, self._refuse)(command)
        except (OSError, EOFError) as error:
            _log.debug("USB/IP: the host has gone: %s", error)
        except ProtocolError as error:
            _log.error("USB/IP: connection ended: %s", error)
        finally:
            self._stop()
            self._socket.close()

    def close(self) -> None:
        """End it from another thread."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    # For the functions, which need not know whether the host is still there, or has configured the key anew.

    def send(self, bus: _Bus, endpoint: int, data: bytes, message: bool) -> None:
        """See `Bus.send`."""
        with self._lock:
            if bus is self._bus:
                self._deliver(self._ins[endpoint].send(data, message))

    def halt(self, bus: _Bus, endpoint: int) -> None:
        """See `Bus.halt`."""
        with self._lock:
            if bus is self._bus:
                self._deliver(self._ins[endpoint].halt())

    def is_taken(self, endpoint: int) -> bool:
        """See `Bus.is_taken`."""
        with self._lock:
            return self._ins[endpoint].is_empty

    def _deliver(self, answers: bytes) -> None:
        """Answer requests for what a function has sent; nothing, where none waits."""
        if answers:
            with contextlib.suppress(OSError):
                self._socket.sendall(answers)

    def _wire(self, function: Function) -> list[_Out]:
        ends, halted = function.interface.endpoints, self._control_endpoint.halted
        own = {
            end.address: InEndpoint(end.address, end.packet_size(SPEED), halted) for end in ends if end.is_in
        }
        self._ins |= own
        return [_Out(end.address, function, tuple(own.values())) for end in ends if not end.is_in]

    def _acknowledge(self) -> None:
        """TCP would wait 40 ms for an answer that goes along, and a host may wait for that before it sends more."""
        if self._tcp:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _data(self, request: Submit) -> bytes:
        """What follows an OUT request."""
        if not self._stream.has(request.length):
            self._acknowledge()
        return self._stream.read(request.length)

    def _control(self, request: Submit) -> None:
        setup = Setup.decode(request.setup)
        data = b"" if request.is_in else self._data(request)
        # HID's reports may come this way too (SET_REPORT): a key without room for the answers takes none.
        has_room = not (data and any(endpoint.is_full() for endpoint in self._ins.values()))
        answer = self._control_endpoint.handle(setup, data) if has_room else None
        if answer is None:
            self._answer(submitted(request, 0, Error.STALL))
        elif request.is_in:
            self._answer(submitted(request, answer[: min(setup.length, request.length)]))
        else:
            self._answer(submitted(request, len(data)))

    def _refuse(self, request: Submit) -> None:
        """There is no such endpoint."""
        if not request.is_in:
            self._data(request)
        self._answer(submitted(request, 0, Error.STALL))

    def _take(self, endpoint: InEndpoint, request: Submit) -> None:
        """The host would take data of an IN endpoint: now, or as soon as there are some."""
        with self._lock:
            answers = endpoint.request(request)
            if answers:
                self._socket.sendall(answers)
            else:
                self._acknowledge()
        while self._held and not self._held[0][0].must_wait():
            self._give(*self._held.popleft())

    def _put(self, out: _Out, request: Submit) -> None:
        """The host brings data to an OUT endpoint."""
        data = self._data(request)
        if self._held or out.must_wait():
            self._hold(out, request, data)
        else:
            self._give(out, request, data)

    def _hold(self, out: _Out, request: Submit, data: bytes) -> None:
        """Keep what the key has no room for; a bounded amount, whatever the host does."""
        held = sum(max(len(data), 1024) for *_, data in self._held)
        if held + len(data) > MAX_OUT:
            raise ProtocolError(N_("USB/IP: more requests wait than any driver sends"))
        self._held.append((out, request, data))

    def _give(self, out: _Out, request: Submit, data: bytes) -> None:
        """Answer the host first: it asks for the key's answer while the key works on it."""
        if self._bus is None or out.address in self._control_endpoint.halted:
            self._answer(submitted(request, 0, Error.STALL))
            return
        self._answer(submitted(request, len(data)))
        out.function.receive(out.address, data)

    def _unlink(self, command: Unlink) -> None:
        with self._lock:
            waited = any(endpoint.unlink(command.unwanted) for endpoint in self._ins.values())
            for held in self._held:
                if held[1].number == command.unwanted:
                    self._held.remove(held)
                    waited = True
                    break
            self._socket.sendall(unlinked(command, waited))

    def _answer(self, answer: bytes) -> None:
        with self._lock:
            self._socket.sendall(answer)

    def _configure(self, configured: bool) -> None:
        """The host has configured the key, anew or for the first time, or takes that back."""
        self._stop()
        if configured:
            bus = self._bus = _Bus(self)
            for function in self._functions:
                function.start(bus)
        self._on_configured(configured)

    def _stop(self) -> None:
        """End what the functions do for the host, and drop what it has not taken."""
        with self._lock:
            bus, self._bus = self._bus, None
            for endpoint in self._ins.values():
                endpoint.clear()
        if bus is not None:
            for function in self._functions:
                function.stop()
        self._held.clear()


class UsbIpLink:
    """A server of one device. Any number of hosts may ask what there is; one at a time has it.

    :param port: None takes the first free one from 3240 on.
    :param on_state: told when a host configures the key and when it is free again: it listens once it is started.
    """

    def __init__(
        self,
        key: UsbDevice,
        host: str = DEFAULT_HOST,
        port: int | None = None,
        on_state: OnState = lambda state: None,
    ) -> None:
        self._key = key
        self._address = (host, port)
        self._on_state = on_state
        self._guard = threading.Lock()
        self._session: UsbIpSession | None = None
        self._closed = False
        self._clients: dict[threading.Thread, socket.socket] = {}

    def start(self) -> None:
        """Listen.

        :raises UsbIpError: the address cannot be had.
        """
        self._listener = _listen(*self._address)
        self._acceptor = Acceptor(self._listener, self._take, "vukey-usbip")

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._listener.getsockname()[1]
        return port

    def close(self) -> None:
        """Send every host away: to them the key is pulled out."""
        self._closed = True
        self._acceptor.close()
        with self._guard:
            clients = dict(self._clients)
        for thread, connection in clients.items():
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join()

    def _take(self, connection: socket.socket) -> None:
        thread = threading.Thread(
            target=self._serve, args=(connection,), name="vukey-usbip-host", daemon=True
        )
        with self._guard:
            if len(self._clients) >= _MAX_CLIENTS:
                connection.close()
                return
            thread.start()
            self._clients[thread] = connection

    def _serve(self, connection: socket.socket) -> None:
        """A client's thread."""
        try:
            with connection:
                self._talk(connection)
        except (OSError, EOFError) as error:
            _log.debug("USB/IP: client lost: %s", error)
        except ProtocolError as error:
            _log.error("USB/IP: client refused: %s", error)
        finally:
            with self._guard:
                del self._clients[threading.current_thread()]

    def _talk(self, connection: socket.socket) -> None:
        """One question, and after an import the device."""
        question = _Question(connection, _PATIENCE_S)
        operation = parse_operation(question.receive(HEADER_SIZE))
        if operation is OpCode.LIST:
            free = [] if self._session else [self._exported]
            connection.sendall(list_reply(free))
        else:
            self._import(connection, parse_bus_id(question.receive(IMPORT_BODY_SIZE)))

    @property
    def _exported(self) -> ExportedDevice:
        return ExportedDevice(self._key.model, BUS_ID, SPEED)

    def _import(self, connection: socket.socket, bus_id: str) -> None:
        if bus_id != BUS_ID:
            connection.sendall(import_reply(Status.NO_DEVICE))
            return
        session = UsbIpSession(connection, self._key, self._configured)
        with self._guard:
            is_free = self._session is None
            if is_free:
                self._session = session
        if not is_free:
            connection.sendall(import_reply(Status.BUSY))
            return
        try:
            connection.sendall(import_reply(Status.OK, self._exported))
            connection.settimeout(None)
            session.serve()
        finally:
            self._session = None
        if not self._closed:
            self._on_state(LinkState.LISTENING)

    def _configured(self, configured: bool) -> None:
        self._on_state(LinkState.CONFIGURED if configured else LinkState.LISTENING)


class _Question:
    """What a client asks, all of it in one time, so that nobody keeps a place by a byte now and then."""

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        self._socket = connection
        self._deadline = time.monotonic() + seconds

    def receive(self, size: int) -> bytes:
        """So many bytes.

        :raises EOFError: the other end has closed.
        :raises TimeoutError: they have not come in time.
        """
        data = b""
        while len(data) < size:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._socket.settimeout(left)
            piece = self._socket.recv(size - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data


def _listen(host: str, port: int | None) -> socket.socket:
    """Listen there.

    :param port: None: the first free one.
    :raises UsbIpError: none can be had.
    """
    ports = (port,) if port else range(USBIP_PORT, USBIP_PORT + _PORTS)
    for candidate in ports:
        try:
            family, *_, address = socket.getaddrinfo(host, candidate, type=socket.SOCK_STREAM)[0]
            return socket.create_server(address, family=family, backlog=_BACKLOG)
        except OSError as error:
            failed = error
            if error.errno != errno.EADDRINUSE:
                break
    raise UsbIpError(
        N_("USB/IP cannot listen at {host}:{port}: {reason}"),
        host=host, port=candidate, reason=failed.strerror,
    )  # fmt: skip
