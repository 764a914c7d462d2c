"""An emulated key on a real USB bus of this machine's kernel: in a reader of its pcscd, or held by pyusb.

The bus is vhci_hcd (USB/IP without a network) or a UDC (a gadget; dummy_hcd is one). All of it needs root.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from emulator.links.states import LinkState, OnState
from emulator.links.usb.gadget import GadgetLink
from emulator.links.usb.key import UsbKey
from emulator.links.usb.vhci import VhciLink
from emulator.sharing import SharedKey
from hostdriver.transport import Transport
from hostdriver.transport.pcsc import wait_for_cards
from hostdriver.transport.usb import UsbName, find_one
from protocols.errors import VukeyError
from protocols.i18n import N_
from vukey_testing.targets import PATIENCE_S, NoReaderError, PcscWire
from vukey_testing.usb_news import DeviceNews

Link = VhciLink | GadgetLink
NewLink = Callable[[UsbKey, OnState], Link]
"""Makes what puts a key on a bus."""


class Bus:
    """A key and its bus; the host has configured it when `plug` returns."""

    def __init__(self, shared: SharedKey, link: NewLink) -> None:
        self.key = UsbKey(shared)
        self._new_link = link
        self._link: Link | None = None
        self._told = threading.Condition()
        self._state: LinkState | None = None

    @property
    def plugged(self) -> bool:
        """Whether the key is on it."""
        return self._link is not None

    def plug(self) -> None:
        """Plug the key in.

        :raises NoReaderError: there is no such bus, or the host does not configure the key.
        """
        self._state = None
        link = self._new_link(self.key, self._hear)
        try:
            link.start()
        except VukeyError as error:
            raise NoReaderError(error.message, **error.values) from None
        self._link = link
        with self._told:
            if not self._told.wait_for(lambda: self._state is LinkState.CONFIGURED, PATIENCE_S):
                raise NoReaderError(N_("the key is on the USB bus, and the host does not configure it"))

    def unplug(self) -> None:
        """Pull the key out."""
        if self._link:
            self._link.close()
            self._link = None

    def _hear(self, state: LinkState) -> None:
        with self._told:
            self._state = state
            self._told.notify_all()


class UsbReader(PcscWire):
    """The key in a reader of the machine's pcscd, which libccid makes of it."""

    def __init__(self, shared: SharedKey, link: NewLink) -> None:
        super().__init__()
        self._bus = Bus(shared, link)

    @property
    def plugged(self) -> bool:
        """See `Wire.plugged`."""
        return self._bus.plugged

    def plug(self) -> None:
        """See `Wire.plug`.

        :raises NoReaderError: pcscd makes no reader of it.
        """
        if self.plugged:
            return
        try:
            self._bus.plug()
            readers = self._ours(wait_for_cards(lambda readers: bool(self._ours(readers)), PATIENCE_S))
            if not readers:
                raise NoReaderError(
                    N_(
                        "pcscd makes no reader of the USB key: are pcscd, udevd and libccid there, and is the key in "
                        "libccid's list? See: vukey usb install-ccid"
                    )
                )
            self._name = readers[0]
        except BaseException:
            self.unplug()
            raise

    def unplug(self) -> None:
        """See `Wire.unplug`: returns once pcscd has noticed."""
        self._bus.unplug()
        if self._name:
            self._name, self._user = "", None
            wait_for_cards(lambda readers: not self._ours(readers), PATIENCE_S)

    def _ours(self, readers: list[str]) -> list[str]:
        """The readers that libccid has named after the key's number: "name [interface] (serial) 00 00"."""
        return [name for name in readers if f"({self._bus.key.model.serial})" in name]


class UsbDirect:
    """The key on a bus from which pyusb takes it, without pcscd."""

    def __init__(self, shared: SharedKey, link: NewLink) -> None:
        self._bus = Bus(shared, link)
        model = self._bus.key.model
        self._name = UsbName(model.vid, model.pid, model.serial)

    @property
    def plugged(self) -> bool:
        """See `Wire.plugged`."""
        return self._bus.plugged

    def plug(self) -> None:
        """See `Wire.plug`.

        :raises NoReaderError: libusb does not see it.
        """
        if self.plugged:
            return
        with DeviceNews() as news:
            try:
                self._bus.plug()
                if not news.wait_for(self._name, PATIENCE_S, present=True):
                    raise NoReaderError(N_("the USB key is on the bus, and libusb does not see it"))
            except BaseException:
                self.unplug()
                raise

    def unplug(self) -> None:
        """See `Wire.unplug`: returns once libusb has noticed."""
        with DeviceNews() as news:
            self._bus.unplug()
            news.wait_for(self._name, PATIENCE_S, present=False)

    @property
    def token(self) -> str:
        """See `Wire.token`."""
        return str(self._name)

    def open(self) -> Transport:
        """See `Wire.open`."""
        return find_one(self._name).open()


def on_free_udc(key: UsbKey, on_state: OnState) -> GadgetLink:
    """A `NewLink`: the first UDC that is free."""
    return GadgetLink(key, None, on_state)


def on_gadget(shared: SharedKey) -> UsbReader:
    """The target `gadget`: the first free UDC, and pcscd."""
    return UsbReader(shared, on_free_udc)


def on_vhci(shared: SharedKey) -> UsbReader:
    """The target `usbip`: a port of vhci_hcd, and pcscd."""
    return UsbReader(shared, VhciLink)


def direct(shared: SharedKey) -> UsbDirect:
    """The target `usb`: a port of vhci_hcd, and pyusb."""
    return UsbDirect(shared, VhciLink)
