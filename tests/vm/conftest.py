"""Who asks for the fixture `guest` runs outside and drives the guest; every other test here runs inside it.

Outside, a test that belongs inside is sent there together with all others of the session, in one run of pytest, and
its reports come back as if it had run here. One worker of pytest-xdist has all the tests of this directory (see
`tests.rig.spread`), so that one guest is booted; `test_usb_conformance` alone takes another, afterwards.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import pytest

from tests.vm.guest import INSIDE, PROCESSORS, Guest, GuestError
from tests.vm.kernel import NoGuestError
from tests.vm.remote import InsideRun
from tests.vm.stack import UsbPcscd, enter_our_keys, kernel_complaints, load_modules, mark_kernel_log

HERE = Path(__file__).parent
RUN_SECONDS = 1800.0
"""For all the tests inside together."""


class House:
    """The guest of this session, booted when it is first needed, and the tests that run inside it."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._run: InsideRun | None = None

    @cached_property
    def guest(self) -> Guest | NoGuestError | GuestError:
        """It, or why there is none: it cannot be had here, or it does not boot."""
        try:
            guest = Guest(processors=PROCESSORS)
        except (NoGuestError, GuestError) as error:
            return error
        self._config.add_cleanup(guest.close)
        return guest

    def reports(self, guest: Guest, item: pytest.Item) -> list[pytest.TestReport]:
        """What became of a test inside. The first one that is asked about sends all of them there."""
        if self._run is None:
            names = [each.nodeid for each in item.session.items if _belongs_inside(each)]
            self._run = InsideRun(guest, self._config, names, timeout=RUN_SECONDS)
        return self._run.of(item.nodeid)

    def wait(self) -> None:
        """Wait until nothing runs inside."""
        if self._run:
            self._run.finish()


HOUSE = pytest.StashKey[House]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[HOUSE] = House(config)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not INSIDE and HERE in item.path.parents:
            item.add_marker(
                pytest.mark.timeout(0), append=False
            )  # whatever runs inside has its time taken there


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Have a test run inside; without a guest it goes the usual way, and `_place` ends it."""
    house = item.config.stash[HOUSE]
    if not _belongs_inside(item) or not isinstance(house.guest, Guest):
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in house.reports(house.guest, item):
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    item.session._setupstate.teardown_exact(nextitem)  # what the test before left for this one's module
    return True


@pytest.fixture(autouse=True, scope="session")
def _place(request: pytest.FixtureRequest) -> Guest | None:
    if INSIDE:
        return None
    guest = request.config.stash[HOUSE].guest
    if isinstance(guest, NoGuestError) and os.environ.get("CI") != "true":
        pytest.skip(str(guest))
    if not isinstance(guest, Guest):
        pytest.fail(str(guest))
    return guest


@pytest.fixture
def guest(request: pytest.FixtureRequest, _place: Guest) -> Guest:
    """The guest, with nothing running inside."""
    request.config.stash[HOUSE].wait()
    return _place


@pytest.fixture(scope="module")
def usb_stack() -> Iterator[None]:
    """Inside: buses, and a pcscd that takes every key of ours on them, for the tests of a module."""
    load_modules()
    enter_our_keys()
    with UsbPcscd():
        yield


@pytest.fixture
def content_kernel() -> Iterator[None]:
    """Inside: whatever the test does, Linux has nothing to complain of."""
    mark_kernel_log()
    yield
    assert kernel_complaints() == []


def _belongs_inside(item: pytest.Item) -> bool:
    return (
        not INSIDE
        and HERE in item.path.parents
        and isinstance(item, pytest.Function)
        and "guest" not in item.fixturenames
    )
