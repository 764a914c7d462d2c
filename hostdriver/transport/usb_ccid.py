"""A CCID key over pyusb, without PC/SC: the host's end of CCID 1.1 at the level of APDUs."""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self

from hostdriver.errors import (
    AnswerError,
    CancelledError,
    ConfirmTimeoutError,
    HostError,
    KeyBusyError,
    KeyRemovedError,
    NoPinPadError,
)
from hostdriver.transport.usb_interface import UsbError, UsbInterface, UsbSilenceError, UsbStallError, removed
from protocols.ccid import (
    HEADER_SIZE,
    LONGEST_MESSAGE,
    Answer,
    CcidError,
    ClassRequest,
    Command,
    FromReader,
    IccStatus,
    Level,
    Notice,
    PinModify,
    PinVerify,
    SlotError,
    ToReader,
    abort_value,
    apdu_pieces,
    error_name,
)
from protocols.ccid.descriptor import ClassDescriptor, parse_class_descriptor
from protocols.ccid.messages import ANSWER_HEADER
from protocols.i18n import N_
from protocols.sw import SW

if TYPE_CHECKING:
    import usb.core

SILENCE_S = 60.0
"""How long a key may be silent that has a command: it answers or asks for time; some compute long without either."""
_SLICE_MS = 2000
"""Longest uninterrupted wait: pyusb hears no Ctrl-C. Longer than keys let pass between two requests for time."""
_ABORT_S = 5.0
"""How long an abort may take; a living key takes milliseconds."""
_LAST_WORD_S = 0.02
"""How long an answer that is on its way may take."""
_NOTICE_MS = 10
_NOTICE_SIZE = 8
_MAX_NOTICES = 8
_MAX_STALE = 16
"""Answers to what others asked before us that are passed over."""
_LONGEST_RESPONSE = 0x10000 + 2
_PRESENT = 1
_DESCRIPTOR_TYPES = (0x21, 0xFF)
"""The class's own, and the one of keys that are older than the class (as libccid takes both)."""


class ReaderError(UsbError):
    """The key's USB side failed a command (CCID 1.1, table 6.2-2).

    :param code: bError: a SlotError, or the offset of a wrong field.
    """

    def __init__(self, code: int) -> None:
        super().__init__(N_("the key's USB side reports {error} (CCID)"), error=error_name(code))
        self.code = code


class UsbCcidTransport:
    """A claimed and powered key.

    :param interface: its CCID function.
    :param reader: what its class descriptor says.
    """

    def __init__(self, interface: UsbInterface, reader: ClassDescriptor, name: str) -> None:
        self._interface = interface
        self._reader = reader
        self._name = name
        self._max_message = min(reader.max_message, LONGEST_MESSAGE)
        packet = interface.packet_size
        # Longer than any message, so that an empty packet behind a whole number of full ones is taken with it.
        self._buffer = array("B", bytes((self._max_message // packet + 1) * packet))
        self._seq = 0
        self._one_at_a_time = threading.Lock()
        self._is_open = True

    @classmethod
    def open(cls, device: usb.core.Device, number: int, name: str) -> Self:
        """Claim the device's interface of that number and power the key.

        :raises KeyClaimedError: another program has it.
        :raises UsbError: it is no reader that takes APDUs.
        """
        interface = UsbInterface.open(device, number)
        try:
            reader = _class_descriptor(interface.class_descriptor)
            if not (interface.bulk_in and interface.bulk_out and interface.packet_size):
                raise UsbError(N_("the USB device says nothing of the reader that it is (CCID)"))
            if not reader.short_apdus:
                raise UsbError(N_("this reader takes no APDUs from USB; use PC/SC: --token pcsc"))
            transport = cls(interface, reader, name)
            transport.reset()
        except BaseException:
            interface.close()
            raise
        return transport

    @property
    def name(self) -> str:
        """As ``--token`` takes it."""
        return self._name

    def exchange(self, apdu: bytes) -> bytes:
        """One APDU; blocks while the key waits for a person. Ctrl-C takes the request back, screen and all.

        :raises KeyRemovedError: the key is gone.
        :raises ReaderError: its USB side failed.
        """
        with self._conversation():
            for level, piece in apdu_pieces(apdu, self._max_message):
                answer = self._command(ToReader.XFR_BLOCK, FromReader.DATA_BLOCK, piece, level)
            return self._rest_of(answer)

    def reset(self) -> bytes:
        """Power off and on; the ATR.

        :raises KeyRemovedError: the key is gone.
        """
        with self._conversation():
            try:
                self._command(ToReader.ICC_POWER_OFF, FromReader.SLOT_STATUS)
            except KeyBusyError:  # with what a program asked that died here: nobody else has the interface
                self._abort()
                self._command(ToReader.ICC_POWER_OFF, FromReader.SLOT_STATUS)
            return self._command(ToReader.ICC_POWER_ON, FromReader.DATA_BLOCK).data

    def verify_pin(self, entry: PinVerify) -> bytes:
        """See `PinPad.verify_pin`.

        :raises NoPinPadError: the key takes no PIN on its own keypad.
        """
        return self._secure(entry, self._reader.pin_verify)

    def modify_pin(self, entry: PinModify) -> bytes:
        """See `PinPad.modify_pin`.

        :raises NoPinPadError: the key takes no PIN on its own keypad.
        """
        return self._secure(entry, self._reader.pin_modify)

    def close(self) -> None:
        """Take the power away, which ends every login, and release the interface."""
        with self._one_at_a_time:
            if not self._is_open:
                return
            self._is_open = False
            with suppress(HostError):
                self._send(ToReader.ICC_POWER_OFF)
                self._receive(_ABORT_S)
            self._interface.close()

    def _secure(self, entry: PinVerify | PinModify, has_keypad: bool) -> bytes:
        if not has_keypad:
            raise NoPinPadError
        with self._conversation():
            return self._command(ToReader.SECURE, FromReader.DATA_BLOCK, entry.encode()).data

    @contextmanager
    def _conversation(self) -> Iterator[None]:
        """Keep others out, and leave the key idle if a command is given up.

        :raises KeyRemovedError: this way to the key is closed.
        """
        with self._one_at_a_time:
            if not self._is_open:
                raise KeyRemovedError(N_("the key was let go"))
            try:
                yield
            except (KeyboardInterrupt, UsbSilenceError):
                self._abort()
                raise
            except UsbStallError:
                self._clear_halts()
                raise

    def _command(
        self, kind: ToReader, answered_by: FromReader, data: bytes = b"", level: Level = Level.WHOLE
    ) -> Answer:
        """A command and its answer, with the person's time in between.

        :raises HostError: the typed error of a failed command.
        """
        self._send(kind, data, level)
        answer = self._answer()
        if answer.failed:
            raise _error_of(answer)
        if answer.kind != answered_by:
            raise AnswerError(N_("the key's USB side answers with message {kind}"), kind=f"{answer.kind:02X}")
        return answer

    def _rest_of(self, answer: Answer) -> bytes:
        """The whole response, of which this is the first piece or all (CCID 1.1, 6.2.1)."""
        response = answer.data
        while answer.extra in (Level.FIRST, Level.MIDDLE):
            answer = self._command(ToReader.XFR_BLOCK, FromReader.DATA_BLOCK, level=Level.MORE_PLEASE)
            response += answer.data
            if not answer.data or len(response) > _LONGEST_RESPONSE:
                raise AnswerError(N_("the key's answer does not end"))
        return response

    def _send(self, kind: ToReader, data: bytes = b"", level: Level = Level.WHOLE) -> None:
        self._seq = (self._seq + 1) & 0xFF
        message = Command(kind, 0, self._seq, second=level, data=data).encode()
        self._interface.write(self._interface.bulk_out, message)

    def _answer(self) -> Answer:
        """The answer to the last command; those to earlier ones, and requests for time, are passed over."""
        stale = 0
        while stale < _MAX_STALE:
            answer = self._receive(SILENCE_S)
            if answer.seq != self._seq:
                stale += 1
            elif answer.asks_time:
                self._see_whether_it_is_there()
            else:
                return answer
        raise AnswerError(N_("the key answers other commands than the one that it was sent"))

    def _receive(self, seconds: float) -> Answer:
        """The next message, however many transfers it takes.

        :raises UsbSilenceError: none came in that time.
        :raises AnswerError: what came is none.
        """
        deadline = time.monotonic() + seconds
        message = self._read(deadline)
        try:
            while len(message) < HEADER_SIZE or self._missing(message) > 0:
                message += self._read(deadline)
            return Answer.decode(message, max_message=self._max_message)
        except CcidError as error:
            raise AnswerError(error.message, **error.values) from None

    def _missing(self, message: bytes) -> int:
        """How many bytes of a message are still to come; none of one that is too long to be good."""
        size = HEADER_SIZE + int(ANSWER_HEADER.unpack_from(message)[1])
        return size - len(message) if size <= self._max_message else 0

    def _read(self, deadline: float) -> bytes:
        """What the next transfer brings; an empty one, and silence, are waited out."""
        while True:
            with suppress(UsbSilenceError):
                left_ms = max(int((deadline - time.monotonic()) * 1000), 1)
                count = self._interface.read(self._interface.bulk_in, self._buffer, min(left_ms, _SLICE_MS))
                if count:
                    return self._buffer[:count].tobytes()
            if time.monotonic() >= deadline:
                raise UsbSilenceError(N_("the key does not answer on USB; plug it in again"))

    def _see_whether_it_is_there(self) -> None:
        """Hear what the interrupt endpoint has to say (CCID 1.1, 6.3.1).

        :raises KeyRemovedError: that the card has gone.
        """
        if not self._interface.interrupt_in:
            return
        buffer = array("B", bytes(_NOTICE_SIZE))
        with suppress(UsbSilenceError):
            for _ in range(_MAX_NOTICES):
                count = self._interface.read(self._interface.interrupt_in, buffer, _NOTICE_MS)
                if count > 1 and buffer[0] == Notice.SLOT_CHANGE and not buffer[1] & _PRESENT:
                    raise removed()

    def _abort(self) -> None:
        """Take the pending command back, by control request and message of one number (CCID 1.1, 5.3.1)."""
        deadline = time.monotonic() + _ABORT_S
        with suppress(HostError):
            if self._has_just_ended():
                return
            self._interface.request(ClassRequest.ABORT, abort_value((self._seq + 1) & 0xFF))
            self._send(ToReader.ABORT)
            while time.monotonic() < deadline:
                if self._receive(_ABORT_S).seq == self._seq:
                    return

    def _has_just_ended(self) -> bool:
        """Take what lies there of the pending command: a key may do nothing else before; whether it was the answer."""
        with suppress(UsbSilenceError):
            for _ in range(_MAX_STALE):
                answer = self._receive(_LAST_WORD_S)
                if answer.seq == self._seq and not answer.asks_time:
                    return True
        return False

    def _clear_halts(self) -> None:
        with suppress(HostError):
            self._interface.clear_halt(self._interface.bulk_out)
            self._interface.clear_halt(self._interface.bulk_in)


def _class_descriptor(extra: bytes) -> ClassDescriptor:
    """The reader's descriptor among those that follow its interface's.

    :raises UsbError: there is none.
    """
    while len(extra) > 1 and extra[0] > 1:
        if extra[1] in _DESCRIPTOR_TYPES:
            with suppress(CcidError):
                return parse_class_descriptor(extra[: extra[0]])
        extra = extra[extra[0] :]
    raise UsbError(N_("the USB device says nothing of the reader that it is (CCID)"))


def _error_of(answer: Answer) -> HostError:
    if answer.icc == IccStatus.ABSENT:
        return removed()
    if answer.error == SlotError.CMD_SLOT_BUSY:
        return KeyBusyError(SW.BUSY)
    if answer.error == SlotError.PIN_CANCELLED:
        return CancelledError(SW.CANCELLED)
    if answer.error == SlotError.PIN_TIMEOUT:
        return ConfirmTimeoutError(SW.TIMED_OUT)
    return ReaderError(answer.error)
