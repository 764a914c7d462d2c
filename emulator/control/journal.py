"""The log of APDUs: each command's name and status, its bytes where they are nobody's secret."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from emulator.device import Device, Exchange
from protocols.apdu import ApduError, parse_command, parse_response
from protocols.sw import describe

_KEPT = 500


@dataclass(frozen=True, slots=True)
class ApduRecord:
    """One APDU.

    :param number: from 1; the answer comes under the same number.
    :param time: the key's clock, seconds.
    :param header: CLA INS P1 P2; all that there is of bytes that are no APDU.
    :param data: None where the command carries a PIN, a code or a key; so is `answer`.
    :param sw: None while the key waits for a person, and for good if power was lost meanwhile.
    :param ms: milliseconds of the key's clock until the answer.
    """

    number: int
    time: float
    name: str
    header: bytes
    lc: int
    le: int | None
    data: bytes | None
    sw: int | None = None
    meaning: str = ""
    answer: bytes | None = None
    answer_length: int = 0
    ms: float | None = None
    pending: bool = True


class ApduLog:
    """Listens to a device from now on; keeps the last records."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._guard = threading.Lock()
        self._records: deque[ApduRecord] = deque(maxlen=_KEPT)
        self._count = 0
        self._listeners: tuple[Callable[[ApduRecord], None], ...] = ()
        self._stop = device.on_apdu(self._hear)

    def since(self, number: int) -> list[ApduRecord]:
        """The records after that number, oldest first."""
        with self._guard:
            return [record for record in self._records if record.number > number]

    def on_change(self, listener: Callable[[ApduRecord], None]) -> Callable[[], None]:
        """Call `listener` with every record, and again with its answer; returns what ends that.

        It is called under the device's lock: it must not block.
        """
        with self._guard:
            self._listeners += (listener,)

        def remove() -> None:
            with self._guard:
                self._listeners = tuple(other for other in self._listeners if other is not listener)

        return remove

    def close(self) -> None:
        """Stop listening."""
        self._stop()

    def _hear(self, apdu: bytes, exchange: Exchange) -> None:
        self._count += 1
        record = _record(self._device, self._count, apdu)
        if exchange.ended:
            self._put(self._answered(record, exchange))
            return
        self._put(record)
        exchange.on_end(lambda: self._put(self._answered(record, exchange)))

    def _answered(self, record: ApduRecord, exchange: Exchange) -> ApduRecord:
        ms = (self._device.clock.now() - record.time) * 1000
        if exchange.response is None:
            return replace(record, ms=ms, pending=False)
        data, sw = parse_response(exchange.response)
        answer = None if record.data is None else data
        return replace(
            record, sw=sw, meaning=describe(sw), answer=answer, answer_length=len(data), ms=ms, pending=False
        )

    def _put(self, record: ApduRecord) -> None:
        with self._guard:
            place = record.number - (self._records[0].number if self._records else record.number)
            if place == len(self._records):
                self._records.append(record)
            elif place >= 0:  # else it has had to make room before its answer came
                self._records[place] = record
            listeners = self._listeners
        for listener in listeners:
            listener(record)


def _record(device: Device, number: int, apdu: bytes) -> ApduRecord:
    facts = device.command_facts(apdu)
    lc, le, data = max(len(apdu) - 5, 0), None, apdu[5:]
    try:
        command = parse_command(apdu)
        lc, le, data = len(command.data), command.le, command.data
    except ApduError:
        pass  # refused with 6700: what came is told as it came
    return ApduRecord(
        number, device.clock.now(), facts.name, apdu[:4], lc, le, None if facts.secret else data
    )
