"""The reader's end of CCID as a state machine: bytes from the host in, what is to be done out (CCID 1.1).

One slot that takes short and extended APDUs (dwFeatures 0x000400FE). It executes nothing itself: what the card, the
person or the power has to do comes out as an event, and the caller says how it ended.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from protocols.ccid import parameters
from protocols.ccid.events import Cancel, EnterPin, Event, PowerOff, PowerOn, Reply, Transmit
from protocols.ccid.faults import Faults
from protocols.ccid.messages import (
    ANSWER_HEADER,
    COMMAND_HEADER,
    HEADER_SIZE,
    LONGEST_APDU,
    ClassRequest,
    Command,
    CommandStatus,
    FromReader,
    IccStatus,
    Level,
    Notice,
    SlotError,
    ToReader,
)
from protocols.ccid.pin import PinFieldError, parse_secure
from protocols.ccid.stream import CommandStream, TooLong

if TYPE_CHECKING:
    from protocols.usb import Setup  # its package needs construct; this module is to load without


_ABORT = 0x21, ClassRequest.ABORT
"""bmRequestType and bRequest (CCID 1.1, table 5.3-1)."""
_WIRE_VALUES: dict[tuple[int, int], int] = {
    (0xA1, ClassRequest.GET_CLOCK_FREQUENCIES): parameters.CLOCK_KHZ,
    (0xA1, ClassRequest.GET_DATA_RATES): parameters.DATA_RATE_BPS,
}
_SLOT = 0
_DWORD = struct.Struct("<I")
_LENGTH_OFFSET, _SLOT_OFFSET, _FIRST_OFFSET, _SECOND_OFFSET = 1, 5, 7, 8
_XFR_BLOCK, _DATA_BLOCK, _ACTIVE = ToReader.XFR_BLOCK, FromReader.DATA_BLOCK, IccStatus.ACTIVE
_new_transmit = partial(tuple.__new__, Transmit)
"""An event without the generated constructor's call: this is the hot path."""
_CLOCK_STOPPED_LOW = 1
_LAST_POWER_SELECT = 3
_RESTART_CLOCK = 0

_ANSWER_KINDS: dict[int, FromReader] = {
    ToReader.ICC_POWER_ON: FromReader.DATA_BLOCK,
    ToReader.XFR_BLOCK: FromReader.DATA_BLOCK,
    ToReader.SECURE: FromReader.DATA_BLOCK,
    ToReader.GET_PARAMETERS: FromReader.PARAMETERS,
    ToReader.RESET_PARAMETERS: FromReader.PARAMETERS,
    ToReader.SET_PARAMETERS: FromReader.PARAMETERS,
    ToReader.ESCAPE: FromReader.ESCAPE,
    ToReader.SET_DATA_RATE_AND_CLOCK_FREQUENCY: FromReader.DATA_RATE_AND_CLOCK_FREQUENCY,
}
"""What answers a command (CCID 1.1, table 6.1-1); SlotStatus answers the others, unknown ones too."""

_WITHOUT_DATA = frozenset(
    {
        ToReader.ICC_POWER_ON,
        ToReader.ICC_POWER_OFF,
        ToReader.GET_SLOT_STATUS,
        ToReader.GET_PARAMETERS,
        ToReader.RESET_PARAMETERS,
        ToReader.ICC_CLOCK,
        ToReader.T0_APDU,
        ToReader.MECHANICAL,
        ToReader.ABORT,
    }
)


class _Refusal(Exception):  # noqa: N818 -- an answer, not a fault
    """A command fails at once.

    :param error: a SlotError, or the offset of a wrong field.
    """

    def __init__(self, error: int) -> None:
        self.error = error


class Slot:
    """Slot 0. Not thread-safe: its caller calls it under a lock.

    It holds no more than a message of `max_message` bytes, a chained command of 65,544 and a chained answer.

    :param max_message: dwMaxCCIDMessageLength, bytes; longer APDUs are chained.
    :param pin_pad: whether PC_to_RDR_Secure is supported.
    """

    def __init__(self, *, max_message: int, pin_pad: bool, atr: bytes) -> None:
        self._room = max_message - HEADER_SIZE
        self._pin_pad = pin_pad
        self._atr = atr
        self._faults = Faults()
        self.reset()

    def reset(self) -> None:
        """The bus was reset or the device configured anew: no power, nothing begun. Faults to come stay."""
        self._icc = IccStatus.INACTIVE
        self._stream = CommandStream(self._room)
        self._pending: tuple[int, int] | None = None
        self._chain: bytearray | None = None
        self._rest = b""
        self._control_abort: int | None = None
        self._bulk_abort: int | None = None
        self._due: list[Event] = []
        self._parameters = parameters.DEFAULT_T1

    @property
    def missing(self) -> int:
        """Bytes still to come of a begun bulk-OUT message, as far as its header tells; 0 between two."""
        return self._stream.missing

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes of bulk OUT, cut anywhere; whatever they are, an event or a failure's Reply comes of it."""
        if len(data) >= HEADER_SIZE and not self._stream.missing:
            kind, length, slot, seq, first, low, high = COMMAND_HEADER.unpack_from(data)
            if length == len(data) - HEADER_SIZE and length <= self._room:
                if kind == _XFR_BLOCK and length and not (slot or low or high) and self._is_plain():
                    self._chain, self._rest = None, b""
                    self._pending = _DATA_BLOCK, seq
                    return [_new_transmit((data[HEADER_SIZE:],))]
                return self._obey(Command(kind, slot, seq, first, low | high << 8, data[HEADER_SIZE:]))
        return self._feed_pieces(data)

    def cut(self) -> list[Event]:
        """The host's transfer has ended within a message: it is refused, and the next byte begins another."""
        command = self._stream.cut()
        return [] if command is None else self._refuse(command, _LENGTH_OFFSET)

    def respond(self, response: bytes) -> bytes:
        """The card's answer to Transmit or EnterPin.

        :return: the RDR_to_PC_DataBlock to send, the first of them if it is too long for one; nothing if the command
            was aborted.
        """
        if self._pending is None:
            return b""
        kind, seq = self._pending
        self._pending = None
        if len(response) > self._room:
            self._rest = response[self._room :]
            return self._answer(kind, seq, response[: self._room], extra=Level.FIRST)
        return ANSWER_HEADER.pack(kind, len(response), _SLOT, seq, self._icc, 0, 0) + response

    def powered(self) -> bytes:
        """The card has power and is reset: the RDR_to_PC_DataBlock with its ATR; nothing if it was aborted."""
        if self._pending is None:
            return b""
        self._icc = IccStatus.ACTIVE
        return self.respond(self._atr)

    def unpowered(self) -> bytes:
        """The card has no power: the RDR_to_PC_SlotStatus; nothing if it was aborted."""
        self._icc = IccStatus.INACTIVE
        return self._end(CommandStatus.DONE, 0)

    def fail(self, error: SlotError) -> bytes:
        """What was to be done has failed: the answer that says so; nothing if it was aborted."""
        return self._end(CommandStatus.FAILED, error)

    def extension(self, multiplier: int = 1) -> bytes:
        """More time for what is to be done (bmCommandStatus 2); nothing if it was aborted.

        This alone may be called by another thread, while the card is computing.

        :param multiplier: of the block waiting time.
        """
        pending = self._pending
        if pending is None:
            return b""
        kind, seq = pending
        return self._status_answer(kind, seq, CommandStatus.TIME_EXTENSION, multiplier)

    def control(self, setup: Setup, data: bytes) -> bytes | None:
        """A class request on endpoint 0 (5.3); None: stall. After it, do what is `due`."""
        request = setup.request_type, setup.request
        if request == _ABORT and setup.value & 0xFF == _SLOT:
            self._abort_by_control(setup.value >> 8)
            return b""
        value = _WIRE_VALUES.get(request)
        return None if value is None else _DWORD.pack(value)

    def due(self) -> list[Event]:
        """What a control request has given to do, once."""
        events, self._due = self._due, []
        return events

    def inject(self, error: SlotError) -> None:
        """A fault to come: the next command that this error fits fails with it, once."""
        self._faults.add(error)

    def slot_change(self, present: bool) -> bytes:
        """The card was put in or taken out: the RDR_to_PC_NotifySlotChange for the interrupt endpoint (6.3.1)."""
        self._icc = IccStatus.INACTIVE if present else IccStatus.ABSENT
        return bytes((Notice.SLOT_CHANGE, present | 2))

    def _is_plain(self) -> bool:
        """Whether an XfrBlock goes straight to the card."""
        return (
            self._icc is _ACTIVE
            and self._pending is None
            and self._control_abort is None
            and self._bulk_abort is None
            and not self._faults.waiting
        )

    def _feed_pieces(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        for command in self._stream.feed(data):
            if isinstance(command, TooLong):
                events += self._refuse(command.command, _LENGTH_OFFSET)
            else:
                events += self._obey(command)
        return events

    def _obey(self, command: Command) -> list[Event]:
        try:
            return self._execute(command)
        except _Refusal as refusal:
            return self._refuse(command, refusal.error)

    def _execute(self, command: Command) -> list[Event]:
        execute = _EXECUTE.get(command.kind)
        if execute is None:
            raise _Refusal(SlotError.CMD_NOT_SUPPORTED)
        if command.slot != _SLOT:
            raise _Refusal(_SLOT_OFFSET)
        if command.data and command.kind in _WITHOUT_DATA:
            raise _Refusal(_LENGTH_OFFSET)
        if command.kind == ToReader.ABORT:
            return self._abort_by_bulk(command.seq)
        if self._control_abort is not None or self._bulk_abort is not None:
            raise _Refusal(SlotError.CMD_ABORTED)
        if self._pending is not None:
            raise _Refusal(SlotError.CMD_SLOT_BUSY)
        fault = self._faults.take(command.kind)
        if fault is not None:
            raise _Refusal(fault)
        return execute(self, command)

    def _power_on(self, command: Command) -> list[Event]:
        if command.first > _LAST_POWER_SELECT:
            raise _Refusal(_FIRST_OFFSET)
        if self._icc == IccStatus.ABSENT:
            raise _Refusal(SlotError.ICC_MUTE)
        return [self._begin(command, PowerOn())]

    def _power_off(self, command: Command) -> list[Event]:
        if self._icc == IccStatus.ABSENT:
            return self._slot_status(command)
        return [self._begin(command, PowerOff())]

    def _slot_status(self, command: Command) -> list[Event]:
        return [Reply(self._done(command))]

    def _xfr_block(self, command: Command) -> list[Event]:
        self._need_power()
        match command.second:
            case Level.WHOLE if command.data:
                return [self._begin(command, Transmit(command.data))]
            case Level.FIRST:
                self._chain, self._rest = bytearray(command.data), b""
                return self._ask_for_more(command)
            case Level.MIDDLE:
                self._lengthen(command.data)
                return self._ask_for_more(command)
            case Level.LAST:
                apdu = self._lengthen(command.data)
                return [self._begin(command, Transmit(bytes(apdu)))]
            case Level.MORE_PLEASE:
                return [Reply(self._next_piece(command))]
            case Level.WHOLE:
                raise _Refusal(_LENGTH_OFFSET)
        raise _Refusal(_SECOND_OFFSET)

    def _lengthen(self, piece: bytes) -> bytearray:
        """The chained command with the next piece."""
        if self._chain is None:
            raise _Refusal(_SECOND_OFFSET)
        if len(self._chain) + len(piece) > LONGEST_APDU:
            self._chain = None
            raise _Refusal(_LENGTH_OFFSET)
        self._chain += piece
        return self._chain

    def _ask_for_more(self, command: Command) -> list[Event]:
        return [Reply(self._answer(FromReader.DATA_BLOCK, command.seq, extra=Level.MORE_PLEASE))]

    def _next_piece(self, command: Command) -> bytes:
        if command.data:
            raise _Refusal(_LENGTH_OFFSET)
        if not self._rest:
            raise _Refusal(_SECOND_OFFSET)
        piece, self._rest = self._rest[: self._room], self._rest[self._room :]
        level = Level.MIDDLE if self._rest else Level.LAST
        return self._answer(FromReader.DATA_BLOCK, command.seq, piece, extra=level)

    def _secure(self, command: Command) -> list[Event]:
        if not self._pin_pad:
            raise _Refusal(SlotError.CMD_NOT_SUPPORTED)
        self._need_power()
        if command.second != Level.WHOLE:
            raise _Refusal(_SECOND_OFFSET)
        try:
            entry = parse_secure(command.data)
        except PinFieldError as error:
            raise _Refusal(error.offset) from None
        return [self._begin(command, EnterPin(entry))]

    def _get_parameters(self, command: Command) -> list[Event]:
        return [Reply(self._done(command, self._parameters))]

    def _reset_parameters(self, command: Command) -> list[Event]:
        self._parameters = parameters.DEFAULT_T1
        return self._get_parameters(command)

    def _set_parameters(self, command: Command) -> list[Event]:
        if command.first != parameters.PROTOCOL_T1:
            raise _Refusal(_FIRST_OFFSET)
        wrong = parameters.wrong_t1_field(command.data)
        if wrong:
            raise _Refusal(wrong)
        self._parameters = command.data
        return self._get_parameters(command)

    def _escape(self, command: Command) -> list[Event]:
        """A maker's own commands (6.1.8): there is none; the answer is empty."""
        return [Reply(self._done(command))]

    def _clock(self, command: Command) -> list[Event]:
        """The clock runs; it cannot be stopped (dwFeatures has no 0x100)."""
        if command.first != _RESTART_CLOCK:
            raise _Refusal(_FIRST_OFFSET)
        return [Reply(self._done(command))]

    def _not_supported(self, command: Command) -> list[Event]:
        """T0APDU: the card speaks T=1. Mechanical: nothing moves (dwMechanical is 0)."""
        raise _Refusal(SlotError.CMD_NOT_SUPPORTED)

    def _set_rate(self, command: Command) -> list[Event]:
        wrong = parameters.wrong_rate_field(command.data)
        if wrong:
            raise _Refusal(wrong)
        return [Reply(self._done(command, command.data))]

    def _abort_by_control(self, seq: int) -> None:
        """The first or the second half of an abort (5.3.1)."""
        self._stream.drop()
        self._due += self._drop_work()
        if self._bulk_abort is None:
            self._control_abort = seq
        elif self._bulk_abort == seq:
            self._bulk_abort = None
            self._due.append(Reply(self._answer(FromReader.SLOT_STATUS, seq, extra=self._clock_status())))
        else:
            self._due.append(Reply(self._aborted(FromReader.SLOT_STATUS, self._bulk_abort)))
            self._bulk_abort = None
            self._control_abort = seq

    def _abort_by_bulk(self, seq: int) -> list[Event]:
        """The first or the second half of an abort (6.1.13)."""
        if self._control_abort == seq:
            self._control_abort = None
            return [Reply(self._answer(FromReader.SLOT_STATUS, seq, extra=self._clock_status()))]
        if self._control_abort is not None:
            raise _Refusal(SlotError.CMD_ABORTED)
        events = self._drop_work()
        if self._bulk_abort is not None:
            events.append(Reply(self._aborted(FromReader.SLOT_STATUS, self._bulk_abort)))
        self._bulk_abort = seq
        return events

    def _drop_work(self) -> list[Event]:
        """End the pending command, if there is one, and whatever is chained."""
        self._chain, self._rest = None, b""
        if self._pending is None:
            return []
        kind, seq = self._pending
        self._pending = None
        return [Cancel(), Reply(self._aborted(kind, seq))]

    def _need_power(self) -> None:
        if self._icc != IccStatus.ACTIVE:
            raise _Refusal(SlotError.ICC_MUTE)

    def _begin(self, command: Command, event: Event) -> Event:
        self._pending = _ANSWER_KINDS.get(command.kind, FromReader.SLOT_STATUS), command.seq
        self._chain, self._rest = None, b""
        return event

    def _end(self, outcome: CommandStatus, error: int) -> bytes:
        if self._pending is None:
            return b""
        kind, seq = self._pending
        self._pending = None
        return self._status_answer(kind, seq, outcome, error)

    def _refuse(self, command: Command, error: int) -> list[Event]:
        icc = self._icc if command.slot == _SLOT else IccStatus.ABSENT
        kind = _ANSWER_KINDS.get(command.kind, FromReader.SLOT_STATUS)
        status = CommandStatus.FAILED << 6 | icc
        return [
            Reply(ANSWER_HEADER.pack(kind, 0, command.slot, command.seq, status, error, self._extra(kind)))
        ]

    def _done(self, command: Command, data: bytes = b"") -> bytes:
        kind = _ANSWER_KINDS.get(command.kind, FromReader.SLOT_STATUS)
        return self._answer(kind, command.seq, data, extra=self._extra(kind))

    def _aborted(self, kind: int, seq: int) -> bytes:
        return self._status_answer(kind, seq, CommandStatus.FAILED, SlotError.CMD_ABORTED)

    def _status_answer(self, kind: int, seq: int, outcome: CommandStatus, error: int) -> bytes:
        return ANSWER_HEADER.pack(kind, 0, _SLOT, seq, outcome << 6 | self._icc, error, self._extra(kind))

    def _answer(self, kind: int, seq: int, data: bytes = b"", *, extra: int = 0) -> bytes:
        return ANSWER_HEADER.pack(kind, len(data), _SLOT, seq, self._icc, 0, extra) + data

    def _extra(self, kind: int) -> int:
        """The answer's last header byte where it depends on the kind alone: bClockStatus, bProtocolNum, else 0."""
        if kind == FromReader.SLOT_STATUS:
            return self._clock_status()
        return parameters.PROTOCOL_T1 if kind == FromReader.PARAMETERS else 0

    def _clock_status(self) -> int:
        return 0 if self._icc == IccStatus.ACTIVE else _CLOCK_STOPPED_LOW


_EXECUTE: dict[int, Callable[[Slot, Command], list[Event]]] = {
    ToReader.ICC_POWER_ON: Slot._power_on,
    ToReader.ICC_POWER_OFF: Slot._power_off,
    ToReader.GET_SLOT_STATUS: Slot._slot_status,
    ToReader.XFR_BLOCK: Slot._xfr_block,
    ToReader.SECURE: Slot._secure,
    ToReader.GET_PARAMETERS: Slot._get_parameters,
    ToReader.RESET_PARAMETERS: Slot._reset_parameters,
    ToReader.SET_PARAMETERS: Slot._set_parameters,
    ToReader.ESCAPE: Slot._escape,
    ToReader.ICC_CLOCK: Slot._clock,
    ToReader.T0_APDU: Slot._not_supported,
    ToReader.MECHANICAL: Slot._not_supported,
    ToReader.ABORT: Slot._not_supported,
    ToReader.SET_DATA_RATE_AND_CLOCK_FREQUENCY: Slot._set_rate,
}
"""ABORT stands here as a known command; `_execute` sees to it before."""
