"""`vukey usb install-ccid`, on a copy of a list."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rig.cli import profile_file, vukey
from tests.unit.test_libccid import PLIST, devices

MODEL = 'usb.vid = { value = 0xABCD, source = "assumed" }'


@pytest.fixture
def plist(tmp_path: Path) -> Path:
    path = tmp_path / "Info.plist"
    path.write_text(PLIST)
    return path


def test_adding_removing_and_what_comes_next(plist: Path, tmp_path: Path) -> None:
    added = vukey("usb", "install-ccid", "--plist", plist, run=tmp_path)
    assert added.returncode == 0, added.stderr
    assert "1209:0001" in added.stdout
    assert "restart pcscd" in added.stdout
    assert ("0x1209", "0x0001", "USBKey (vukey)") in devices(plist.read_text())
    again = vukey("usb", "install-ccid", "--plist", plist, run=tmp_path)
    assert "nothing to change" in again.stdout
    removed = vukey("usb", "install-ccid", "--plist", plist, "--remove", run=tmp_path)
    assert "1209:0001" in removed.stdout
    assert plist.read_text() == PLIST


def test_a_model_of_ones_own(plist: Path, tmp_path: Path) -> None:
    model = profile_file(tmp_path, "own", "icbc-2g-feitian", MODEL)
    added = vukey("usb", "install-ccid", "--plist", plist, "--profile", model, run=tmp_path)
    assert added.returncode == 0, added.stderr
    assert "abcd:0001" in added.stdout


def test_a_file_that_is_none(tmp_path: Path) -> None:
    plist = tmp_path / "Info.plist"
    plist.write_text("hello")
    done = vukey("usb", "install-ccid", "--plist", plist, run=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("vukey: ")
    assert "is not libccid's list" in done.stderr
    assert plist.read_text() == "hello"
