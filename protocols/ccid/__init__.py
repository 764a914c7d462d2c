"""USB smart card readers: messages, PIN entry, and the reader's end as a state machine (CCID 1.1).

The class descriptor is in `protocols.ccid.descriptor`, which needs `construct` (the extra `usb`); the rest does not.
"""

from protocols.ccid.events import Cancel, EnterPin, Event, PowerOff, PowerOn, Reply, Transmit
from protocols.ccid.messages import (
    HEADER_SIZE,
    LONGEST_APDU,
    LONGEST_MESSAGE,
    Answer,
    CcidError,
    ClassRequest,
    Command,
    CommandStatus,
    FromReader,
    IccStatus,
    Level,
    Notice,
    SlotError,
    ToReader,
    abort_value,
    apdu_pieces,
    error_name,
)
from protocols.ccid.pin import PinBlock, PinFieldError, PinModify, PinOperation, PinVerify, parse_secure
from protocols.ccid.slot import Slot

__all__ = [
    "HEADER_SIZE",
    "LONGEST_APDU",
    "LONGEST_MESSAGE",
    "Answer",
    "Cancel",
    "CcidError",
    "ClassRequest",
    "Command",
    "CommandStatus",
    "EnterPin",
    "Event",
    "FromReader",
    "IccStatus",
    "Level",
    "Notice",
    "PinBlock",
    "PinFieldError",
    "PinModify",
    "PinOperation",
    "PinVerify",
    "PowerOff",
    "PowerOn",
    "Reply",
    "Slot",
    "SlotError",
    "ToReader",
    "Transmit",
    "abort_value",
    "apdu_pieces",
    "error_name",
    "parse_secure",
]
