"""Each fault of bumble that we work round is still there, and the work-around mends it.

A first assertion that fails here is good news: bumble no longer has the fault, and the work-around can go.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from tests.rig.patience import PATIENCE_S

pytest.importorskip("bumble")

from bumble import smp
from bumble.controller import Controller
from bumble.core import AdvertisingData
from bumble.device import Advertisement, Connection, Device, Peer
from bumble.hci import (
    Address,
    HCI_Event,
    HCI_LE_Connection_Complete_Event,
    HCI_LE_Enhanced_Connection_Complete_Event,
    OwnAddressType,
)
from bumble.host import Host
from bumble.link import LocalLink
from bumble.pairing import PairingConfig, PairingDelegate
from bumble.transport.common import AsyncPipeSink

from emulator.links.ble.bumble_fixes import (
    CancelledConnection,
    DataFromTheConnectionsAddress,
    EnhancedConnectionComplete,
    ScanResponse,
)
from emulator.links.ble.pairing import NumericComparison
from hostdriver.transport.ble_bumble import NumericComparison as HostsNumericComparison

FAULT_S = 0.5
"""How long something that never comes is waited for."""
NUMERIC = PairingDelegate.IoCapability.DISPLAY_OUTPUT_AND_YES_NO_INPUT
NOTHING = PairingDelegate.IoCapability.NO_OUTPUT_NO_INPUT


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "bumble")


NewLink = Callable[[], LocalLink]
as_it_is: NewLink = LocalLink


def run(scene: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scene, PATIENCE_S))


def device(link: LocalLink, number: int, controller: type[Controller] = Controller) -> Device:
    made = controller(f"C{number}", link=link, public_address=f"F0:F0:F0:F0:F0:0{number}")
    return Device(address=Address(f"C0:00:00:00:00:0{number}"), host=Host(made, AsyncPipeSink(made)))


async def connected(
    central: Device, peripheral: Device, own_address_type: OwnAddressType = OwnAddressType.RANDOM
) -> tuple[Connection, Connection]:
    """The connection as the central has it, and as the peripheral has it."""
    for each in (central, peripheral):
        await each.power_on()
    arrived: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
    peripheral.once(Device.EVENT_CONNECTION, arrived.set_result)
    await peripheral.start_advertising()
    ours = await central.connect(peripheral.random_address, own_address_type=own_address_type)
    return ours, await arrived


async def comes(awaitable: Awaitable[object]) -> bool:
    try:
        await asyncio.wait_for(awaitable, FAULT_S)
    except (TimeoutError, asyncio.CancelledError):
        return False
    return True


@pytest.mark.parametrize(("link", "arrives"), [(as_it_is, False), (DataFromTheConnectionsAddress, True)])
def test_data_over_a_connection_made_with_the_public_address(link: type[LocalLink], arrives: bool) -> None:
    async def scene() -> None:
        air = link()
        ours, _ = await connected(device(air, 1), device(air, 2), OwnAddressType.PUBLIC)
        assert await comes(Peer(ours).request_mtu(247)) is arrives

    run(scene())


@pytest.mark.parametrize(("controller", "names"), [(Controller, [None]), (ScanResponse, ["key 1234"])])
def test_what_a_scanner_hears_of_the_scan_response(
    controller: type[Controller], names: list[str | None]
) -> None:
    async def scene() -> None:
        air = as_it_is()
        scanner, key = device(air, 1, controller), device(air, 2, controller)
        heard: asyncio.Queue[Advertisement] = asyncio.Queue()
        scanner.on(Device.EVENT_ADVERTISEMENT, heard.put_nowait)
        for each in (scanner, key):
            await each.power_on()
        await scanner.start_scanning()
        await key.start_advertising(
            advertising_data=bytes(AdvertisingData([(AdvertisingData.FLAGS, b"\x06")])),
            scan_response_data=bytes(AdvertisingData([(AdvertisingData.COMPLETE_LOCAL_NAME, b"key 1234")])),
        )
        found = await heard.get()
        assert [found.data.get(AdvertisingData.Type.COMPLETE_LOCAL_NAME)] == names
        await key.stop_advertising()

    run(scene())


@pytest.mark.parametrize(
    ("controller", "event"),
    [
        (Controller, HCI_LE_Connection_Complete_Event),
        (EnhancedConnectionComplete, HCI_LE_Enhanced_Connection_Complete_Event),
    ],
)
def test_the_event_of_a_connection_that_the_host_has_asked_for(
    controller: type[Controller], event: type[HCI_Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    """bumble's own host asks for both, and so is to get the enhanced one."""

    async def scene() -> None:
        air = as_it_is()
        central, peripheral = device(air, 1, controller), device(air, 2, controller)
        heard: list[type[HCI_Event]] = []
        for each in (central, peripheral):
            name = "on_hci_le_connection_complete_event"
            monkeypatch.setattr(each.host, name, noting(heard, getattr(each.host, name)))
        await connected(central, peripheral)
        assert heard == [event, event]

    run(scene())


def noting(heard: list[type[HCI_Event]], handle: Callable[[Any], None]) -> Callable[[Any], None]:
    def note(event: HCI_Event) -> None:
        heard.append(type(event))
        handle(event)

    return note


@pytest.mark.parametrize(("controller", "ends"), [(Controller, False), (CancelledConnection, True)])
def test_connecting_to_nobody_ends(controller: type[Controller], ends: bool) -> None:
    async def scene() -> None:
        lonely = device(as_it_is(), 1, controller)
        await lonely.power_on()
        attempt = asyncio.ensure_future(lonely.connect(Address("C0:00:00:00:00:02"), timeout=0.01))
        await asyncio.wait([attempt], timeout=FAULT_S)
        assert attempt.done() is ends
        attempt.cancel()
        await asyncio.gather(attempt, return_exceptions=True)

    run(scene())


# What bumble's security manager lets pass, and ours does not


async def pairing(
    session: type[smp.Session],
    central: type[smp.Session] = smp.Session,
    *,
    sc: bool = True,
    io_capability: PairingDelegate.IoCapability = NUMERIC,
    key_size: int = 16,
    key_capability: PairingDelegate.IoCapability = NUMERIC,
) -> tuple[Connection, Connection, asyncio.Task[None]]:
    """A pairing that has begun, with a person at the peripheral who does not decide."""
    air = as_it_is()
    host, key = device(air, 1), device(air, 2)
    key.smp_session_proxy, host.smp_session_proxy = session, central
    asked = asyncio.Event()

    class Undecided(PairingDelegate):
        async def compare_numbers(self, number: int, digits: int) -> bool:
            asked.set()
            await asyncio.sleep(3600)
            return False

    key.pairing_config_factory = lambda _: PairingConfig(delegate=Undecided(key_capability))
    delegate = PairingDelegate(io_capability, maximum_encryption_key_size=key_size)
    host.pairing_config_factory = lambda _: PairingConfig(sc=sc, delegate=delegate)
    ours, theirs = await connected(host, key)
    task = asyncio.ensure_future(ours.pair())
    waiting = asyncio.ensure_future(asked.wait())
    await asyncio.wait([task, waiting], timeout=FAULT_S, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    return ours, theirs, task


async def give_up(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(("session", "paired"), [(smp.Session, True), (NumericComparison, False)])
@pytest.mark.parametrize("weak", [{"sc": False}, {"sc": False, "io_capability": NOTHING}])
def test_a_pairing_without_comparison_is_called_authenticated(
    session: type[smp.Session], paired: bool, weak: dict[str, Any]
) -> None:
    async def scene() -> None:
        _, theirs, task = await pairing(session, **weak)
        assert (task.done() and task.exception() is None, theirs.authenticated) == (paired, paired)
        await give_up(task)

    run(scene())


@pytest.mark.parametrize(("session", "refused"), [(smp.Session, False), (NumericComparison, True)])
def test_a_central_that_wants_a_short_key(session: type[smp.Session], refused: bool) -> None:
    async def scene() -> None:
        *_, task = await pairing(session, key_size=7)
        assert task.done() is refused
        await give_up(task)

    run(scene())


@pytest.mark.parametrize(("central", "paired"), [(smp.Session, True), (HostsNumericComparison, False)])
def test_a_peripheral_without_a_screen(central: type[smp.Session], paired: bool) -> None:
    """The host's end: whoever takes the key's name has no screen of the key's."""

    async def scene() -> None:
        ours, _, task = await pairing(smp.Session, central, key_capability=NOTHING)
        assert (task.done() and task.exception() is None, ours.authenticated) == (paired, paired)
        await give_up(task)

    run(scene())


class Hasty(smp.Session):
    """A central that encrypts before anybody at the peripheral has agreed."""

    def send_pairing_dhkey_check_command(self) -> None:
        self.start_encryption(self.ltk)


@pytest.mark.parametrize(("session", "opens"), [(smp.Session, True), (NumericComparison, False)])
def test_the_new_key_before_the_person_has_agreed(session: type[smp.Session], opens: bool) -> None:
    async def scene() -> None:
        ours, theirs, task = await pairing(session, Hasty)
        changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not theirs.is_encrypted:
            theirs.once(Connection.EVENT_CONNECTION_ENCRYPTION_CHANGE, lambda: changed.set_result(None))
            ours.once(Connection.EVENT_CONNECTION_ENCRYPTION_FAILURE, lambda _: changed.set_result(None))
            assert await comes(changed)
        assert (theirs.is_encrypted, theirs.authenticated) == (opens, opens)
        await give_up(task)

    run(scene())


class Fickle(smp.Session):
    """A central that takes another random number once it has seen the peripheral's: with it, any number can be had."""

    answers = 0

    def on_smp_pairing_random_command(self, command: smp.SMP_Pairing_Random_Command) -> None:
        self.answers += 1
        type(self).answers = self.answers
        if self.answers == 1:
            self.send_command(smp.SMP_Pairing_Random_Command(random_value=bytes(16)))


@pytest.mark.parametrize(("session", "answers"), [(smp.Session, 2), (NumericComparison, 1)])
def test_a_second_random_number(session: type[smp.Session], answers: int) -> None:
    async def scene() -> None:
        Fickle.answers = 0
        _, _, task = await pairing(session, Fickle)
        for _ in range(100):
            if Fickle.answers >= answers or task.done():
                break
            await asyncio.sleep(0.01)
        assert (Fickle.answers >= 2) is (answers == 2)
        await give_up(task)

    run(scene())
