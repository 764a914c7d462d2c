"""What the key runs on: a host's power, the bus's that it is plugged into, or its battery's."""

from __future__ import annotations

from emulator.hardware.battery import Battery


class Supply:
    """Power from outside takes the battery's place.

    :param battery: None where the model has none.
    """

    def __init__(self, battery: Battery | None) -> None:
        self._battery = battery
        self.host = False
        self.bus = False

    @property
    def is_on(self) -> bool:
        """Whether there is any."""
        return self.host or self.bus or (self._battery is not None and self._battery.on)

    @property
    def is_low(self) -> bool:
        """Whether all there is comes from a battery that is low."""
        return self._battery is not None and self._battery.on and self._battery.is_low

    def set_host(self, *, on: bool) -> None:
        """A host gives power, or no longer does."""
        self.host = on
        if on:
            self._switch_battery(on=False)

    def set_bus(self, *, on: bool) -> None:
        """Plugged in, or pulled out: then it is dark until somebody switches it on."""
        self.bus = on
        self._switch_battery(on=False)

    def cut(self) -> None:
        """No power at all."""
        self.host = False
        self.set_bus(on=False)

    def press_power(self) -> bool:
        """Whether the power button does something: it does not while there is power from outside."""
        if self._battery is None or self.host or self.bus:
            return False
        self._switch_battery(on=not self._battery.on)
        return True

    def is_left(self) -> bool:
        """Whether it has just switched the battery off, because nobody is there or nothing is left in it."""
        if self._battery is None or not self._battery.on or not self._battery.is_left():
            return False
        self._switch_battery(on=False)
        return True

    def touch(self) -> None:
        """Somebody uses the key."""
        if self._battery is not None:
            self._battery.touch()

    def _switch_battery(self, *, on: bool) -> None:
        if self._battery is not None:
            self._battery.switch(on=on)
