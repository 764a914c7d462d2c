"""libskf_vukey in this process, and a key for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.device import Device
from emulator.hardware.clock import ManualClock
from emulator.profiles import Profile
from tests.rig.cli import run_directory
from tests.rig.key import stored
from tests.rig.pcscd import missing_components
from tests.rig.skf import SkfKey, library, skf_key
from tests.rig.skf_calls import Handle, Skf


@pytest.fixture(scope="session", autouse=True)
def _readers_of_our_own(request: pytest.FixtureRequest) -> None:
    """Whoever lists keys asks PC/SC, and libpcsclite looks for its daemon once per process."""
    if not missing_components():
        request.getfixturevalue("pcscd")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A run directory that the library here looks into."""
    with run_directory() as directory:
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(directory))
        yield directory


@pytest.fixture
def skf() -> Skf:
    """The library."""
    return Skf(library())


@pytest.fixture
def key(profile: Profile, stage: str, run: Path) -> Iterator[SkfKey]:
    """A key on its socket."""
    with skf_key(profile, stage, run) as key:
        yield key


@pytest.fixture
def card(profile: Profile, stage: str, clock: ManualClock) -> Device:
    """A key without a link."""
    return Device(profile, storage=stored(profile, stage), clock=clock)


@pytest.fixture
def device(skf: Skf, key: SkfKey) -> Iterator[Handle]:
    """Its handle."""
    handle = skf.connect(key)
    yield handle
    skf.SKF_DisConnectDev(handle)


@pytest.fixture
def application(skf: Skf, key: SkfKey, device: Handle) -> Handle:
    """The bank's application, opened."""
    return skf.open(device, key)
