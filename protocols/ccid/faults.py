"""Faults that a developer asks for, each kept until a command comes that it fits."""

from __future__ import annotations

from protocols.ccid.messages import SlotError, ToReader

_POWER_ON = frozenset({ToReader.ICC_POWER_ON})
_EXCHANGE = frozenset({ToReader.XFR_BLOCK, ToReader.SECURE})
_CARD = _POWER_ON | _EXCHANGE
_PIN = frozenset({ToReader.SECURE})
_ANY = frozenset(ToReader) - {ToReader.GET_SLOT_STATUS, ToReader.ICC_POWER_OFF, ToReader.ABORT}
"""Not those that drivers send by themselves again and again: the person who asked would never see the fault."""

_FITS = {
    SlotError.CMD_ABORTED: _ANY,
    SlotError.ICC_MUTE: _CARD,
    SlotError.XFR_PARITY_ERROR: _CARD,
    SlotError.XFR_OVERRUN: _CARD,
    SlotError.HW_ERROR: _ANY,
    SlotError.BAD_ATR_TS: _POWER_ON,
    SlotError.BAD_ATR_TCK: _POWER_ON,
    SlotError.ICC_PROTOCOL_NOT_SUPPORTED: _POWER_ON,
    SlotError.ICC_CLASS_NOT_SUPPORTED: _POWER_ON,
    SlotError.PROCEDURE_BYTE_CONFLICT: _EXCHANGE,
    SlotError.DEACTIVATED_PROTOCOL: _EXCHANGE,
    SlotError.BUSY_WITH_AUTO_SEQUENCE: _ANY,
    SlotError.PIN_TIMEOUT: _PIN,
    SlotError.PIN_CANCELLED: _PIN,
    SlotError.CMD_SLOT_BUSY: _ANY,
    SlotError.CMD_NOT_SUPPORTED: _ANY,
}
"""Which commands an error may answer, by what table 6.2-2 of CCID 1.1 says of its cause."""


class Faults:
    """The faults to come: those ``waiting``, in the order in which they were asked for; each at most once at a time."""

    def __init__(self) -> None:
        self.waiting: list[SlotError] = []

    def add(self, error: SlotError) -> None:
        """Wait for a command that `error` fits."""
        if error not in self.waiting:
            self.waiting.append(error)

    def take(self, command: int) -> SlotError | None:
        """The first that fits this command, which is then no longer waiting.

        :param command: bMessageType.
        """
        for error in self.waiting:
            if command in _FITS[error]:
                self.waiting.remove(error)
                return error
        return None
