"""The bare responder over USB/IP, put straight into vhci_hcd: through a socket pair, or through TCP.

python -m bench.bare_usbip VID:PID SERIAL unix|tcp
"""

from __future__ import annotations

import socket
import struct
import sys
from collections import deque
from pathlib import Path

from bench import bare_ccid

_VHCI = Path("/sys/devices/platform/vhci_hcd.0")
_FREE = "004"
_DEVICE_ID, _HIGH_SPEED = 0x10002, 3
_SUBMIT, _UNLINK, _SUBMITTED, _UNLINKED = 1, 2, 3, 4
_STALL, _RESET = -32, -104  # -EPIPE, -ECONNRESET
_BULK_IN, _BULK_OUT = 1, 2
_COMMAND = struct.Struct(">IIIIIIi12s8s")  # Documentation/usb/usbip_protocol.rst


class Session:
    """URBs on a stream: bulk OUT is answered by the next bulk IN; interrupt IN is never answered."""

    def __init__(self, connection: socket.socket, descriptors: dict[int, bytes]) -> None:
        self._connection = connection
        self._descriptors = descriptors
        self._waiting, self._answers = deque[int](), deque[bytes]()

    def serve(self) -> None:
        """Until the host's end is closed."""
        receive = self._connection.recv
        while header := receive(_COMMAND.size, socket.MSG_WAITALL):
            command, sequence, _, is_in, endpoint, flags, length, _, setup = _COMMAND.unpack(header)
            with_data = command == _SUBMIT and length and not is_in
            data = receive(length, socket.MSG_WAITALL) if with_data else b""
            if command == _UNLINK:
                self._unlink(sequence, flags)
            elif endpoint == _BULK_OUT:
                self._submitted(sequence, 0, length)
                self._answers.append(bare_ccid.answer(data))
            elif endpoint == _BULK_IN:
                self._waiting.append(sequence)
            elif endpoint == 0:
                self._control(sequence, setup)
            while self._waiting and self._answers:
                answer = self._answers.popleft()
                self._submitted(self._waiting.popleft(), 0, len(answer), answer)

    def _submitted(self, sequence: int, status: int, length: int = 0, data: bytes = b"") -> None:
        head = struct.pack(">IIIIIii20x", _SUBMITTED, sequence, 0, 0, 0, status, length)
        self._connection.sendall(head + data)

    def _unlink(self, sequence: int, victim: int) -> None:
        self._waiting = deque(number for number in self._waiting if number != victim)
        self._connection.sendall(struct.pack(">IIIIIi24x", _UNLINKED, sequence, 0, 0, 0, _RESET))

    def _control(self, sequence: int, setup: bytes) -> None:
        kind, request, value, _, length = struct.unpack("<BBHHH", setup)
        asked = (kind, request) == (0x80, 6)  # GET_DESCRIPTOR; all else, SET_CONFIGURATION for one, is taken
        data = self._descriptors.get(value, b"")[:length] if asked else b""
        self._submitted(sequence, 0 if data or not kind & 0x80 else _STALL, len(data), data)


def descriptors(vid: int, pid: int, serial: str) -> dict[int, bytes]:
    """By wValue of GET_DESCRIPTOR (USB 2.0, 9.4.3): device, configuration, strings."""
    device = struct.pack("<BBHBBBBHHHBBBB", 18, 1, 0x200, 0, 0, 0, 64, vid, pid, 0x100, 1, 2, 3, 1)
    interface = bare_ccid.interface(512)
    configuration = struct.pack("<BBHBBBBB", 9, 2, 9 + len(interface), 1, 1, 0, 0x80, 50) + interface
    texts = [text.encode("utf-16le") for text in (bare_ccid.MAKER, bare_ccid.PRODUCT, serial)]
    strings = [bytes([2 + len(text), 3]) + text for text in (b"\x09\x04", *texts)]
    return dict(enumerate(strings, 0x300)) | {0x100: device, 0x200: configuration}


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Both ends of a connection on the loopback interface, as the usbip tool sets it up."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        hosts = socket.create_connection(server.getsockname())
        ours, _ = server.accept()
    for end in (ours, hosts):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return ours, hosts


def main(ids: str, serial: str, kind: str) -> None:
    """Plug it in, and answer until killed."""
    ours, hosts = tcp_pair() if kind == "tcp" else socket.socketpair()
    ports = (line.split() for line in (_VHCI / "status").read_text().splitlines()[1:])
    port = next(number for hub, number, state, *_ in ports if (hub, state) == ("hs", _FREE))
    (_VHCI / "attach").write_text(f"{int(port)} {hosts.fileno()} {_DEVICE_ID} {_HIGH_SPEED}")
    hosts.close()
    vid, pid = (int(part, 16) for part in ids.split(":"))
    Session(ours, descriptors(vid, pid, serial)).serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
