"""An emulated key by Bluetooth, over a radio of its own, which no other program can hear."""

from __future__ import annotations

import json
import secrets
import threading

from bumble.keys import MemoryKeyStore, PairingKeys

from emulator.links.ble.link import BleLink
from emulator.links.ble.radio import Radio
from emulator.links.states import LinkState
from emulator.sharing import SharedKey
from hostdriver.errors import KeyBusyError
from hostdriver.transport import Transport
from hostdriver.transport.ble import BleTransport
from hostdriver.transport.ble_bumble import BumbleBackend
from protocols.errors import VukeyError
from protocols.i18n import N_
from protocols.sw import SW
from vukey_testing.targets import PATIENCE_S, NoReaderError


class Bluetooth:
    """The target `ble`. Key and host have agreed already, so that a test begins as on every other wire.

    :param mtu: what the host asks for.
    """

    def __init__(self, shared: SharedKey, mtu: int = 247) -> None:
        self._shared = shared
        self._mtu = mtu
        self._radio: Radio | None = None
        self._told = threading.Condition()
        self._state: LinkState | None = None
        self._transport: BleTransport | None = None

    @property
    def plugged(self) -> bool:
        """See `Wire.plugged`: whether it can be found."""
        return self._radio is not None

    def plug(self) -> None:
        """See `Wire.plug`: switch it on, and wait until it can be found.

        :raises NoReaderError: the model has no Bluetooth.
        """
        if self._radio:
            return
        device = self._shared.device
        radio = Radio()
        try:
            self._link = BleLink(self._shared, radio.new_adapter().open, self._hear)
            self._link.start()
        except VukeyError as error:
            radio.close()
            raise NoReaderError(error.message, **error.values) from None
        self._radio = radio
        self._adapter = radio.new_adapter()
        keys = PairingKeys(ltk=PairingKeys.Key(secrets.token_bytes(16), authenticated=True))
        self._bonds = MemoryKeyStore()
        self._bonds.all_keys[self._link.address] = keys
        device.put_bond(str(self._adapter.address), json.dumps(keys.to_dict()).encode())
        self._switch(on=True)
        self._wait_for(LinkState.LISTENING)

    def unplug(self) -> None:
        """See `Wire.unplug`: switch it off."""
        radio, self._radio = self._radio, None
        if radio is None:
            return
        self._link.close()
        self._switch(on=False)
        if self._transport is not None:
            self._transport.close()
        radio.close()

    @property
    def token(self) -> str:
        """See `Wire.token`."""
        return f"ble:{self._shared.device.serial}"

    def open(self) -> Transport:
        """See `Wire.open`.

        :raises KeyBusyError: the test has it open already.
        """
        if self._transport is not None and not self._transport.closed:
            raise KeyBusyError(SW.BUSY)
        backend = BumbleBackend(self._adapter.open, self._bonds, self._mtu)
        self._transport = BleTransport.open(backend, self._shared.device.serial, lambda number: False)
        return self._transport

    def _switch(self, *, on: bool) -> None:
        """By its button; a model that has none lives on a bus's power."""
        device = self._shared.device
        if device.battery is None:
            device.bus_power(on=on)
        elif device.is_on is not on:
            device.press("power")

    def _hear(self, state: LinkState) -> None:
        with self._told:
            self._state = state
            self._told.notify_all()

    def _wait_for(self, state: LinkState) -> None:
        with self._told:
            if not self._told.wait_for(lambda: self._state is state, PATIENCE_S):
                raise NoReaderError(N_("the key does not advertise itself"))
