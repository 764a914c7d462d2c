"""A host at the key's CCID interface, without a bus: bytes to the bulk-OUT endpoint, and what comes back."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from emulator.links.usb.ccid import CcidFunction
from emulator.sharing import SharedKey
from protocols.usb import Setup
from tests.rig.patience import PATIENCE_S

BULK_IN, BULK_OUT, INTERRUPT_IN = 0x81, 0x02, 0x83
POWER_ON, POWER_OFF, STATUS, XFR, ABORT, SECURE = 0x62, 0x63, 0x65, 0x6F, 0x72, 0x69
"""bMessageType (CCID 1.1, table 6.1-1)."""


class Wire:
    """Takes what the key sends; a stopped one takes nothing, as a host that does not read."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._sent: dict[int, deque[bytes]] = {BULK_IN: deque(), INTERRUPT_IN: deque()}
        self._reads = True
        self.blocked = threading.Event()
        self.senders: list[threading.Thread] = []
        self._unread_seen = 0

    def send(self, endpoint: int, data: bytes, *, message: bool = True) -> None:
        """As `Bus.send`."""
        assert message
        with self._changed:
            if not self._reads:
                self.blocked.set()
                assert self._changed.wait_for(lambda: self._reads, PATIENCE_S)
            self.senders.append(threading.current_thread())
            self._sent[endpoint].append(data)
            self._changed.notify_all()

    def is_taken(self, endpoint: int) -> bool:
        """As `Bus.is_taken`."""
        with self._changed:
            taken = not self._sent[endpoint]
            self._unread_seen += not taken
            self._changed.notify_all()
            return taken

    def wait_until_unread_is_seen(self, times: int) -> None:
        """Until the key has found that the host has not read, so many times."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._unread_seen >= times, PATIENCE_S)

    def halt(self, endpoint: int) -> None:
        """As `Bus.halt`: a CCID has nothing to halt for."""
        raise AssertionError(f"endpoint {endpoint:02x} was halted")

    def read(self, endpoint: int = BULK_IN) -> bytes:
        """The next transfer, as soon as it comes."""
        with self._changed:
            assert self._changed.wait_for(lambda: bool(self._sent[endpoint]), PATIENCE_S)
            return self._sent[endpoint].popleft()

    @property
    def silent(self) -> bool:
        """Whether nothing has come on bulk IN."""
        with self._changed:
            return not self._sent[BULK_IN]

    @contextmanager
    def unread(self) -> Iterator[None]:
        """Meanwhile the host does not read."""
        with self._changed:
            self._reads = False
        yield
        with self._changed:
            self._reads = True
            self._changed.notify_all()


class Reader:
    """A host that has configured the device.

    :param extension_s: as the function takes it.
    """

    def __init__(self, shared: SharedKey, extension_s: float = 3600.0) -> None:
        self.function = CcidFunction(shared, 0, 1, extension_s=extension_s)
        self.wire = Wire()
        self.function.start(self.wire)

    def close(self) -> None:
        """The host has gone."""
        self.function.stop()

    def send(self, kind: int, data: bytes = b"", *, seq: int = 0, tail: str = "000000") -> None:
        """A PC_to_RDR_* message; `tail` is what the last three bytes of its header are."""
        self.raw(message(kind, data, seq=seq, tail=tail))

    def raw(self, data: bytes) -> None:
        """Bytes on bulk OUT."""
        self.function.receive(BULK_OUT, data)

    def ask(self, kind: int, data: bytes = b"", *, seq: int = 0, tail: str = "000000") -> bytes:
        """A message and its answer, without time extensions."""
        self.send(kind, data, seq=seq, tail=tail)
        return self.answer()

    def answer(self) -> bytes:
        """The next answer that is no time extension."""
        while (answer := self.wire.read())[7] & 0xC0 == 0x80:
            pass
        return answer

    def power_on(self) -> bytes:
        """The ATR."""
        answer = self.ask(POWER_ON)
        assert answer[7] == 0
        return answer[10:]

    def apdu(self, apdu: bytes | str) -> bytes:
        """An APDU and the card's answer."""
        answer = self.ask(XFR, bytes.fromhex(apdu) if isinstance(apdu, str) else apdu)
        assert (answer[0], answer[7]) == (0x80, 0), answer.hex(" ")
        return answer[10:]

    def abort_by_control(self, seq: int) -> None:
        """The control request ABORT (CCID 1.1, 5.3.1): the slot in wValue's low byte, the number in its high one."""
        setup = Setup(request_type=0x21, request=1, value=seq << 8, index=0, length=0)
        assert self.function.control(setup, b"") == b""


def message(kind: int, data: bytes = b"", *, seq: int = 0, tail: str = "000000") -> bytes:
    """Ten bytes of header and the data (CCID 1.1, 6.1)."""
    return bytes((kind,)) + len(data).to_bytes(4, "little") + bytes((0, seq)) + bytes.fromhex(tail) + data


def failed(answer: bytes) -> int | None:
    """bError of a command that failed, None of one that did not (CCID 1.1, 6.2.6)."""
    return answer[8] if answer[7] & 0xC0 == 0x40 else None


class ReaderTransport:
    """A GM/T session's way through CCID."""

    name = "reader"

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def exchange(self, apdu: bytes) -> bytes:
        """One APDU and its answer."""
        return self._reader.apdu(apdu)

    def reset(self) -> bytes:
        """Power; the ATR."""
        return self._reader.power_on()

    def close(self) -> None:
        """Take the power away."""
        self._reader.ask(POWER_OFF)
