"""Where a real key is: in a PC/SC reader, on USB with nobody else, on a serial line or within a radio's reach."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Protocol

from hostdriver.errors import HostError, KeyBusyError, NoKeyError, SeveralKeysError
from hostdriver.gmt import GmtSession
from hostdriver.transport import Transport
from hostdriver.transport.ble_token import BleName, Nobody
from hostdriver.transport.pcsc import PcscTransport, readers_with_a_card, wait_for_cards
from hostdriver.transport.serial import SerialTransport
from hostdriver.transport.usb import UsbName, find_one
from protocols.i18n import N_
from vukey_testing.calls import PATIENCE_S
from vukey_testing.errors import SetupError
from vukey_testing.usb_news import DeviceNews

_LOOK_S = 0.25


class Place(Protocol):
    """What ``--token`` says of a real key."""

    def token(self) -> str:
        """The whole name of the place where the key is now.

        :raises SetupError: there is no such place with a key in it, or more than one.
        """
        ...

    def open(self) -> Transport:
        """A way to the key.

        :raises SetupError: see `token`.
        """
        ...

    def wait(self, token: str, *, present: bool) -> None:
        """Wait until the key at this whole name is back, or gone; not for ever."""
        ...


def place_of(target: str) -> Place:
    """What ``pcsc:READER``, ``usb:VID:PID[:SERIAL]``, ``serial:PATH`` or ``ble:SERIAL[@ADAPTER]`` says."""
    if target.startswith("serial:"):
        return Asked(target, partial(SerialTransport.open, target.removeprefix("serial:")))
    if ble_name := BleName.parse(target):
        return Asked(target, partial(ble_name.open, Nobody()))  # it was paired before
    name = UsbName.parse(target)
    return OnUsb(name) if name else InReader(target.removeprefix("pcsc:"))


class InReader:
    """A PC/SC reader.

    :param name: the reader's, or a part of it.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def token(self) -> str:
        """See `Place.token`."""
        return f"pcsc:{self._reader()}"

    def open(self) -> Transport:
        """See `Place.open`."""
        return PcscTransport.open(self._reader())

    def wait(self, token: str, *, present: bool) -> None:
        """See `Place.wait`: back is a key in whatever reader fits the name, gone is the one in this reader."""
        reader = token.removeprefix("pcsc:")
        wait_for_cards(
            lambda readers: bool(self._fitting(readers)) if present else reader not in readers, PATIENCE_S
        )

    def _fitting(self, readers: list[str]) -> list[str]:
        return [name for name in readers if name == self._name] or [
            name for name in readers if self._name in name
        ]

    def _reader(self) -> str:
        names = readers_with_a_card()
        found = self._fitting(names)
        if len(found) != 1:
            raise SetupError(
                N_("--token pcsc:{reader}: there must be one such reader with a key in it; there are: {found}"),
                reader=self._name, found=", ".join(found or names) or "-",
            )  # fmt: skip
        return found[0]


class OnUsb:
    """A USB device that pcscd does not have."""

    def __init__(self, name: UsbName) -> None:
        self._name = name

    def token(self) -> str:
        """See `Place.token`."""
        try:
            return str(find_one(self._name).name)
        except (NoKeyError, SeveralKeysError) as error:
            raise SetupError(error.message, **error.values) from None

    def open(self) -> Transport:
        """See `Place.open`."""
        return find_one(self._name).open()

    def wait(self, token: str, *, present: bool) -> None:
        """See `Place.wait`."""
        with DeviceNews() as news:
            news.wait_for(UsbName.parse(token) or self._name, PATIENCE_S, present=present)


class Asked:
    """A serial line, or Bluetooth: only the key itself says that it is there.

    :param name: as ``--token`` takes it.
    """

    def __init__(self, name: str, opener: Callable[[], Transport]) -> None:
        self._name = name
        self.open = opener

    def token(self) -> str:
        """See `Place.token`."""
        return self._name

    def wait(self, token: str, *, present: bool) -> None:
        """See `Place.wait`: ask for the key until it answers, or does not. Where the test has it, nobody else can."""
        deadline = time.monotonic() + PATIENCE_S
        with suppress(KeyBusyError):
            while self._answers() != present and time.monotonic() < deadline:
                time.sleep(_LOOK_S)

    def _answers(self) -> bool:
        try:
            with GmtSession(self.open()) as session:
                session.device_info()
        except KeyBusyError:
            raise
        except HostError:
            return False
        return True
