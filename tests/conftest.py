"""What every test may ask for: the key under test over each wire, and a private pcscd."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from emulator.device import Device
from emulator.hardware.clock import ManualClock
from emulator.profiles import Profile, load_profile
from emulator.profiles.checks import check
from tests.rig.key import InProcess, KeyRig, Plug, RealPcsc, UnixSocket, changed, stored, user_pin
from tests.rig.pcscd import fresh_pcscd, pcscd

__all__ = ["fresh_pcscd", "pcscd"]

TOKENS = ("inproc", "socket", "vpcd")
PROFILE = "bocom-2g-tendyron"


def pytest_configure() -> None:
    """Programs under test must hear Ctrl-C and SIGHUP, even where a script started us in its background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--token",
        action="append",
        metavar="|".join(TOKENS),
        help="how conformance tests reach the key: repeated or with commas; all of them by default",
    )


def chosen_tokens(config: pytest.Config) -> tuple[str, ...]:
    """The wires of this run."""
    given = config.getoption("token") or [",".join(TOKENS)]
    names = tuple(dict.fromkeys(name for option in given for name in option.split(",")))
    if unknown := set(names) - set(TOKENS):
        raise pytest.UsageError(f"--token: {', '.join(sorted(unknown))} is none of {', '.join(TOKENS)}")
    return names


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    names = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    if "token" in metafunc.fixturenames and "token" not in names:
        metafunc.parametrize("token", chosen_tokens(metafunc.config))


@pytest.fixture
def profile(request: pytest.FixtureRequest) -> Profile:
    """The model under test: the marks `profile` and `limits`."""
    mark = request.node.get_closest_marker("profile")
    model = load_profile(mark.args[0] if mark else PROFILE)
    for limits in reversed([*request.node.iter_markers("limits")]):
        model = changed(model, **limits.kwargs)
    check(model)
    return model


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
    rig = KeyRig(device, clock, _plug(request, token, device), user_pin(profile, stage))
    yield rig
    rig.close()


def _plug(request: pytest.FixtureRequest, token: str, device: Device) -> Plug:
    if token == "inproc":
        return InProcess(device)
    if token == "socket":
        return UnixSocket(device)
    return RealPcsc(device, request.getfixturevalue("fresh_pcscd"))
