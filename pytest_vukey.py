"""The pytest plug-in: a key per test, the same test over every target. docs/testing-with-vukey.md says how.

Everybody who has vukey installed gets this module in every run of pytest: it imports nothing of the rest before a
test wants a key.
"""

from __future__ import annotations

import importlib.util
import re
from argparse import ArgumentError
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

_HIDDEN = "vukey's own packages are hidden by others ({error}): rename those, or leave vukey out: -p no:pytest_vukey"
"""English only: what translates it may be what is hidden."""

try:
    from protocols.errors import VukeyError
    from protocols.i18n import N_, _
    from vukey_testing import KEYS, golden
    from vukey_testing.errors import SetupError
    from vukey_testing.report import ReportPlugin
except ImportError as error:
    raise pytest.UsageError(_HIDDEN.format(error=error)) from error

if TYPE_CHECKING:
    from hostdriver.gmt import GmtSession
    from hostdriver.token import Token
    from vukey_testing.key import Key, KeyClock, KeyScreen

TARGETS = ("inproc", "socket", "vpcd")
"""Those that every Linux machine can have."""
USB_TARGETS = ("gadget", "usbip", "usb")
"""Those that need root and a kernel with USB."""
CORDLESS_TARGETS = ("serial", "ble")
"""Those that need nothing but packages: a line of their own, and a radio without waves."""
LIBRARY_TARGETS = ("skf",)
"""Those that need our library in C, and take no APDUs."""
_FIXTURE = "vukey_target"
_BETWEEN = re.compile(r",(?=inproc|socket|vpcd|gadget|usb|serial|ble|skf|pcsc:|pkcs11:)")
"""A reader's name may have commas."""
_REAL = re.compile(r"(pcsc|serial|ble|skf|pkcs11):.|usb:[0-9a-fA-F]{1,4}:[0-9a-fA-F]{1,4}(:.|$)")
_MARKS = (
    "vukey(profile=ID, stage='blank'|'issued'|'ready', pin_tries=LEFT, pin_locked=True, activated=BOOL, "
    "initial_pin=BOOL, values={'confirm.timeout_s': 5}): the key that the test wants; the closest mark wins",
    "vukey_spends_tries(n): the test may spend n tries of a real key's PIN",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options."""
    group = parser.getgroup("vukey")
    try:
        _add_options(group)
    except (ValueError, ArgumentError) as error:
        taken = SetupError(
            N_("another plug-in of pytest has an option of vukey's ({error}): leave one out, ours with {how}"),
            error=error, how="-p no:pytest_vukey",
        )  # fmt: skip
        raise _usage_error(taken) from error


def _add_options(group: pytest.OptionGroup) -> None:
    group.addoption(
        "--token",
        dest="vukey_token",
        action="append",
        metavar="inproc|socket|vpcd|gadget|usbip|usb|serial|ble|skf|pcsc:READER|usb:VID:PID|serial:PATH|ble:SERIAL"
        "|skf:LIBRARY|pkcs11:MODULE",
        help=_("how the tests reach the key: repeated or with commas; inproc by default"),
    )
    group.addoption(
        "--serial",
        dest="vukey_serial",
        metavar="NUMBER",
        help=_(
            "the key that pcsc:READER, usb:VID:PID, serial:PATH, ble:SERIAL, skf:LIBRARY or pkcs11:MODULE must be; "
            "no other is touched"
        ),
    )
    group.addoption(
        "--allow-wipe",
        dest="vukey_allow_wipe",
        action="store_true",
        help=_("a real key may be issued anew: everything on it is deleted"),
    )
    group.addoption(
        "--vukey-operator",
        default="auto",
        metavar="auto|person|URL",
        help=_("who works a real key: its control API or a person; or a robot's HTTP endpoint"),
    )
    group.addoption(
        "--vukey-profile", metavar="ID", help=_("the model of tests that name none, or of a real key")
    )
    group.addoption("--vukey-pin-file", metavar="FILE", help=_("the PIN of a real key; else VUKEY_PIN"))
    group.addoption(
        "--vukey-vpcd",
        default="127.0.0.1:35963",
        metavar="HOST:PORT",
        help=_("where pcscd's vsmartcard listens; 127.0.0.1:35963 by default"),
    )
    golden.add_options(group)


def pytest_configure(config: pytest.Config) -> None:
    """Marks, and the plug-ins within the plug-in."""
    for mark in _MARKS:
        config.addinivalue_line("markers", mark)
    targets(config)
    golden.register(config)
    config.pluginmanager.register(ReportPlugin())


def targets(config: pytest.Config, default: tuple[str, ...] = TARGETS[:1]) -> tuple[str, ...]:
    """What ``--token`` names.

    :raises pytest.UsageError: an unknown target, or one that may be a real key without ``--serial``.
    """
    given = [name for option in config.getoption("vukey_token") or default for name in _BETWEEN.split(option)]
    for name in given:
        is_real = bool(_REAL.match(name))
        if name not in TARGETS + USB_TARGETS + CORDLESS_TARGETS + LIBRARY_TARGETS and not is_real:
            raise _usage_error(
                SetupError(
                    N_(
                        "--token {name}: expected inproc, socket, vpcd, gadget, usbip, usb, serial, ble, skf, "
                        "pcsc:READER, usb:VID:PID[:SERIAL], serial:PATH, ble:SERIAL[@ADAPTER], "
                        "skf:LIBRARY[:DEVICE] or pkcs11:MODULE[:LABEL]"
                    ),
                    name=name,
                )
            )
        if is_real and not config.getoption("vukey_serial"):
            raise _usage_error(
                SetupError(
                    N_("--token {name} may be a real key: say which one it must be with --serial NUMBER"),
                    name=name,
                )
            )
    return tuple(dict.fromkeys(given))


def pytest_sessionstart(session: pytest.Session) -> None:
    """See that a real key is the one that was named, before any test; a worker of pytest-xdist need not."""
    config = session.config
    if config.option.collectonly or hasattr(config, "workerinput"):
        return
    for target in targets(config):
        if target not in ("inproc", "socket"):
            _check_packages()
            _check_target(config, target)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that wants a key runs on every target."""
    if _FIXTURE in metafunc.fixturenames:
        metafunc.parametrize(_FIXTURE, targets(metafunc.config))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Check every mark before the first test runs."""
    ours = [item for item in items if isinstance(item, pytest.Function) and _FIXTURE in item.fixturenames]
    if ours:
        _check_packages()
    for item in ours:
        callspec = getattr(item, "callspec", None)
        for target in [callspec.params[_FIXTURE]] if callspec else targets(config)[:1]:
            _check_marks(item, str(target))


def _check_packages() -> None:
    """A folder of the project's own, named like one of our packages, hides it from Python."""
    for name in ("emulator", "hostdriver"):
        spec = importlib.util.find_spec(name)
        places = [*(spec.submodule_search_locations or [spec.origin or "?"])] if spec else ["?"]
        if Path(places[0]) != Path(__file__).parent / name:
            raise _usage_error(
                SetupError(
                    N_("vukey's own package {name} is hidden by {place}: rename that, or run pytest without it"),
                    name=name, place=places[0],
                )
            )  # fmt: skip


def _check_marks(item: pytest.Item, target: str) -> None:
    from vukey_testing.choice import tries_of, wanted_by

    try:
        wanted_by(item, target)
        tries_of(item)
    except VukeyError as error:
        raise pytest.UsageError(f"{item.nodeid}: {error.localized()}") from None


def _check_target(config: pytest.Config, target: str) -> None:
    from vukey_testing.choice import check_target

    try:
        check_target(config, target)
    except VukeyError as error:
        raise _usage_error(error) from None


def _usage_error(error: VukeyError) -> pytest.UsageError:
    """pytest shows it as one line, and ends."""
    return pytest.UsageError(error.localized())


@pytest.fixture
def vukey_target(pytestconfig: pytest.Config) -> str:
    """The first target: of a test that pytest cannot run several times, as a method of `unittest.TestCase`."""
    return targets(pytestconfig)[0]


@pytest.fixture
def make_key(request: pytest.FixtureRequest, vukey_target: str) -> Iterator[Callable[..., Key]]:
    """Makes the test's keys: ``make_key(stage="blank")``; its arguments are those of the mark and go before it."""
    from vukey_testing.choice import key_for, wanted_by

    item = request.node
    keys = item.stash.setdefault(KEYS, [])

    with ExitStack() as held:

        def make(**parts: Any) -> Key:
            wanted = wanted_by(item, vukey_target, **parts)
            key = held.enter_context(key_for(item, vukey_target, wanted, len(keys)))
            keys.append(key)
            return key

        yield make


@pytest.fixture
def key(make_key: Callable[..., Key]) -> Key:
    """A key as the marks want it, plugged in."""
    return make_key()


@pytest.fixture
def screen(key: Key) -> KeyScreen:
    """What the key shows."""
    return key.screen


@pytest.fixture
def press(key: Key) -> Callable[..., None]:
    """Presses the key's buttons: ``press("down", "ok")``."""
    return key.press


@pytest.fixture
def type_code(key: Key) -> Callable[..., None]:
    """Types on the key's keypad, then OK: ``type_code("12345678")``."""
    return key.type_code


@pytest.fixture
def clock(key: Key) -> KeyClock:
    """The key's time: ``clock.advance("59s")``."""
    return key.clock


@pytest.fixture
def token(key: Key) -> Iterator[Token]:
    """The key by whatever way the target names, APDUs or a library."""
    with key.open_token() as token:
        yield token


@pytest.fixture
def session(key: Key) -> Iterator[GmtSession]:
    """A GM/T 0017 session with the key."""
    with key.session() as session:
        yield session
