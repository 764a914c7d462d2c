"""An emulated key in the hands of one test, in the test's own process, over one of its wires."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from emulator.control.keycontrol import KeyControl
from emulator.hardware.clock import ManualClock
from emulator.sharing import SharedKey
from hostdriver.apdu_token import ApduToken
from hostdriver.gmt import GmtSession
from hostdriver.token import Token
from hostdriver.tokens import open_token
from hostdriver.transport import Transport
from protocols.dialect import dialect_named
from vukey_testing.operators import DeviceOperator
from vukey_testing.recorder import LogRecorder
from vukey_testing.states import Made
from vukey_testing.targets import Wire


class EmulatedKey:
    """A copy of a key that was made once.

    :param target: inproc, socket, vpcd, gadget, usbip, usb, serial, ble or skf.
    :param wire: what plugs it in there.
    """

    def __init__(self, made: Made, target: str, wire: Callable[[SharedKey], Wire]) -> None:
        self.target = target
        self.wanted = made.wanted
        self.profile = made.wanted.profile
        self.serial = made.serial
        self.user_pin = made.wanted.user_pin
        issued = made.issued
        self.certificates: Mapping[str, bytes] = issued.certificates if issued else {}
        self.exchange_certificates: Mapping[str, bytes] = issued.exchange_certificates if issued else {}
        self.activation_code = made.issued.activation_code if made.issued else None
        self.device = made.device(ManualClock())
        shared = SharedKey(self.device)
        self._wire = wire(shared)
        self._control = KeyControl(shared, self._wire)
        self.operator = DeviceOperator(self._control)
        self.recorder = LogRecorder(self._control)
        self.plug()

    @property
    def plugged(self) -> bool:
        """Whether it is plugged in."""
        return self._wire.plugged

    @property
    def token(self) -> str:
        """What a program takes to reach it."""
        return self._wire.token

    def plug(self) -> None:
        """Plug it in: the bus gives it light for its idle screen before any program comes. Bluetooth gives none."""
        if self.target != "ble":
            self.device.bus_power(on=True)
        self._control.plug()

    def unplug(self) -> None:
        """Pull it out."""
        self.device.bus_power(on=False)
        self._control.unplug()

    def open(self) -> Transport:
        """A way to it."""
        return self._wire.open()

    def open_token(self) -> Token:
        """The key as a `Token`: by our SKF library on the target `skf`, else over APDUs."""
        if self.target == "skf":
            return open_token(self.token)
        return ApduToken(GmtSession(self.open(), dialect_named(self.profile.dialect)))

    def close(self) -> None:
        """The end of the test."""
        self.unplug()
        self.operator.close()
        self._control.close()
        self.device.close()
