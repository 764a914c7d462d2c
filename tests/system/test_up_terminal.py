"""`vukey up` on a terminal: the key's screen drawn live, its buttons on the keyboard."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig.cli import INITIAL_PIN, PIN, Started, Terminal, profile_file, run_directory, vukey
from tests.rig.messages import transfer

PAYEE, AMOUNT = "喆堃商贸有限公司", "12,345.67元"
MESSAGE = transfer(("收款人:", PAYEE), ("金额:", AMOUNT), ("用途:", "货款"))
UP, DOWN, RIGHT, HOME, ESC, CTRL_C = "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[1~", "\x1b", "\x03"


@pytest.fixture
def run() -> Iterator[Path]:
    with run_directory() as directory:
        (directory / "message.xml").write_bytes(MESSAGE)
        yield directory


def key_at(run: Path, *arguments: str) -> Terminal:
    return Terminal(run, "up", "--link", "socket", *arguments)


def signing(run: Path, algorithm: str = "sm2") -> Started:
    return Started("host", "sign", run / "message.xml", "--alg", algorithm, run=run, VUKEY_PIN=PIN)


def leave(terminal: Terminal) -> None:
    """Ctrl-C: the key is pulled out, and the terminal is as it was."""
    assert terminal.modes != terminal.modes_before
    terminal.type(CTRL_C)
    assert terminal.wait() == 0
    assert terminal.modes == terminal.modes_before


def test_a_person_reads_pages_and_signs(run: Path) -> None:
    with key_at(run, "--profile", "icbc-2g-feitian") as terminal:
        terminal.wait_for("socket: listening")
        terminal.wait_for("Ctrl-C = unplug and leave")
        with signing(run) as host:
            terminal.wait_for("请核对交易")
            terminal.wait_for(PAYEE)
            terminal.wait_for("1/2")
            terminal.type(DOWN)
            terminal.wait_for(AMOUNT)
            terminal.type(UP)
            terminal.wait_for(PAYEE)
            terminal.type(DOWN)
            terminal.wait_for("2/2")
            terminal.type("\r")
            assert host.wait() == 0
            assert len(bytes.fromhex(host.out.all()[0])) == 64
        leave(terminal)
        assert not list(run.glob("vukey/*"))


def test_esc_cancels_and_keys_that_the_key_lacks_do_nothing(run: Path) -> None:
    """E1: C refuses. Right, Home and digits are no buttons of this model; least of all are they C."""
    with key_at(run, "--profile", "ccb-shield-gd") as terminal:
        terminal.wait_for("socket: listening")
        with signing(run) as host:
            terminal.wait_for(PAYEE)
            terminal.type(RIGHT + HOME + "123x" + DOWN)
            terminal.wait_for(AMOUNT)
            terminal.type(ESC)
            assert host.wait() == 9
            assert host.err.all()[-1] == "vukey: cancelled on the key"
        leave(terminal)


def test_a_smart_key_takes_its_code_on_the_keypad(run: Path) -> None:
    """A5, A6: the code is told at the start; one digit after the other shows as a star."""
    with key_at(run, "--profile", "bocom-smart-tendyron", "--stage", "issued") as terminal:
        code = terminal.wait_for(r"Activation code: (\d{8})\b").group(1)
        terminal.wait_for("socket: listening")
        change = vukey("host", "pin", "change", run=run, VUKEY_PIN=INITIAL_PIN, VUKEY_NEW_PIN=PIN)
        assert change.returncode == 0
        with Started("host", "activate", run=run) as host:
            for container in ("RSA-SIGN", "SM2-SIGN"):
                host.err.wait_for(f"{container}: type the activation code on the key")
                terminal.wait_for("请输入激活码")
                terminal.type(code[:3])
                terminal.wait_for(r"\*\*\*_____")
                terminal.type(code[3:])
                terminal.wait_for(r"\*{8}")
                terminal.type("\r")
                host.out.wait_for(f"{container}: activated.")
            assert host.wait() == 0
        leave(terminal)


def test_a_first_generation_key_shows_its_light(run: Path) -> None:
    """E10: it has no screen; the light is on while it works."""
    with key_at(run, "--profile", "icbc-1g-gd") as terminal:
        terminal.wait_for("○")
        terminal.wait_for("socket: listening")
        with signing(run, "rsa") as host:
            terminal.wait_for("● 签名中")
            terminal.wait_for("○")
            assert host.wait() == 0
        leave(terminal)


@pytest.mark.parametrize(("by", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_restores_the_terminal_too(by: signal.Signals, code: int, run: Path) -> None:
    with key_at(run, "--stage", "blank") as terminal:
        terminal.wait_for("socket: listening")
        os.kill(terminal.process.pid, by)
        assert terminal.wait() == code
        assert terminal.modes == terminal.modes_before
        assert not list(run.glob("vukey/*"))


def test_the_terminal_is_restored_when_the_start_fails(run: Path) -> None:
    (run / "vukey").mkdir(mode=0o755)
    (run / "vukey").chmod(0o755)
    with key_at(run, "--stage", "blank") as terminal:
        assert terminal.wait() == 2
        assert "chmod 700" in terminal.text
        assert terminal.modes == terminal.modes_before


def test_the_pin_is_asked_for_and_not_shown(run: Path) -> None:
    """PINs by prompt: wrong, right, and a new one that is typed twice."""
    model = profile_file(run, "key", "ccb-shield-gd", "")
    with Started("up", "--link", "socket", "--profile", model, run=run) as key:
        key.err.wait_for("listening")
        with Terminal(run, "host", "pin", "verify") as terminal:
            terminal.wait_for("PIN: ")
            terminal.type("314159\n")
            assert terminal.wait() == 5
            assert "wrong PIN, 5 tries left" in terminal.text
            assert "314159" not in terminal.text
            assert terminal.modes == terminal.modes_before
        for again, code, said in (("97531046", 2, "the two entries differ"), ("97531045", 0, "was changed")):
            with Terminal(run, "host", "pin", "change") as terminal:
                terminal.wait_for("PIN: ")
                terminal.type(f"{PIN}\n")
                terminal.wait_for("New PIN: ")
                terminal.type("97531045\n")
                terminal.wait_for(r"New PIN \(again\): ")
                terminal.type(f"{again}\n")
                assert terminal.wait() == code
                assert said in terminal.text
                assert "9753" not in terminal.text
        assert key.stop() == 0


def test_ctrl_c_at_the_prompt_changes_nothing(run: Path) -> None:
    with Started("up", "--link", "socket", "--profile", "ccb-shield-gd", run=run) as key:
        key.err.wait_for("listening")
        with Terminal(run, "host", "pin", "verify") as terminal:
            terminal.wait_for("PIN: ")
            terminal.type(CTRL_C)
            if not terminal.ends_within(10):  # CPython misses a signal between the prompt and read(2)
                terminal.type(CTRL_C)
            assert terminal.wait() != 0
            assert terminal.modes == terminal.modes_before
        assert "6 of 6 tries left" in vukey("host", "info", run=run).stdout
        assert key.stop() == 0
