"""The plug-in's rules for real keys, at a virtual key that only USB reaches: ``--token usb:VID:PID``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SERIAL, ANOTHER = "5200000001", "5200000002"
TESTS = """
import pytest
from protocols.gmt import SignInput
from vukey_testing.errors import GuardError

TRANSFER = "<T><D><M><k>收款人:</k><v>张三</v></M></D></T>".encode()

@pytest.fixture
def container(key, session):
    application = session.open_application(key.profile.application)
    session.verify_pin(application, key.user_pin)
    return session.open_container(application, key.profile.containers.sm2.name)

def test_signed(key, session, container, screen, press):
    with key.pending(session.sign_sm2, container, TRANSFER, SignInput.MESSAGE) as signature:
        screen.wait_for("张三")
        press("ok")
    assert signature.result()

def test_no_try_is_spent(key, session):
    with pytest.raises(GuardError):
        session.verify_pin(session.open_application(key.profile.application), "000000")

def test_pulled_out_and_back(key):
    assert key.target == "usb"
    key.unplug()
    key.plug()
    with key.session() as session:
        assert session.device_info().serial == key.serial
"""


def run(directory: Path, serial: str) -> subprocess.CompletedProcess[str]:
    """The tests at the key, in a directory of their own."""
    subprocess.run(["modprobe", "vhci_hcd"], check=True)
    (directory / "pytest.ini").write_text("[pytest]\n")
    (directory / "test_it.py").write_text(TESTS)
    up = [sys.executable, "-m", "vukey", "up", "--serial", SERIAL, "--link", "vhci", "--panel", "--"]
    tests = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    key = ["--token", "usb:1209:0001", "--serial", serial]
    # Where we run, pytest loads no plug-ins by itself; here it is to find ours.
    inherited = {k: v for k, v in os.environ.items() if k != "PYTEST_DISABLE_PLUGIN_AUTOLOAD"}
    return subprocess.run(
        [*up, *tests, *key],
        cwd=directory,
        env=inherited | {"VUKEY_PIN": "271828", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


def test_a_real_key_is_tested_over_usb(tmp_path: Path) -> None:
    done = run(tmp_path, SERIAL)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_another_key_is_left_alone(tmp_path: Path) -> None:
    done = run(tmp_path, ANOTHER)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"says that it is {SERIAL}, not --serial {ANOTHER}: it was left alone" in done.stderr
