"""A key on a serial line is taken for a real one. It is a virtual one, with a panel: what was sent can be seen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hostdriver.control import KeyApi
from tests.plugin.suite import Ended, Suite
from tests.rig.cli import PIN, Up, run_directory

TESTS = """
def test_transfer(key, session, screen, press):
    with key.pending(sign, key, session) as signature:
        screen.wait_for("张三")
        press("down", "down", "ok")
    assert signature.result()

def test_pulled_out(key, session):
    from hostdriver.errors import KeyRemovedError

    with pytest.raises(KeyRemovedError), key.pending(sign, key, session):
        key.unplug()
    key.plug()
    with key.session() as again:
        assert again.device_info().serial == key.serial
"""
GUARDED = """
def test_what_is_not_sent(key, session):
    from vukey_testing.errors import GuardError

    application = session.open_application(key.profile.application)
    with pytest.raises(GuardError, match="could cost a try"):
        session.verify_pin(application, "000000")
    with pytest.raises(GuardError, match="--allow-wipe"):
        session.delete_application(key.profile.application)
"""


class Real:
    """A key that runs, and test suites against it."""

    def __init__(self, suite: Suite, up: Up, run: Path) -> None:
        self.suite, self.serial = suite, up.serial
        self.token = str(up.facts["links"][0])
        self._run = str(run)

    def run(self, *options: str) -> Ended:
        named = ("--token", self.token, "--serial", self.serial, "-ra")
        return self.suite.run(*named, *options, XDG_RUNTIME_DIR=self._run, VUKEY_PIN=PIN)

    def refused(self, *options: str) -> str:
        return self.suite.refused("--token", self.token, *options, XDG_RUNTIME_DIR=self._run)

    @property
    def sent(self) -> set[str]:
        """The names of every command since it was started, the making of the key apart."""
        with closing(KeyApi.find(self.serial)) as api:
            return {apdu["name"] for apdu in api.apdus()}


@pytest.fixture
def real(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> Iterator[Real]:
    with run_directory() as run, Up(run, "--link", "serial", "--panel") as up:
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(run))
        yield Real(suite, up, run)


@pytest.mark.parametrize("workers", ["0", "2"])
def test_the_control_api_works_it(real: Real, workers: str) -> None:
    real.suite.write(TESTS + GUARDED)
    ended = real.run("-n", workers)
    assert ended.outcomes == {"passed": 3}, ended.text
    assert "DeleteApplication" not in real.sent


def test_another_serial_number_is_a_usage_error_and_the_key_is_left_alone(real: Real) -> None:
    real.suite.write(TESTS)
    line = real.refused("--serial", "5200000000")
    assert f"says that it is {real.serial}, not --serial 5200000000: it was left alone" in line
    assert real.sent == {"GetDevInfo"}


def test_without_a_number_it_is_not_touched(real: Real) -> None:
    real.suite.write(TESTS)
    assert "may be a real key: say which one it must be with --serial" in real.refused()
    assert real.sent == set()


def test_no_such_port_is_a_usage_error(suite: Suite) -> None:
    suite.write(TESTS)
    options = ("--token", "serial:/dev/ttyS999", "--serial", "1", "--vukey-profile", "bocom-2g-tendyron")
    assert "no serial port at /dev/ttyS999: No such file or directory" in suite.refused(*options)
