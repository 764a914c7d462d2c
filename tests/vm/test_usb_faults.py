"""Faults that a developer asks for over the control API, as a real pcscd with libccid meets them on vhci_hcd."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import NamedTuple

import pytest

from emulator.control.keycontrol import KeyControl
from emulator.control.server import PanelSpec, start_panel
from emulator.device import Device
from emulator.profiles import load_profile
from emulator.sharing import SharedKey
from hostdriver.control import KeyApi
from hostdriver.errors import HostError
from hostdriver.transport import Transport
from protocols.ccid import SlotError
from vukey_testing.usb_targets import on_vhci

pytestmark = pytest.mark.slow

GET_CHALLENGE = bytes.fromhex("8050000008")
OF_POWER_ON = (
    SlotError.BAD_ATR_TS,
    SlotError.BAD_ATR_TCK,
    SlotError.ICC_PROTOCOL_NOT_SUPPORTED,
    SlotError.ICC_CLASS_NOT_SUPPORTED,
)
OF_PIN_ENTRY = (SlotError.PIN_TIMEOUT, SlotError.PIN_CANCELLED)
OF_EXCHANGE = [error for error in SlotError if error not in OF_POWER_ON + OF_PIN_ENTRY]


class Met(NamedTuple):
    """A key, from both sides."""

    api: KeyApi
    host: Transport


@pytest.fixture(scope="module")
def met(usb_stack: None) -> Iterator[Met]:
    shared = SharedKey(Device(load_profile("bocom-2g-tendyron")))
    wire = on_vhci(shared)
    with closing(start_panel(KeyControl(shared, wire), PanelSpec())) as panel:
        wire.plug()
        with KeyApi(panel.url, panel.token) as api, closing(wire.open()) as host:
            yield Met(api, host)
        wire.unplug()
    shared.device.close()


@pytest.mark.parametrize("error", OF_EXCHANGE)
def test_an_apdu_fails_once(met: Met, error: SlotError) -> None:
    met.api.fault(error.name.lower())
    with pytest.raises(HostError):
        met.host.exchange(GET_CHALLENGE)
    assert met.host.exchange(GET_CHALLENGE)[-2:] == b"\x90\x00"


@pytest.mark.parametrize("error", OF_POWER_ON)
def test_a_reset_fails_once(met: Met, error: SlotError) -> None:
    met.api.fault(error.name.lower())
    with pytest.raises(HostError):
        met.host.reset()
    met.host.reset()
    assert met.host.exchange(GET_CHALLENGE)[-2:] == b"\x90\x00"
