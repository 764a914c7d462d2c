"""A USB/IP host's end, as small as can be: what Linux's vhci_hcd sends, laid out from the kernel's protocol text."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple, Self

from tests.rig.patience import PATIENCE_S

SET_CONFIGURATION = bytes.fromhex("00 09 01 00 00 00 00 00")
STALL = -32
UNLINKED = -104
_COMMAND = struct.Struct(">IIIIIIiiiI8s")
_ANSWER = struct.Struct(">IIIIIiiiii8x")


class Answer(NamedTuple):
    """A RET_SUBMIT (3) or RET_UNLINK (4)."""

    kind: int
    number: int
    status: int
    size: int
    data: bytes


class UsbIpHost:
    """Requests to an imported device over a connected socket; a request's number is its place in line, from 1 on."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(PATIENCE_S)
        self.connection = connection
        self._number = 0
        self._sent: dict[int, bool] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def submit(
        self, endpoint: int, data: bytes = b"", *, room: int = 0, flags: int = 0, setup: bytes = bytes(8)
    ) -> int:
        """Send a request: data OUT, or room for data IN; its number."""
        self._number += 1
        is_in = endpoint >= 0x80
        self._sent[self._number] = is_in
        header = _COMMAND.pack(
            1,
            self._number,
            0x10002,
            is_in,
            endpoint & 15,
            flags,
            room if is_in else len(data),
            0,
            0,
            0,
            setup,
        )
        self.connection.sendall(header + data)
        return self._number

    def unlink(self, unwanted: int) -> int:
        """Take a request back; the number of this command."""
        self._number += 1
        self.connection.sendall(struct.pack(">IIIIII24x", 2, self._number, 0x10002, 0, 0, unwanted))
        return self._number

    def answer(self) -> Answer:
        """The next answer."""
        kind, number, _, _, _, status, size, *_ = _ANSWER.unpack(receive(self.connection, 48))
        has_data = kind == 3 and self._sent[number] and size > 0
        return Answer(kind, number, status, size, receive(self.connection, size) if has_data else b"")

    def control(self, setup: bytes, data: bytes = b"") -> Answer:
        """A control request and its answer."""
        size = int.from_bytes(setup[6:8], "little")
        self.submit(0x80 if setup[0] & 0x80 else 0, data, room=size, setup=setup)
        return self.answer()

    def configure(self) -> None:
        """Set the configuration, as every host does before it uses an endpoint."""
        assert self.control(SET_CONFIGURATION).status == 0


def receive(connection: socket.socket, size: int) -> bytes:
    """So many bytes."""
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def ask_for_list(address: tuple[str, int]) -> bytes:
    """OP_REQ_DEVLIST; the whole reply."""
    with socket.create_connection(address, PATIENCE_S) as connection:
        connection.sendall(bytes.fromhex("0111 8005 00000000"))
        reply = b""
        while piece := connection.recv(4096):
            reply += piece
        return reply


def ask_for_import(address: tuple[str, int], bus_id: bytes = b"1-1") -> socket.socket:
    """OP_REQ_IMPORT; the connection, with the device's 312 bytes read off.

    :raises ImportRefusedError: it is not to be had.
    """
    connection = socket.create_connection(address, PATIENCE_S)
    connection.sendall(bytes.fromhex("0111 8003 00000000") + bus_id.ljust(32, b"\0"))
    version, code, status = struct.unpack(">HHI", receive(connection, 8))
    assert (version, code) == (0x0111, 0x0003)
    if status:
        assert connection.recv(1) == b""
        connection.close()
        raise ImportRefusedError(status)
    assert receive(connection, 312)[256:288].rstrip(b"\0") == bus_id
    return connection


class ImportRefusedError(Exception):
    """The status of a reply that was no yes."""


class CcidOverUsbIp:
    """A GM/T session's way to the first interface, a CCID one with endpoints 81, 02 and 83 (CCID 1.1, 6.1 and 6.2)."""

    name = "usbip"

    def __init__(self, host: UsbIpHost) -> None:
        self.host = host

    def ask(self, kind: int, data: bytes = b"") -> bytes:
        """A PC_to_RDR_* message and its answer's data."""
        self.begin(kind, data)
        self.host.submit(0x81, room=65_554)
        answer = self.host.answer()
        assert answer.data[7] == 0, answer.data.hex(" ")
        return answer.data[10:]

    def begin(self, kind: int, data: bytes) -> None:
        """A message without waiting for its answer."""
        self.host.submit(0x02, bytes((kind,)) + len(data).to_bytes(4, "little") + bytes(5) + data)
        assert self.host.answer().status == 0

    def exchange(self, apdu: bytes) -> bytes:
        """One APDU and its answer."""
        return self.ask(0x6F, apdu)

    def reset(self) -> bytes:
        """Power; the ATR."""
        return self.ask(0x62)

    def close(self) -> None:
        """Take the power away."""
        self.ask(0x63)
