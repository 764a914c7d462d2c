"""Ctrl-C while a library waits for the person at the key: the program ends, and the key asks no longer."""

from __future__ import annotations

import signal
import subprocess
from contextlib import closing

import pytest

from hostdriver.control import KeyApi
from tests.rig.cli import PIN, VUKEY, Up, environment, run_directory
from tests.rig.messages import TRANSFER
from tests.rig.patience import PATIENCE_S
from tests.rig.skf import library


@pytest.mark.slow
def test_ctrl_c_is_heard_while_the_key_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    with run_directory() as run, Up(run, "--link", "socket", "--panel") as up:
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(run))
        (run / "message.xml").write_bytes(TRANSFER)
        command = [
            *VUKEY,
            "host",
            "sign",
            str(run / "message.xml"),
            "--alg",
            "sm2",
            "--token",
            f"skf:{library()}",
        ]
        with closing(KeyApi.find(up.serial)) as api:
            program = subprocess.Popen(command, env=environment(run, VUKEY_PIN=PIN), stderr=subprocess.PIPE)
            try:
                api.wait_for("张三", False, PATIENCE_S)
                program.send_signal(signal.SIGINT)
                assert program.wait(PATIENCE_S) == -signal.SIGINT  # 130 to a shell
                api.wait_for("交通银行", False, PATIENCE_S)
            finally:
                program.kill()
                program.communicate()
