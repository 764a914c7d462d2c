"""All that can be done to a key beside the wire, in one object: the panel, the API and the test rig hold it."""

from __future__ import annotations

from typing import Protocol

from emulator.control.journal import ApduLog
from emulator.control.watch import ScreenLog
from emulator.device import Exchange, NotPoweredError
from emulator.hardware.buttons import Button
from emulator.sharing import SharedKey
from protocols.ccid import SlotError
from protocols.errors import VukeyError
from protocols.i18n import N_


class NoBatteryError(VukeyError):
    """The model has no battery."""


class Plug(Protocol):
    """What the key is plugged into."""

    @property
    def plugged(self) -> bool:
        """Whether it is."""
        ...

    def plug(self) -> None:
        """Plug it in; harmless when it is."""
        ...

    def unplug(self) -> None:
        """Pull it out; harmless when it is out."""
        ...


class KeyControl:
    """A key's screen, buttons, plug, clock and log.

    None of its methods holds the key's lock while it waits: the wire goes on.
    """

    def __init__(self, shared: SharedKey, plug: Plug) -> None:
        self.device = shared.device
        self.screens = ScreenLog(self.device)
        self.apdus = ApduLog(self.device)
        self._shared = shared
        self._plug = plug

    @property
    def plugged(self) -> bool:
        """Whether the key is plugged in."""
        return self._plug.plugged

    def plug(self) -> None:
        """Plug the key in."""
        self._plug.plug()

    def unplug(self) -> None:
        """Pull the key out: every host loses it, and what it asked a person is forgotten (E11)."""
        self._plug.unplug()
        self._shared.leave(self)

    def press(self, button: Button | str) -> None:
        """Press a button.

        :raises NoSuchButtonError: the model has none of that name.
        """
        self.device.press(button)

    def type(self, digits: str) -> None:
        """Press the keypad's digits one after the other.

        :raises NoSuchButtonError: no keypad, or not a digit.
        """
        self.device.type(digits)

    def set_battery(self, percent: int) -> None:
        """Charge or drain the battery; an empty one switches the key off.

        :raises NoBatteryError: the model has none.
        :raises ValueError: not 0 … 100.
        """
        if self.device.battery is None:
            raise NoBatteryError(N_("this model has no battery"))
        self.device.battery.set_level(percent)

    def fault(self, error: SlotError) -> None:
        """Let the next CCID command that the error fits fail with it, once.

        :raises NoReaderError: no host has the key as a CCID device now.
        """
        self._shared.fault(error)

    def begin(self, apdu: bytes) -> Exchange:
        """Hand an APDU over, as one more host; *busy* (6FF6) while another has the key.

        :raises NotPoweredError: the key is neither plugged in nor switched on.
        """
        battery = self.device.battery
        with self.device.lock:  # pulled out after the look, it would have power again
            if battery is not None and battery.on:
                self._shared.power_on_battery(self)
            elif not self.plugged:
                raise NotPoweredError(N_("the key is not plugged in; plug it in: vukey key plug"))
            return self._shared.begin(self, apdu)

    def close(self) -> None:
        """Let go of the key."""
        self.screens.close()
        self.apdus.close()
        self._shared.leave(self)
