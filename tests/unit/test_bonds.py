"""What a Bluetooth key keeps of those it has paired with, and what it is known by itself."""

from __future__ import annotations

import builtins
import json
import logging
from dataclasses import asdict
from pathlib import Path
from typing import get_args

import pytest

from emulator.control.answers import key_json
from emulator.control.keycontrol import KeyControl
from emulator.device import Device
from emulator.firmware.pairing import MAX_BOND_SIZE, MAX_BONDS
from emulator.hardware.clock import ManualClock
from emulator.hardware.entropy import SeededEntropy
from emulator.hardware.storage import MemoryStorage
from emulator.hardware.storage_faulty import FaultyStorage, Phase, PowerCut
from emulator.hardware.storage_sqlite import SqliteStorage
from emulator.sharing import SharedKey
from hostdriver.gmt import GmtSession
from tests.rig.cordless import (
    BLUETOOTH,
    COMPUTER,
    OK,
    PHONE,
    As,
    begin_signature,
    is_logged_in,
    switched_on,
)
from tests.rig.key import new_application, stored


def address(number: int) -> str:
    return f"C0:00:00:00:00:{number:02X}"


@pytest.fixture
def storage() -> MemoryStorage:
    return stored(BLUETOOTH, "ready")


@pytest.fixture
def key(clock: ManualClock, storage: MemoryStorage) -> Device:
    return switched_on(clock, storage)


@pytest.fixture
def shared(key: Device) -> SharedKey:
    return SharedKey(key)


class StillPlugged:
    """A plug for who only looks on."""

    plugged = True

    def plug(self) -> None: ...

    def unplug(self) -> None: ...


class TestBonds:
    def test_each_is_a_record_of_its_own(self, key: Device, storage: MemoryStorage) -> None:
        assert key.bonds() == {}
        key.put_bond(address(1), b"one")
        key.put_bond(f"{address(2)}/P", b"two")
        assert key.bonds() == {address(1): b"one", f"{address(2)}/P": b"two"}
        assert storage.keys("bond/") == [f"bond/{address(1)}", f"bond/{address(2)}/P"]

    def test_a_new_one_takes_the_place_of_the_old_one(self, key: Device) -> None:
        key.put_bond(address(1), b"old")
        key.put_bond(address(2), b"other")
        key.put_bond(address(1), b"")
        assert list(key.bonds().items()) == [(address(2), b"other"), (address(1), b"")]

    def test_one_is_forgotten_and_none_is_harmless(self, key: Device) -> None:
        key.put_bond(address(1), b"one")
        key.forget_bond(address(2))
        assert key.bonds() == {address(1): b"one"}
        key.forget_bond(address(1))
        key.forget_bond(address(1))
        assert key.bonds() == {}

    def test_of_too_many_the_oldest_goes(self, key: Device) -> None:
        for number in range(MAX_BONDS):
            key.put_bond(address(number), b"")
        key.put_bond(address(0), b"again")
        key.put_bond(address(99), b"one more")
        assert list(key.bonds()) == [*map(address, range(2, MAX_BONDS)), address(0), address(99)]

    @pytest.mark.parametrize(
        "name", ["", "app/001", "../x", address(1).lower(), f"{address(1)}/R", f"{address(1)}\n"]
    )
    def test_nothing_is_kept_under_another_name(self, key: Device, storage: MemoryStorage, name: str) -> None:
        before = storage.keys()
        with pytest.raises(ValueError, match="address"):
            key.put_bond(name, b"")
        assert storage.keys() == before

    def test_none_is_longer_than_its_limit(self, key: Device) -> None:
        key.put_bond(address(1), bytes(MAX_BOND_SIZE))
        with pytest.raises(ValueError, match="1024 bytes"):
            key.put_bond(address(1), bytes(MAX_BOND_SIZE + 1))
        assert key.bonds() == {address(1): bytes(MAX_BOND_SIZE)}

    def test_they_outlive_the_key_that_is_switched_off(self, clock: ManualClock, tmp_path: Path) -> None:
        first = Device(BLUETOOTH, storage=SqliteStorage(tmp_path / "key"), clock=clock)
        first.put_bond(address(1), b"one")
        identity = first.bluetooth_identity()
        first.close()
        second = Device(BLUETOOTH, first.serial, storage=SqliteStorage(tmp_path / "key"), clock=clock)
        assert (second.bonds(), second.bluetooth_identity()) == ({address(1): b"one"}, identity)
        second.close()

    def test_they_belong_to_the_key_and_not_to_the_banks_application(self, shared: SharedKey) -> None:
        """The phone still finds its key when the bank has issued it anew."""
        device = shared.device
        device.put_bond(address(1), b"one")
        identity = device.bluetooth_identity()
        session = GmtSession(As(shared, COMPUTER))
        session.authenticate_device(BLUETOOTH.device_auth_key)
        session.delete_application(BLUETOOTH.application)
        session.create_application(new_application(BLUETOOTH, "NEW"))
        assert (device.bonds(), device.bluetooth_identity()) == ({address(1): b"one"}, identity)

    def test_they_disturb_no_command_that_waits(self, shared: SharedKey) -> None:
        shared.power_on_battery(PHONE)
        signature = begin_signature(shared, PHONE)
        shared.device.put_bond(address(1), b"one")
        for _ in range(shared.device.screen.pages):
            shared.device.press("down")
        shared.device.press("ok")
        assert signature.wait()[-2:] == OK
        assert is_logged_in(shared)

    @pytest.mark.parametrize("phase", get_args(Phase))
    def test_a_power_cut_leaves_the_old_ones_or_the_new_ones(self, clock: ManualClock, phase: Phase) -> None:
        """C9: never nine, never one missing without the new one."""
        storage = FaultyStorage(MemoryStorage(), MAX_BONDS + 1, phase)
        device = Device(BLUETOOTH, storage=storage, clock=clock)
        for number in range(MAX_BONDS):
            device.put_bond(address(number), b"")
        with pytest.raises(PowerCut):
            device.put_bond(address(99), b"new")
        storage.restart()
        kept = list(Device(BLUETOOTH, storage=storage, clock=clock).bonds())
        old = [*map(address, range(MAX_BONDS))]
        assert kept == ([*old[1:], address(99)] if phase == "after" else old)

    def test_what_they_say_is_told_to_nobody(
        self, shared: SharedKey, caplog: pytest.LogCaptureFixture
    ) -> None:
        secret = b"a long-term key "
        caplog.set_level(logging.DEBUG)
        device = shared.device
        device.put_bond(address(1), secret)
        with pytest.raises(ValueError) as caught:  # noqa: PT011 - its message is what is looked at
            device.put_bond("x", secret)
        identity = device.bluetooth_identity()
        control = KeyControl(shared, StillPlugged())
        told = [
            caplog.text,
            repr(device),
            str(caught.value),
            json.dumps(key_json(control), ensure_ascii=False),
        ]
        told += [json.dumps([asdict(application) for application in device.inspect()])]
        control.close()
        for known in (secret, identity[:16]):
            assert all(
                text not in "".join(told) for text in (known.decode("latin-1"), known.hex(), str(known))
            )


class TestIdentity:
    def test_it_is_made_once_and_kept(self, key: Device, storage: MemoryStorage) -> None:
        assert storage.read("bluetooth") is None
        identity = key.bluetooth_identity()
        assert len(identity) == 16 + 6
        assert key.bluetooth_identity() == storage.read("bluetooth") == identity

    def test_its_address_is_static_and_random(self, clock: ManualClock) -> None:
        """Bluetooth Core 5.4, vol 6, part B, 1.3.2.1: the two most significant bits are ones."""
        made = [
            Device(BLUETOOTH, clock=clock, entropy=SeededEntropy(bytes([seed]))).bluetooth_identity()
            for seed in range(32)
        ]
        assert all(identity[16] >> 6 == 0b11 for identity in made)
        assert len({identity[:16] for identity in made}) == len({identity[16:] for identity in made}) == 32

    @pytest.mark.parametrize("alike", [0x00, 0xFF])
    def test_its_random_part_is_not_all_alike(self, clock: ManualClock, alike: int) -> None:
        class Stuck(SeededEntropy):
            """Draws what no address may be, once."""

            drawn = False

            def bytes(self, n: int) -> builtins.bytes:
                if n == 6 and not self.drawn:
                    self.drawn = True
                    return builtins.bytes([alike]) * n
                return super().bytes(n)

        entropy = Stuck(b"stuck")
        identity = Device(BLUETOOTH, clock=clock, entropy=entropy).bluetooth_identity()
        assert entropy.drawn
        assert identity[16:] not in (bytes.fromhex("c00000000000"), bytes.fromhex("ffffffffffff"))
