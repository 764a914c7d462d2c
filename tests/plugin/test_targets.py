"""The same test over every target, and what programs in other processes find."""

from __future__ import annotations

import sys

import pytest

from tests.plugin.suite import ROOT, Suite
from tests.rig.pcscd import PrivatePcscd

SAME_TEST = """
def test_transfer(key, session, screen, press):
    with key.pending(sign, key, session) as signature:
        assert screen.wait_for("张三").title == "请核对交易"
        assert screen.frame().width == 128
        press("down", "down", "ok")
    assert signature.result()
    assert screen.rows[0].strip() == "交通银行"

def test_pulled_out(key, session):
    from emulator.device import PowerLostError
    from hostdriver.errors import KeyRemovedError

    with pytest.raises((KeyRemovedError, PowerLostError)), key.pending(sign, key, session):
        key.unplug()
    assert not key.plugged
    key.plug()
    with key.session() as again:
        assert again.device_info().serial == key.serial

def test_plug_and_unplug_twice(key):
    key.plug()
    key.unplug()
    key.unplug()
    key.plug()
    with key.session() as session:
        assert session.device_info().serial == key.serial
"""
SECOND = """
def test_second(key, session):
    from hostdriver.errors import KeyBusyError

    with pytest.raises(KeyBusyError):
        key.session()
    session.transport.close()
    with key.session() as again:
        assert again.device_info().serial == key.serial
"""
OTHER_PROGRAM = f"""
import os, subprocess

def vukey(key, *arguments):
    command = [{sys.executable!r}, "-m", "vukey", "host", *arguments]
    environment = os.environ | key.env | {{"VUKEY_PIN": key.user_pin}}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

def test_it_finds_the_key(key):
    import json

    assert json.loads(vukey(key, "info", "--json"))["serial"] == key.serial

def test_it_signs(key, screen, press, tmp_path):
    message = tmp_path / "t.xml"
    message.write_bytes(TRANSFER)
    signed = tmp_path / "t.sig"
    with key.pending(vukey, key, "sign", str(message), "--alg", "sm2", "-o", str(signed)):
        screen.wait_for("张三")
        press("down", "down", "ok")
    assert len(signed.read_bytes()) == 64
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_in_process_and_over_the_socket(suite: Suite, workers: str) -> None:
    suite.write(SAME_TEST + SECOND)
    assert suite.passes("--token", "inproc", "--token", "socket", "-n", workers) == {"passed": 8}


def test_in_a_reader_of_a_real_pcscd(suite: Suite, pcscd: PrivatePcscd) -> None:
    """Two workers share vpcd's two slots."""
    suite.write(SAME_TEST + SECOND + OTHER_PROGRAM)
    assert suite.passes("--token", "vpcd", "-n", "2", inside=pcscd) == {"passed": 6}


@pytest.mark.slow
def test_more_workers_than_slots_wait_for_each_other(suite: Suite, pcscd: PrivatePcscd) -> None:
    suite.write(SAME_TEST)
    assert suite.passes("--token", "vpcd", "-n", "3", inside=pcscd) == {"passed": 3}


def test_on_a_serial_line(suite: Suite) -> None:
    suite.write(SAME_TEST + SECOND)
    assert suite.passes("--token", "serial", "-n", "2") == {"passed": 4}


@pytest.mark.parametrize("target", ["inproc", "socket", "serial"])
def test_another_program_finds_the_key_by_its_environment(suite: Suite, target: str) -> None:
    suite.write(OTHER_PROGRAM)
    assert suite.passes("--token", target) == {"passed": 2}


def test_without_pcscd_the_tests_skip_and_say_why(suite: Suite) -> None:
    suite.write(SAME_TEST)
    options = ("--token", "vpcd", "--vukey-vpcd", "127.0.0.1:9", "-rs", "-k", "transfer")
    ended = suite.run(*options, PCSCLITE_CSOCK_NAME="/nowhere")
    assert ended.outcomes == {"skipped": 1}
    assert "pcscd with vsmartcard-vpcd does not listen where --vukey-vpcd says" in ended.text


EXPECTED = (
    "inproc, socket, vpcd, gadget, usbip, usb, serial, ble, skf, pcsc:READER, usb:VID:PID[:SERIAL], serial:PATH, "
    "ble:SERIAL[@ADAPTER], skf:LIBRARY[:DEVICE] or pkcs11:MODULE[:LABEL]"
)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--token", "nfc"], f"--token nfc: expected {EXPECTED}"),
        (["--token", "inproc,"], f"expected {EXPECTED}"),
        (["--token", "pcsc:"], f"--token pcsc:: expected {EXPECTED}"),
        (["--token", "usb:1209"], f"--token usb:1209: expected {EXPECTED}"),
        (
            ["--token", "pcsc:A Reader"],
            "pcsc:A Reader may be a real key: say which one it must be with --serial",
        ),
        (
            ["--token", "inproc,serial:/dev/ttyUSB0"],
            "serial:/dev/ttyUSB0 may be a real key: say which one it must be with --serial",
        ),
        (["--token", "serial:"], f"--token serial:: expected {EXPECTED}"),
        (
            ["--token", "usb:1209:0001"],
            "usb:1209:0001 may be a real key: say which one it must be with --serial",
        ),
    ],
)
def test_a_target_that_makes_no_sense_is_refused(suite: Suite, options: list[str], reason: str) -> None:
    suite.write(SAME_TEST)
    assert reason in suite.refused(*options)


def test_a_folder_that_hides_a_package_of_ours_is_named(suite: Suite) -> None:
    """Only tests that want a key mind."""
    suite.path.joinpath("emulator").mkdir()
    suite.path.joinpath("emulator", "__init__.py").write_text("ours = True\n")
    suite.path.joinpath("test_it.py").write_text("from emulator import ours\ndef test_ours(): assert ours\n")
    first = f"{suite.path}:{ROOT}"
    assert suite.passes(PYTHONPATH=first) == {"passed": 1}
    suite.path.joinpath("test_it.py").write_text("def test_key(key): pass\n")
    line = suite.refused(PYTHONPATH=first)
    assert f"vukey's own package emulator is hidden by {suite.path / 'emulator'}" in line


def test_a_folder_that_hides_what_the_plug_in_needs_is_told(suite: Suite) -> None:
    suite.path.joinpath("protocols").mkdir()
    for name in ("__init__.py", "errors.py"):
        suite.path.joinpath("protocols", name).touch()
    suite.write("def test_key(key): pass\n")
    line = suite.refused(PYTHONPATH=f"{suite.path}:{ROOT}")
    assert line.startswith("vukey's own packages are hidden by others (cannot import name 'VukeyError'")


def test_fixtures_can_be_overridden(suite: Suite) -> None:
    suite.write(
        """
@pytest.fixture
def key(make_key):
    return make_key(profile="icbc-2g-feitian", stage="issued")

@pytest.fixture
def screen(screen):
    assert screen.now.lines == ("中国工商银行", "未连接")  # plugged in, and no program has come
    return screen

def test_own(key, screen, session):
    assert (key.profile.id, key.stage) == ("icbc-2g-feitian", "issued")
    assert screen.wait_for("中国工商银行").kind.value == "idle"
"""
    )
    assert suite.passes() == {"passed": 1}
