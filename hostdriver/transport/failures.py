"""What a key says instead of an answer, over Bluetooth and serial lines, as typed errors."""

from __future__ import annotations

from hostdriver.errors import CancelledError, HostError, KeyBusyError, LowBatteryError, TransmissionError
from protocols.ble import Failed, FrameError
from protocols.sw import SW


def error_for(failed: Failed) -> HostError:
    """The error of a command that has no answer.

    CANCELLED: some program has given it up. BUSY: the key is at work for another one. Whatever else the key says, or
    we of its fragments: bytes were lost or changed on the way, or its maker has numbers of its own.
    """
    if failed.from_key:
        match failed.error:
            case FrameError.BUSY:
                return KeyBusyError(SW.BUSY)
            case FrameError.CANCELLED:
                return CancelledError(SW.CANCELLED)
            case FrameError.LOW_BATTERY:
                return LowBatteryError()
    return TransmissionError(failed.name)
