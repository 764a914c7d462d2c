"""A virtual key on a serial line and programs at its other end, each in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from emulator.device import Device
from emulator.hardware.clock import ManualClock
from emulator.profiles import load_profile
from hostdriver.errors import Exit
from hostdriver.gmt import GmtSession
from hostdriver.transport.serial import SerialTransport
from tests.rig.cli import PIN, Started, Up, failing, run_directory, vukey
from tests.rig.key import KeyRig, stored, user_pin
from tests.rig.messages import TRANSFER
from tests.rig.patience import PATIENCE_S
from vukey_testing.serial_targets import SerialLine

PROFILE = load_profile("bocom-2g-tendyron")


@pytest.fixture
def run() -> Iterator[Path]:
    with run_directory() as directory:
        (directory / "message.xml").write_bytes(TRANSFER)
        yield directory


@pytest.fixture
def rig() -> Iterator[KeyRig]:
    clock = ManualClock()
    device = Device(PROFILE, storage=stored(PROFILE, "ready"), clock=clock)
    rig = KeyRig(device, clock, SerialLine, user_pin(PROFILE, "ready"))
    rig.session.transport.close()
    yield rig
    rig.close()


def test_a_key_signs(run: Path) -> None:
    with Up(run, "--link", "serial", "--approve", "always") as key:
        (link,) = key.facts["links"]
        path = Path(link.removeprefix("serial:"))
        assert path.is_char_device()
        token = ("--token", link)
        info = vukey("host", "info", "--json", *token, run=run)
        assert json.loads(info.stdout)["serial"] == key.serial, info.stderr
        signed = vukey("host", "sign", run / "message.xml", "--alg", "sm2", *token, run=run, VUKEY_PIN=PIN)
        assert len(bytes.fromhex(signed.stdout)) == 64, signed.stderr
        assert key.stop() == 0
        assert f"listening at {path}" in "\n".join(key.err.all() + key.out.all())
    assert not path.is_symlink()
    assert "No such file" in failing(Exit.NO_KEY, "host", "info", *token, run=run)


def test_the_list_has_it_even_while_a_program_uses_it(run: Path) -> None:
    with Up(run, "--link", "serial") as key:
        (link,) = key.facts["links"]
        for token in ((), ("--token", "serial")):
            info = vukey("host", "info", "--json", *token, run=run)
            assert json.loads(info.stdout)["serial"] == key.serial, info.stderr
        with closing(SerialTransport.open(link.removeprefix("serial:"))):
            listed = json.loads(vukey("host", "list", "--json", run=run).stdout)
            assert [(token["token"], token["serial"]) for token in listed] == [(link, key.serial)]
    assert "no key at serial" in failing(Exit.NO_KEY, "host", "info", "--token", "serial", run=run)


def test_what_runs_with_the_key_finds_it(run: Path) -> None:
    up = ("up", "--link", "serial", "--", sys.executable, "-m", "vukey", "host", "info", "--json")
    done = vukey(*up, run=run)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["serial"]


def test_after_a_key_that_was_killed(run: Path) -> None:
    serial = ("--serial", "5212345678")
    with Up(run, "--link", "serial", *serial) as killed:
        killed.process.kill()
        killed.process.wait(PATIENCE_S)
        assert "5212345678.tty" in killed.run_files
    with Up(run, "--link", "serial", *serial) as key:
        info = vukey("host", "info", "--json", "--token", key.facts["links"][0], run=run)
        assert json.loads(info.stdout)["serial"] == "5212345678", info.stderr


def test_links_that_cannot_be_had(run: Path) -> None:
    assert "No such file" in failing(2, "up", "--link", f"serial:{run}/ttyS9", run=run)
    assert "File exists" in failing(2, "up", "--link", "serial", "--link", "serial", run=run)


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_host_that_is_ended_in_mid_command(rig: KeyRig, run: Path, by: signal.Signals) -> None:
    """The key stops asking at once; whoever comes next has to log in, and can."""
    idle = threading.Event()
    arguments = ("host", "sign", run / "message.xml", "--alg", "sm2", "--token", rig.wire.token)
    with Started(*arguments, run=run, VUKEY_PIN=rig.user_pin) as host:
        rig.wait_for("张三")
        rig.device.on_screen(lambda _: idle.set())
        code = host.stop(by)
    assert code == {signal.SIGINT: 130, signal.SIGTERM: -signal.SIGTERM, signal.SIGKILL: -signal.SIGKILL}[by]
    assert idle.wait(PATIENCE_S)
    assert not rig.asks
    with GmtSession(rig.wire.open()) as session:
        application = session.open_application(rig.profile.application)
        assert session.pin_info(application).left == rig.profile.pin.user.tries
        session.verify_pin(application, rig.user_pin)
    assert os.path.exists(rig.wire.token.removeprefix("serial:"))
