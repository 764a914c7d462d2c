"""The key by Bluetooth, over a simulated radio: found, paired, used, lost (G40 to G44)."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.rig.patience import PATIENCE_S

pytest.importorskip("bumble")

from bumble import att, gatt
from bumble.core import UUID
from bumble.device import Connection, DeviceConfiguration, Peer
from bumble.device import Device as HciDevice
from bumble.hci import Address, OwnAddressType
from bumble.host import Host
from bumble.keys import MemoryKeyStore, PairingKeys
from bumble.profiles.battery_service import BatteryServiceProxy

from emulator.device import Device
from emulator.hardware.clock import ManualClock
from emulator.hardware.display import ScreenKind
from emulator.links.ble import link as ble_link
from emulator.links.ble.link import BleLink
from emulator.links.ble.pairing import Bonds
from emulator.links.ble.radio import Adapter, Radio
from emulator.links.errors import LinkError
from emulator.links.states import LinkState
from emulator.profiles import Profile
from emulator.sharing import SharedKey
from hostdriver.errors import HostError, KeyBusyError, KeyRemovedError, LowBatteryError, NoKeyError
from hostdriver.gmt import Container, GmtSession
from hostdriver.transport import ble_bumble
from hostdriver.transport.ble import Arrivals, BleTransport, BluetoothOffError, PairingError
from hostdriver.transport.ble_bumble import BumbleBackend, BumbleLink, FileBonds
from protocols.ble import GATT_PROFILES, VUKEY, FrameError, KeepAliveStatus
from protocols.gmt import SignInput
from protocols.sm2 import PublicKey, Signature
from tests.rig.messages import TRANSFER
from tests.rig.verifiers import sm2_verifies
from vukey_testing.ble_targets import Bluetooth
from vukey_testing.targets import NoReaderError

Value = TypeVar("Value")

MODEL = "bocom-ble-tendyron"
GET_DEV_INFO = bytes.fromhex("80040000000000")
ERROR = "bf0001{:02x}"

pytestmark = [pytest.mark.profile(MODEL), pytest.mark.limits(pin__user__cache="session")]


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """bumble reports every refused pairing as a warning."""
    caplog.set_level(logging.CRITICAL, "bumble")


class Scene:
    """A key with its person, the air, and hosts."""

    def __init__(self, device: Device, clock: ManualClock) -> None:
        self.device = device
        self.clock = clock
        self.shared = SharedKey(device)
        self.radio = Radio()
        self.told = threading.Condition()
        self.states: list[LinkState] = []
        self.numbers: list[str] = []
        self.says = True
        self.progress: list[int] = []
        device.on_screen(lambda screen: self._tell())
        self.key_adapter = self.radio.new_adapter()
        self.link = BleLink(self.shared, self.key_adapter.open, self._hear)
        self.adapter = self.radio.new_adapter()
        self.bonds = MemoryKeyStore()
        self.open: list[BleTransport] = []

    def close(self) -> None:
        for transport in self.open:
            transport.close()
        self.link.close()
        self.radio.close()
        self.device.close()

    def _tell(self) -> None:
        with self.told:
            self.told.notify_all()

    def _hear(self, state: LinkState) -> None:
        self.states.append(state)
        self._tell()

    def wait_until(self, ready: Callable[[], bool]) -> None:
        with self.told:
            assert self.told.wait_for(ready, PATIENCE_S), self.states

    def wait_for(self, state: LinkState) -> None:
        self.wait_until(lambda: self.states[-1:] == [state])

    # The host

    def confirm(self, number: str) -> bool:
        self.numbers.append(number)
        self._tell()
        return self.says

    def hear_progress(self, status: int | None) -> None:
        if status is not None:
            self.progress.append(status)
        self._tell()

    def backend(self, adapter: Adapter | None = None, mtu: int = 247) -> BumbleBackend:
        """Another adapter is another computer, which has no bonds."""
        if adapter is not None:
            return BumbleBackend(adapter.open, MemoryKeyStore(), mtu)
        return BumbleBackend(self.adapter.open, self.bonds, mtu)

    def connect(
        self, adapter: Adapter | None = None, serial: str | None = None, mtu: int = 247
    ) -> BleTransport:
        wanted = self.device.serial if serial is None else serial
        transport = BleTransport.open(self.backend(adapter, mtu), wanted, self.confirm, self.hear_progress)
        self.open.append(transport)
        return transport

    def start(self, call: Callable[[], Value]) -> Future[Value]:
        """Run a call in a thread of its own."""
        answer: Future[Value] = Future()

        def run() -> None:
            try:
                answer.set_result(call())
            except BaseException as error:
                answer.set_exception(error)
            self._tell()

        threading.Thread(target=run, daemon=True).start()
        return answer

    @contextmanager
    def asking(self, call: Callable[[], Value]) -> Iterator[Future[Value]]:
        """A call about which the key asks the person; it has ended afterwards."""
        answer = self.start(call)
        self.wait_until(lambda: self.device.waiting is not None or answer.done())
        assert self.device.waiting is not None, answer.result()
        yield answer
        answer.exception(PATIENCE_S)

    # The person

    def press_ok(self) -> None:
        self.clock.advance(self.device.profile.confirm.ok_dead_ms / 1000)
        for _ in range(self.device.screen.pages - 1):
            self.device.press("down")
        self.device.press("ok")

    def pair(self, **how: Any) -> BleTransport:
        with self.asking(lambda: self.connect(**how)) as transport:
            self.press_ok()
        return transport.result()

    def in_loop(self, scene: Callable[[BumbleLink, Arrivals], Coroutine[Any, Any, None]]) -> None:
        """A host that writes what it likes: it has a bond already."""

        async def run() -> None:
            arrivals = Arrivals()
            link = await self.backend().connect(self.device.serial, arrivals, self.confirm)
            try:
                await scene(link, arrivals)
            finally:
                await link.disconnect()

        asyncio.run(asyncio.wait_for(run(), PATIENCE_S))


@pytest.fixture
def scene(device: Device, clock: ManualClock) -> Iterator[Scene]:
    made = Scene(device, clock)
    made.link.start()
    device.press("power")
    yield made
    made.close()
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith("vukey-")]
    assert not [name for name in left if "ble" in name or "radio" in name]


@pytest.fixture
def paired(scene: Scene) -> Scene:
    scene.pair().close()
    scene.wait_for(LinkState.LISTENING)
    return scene


# Finding and pairing


def test_found_by_its_serial_number_and_paired_with_one_number_on_both_sides(scene: Scene) -> None:
    with scene.asking(scene.connect) as transport:
        scene.wait_until(lambda: bool(scene.numbers))
        assert scene.device.screen.kind is ScreenKind.CONFIRM
        assert scene.numbers[0] in "".join(scene.device.screen.lines)
        assert len(scene.numbers[0]) == 6
        scene.press_ok()
    assert transport.result().exchange(GET_DEV_INFO)[-2:] == b"\x90\x00"
    assert len(scene.device.bonds()) == 1
    assert scene.states == [LinkState.WAITING, LinkState.LISTENING, LinkState.WAITING, LinkState.CONFIGURED]


def test_a_key_that_is_switched_off_is_not_found(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.wait_for(LinkState.LISTENING)
    scene.device.press("power")
    scene.wait_for(LinkState.WAITING)
    monkeypatch.setattr(ble_bumble, "FIND_WITHIN_S", 0.3)
    with pytest.raises(NoKeyError):
        scene.connect()


def test_another_serial_number_is_not_found(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ble_bumble, "FIND_WITHIN_S", 0.3)
    with pytest.raises(NoKeyError):
        scene.connect(serial="560000000X")


def test_a_bond_is_kept_though_its_central_leaves_before_the_memory_has_its_turn(device: Device) -> None:
    async def pair_and_leave() -> None:
        with ThreadPoolExecutor(1) as worker:
            turn = threading.Event()
            worker.submit(turn.wait, PATIENCE_S)
            keeping = asyncio.create_task(Bonds(device, worker).update("C0:00:00:00:00:01", PairingKeys()))
            await asyncio.sleep(0)
            keeping.cancel()
            with pytest.raises(asyncio.CancelledError):
                await keeping
            turn.set()

    asyncio.run(pair_and_leave())
    assert "C0:00:00:00:00:01" in device.bonds()


def test_wrong_number_refused_at_the_host(scene: Scene) -> None:
    scene.says = False
    with pytest.raises(PairingError, match="nobody has said"):
        scene.connect()
    scene.wait_until(lambda: scene.device.waiting is None)
    scene.wait_for(LinkState.LISTENING)
    assert not scene.device.bonds()
    assert not scene.bonds.all_keys


def test_wrong_number_refused_on_the_key(scene: Scene) -> None:
    with scene.asking(scene.connect) as transport:
        scene.device.press("cancel")
    assert isinstance(transport.exception(), PairingError)
    assert not scene.device.bonds()
    assert not scene.bonds.all_keys


def test_nobody_confirms(scene: Scene) -> None:
    with scene.asking(scene.connect) as transport:
        scene.clock.advance(25)
    assert isinstance(transport.exception(), PairingError)
    assert not scene.device.bonds()
    scene.wait_for(LinkState.LISTENING)
    scene.pair()


def test_out_of_range_while_the_number_is_compared(scene: Scene) -> None:
    with scene.asking(scene.connect) as transport:
        scene.adapter.lose()
        scene.wait_until(lambda: scene.device.waiting is None)
    assert isinstance(transport.exception(), HostError)
    assert not scene.device.bonds()


def test_reconnects_with_the_kept_bond(paired: Scene) -> None:
    paired.numbers.clear()
    transport = paired.connect()
    assert transport.exchange(GET_DEV_INFO)[-2:] == b"\x90\x00"
    assert not paired.numbers


def test_a_bond_that_the_key_has_forgotten_is_agreed_on_anew(paired: Scene) -> None:
    for address in paired.device.bonds():
        paired.device.forget_bond(address)
    assert paired.pair().exchange(GET_DEV_INFO)[-2:] == b"\x90\x00"
    assert len(paired.numbers) == 2
    assert len(paired.device.bonds()) == 1


def test_a_bond_that_the_key_has_forgotten_stays_until_then(paired: Scene) -> None:
    kept = dict(paired.bonds.all_keys)
    for address in paired.device.bonds():
        paired.device.forget_bond(address)
    paired.says = False
    with pytest.raises(PairingError, match="nobody has said"):
        paired.connect()
    assert paired.bonds.all_keys == kept


def test_the_host_keeps_bonds_in_a_file_of_its_own(scene: Scene, tmp_path: Path) -> None:
    file = tmp_path / "sub" / "bonds.json"
    with scene.asking(
        lambda: BleTransport.open(
            BumbleBackend(scene.adapter.open, FileBonds(file)), scene.device.serial, scene.confirm
        )
    ) as transport:
        scene.press_ok()
    transport.result().close()
    assert file.stat().st_mode & 0o777 == 0o600
    scene.wait_for(LinkState.LISTENING)
    again = BleTransport.open(BumbleBackend(scene.adapter.open, FileBonds(file)), "", scene.confirm)
    scene.open.append(again)
    assert len(scene.numbers) == 1


def test_a_second_central_finds_it_busy(paired: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    first = paired.connect()
    paired.wait_for(LinkState.CONFIGURED)
    second = paired.radio.new_adapter()
    monkeypatch.setattr(ble_bumble, "FIND_WITHIN_S", 0.3)
    with pytest.raises(NoKeyError):
        paired.connect(second)
    assert first.exchange(GET_DEV_INFO)[-2:] == b"\x90\x00"
    first.close()
    monkeypatch.undo()
    paired.pair(adapter=second)


# Using it


def container(scene: Scene, session: GmtSession) -> Container:
    profile = scene.device.profile
    assert profile.containers.sm2 is not None
    return session.open_container(session.open_application(profile.application), profile.containers.sm2.name)


def signing(scene: Scene, session: GmtSession) -> Callable[[], Signature]:
    """The host's call for a signature; who calls it is logged in or not."""
    return partial(session.sign_sm2, container(scene, session), TRANSFER, SignInput.MESSAGE)


def log_in(scene: Scene, session: GmtSession) -> None:
    profile = scene.device.profile
    session.verify_pin(session.open_application(profile.application), profile.ready_user_pin)


@pytest.mark.parametrize("mtu", [23, 247])
def test_signs_a_transfer_that_the_person_confirms(scene: Scene, mtu: int) -> None:
    session = GmtSession(scene.pair(mtu=mtu))
    log_in(scene, session)
    with scene.asking(signing(scene, session)) as signature:
        scene.wait_until(lambda: KeepAliveStatus.USER_PRESENCE_NEEDED in scene.progress)
        scene.press_ok()
    key = session.public_key(container(scene, session))
    assert isinstance(key, PublicKey)
    assert sm2_verifies(key, TRANSFER, signature.result())


def test_switched_off_in_mid_command(paired: Scene) -> None:
    """The exchange is given up, and the login is nobody's (E8, E11)."""
    session = GmtSession(paired.connect())
    log_in(paired, session)
    with paired.asking(signing(paired, session)) as signature:
        paired.device.press("power")
        paired.wait_until(lambda: paired.device.waiting is None)
    assert isinstance(signature.exception(), KeyRemovedError)
    paired.device.press("power")
    session = GmtSession(paired.connect())
    with pytest.raises(HostError, match="PIN"):
        signing(paired, session)()


def test_out_of_range_in_mid_command(paired: Scene) -> None:
    session = GmtSession(paired.connect())
    log_in(paired, session)
    answer = paired.start(signing(paired, session))
    paired.wait_until(lambda: paired.device.waiting is not None)
    paired.adapter.lose()
    paired.wait_until(lambda: paired.device.waiting is None)
    paired.wait_for(LinkState.LISTENING)
    assert isinstance(answer.exception(PATIENCE_S), KeyRemovedError)


def test_a_low_battery_says_so(paired: Scene) -> None:
    transport = paired.connect()
    battery = paired.device.battery
    assert battery is not None
    battery.set_level(5)
    with pytest.raises(LowBatteryError):
        transport.exchange(GET_DEV_INFO)
    battery.set_level(6)
    assert transport.exchange(GET_DEV_INFO)[-2:] == b"\x90\x00"


def test_switched_off_it_disconnects(paired: Scene) -> None:
    transport = paired.connect()
    paired.wait_for(LinkState.CONFIGURED)
    paired.device.press("power")
    paired.wait_for(LinkState.WAITING)
    with pytest.raises(KeyRemovedError):
        transport.exchange(GET_DEV_INFO)


def test_however_short_it_was_off(paired: Scene) -> None:
    transport = paired.connect()
    paired.wait_for(LinkState.CONFIGURED)
    paired.device.press("power")
    paired.device.press("power")
    paired.wait_for(LinkState.LISTENING)
    with pytest.raises(KeyRemovedError):
        transport.exchange(GET_DEV_INFO)


def test_nobody_there_switches_it_off(paired: Scene, profile: Profile) -> None:
    paired.connect()
    paired.wait_for(LinkState.CONFIGURED)
    paired.clock.advance(profile.auto_off_s)
    paired.wait_for(LinkState.WAITING)


def test_ctrl_c_ends_the_question_on_the_key(paired: Scene) -> None:
    session = GmtSession(paired.connect())
    log_in(paired, session)
    main = threading.get_ident()

    def interrupt() -> None:
        paired.wait_until(lambda: paired.device.waiting is not None)
        signal.pthread_kill(main, signal.SIGINT)

    paired.start(interrupt)
    with pytest.raises(KeyboardInterrupt):
        signing(paired, session)()
    paired.wait_until(lambda: paired.device.waiting is None)
    assert session.transport.exchange(GET_DEV_INFO)[-2:] == b"\x90\x00"


def test_a_key_at_work_for_another_link_is_busy(paired: Scene) -> None:
    transport = paired.connect()
    other = object()
    assert paired.shared.lock(other)
    assert transport.exchange(GET_DEV_INFO) == bytes.fromhex("6ff6")
    paired.shared.unlock(other)
    assert transport.exchange(GET_DEV_INFO)[-2:] == b"\x90\x00"


def test_no_pairing_while_another_link_has_the_key(scene: Scene) -> None:
    assert scene.shared.lock(object())
    with pytest.raises(PairingError):
        scene.connect()
    assert not scene.device.bonds()


def test_reset_ends_the_login(paired: Scene) -> None:
    session = GmtSession(paired.connect())
    log_in(paired, session)
    session.transport.reset()
    with pytest.raises(HostError, match="PIN"):
        signing(paired, session)()


# What a host may send


@pytest.mark.parametrize(
    ("fragments", "error"),
    [
        (["00"], FrameError.INVALID_SEQUENCE),
        (["83"], FrameError.INVALID_LENGTH),
        (["840000"], FrameError.INVALID_COMMAND),
        (["830001"], FrameError.TIMEOUT),
        (["83000a12000780", "01"], FrameError.INVALID_SEQUENCE),
        (["83000413000180"], FrameError.INVALID_PARAMETER),
    ],
)
def test_bad_fragments_get_their_error_and_the_next_frame_works(
    paired: Scene, fragments: list[str], error: FrameError
) -> None:
    async def write(link: BumbleLink, arrivals: Arrivals) -> None:
        for fragment in fragments:
            await link.send(bytes.fromhex(fragment))
        assert await arrivals.next(PATIENCE_S) == bytes.fromhex(ERROR.format(error))
        await link.send(bytes.fromhex("810003010203"))
        assert await arrivals.next(PATIENCE_S) == bytes.fromhex("810003010203")

    paired.in_loop(write)


def test_a_fragment_of_nothing_is_a_bad_length(paired: Scene) -> None:
    async def write(link: BumbleLink, arrivals: Arrivals) -> None:
        await link.send(b"")
        assert await arrivals.next(PATIENCE_S) == bytes.fromhex(ERROR.format(FrameError.INVALID_LENGTH))

    paired.in_loop(write)


def anybody(scene: Scene, visit: Callable[[Peer], Coroutine[Any, Any, None]]) -> None:
    """A central that knows nothing and does not pair."""

    async def run() -> None:
        transport = await scene.radio.new_adapter().open()
        host = HciDevice(
            config=DeviceConfiguration(address=Address("C0:00:00:00:00:09")),
            host=Host(transport.source, transport.sink),
        )
        await host.power_on()
        found: asyncio.Future[Address] = asyncio.get_running_loop().create_future()
        host.once(HciDevice.EVENT_ADVERTISEMENT, lambda seen: found.set_result(seen.address))
        await host.start_scanning()
        connection = await host.connect(await found, own_address_type=OwnAddressType.PUBLIC)
        peer = Peer(connection)
        await peer.discover_all()  # type: ignore[no-untyped-call]
        await visit(peer)
        if host.connections:
            await connection.disconnect()
        await host.power_off()
        await transport.close()

    asyncio.run(asyncio.wait_for(run(), PATIENCE_S))


def test_what_anybody_may_read(scene: Scene, profile: Profile) -> None:
    """Device information 180A and battery 180F (Bluetooth SIG's assigned numbers)."""

    async def visit(peer: Peer) -> None:
        for uuid, text in (
            (gatt.GATT_MANUFACTURER_NAME_STRING_CHARACTERISTIC, profile.maker),
            (gatt.GATT_SERIAL_NUMBER_STRING_CHARACTERISTIC, scene.device.serial),
            (gatt.GATT_MODEL_NUMBER_STRING_CHARACTERISTIC, profile.title),
        ):
            assert await peer.read_value(peer.get_characteristics_by_uuid(uuid)[0]) == text.encode()
        battery = peer.create_service_proxy(BatteryServiceProxy)
        assert battery is not None
        assert await battery.battery_level.read_value() == 100

    scene.wait_for(LinkState.LISTENING)
    anybody(scene, visit)


def test_nothing_else_without_pairing(scene: Scene) -> None:
    async def visit(peer: Peer) -> None:
        for uuid in (VUKEY.write, VUKEY.notify, VUKEY.length):
            assert uuid is not None
            found = peer.get_characteristics_by_uuid(UUID(uuid))[0]
            with pytest.raises(att.ATT_Error) as refused:
                await peer.write_value(found, b"\x81\x00\x00", with_response=True)
            assert refused.value.error_code == att.ATT_INSUFFICIENT_AUTHENTICATION_ERROR
            with pytest.raises(att.ATT_Error) as refused:
                await peer.read_value(found)
            assert refused.value.error_code == att.ATT_INSUFFICIENT_AUTHENTICATION_ERROR
        notify = peer.get_characteristics_by_uuid(UUID(VUKEY.notify))[0]
        with pytest.raises(att.ATT_Error):
            await peer.subscribe(notify)

    scene.wait_for(LinkState.LISTENING)
    anybody(scene, visit)
    assert not scene.device.powered


def test_who_does_not_pair_is_sent_away(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ble_link, "_SECURED_WITHIN_S", 0.2)

    async def visit(peer: Peer) -> None:
        gone = asyncio.Event()
        peer.connection.on(Connection.EVENT_DISCONNECTION, lambda _: gone.set())
        await gone.wait()

    scene.wait_for(LinkState.LISTENING)
    anybody(scene, visit)
    scene.wait_for(LinkState.LISTENING)


# The link itself


def test_an_adapter_at_one_of_bumbles_transports(scene: Scene, tmp_path: Path) -> None:
    scene.link.close()
    port = tmp_path / "hci"
    scene.radio.lend_adapter(f"pty:{port}")
    scene.link = BleLink(scene.shared, f"file:{port}", scene._hear)
    scene.link.start()
    assert scene.pair().exchange(GET_DEV_INFO)[-2:] == b"\x90\x00"


def test_an_adapter_that_is_pulled_out(paired: Scene) -> None:
    transport = paired.connect()
    paired.key_adapter.break_off()
    paired.wait_for(LinkState.UNPLUGGED)
    with pytest.raises(KeyRemovedError):
        transport.exchange(GET_DEV_INFO)


def test_the_hosts_adapter_is_pulled_out(paired: Scene) -> None:
    transport = paired.connect()
    paired.adapter.break_off()
    with pytest.raises(KeyRemovedError):
        transport.exchange(GET_DEV_INFO)
    paired.wait_for(LinkState.LISTENING)


def test_a_host_without_an_adapter() -> None:
    with pytest.raises(BluetoothOffError):
        BleTransport.open(BumbleBackend("tcp-client:127.0.0.1:1"), "1", lambda number: False)


@pytest.mark.profile("bocom-ble-feitian")
def test_another_makers_service(scene: Scene, profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its fragments have 20 bytes, whatever the connection would take (G42)."""
    assert profile.bluetooth is not None
    assert GATT_PROFILES[profile.bluetooth.gatt] is not VUKEY
    heard: list[bytes] = []
    arrive = Arrivals.put

    def put(arrivals: Arrivals, fragment: bytes) -> None:
        heard.append(fragment)
        arrive(arrivals, fragment)

    monkeypatch.setattr(Arrivals, "put", put)
    assert scene.pair().exchange(GET_DEV_INFO)[-2:] == b"\x90\x00"
    assert max(map(len, heard)) == 20


def test_an_adapter_that_is_not_there(device: Device) -> None:
    link = BleLink(SharedKey(device), "tcp-client:127.0.0.1:1", lambda state: None)
    with pytest.raises(LinkError):
        link.start()


@pytest.mark.profile("bocom-2g-tendyron")
def test_a_model_without_bluetooth(device: Device) -> None:
    with pytest.raises(LinkError):
        BleLink(SharedKey(device), "usb:0", lambda state: None)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_thousand_reconnects(paired: Scene) -> None:
    for _ in range(1000):
        transport = paired.connect()
        assert transport.exchange(GET_DEV_INFO)[-2:] == b"\x90\x00"
        transport.close()
        paired.open.clear()


@pytest.mark.parametrize("mtu", [23, 247])
def test_the_wire_for_other_tests(device: Device, mtu: int) -> None:
    """It is plugged in and out as often as wanted; the test has it once."""
    wire = Bluetooth(SharedKey(device), mtu)
    for _ in range(2):
        wire.plug()
        transport = wire.open()
        assert transport.exchange(GET_DEV_INFO)[-2:] == b"\x90\x00"
        with pytest.raises(KeyBusyError):
            wire.open()
        wire.unplug()
        with pytest.raises(KeyRemovedError):
            transport.exchange(GET_DEV_INFO)


@pytest.mark.profile("bocom-2g-tendyron")
def test_the_wire_of_a_model_without_bluetooth(device: Device) -> None:
    with pytest.raises(NoReaderError):
        Bluetooth(SharedKey(device)).plug()
