"""What every test may ask for: the key under test over each wire, and a private pcscd."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from emulator.device import Device
from emulator.hardware.clock import ManualClock
from emulator.profiles import Profile, load_profile
from emulator.profiles.checks import check
from emulator.sharing import SharedKey
from pytest_vukey import CORDLESS_TARGETS, TARGETS, USB_TARGETS, targets
from tests.rig.built import open_workshop
from tests.rig.key import KeyRig, changed, stored, user_pin
from tests.rig.pcscd import PrivatePcscd, fresh_pcscd, pcscd
from vukey_testing.targets import Reader, Wire
from vukey_testing.wires import skipping_where_impossible, wire_of

if TYPE_CHECKING:
    from tests.rig.spread import GuestApart

__all__ = ["fresh_pcscd", "pcscd"]

PROFILE = "bocom-2g-tendyron"
BLUETOOTH_PROFILE = "bocom-ble-feitian"
"""Whose Bluetooth a model has over the wire `ble`, if it has none itself."""


def pytest_configure(config: pytest.Config) -> None:
    """Programs under test must hear Ctrl-C and SIGHUP, even where a script started us in its background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    settings.register_profile("vukey", deadline=None)  # a guest runs beside: seconds say nothing of the code
    settings.load_profile("vukey")
    config.add_cleanup(open_workshop())


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> GuestApart:
    """See `GuestApart`; xdist's own `loadgroup` groups nothing under pytest 9.2 (pytest-xdist issue 1386)."""
    from tests.rig.spread import GuestApart  # loads xdist

    return GuestApart(config, log)


def chosen_tokens(config: pytest.Config) -> tuple[str, ...]:
    """The wires of this run: what the plug-in's ``--token`` says, by default all that every machine can have."""
    return targets(config, TARGETS + CORDLESS_TARGETS)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    names = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    if "token" not in metafunc.fixturenames or "token" in names:
        return
    are_usual = not metafunc.config.getoption("vukey_token")
    tokens = [
        pytest.param(token, marks=pytest.mark.slow) if are_usual and token in CORDLESS_TARGETS else token
        for token in chosen_tokens(metafunc.config)
        if token != "ble" or _marked_model(metafunc.definition).display
    ]
    metafunc.parametrize("token", tokens)


def _marked_model(node: pytest.Item) -> Profile:
    """The model of the mark `profile`. By Bluetooth goes only what can show the number of a pairing."""
    mark = node.get_closest_marker("profile")
    return load_profile(mark.args[0] if mark else PROFILE)


@pytest.fixture
def profile(request: pytest.FixtureRequest) -> Profile:
    """The model under test: the marks `profile` and `limits`."""
    model = _marked_model(request.node)
    for limits in reversed([*request.node.iter_markers("limits")]):
        model = changed(model, **limits.kwargs)
    if _token_of(request) == "ble" and model.bluetooth is None:
        bluetooth = load_profile(BLUETOOTH_PROFILE).bluetooth
        model = changed(model, bluetooth=bluetooth, buttons=(*model.buttons, "power"))
    check(model)
    return model


def _token_of(request: pytest.FixtureRequest) -> str | None:
    """Which wire the test is for; None: it is for none in particular."""
    return request.getfixturevalue("token") if "token" in request.fixturenames else None


@pytest.fixture
def stage(request: pytest.FixtureRequest) -> str:
    """How far the key has come: the mark `stage`."""
    mark = request.node.get_closest_marker("stage")
    return str(mark.args[0]) if mark else "ready"


@pytest.fixture
def clock() -> ManualClock:
    """Time that stands still until the test moves it."""
    return ManualClock()


@pytest.fixture
def device(profile: Profile, stage: str, clock: ManualClock) -> Device:
    """A fresh key of that model and stage, without power."""
    return Device(profile, storage=stored(profile, stage), clock=clock)


@pytest.fixture
def rig(
    request: pytest.FixtureRequest,
    token: str,
    profile: Profile,
    stage: str,
    device: Device,
    clock: ManualClock,
) -> Iterator[KeyRig]:
    """The key plugged in, with its host and its person."""
    if token not in chosen_tokens(request.config):
        pytest.skip(f"--token leaves {token} out")
    with skipping_where_impossible(token) if token in USB_TARGETS else nullcontext():
        rig = KeyRig(device, clock, _wire(request, token), user_pin(profile, stage))
    yield rig
    rig.close()


def _wire(request: pytest.FixtureRequest, token: str) -> Callable[[SharedKey], Wire]:
    if token != "vpcd":
        return wire_of(token)
    pcscd: PrivatePcscd = request.getfixturevalue("fresh_pcscd")
    return lambda shared: Reader(shared, [pcscd.connect])
