"""From the command line and a test's marks to the key that it gets."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from emulator.links.errors import LinkError
from emulator.links.vpcd import Connect, tcp_slots
from emulator.running import parse_link
from emulator.sharing import SharedKey
from hostdriver.secrets import handed_over, read_secret
from protocols.i18n import N_
from vukey_testing.emulated import EmulatedKey
from vukey_testing.errors import SetupError, skip
from vukey_testing.golden import goldens
from vukey_testing.key import Key
from vukey_testing.library_keys import LibraryKey, is_library, open_library
from vukey_testing.real import RealKey, RealOptions, alone_with, check_identity
from vukey_testing.states import PROFILE, Wanted, made, wanted
from vukey_testing.targets import Reader, Wire
from vukey_testing.wires import skipping_where_impossible, wire_of


def wanted_by(item: pytest.Item, target: str, **more: Any) -> Wanted:
    """What the marks of a test say together; the closest wins, and `more` is closer still.

    :raises SetupError: see `states.wanted`.
    """
    marks = [*item.iter_markers("vukey")]
    if any(mark.args for mark in marks):
        raise SetupError(N_("the mark vukey takes named parts only: vukey(stage=…)"))
    model = item.config.getoption("vukey_profile") or PROFILE
    if _is_real(target):
        model = real_options(item.config, target).model_name
    return wanted([more, *(mark.kwargs for mark in marks)], model)


def tries_of(item: pytest.Item) -> int:
    """How many tries the test may spend on a real key.

    :raises SetupError: the mark does not say a number.
    """
    mark = item.get_closest_marker("vukey_spends_tries")
    if mark is None:
        return 0
    match mark.args:
        case (int(tries),) if tries > 0 and not mark.kwargs:
            return tries
    raise SetupError(N_("the mark vukey_spends_tries takes one number: how many tries the test may spend"))


def real_options(config: pytest.Config, target: str) -> RealOptions:
    """What the command line says of a real key.

    :raises NoSecretError: its PIN cannot be read.
    """
    pin_file = config.getoption("vukey_pin_file")
    file = Path(pin_file) if pin_file else None
    pin = read_secret(N_("PIN"), "VUKEY_PIN", file) if handed_over("VUKEY_PIN", file) else None
    return RealOptions(
        target=target,
        serial=config.getoption("vukey_serial"),
        model=config.getoption("vukey_profile"),
        user_pin=pin,
        may_wipe=config.getoption("vukey_allow_wipe"),
        operator=config.getoption("vukey_operator"),
        run=os.environ.get("PYTEST_XDIST_TESTRUNUID", f"pid {os.getpid()}"),
    )


@contextmanager
def key_for(item: pytest.Item, target: str, wanted: Wanted, number: int) -> Iterator[Key]:
    """The key of a test, plugged in.

    :param number: counts the test's keys from 0.
    """
    if not _is_real(target):
        side = _emulated(item.config, target, wanted, number)
        key = Key(side, lambda: goldens(item, side.profile))
        with closing(key):
            yield key
        return
    if number:
        skip(N_("there is one real key, and the test wants more"))
    options = real_options(item.config, target)
    with alone_with(options.serial, options.run) as lock, closing(options.new_operator()) as operator:
        kind = LibraryKey if is_library(target) else RealKey
        real = kind(options, wanted, tries_of(item), lock, operator)
        key = Key(real, lambda: goldens(item, real.profile))
        with closing(key):
            yield key


def check_target(config: pytest.Config, target: str) -> None:
    """Before any test: see that a target is what the command line says. Of a real key nothing but its number is asked.

    :raises SetupError: it is not.
    """
    if _is_real(target):
        check_identity(real_options(config, target), open_library if is_library(target) else RealOptions.open)
    elif target == "vpcd":
        _slots(config)


def _is_real(target: str) -> bool:
    return ":" in target


def _emulated(config: pytest.Config, target: str, wanted: Wanted, number: int) -> EmulatedKey:
    with skipping_where_impossible(target):
        return EmulatedKey(made(wanted, number), target, _wire(config, target))


def _wire(config: pytest.Config, target: str) -> Callable[[SharedKey], Wire]:
    if target == "vpcd":
        return lambda shared: Reader(shared, _slots(config))
    return wire_of(target)


def _slots(config: pytest.Config) -> tuple[Connect, ...]:
    where = config.getoption("vukey_vpcd")
    try:
        spec = parse_link(f"vpcd:{where}")
    except LinkError:
        raise SetupError(N_("--vukey-vpcd {where}: expected HOST:PORT"), where=where) from None
    return tcp_slots(spec.host, spec.port)
