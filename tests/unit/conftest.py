"""The unit tests' key: in process, whatever wires the conformance tests take."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from emulator.device import Device
from emulator.hardware.clock import ManualClock
from emulator.profiles import Profile
from tests.rig.key import KeyRig, user_pin
from vukey_testing.targets import InProcess


@pytest.fixture
def rig(device: Device, clock: ManualClock, profile: Profile, stage: str) -> Iterator[KeyRig]:
    rig = KeyRig(device, clock, InProcess, user_pin(profile, stage))
    yield rig
    rig.close()
