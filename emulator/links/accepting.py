"""Taking connections, for as long as a link listens."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Callable

_log = logging.getLogger(__name__)

_FIRST_PAUSE_S = 0.01
_LONGEST_PAUSE_S = 1.0


class Acceptor:
    """A thread that hands each connection to `take`, until it is closed; nothing else ends it.

    Files, memory or threads that have run out come back, and a client that has left before its turn is gone
    (accept(2), ERRORS): it tries again after a pause, and says so once for each time of trouble.

    :param listener: listens already; closed with this.
    :param take: starts a thread for the connection; an OSError or RuntimeError of it closes the connection.
    :param name: the thread's.
    """

    def __init__(self, listener: socket.socket, take: Callable[[socket.socket], None], name: str) -> None:
        self._listener = listener
        self._take = take
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it; what was handed over is not its business."""
        self._closed.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        pause = _FIRST_PAUSE_S
        while not self._closed.is_set():
            try:
                self._accept()
            except (OSError, RuntimeError, MemoryError) as error:
                if pause == _FIRST_PAUSE_S and not self._closed.is_set():
                    _log.warning("a connection could not be taken: %s; it is tried again", error)
                self._closed.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
            else:
                pause = _FIRST_PAUSE_S

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        try:
            self._take(connection)
        except BaseException:
            connection.close()
            raise
