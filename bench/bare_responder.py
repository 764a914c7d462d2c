"""The floor of the vpcd benchmark: a card that takes every APDU for GenRandom(8) and does nothing else.

Round trips through pcscd to the key are compared with round trips through pcscd to this, in one run.

    python bench/bare_responder.py HOST:PORT
"""

from __future__ import annotations

import os
import socket
import struct
import sys

ATR = bytes.fromhex("3B80800101")  # the shortest ATR that offers T=0 and T=1 (ISO 7816-3)
OK = bytes.fromhex("9000")

_ASKS_FOR_ATR = b"\x04"


def _receive(connection: socket.socket, size: int) -> bytes:
    """Exactly `size` bytes.

    vpcd sends a length and its body apart: a delayed acknowledgement of the first would hold back the second for
    40 ms. The kernel forgets TCP_QUICKACK, so it is asked for again each time.
    """
    received = b""
    while len(received) < size:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        piece = connection.recv(size - len(received))
        if not piece:
            raise EOFError
        received += piece
    return received


def serve(connection: socket.socket) -> None:
    """Answer vpcd on an open connection until it closes."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        while True:
            (size,) = struct.unpack(">H", _receive(connection, 2))
            request = _receive(connection, size)
            if size > 1 or request == _ASKS_FOR_ATR:
                answer = os.urandom(8) + OK if size > 1 else ATR
                connection.sendall(struct.pack(">H", len(answer)) + answer)
    except (EOFError, ConnectionResetError):
        pass


if __name__ == "__main__":
    host, _, port = sys.argv[1].rpartition(":")
    with socket.create_connection((host, int(port))) as reader:
        serve(reader)
