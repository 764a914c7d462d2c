"""The library's log: what was called and how it ended, and nothing that was in it."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rig.skf import SkfKey, library

PIN, WRONG = "271828", "314159"
SCRIPT = """
import ctypes, sys
library, name, application, pin, wrong = sys.argv[1], *(word.encode() for word in sys.argv[2:])
skf = ctypes.CDLL(library)
device, opened, tries = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_uint32()
skf.SKF_ConnectDev(name, ctypes.byref(device))
skf.SKF_OpenApplication(device, application, ctypes.byref(opened))
skf.SKF_VerifyPIN(opened, 1, wrong, ctypes.byref(tries))
skf.SKF_VerifyPIN(opened, 1, pin, ctypes.byref(tries))
skf.SKF_ChangePIN(opened, 1, pin, wrong, ctypes.byref(tries))
skf.SKF_DisConnectDev(device)
skf.SKF_DisConnectDev(device)
"""
LINE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \d+ (SKF_\w+) SAR=([0-9A-F]{8}) SW=([0-9A-F]{4}) \d+ us"
)


def call(key: SkfKey, log: Path) -> None:
    words = [str(library()), key.name, key.rig.profile.application, key.rig.user_pin, WRONG]
    env = {**key.env, "VUKEY_SKF_LOG": str(log)}
    subprocess.run([sys.executable, "-IS", "-c", SCRIPT, *words], env=env, check=True)


@pytest.mark.limits(pin__user__extra_press_at=0)
def test_calls_are_noted_and_no_secrets(key: SkfKey, tmp_path: Path) -> None:
    log = tmp_path / "skf.log"
    call(key, log)
    text = log.read_text()
    lines = [LINE.fullmatch(line) for line in text.splitlines()]
    assert [line.groups() if line else None for line in lines] == [
        ("SKF_ConnectDev", "00000000", "0000"),
        ("SKF_OpenApplication", "00000000", "9000"),
        ("SKF_VerifyPIN", "0A000024", f"63C{key.rig.profile.pin.user.tries - 1:X}"),
        ("SKF_VerifyPIN", "00000000", "9000"),
        ("SKF_ChangePIN", "00000000", "9000"),
        ("SKF_DisConnectDev", "00000000", "0000"),
        ("SKF_DisConnectDev", "0A000005", "0000"),
    ]
    assert key.rig.user_pin not in text
    assert WRONG not in text
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_a_log_goes_on(key: SkfKey, tmp_path: Path) -> None:
    log = tmp_path / "skf.log"
    log.write_text("before\n")
    call(key, log)
    assert log.read_text().startswith("before\n2")


@pytest.mark.parametrize("kind", ["link", "pipe", "directory"])
def test_nothing_but_a_file_is_a_log(key: SkfKey, tmp_path: Path, kind: str) -> None:
    log, target = tmp_path / "skf.log", tmp_path / "target"
    target.touch()
    make: dict[str, Callable[[], None]] = {
        "link": lambda: log.symlink_to(target),
        "pipe": lambda: os.mkfifo(log),
        "directory": lambda: log.mkdir(),
    }
    make[kind]()
    call(key, log)
    assert target.read_bytes() == b""
