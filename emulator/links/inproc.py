"""The shortest link: APDUs by function call, for tests, the demo and personalisation."""

from __future__ import annotations

from emulator.device import Device


class InProcessLink:
    """Has the shape of the host's transport: exchange, reset, close."""

    def __init__(self, device: Device) -> None:
        self._device = device

    @property
    def name(self) -> str:
        """Names the key in messages."""
        return f"inproc:{self._device.serial}"

    def exchange(self, apdu: bytes) -> bytes:
        """One APDU and its answer; blocks while the key waits for a person."""
        return self._device.transmit(apdu)

    def reset(self) -> bytes:
        """Power or reset the key; its ATR."""
        return self._device.reset()

    def close(self) -> None:
        """Take the power away."""
        self._device.power_off()
