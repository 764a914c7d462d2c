"""The key by Bluetooth and on a serial line, each in one process: no waves and no wire, only ours and bumble's work."""

from __future__ import annotations

import hashlib
import secrets
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

from bumble.keys import MemoryKeyStore, PairingKeys

from bench.bare_ble import BareLine, BarePeripheral
from bench.ratios import Result, compare
from emulator.device import Device
from emulator.hardware.clock import ManualClock
from emulator.links.ble.radio import Radio
from emulator.profiles import load_profile
from emulator.sharing import SharedKey
from hostdriver.transport import Transport
from hostdriver.transport.ble import BleTransport
from hostdriver.transport.ble_bumble import BumbleBackend
from hostdriver.transport.serial import SerialTransport
from protocols.gmt import SignInput
from protocols.sm2 import PublicKey, verify
from tests.rig.key import KeyRig, changed, stored, user_pin
from vukey_demo import MESSAGE
from vukey_testing.ble_targets import Bluetooth
from vukey_testing.serial_targets import SerialLine
from vukey_testing.targets import InProcess, Wire

_MODEL = "bocom-ble-tendyron"
_RANDOM_8 = bytes.fromhex("80500000000008")
_DIGEST = hashlib.sha256(b"bench").digest()
_PRESSES = 41
_BARE = "bare"

NewWire = Callable[[SharedKey], Wire]


@dataclass(frozen=True)
class Wireless:
    """One way to the key.

    :param exchanges: GenRandom of 8 bytes, beside what answers without being a key.
    :param signatures: SM2, of a digest that nobody is asked about, beside the same key called directly.
    :param press_s: seconds from the press of OK to the signature of a transfer at the host: p50 and p99.
    """

    name: str
    exchanges: Result
    signatures: Result
    press_s: tuple[float, float]


def measured() -> Iterator[Wireless]:
    """Each way in turn."""
    yield _measured("serial line", SerialLine, _bare_line)
    for mtu in (23, 247):
        yield _measured(f"Bluetooth, MTU {mtu}", partial(Bluetooth, mtu=mtu), partial(_bare_peripheral, mtu))


def _measured(name: str, wire: NewWire, bare: Callable[[], AbstractContextManager[Transport]]) -> Wireless:
    with _key(wire) as key, _key(InProcess) as direct, bare() as floor:
        exchange = key.session.transport.exchange
        assert len(exchange(_RANDOM_8)) == len(floor.exchange(_RANDOM_8)) == 10
        exchanges = compare(
            f"{name}: GenRandom, key / bare",
            lambda: exchange(_RANDOM_8),
            lambda: floor.exchange(_RANDOM_8),
            target=None,
        )
        signatures = compare(f"{name}: SM2, by it / direct", _signer(key), _signer(direct), target=None)
        return Wireless(name, exchanges, signatures, _press_to_signature(key))


@contextmanager
def _key(wire: NewWire) -> Iterator[KeyRig]:
    profile = changed(
        load_profile(_MODEL), containers__rsa=None, pin__user__cache="session", ready_digest="free"
    )
    clock = ManualClock()
    device = Device(profile, storage=stored(profile, "ready"), clock=clock)
    with ExitStack() as held:
        held.callback(device.close)
        rig = KeyRig(device, clock, wire, user_pin(profile, "ready"))
        held.callback(rig.close)
        rig.log_in()
        yield rig


def _signer(rig: KeyRig) -> Callable[[], object]:
    container = rig.container()
    sign = partial(rig.session.sign_sm2, container, _DIGEST, SignInput.DIGEST)
    public = rig.session.public_key(container)
    assert isinstance(public, PublicKey)
    assert verify(public, _DIGEST, sign())
    return sign


def _press_to_signature(rig: KeyRig) -> tuple[float, float]:
    container, confirm = rig.container(), rig.profile.confirm
    times = []
    for _ in range(_PRESSES):
        with rig.pending(rig.session.sign_sm2, container, MESSAGE, SignInput.MESSAGE) as signature:
            rig.clock.advance(confirm.ok_dead_ms / 1000)
            rig.press(*["down"] * (rig.device.screen.pages - 1), *["ok"] * (confirm.presses - 1))
            begun = time.perf_counter()
            rig.press("ok")
            signature.result()
            times.append(time.perf_counter() - begun)
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    return cuts[49], cuts[98]


@contextmanager
def _bare_line() -> Iterator[Transport]:
    transport = SerialTransport.open(BareLine().path)
    try:
        yield transport
    finally:
        transport.close()


@contextmanager
def _bare_peripheral(mtu: int) -> Iterator[Transport]:
    with ExitStack() as held:
        radio = Radio()
        held.callback(radio.close)
        adapter, bonds_there, bonds_here = radio.new_adapter(), MemoryKeyStore(), MemoryKeyStore()
        peripheral = BarePeripheral(_BARE, radio.new_adapter(), bonds_there)
        agreed = PairingKeys(ltk=PairingKeys.Key(secrets.token_bytes(16), authenticated=True))
        bonds_there.all_keys[str(adapter.address)] = agreed
        bonds_here.all_keys[str(peripheral.address)] = agreed
        peripheral.start()
        backend = BumbleBackend(adapter.open, bonds_here, mtu)
        transport = BleTransport.open(backend, _BARE, lambda number: False)
        held.callback(transport.close)
        yield transport
