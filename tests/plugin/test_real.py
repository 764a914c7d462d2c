"""A key in a reader is taken for a real one: which key it is, what may be done to it, and who works it.

It is a virtual one in a private pcscd, with a panel, so that the test can see what was really sent.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.plugin.suite import TIMEOUT_S, Ended, Suite
from tests.rig.cli import PIN, Terminal, Up, environment, run_directory
from tests.rig.pcscd import PrivatePcscd

READER = "pcsc:Virtual PCD 00 00"
ROBOT = Path(__file__).with_name("robot.py")
ROBOT_PORT = 8123
"""Free, for the network is ours alone."""

TRANSFER_TEST = """
def test_transfer(key, session, screen, press):
    with key.pending(sign, key, session) as signature:
        screen.wait_for("张三")
        press("down", "down", "ok")
    assert signature.result()
"""


class Real:
    """A key that runs, and test suites against it."""

    def __init__(self, suite: Suite, up: Up, run: Path, pcscd: PrivatePcscd) -> None:
        self.suite, self.pcscd, self.run_directory, self.serial = suite, pcscd, run, up.serial
        self.pin: str | None = PIN

    @property
    def _more(self) -> dict[str, str]:
        return {"XDG_RUNTIME_DIR": str(self.run_directory)} | ({"VUKEY_PIN": self.pin} if self.pin else {})

    @property
    def options(self) -> tuple[str, ...]:
        return ("--token", READER, "--serial", self.serial)

    def run(self, *options: str, **more: str) -> Ended:
        return self.suite.run(*self.options, "-ra", *options, inside=self.pcscd, **self._more | more)

    def passes(self, *options: str, **more: str) -> dict[str, int]:
        return self.suite.passes(*self.options, *options, inside=self.pcscd, **self._more | more)

    def skips(self, *options: str, **more: str) -> str:
        ended = self.run("-rs", *options, **more)
        assert ended.outcomes == {"skipped": 1}, ended.text
        [line] = [line for line in ended.text.splitlines() if line.startswith("SKIPPED")]
        return line

    def api(self, expression: str) -> Any:
        """What the control API says; it is in the private network."""
        program = f"""
import json
from hostdriver.control import KeyApi
api = KeyApi.find()
print(json.dumps({expression}))
"""
        done = self.pcscd.run(
            [sys.executable, "-c", program],
            env=environment(self.run_directory),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    @property
    def sent(self) -> list[str]:
        """The names of every command since it was started, the making of the key apart."""
        return [apdu["name"] for apdu in self.api("api.apdus()")]

    @property
    def left(self) -> int:
        [application] = self.api("api.key()['applications']")
        return int(application["user_pin"]["left"])

    @contextmanager
    def robot(self, *camera: str) -> Iterator[tuple[str, str]]:
        """A robot works it; the option that says so."""
        command = [sys.executable, str(ROBOT), self.serial, str(ROBOT_PORT), *camera]
        robot = self.pcscd.popen(command, env=environment(self.run_directory), stdout=subprocess.PIPE)
        try:
            assert robot.stdout
            assert robot.stdout.readline() == b"ready\n"
            yield "--vukey-operator", f"http://127.0.0.1:{ROBOT_PORT}/hand"
        finally:
            robot.kill()
            robot.communicate()


@contextmanager
def running(suite: Suite, pcscd: PrivatePcscd, *arguments: str) -> Iterator[Real]:
    with run_directory() as run, Up(run, "--link", "vpcd", "--panel", *arguments, inside=pcscd) as up:
        yield Real(suite, up, run, pcscd)


@pytest.fixture
def real(suite: Suite, fresh_pcscd: PrivatePcscd) -> Iterator[Real]:
    with running(suite, fresh_pcscd) as real:
        yield real


# Which key


def test_another_serial_number_is_a_usage_error_and_the_key_is_left_alone(real: Real) -> None:
    real.suite.write(TRANSFER_TEST)
    options = ("--token", READER, "--serial", "5200000000")
    line = real.suite.refused(*options, inside=real.pcscd, **real._more)
    assert (
        f"Virtual PCD 00 00 says that it is {real.serial}, not --serial 5200000000: it was left alone" in line
    )
    assert set(real.sent) == {"GetDevInfo"}


def test_no_such_reader_is_a_usage_error(real: Real) -> None:
    real.suite.write(TRANSFER_TEST)
    line = real.suite.refused("--token", "pcsc:ACR", "--serial", real.serial, inside=real.pcscd, **real._more)
    assert "there must be one such reader with a key in it; there are: Virtual PCD 00 00" in line
    assert real.sent == []


def test_no_pcscd_is_a_usage_error(suite: Suite) -> None:
    suite.write(TRANSFER_TEST)
    options = ("--token", "pcsc:ACR", "--serial", "1", "--vukey-profile", "bocom-2g-tendyron")
    assert "the PC/SC service is not running" in suite.refused(*options, PCSCLITE_CSOCK_NAME="/nowhere")


def test_a_key_of_an_unknown_model_is_a_usage_error(real: Real, tmp_path: Path) -> None:
    real.suite.write(TRANSFER_TEST)
    elsewhere = {"XDG_RUNTIME_DIR": str(tmp_path)}  # no run file tells
    line = real.suite.refused(*real.options, inside=real.pcscd, **elsewhere)
    assert f"which model is the key {real.serial}? Say --vukey-profile" in line


def test_collecting_touches_nothing(real: Real) -> None:
    real.suite.write(TRANSFER_TEST)
    assert real.run("--collect-only").code == 0
    assert real.sent == []


# What a test may do


@pytest.mark.parametrize("workers", ["0", pytest.param("2", marks=pytest.mark.slow)])
def test_the_control_api_works_it(real: Real, workers: str) -> None:
    """One test at a time has it, whatever the workers."""
    real.suite.write(
        TRANSFER_TEST
        + """
def test_cancelled(key, session, press):
    from hostdriver.errors import CancelledError

    with pytest.raises(CancelledError), key.pending(sign, key, session):
        press("cancel")

def test_time(key, session, clock):
    from hostdriver.errors import ConfirmTimeoutError

    with pytest.raises(ConfirmTimeoutError), key.pending(sign, key, session):
        clock.advance("1m")

def test_pulled_out(key, session):
    from hostdriver.errors import KeyRemovedError

    with pytest.raises(KeyRemovedError), key.pending(sign, key, session):
        key.unplug()

def test_what_is_known(key, screen):
    assert list(key.certificates) == ["RSA-SIGN", "SM2-SIGN"]
    assert list(key.exchange_certificates) == ["SM2-SIGN"]
    assert key.exchange_certificates["SM2-SIGN"] != key.certificates["SM2-SIGN"]
    assert (key.target, key.device, key.token) == ("pcsc", None, "pcsc:Virtual PCD 00 00")
    assert screen.now.kind.value in ("off", "idle")
    assert {record.name for record in key.recorder.apdus()} >= {"GetDevInfo"}

@pytest.mark.vukey(values={"confirm.timeout_s": 5})
def test_values(key): pass

@pytest.mark.vukey(pin_tries=3)
def test_tries(key): pass

@pytest.mark.vukey(profile="icbc-2g-feitian")
def test_model(key): pass

def test_two(make_key):
    make_key(), make_key()

def test_admin_pin(key):
    key.admin_pin
"""
    )
    assert real.passes("-n", workers) == {"passed": 5, "skipped": 5}
    assert real.left == 6


def test_a_wrong_pin_costs_no_try(real: Real) -> None:
    real.suite.write(
        """
def test_wrong(key, session):
    session.verify_pin(session.open_application("BOCOM"), "999999")
"""
    )
    ended = real.run()
    assert ended.outcomes == {"failed": 1}
    assert "vukey_spends_tries(n) allows more" in ended.text
    assert (real.left, real.sent.count("VerifyPIN")) == (6, 0)


def test_a_test_may_spend_what_its_mark_says(real: Real) -> None:
    real.suite.write(
        """
from hostdriver.errors import PinIncorrectError

@pytest.mark.vukey_spends_tries(2)
def test_wrong(key, session):
    application = session.open_application("BOCOM")
    for _ in range(2):
        with pytest.raises(PinIncorrectError):
            session.verify_pin(application, "999999")

@pytest.mark.vukey_spends_tries(4)
def test_too_many(key): pass
"""
    )
    assert real.passes("-p", "no:randomly") == {"passed": 1, "skipped": 1}
    assert real.left == 4


@pytest.mark.slow
def test_the_pin_that_was_handed_over_is_tried_once_in_a_run(real: Real) -> None:
    real.suite.write(TRANSFER_TEST + TRANSFER_TEST.replace("test_transfer", "test_again"))
    ended = real.run("-n", "2", VUKEY_PIN="999999")
    assert ended.code == 1
    assert ended.outcomes == {"failed": 2, "error": 1}  # and the try that is gone
    assert "it is not tried again" in ended.text
    assert "wrong PIN, 5 tries left" in ended.text
    assert "999999" not in ended.text
    real.run("-k", "transfer", VUKEY_PIN="999999")
    assert real.left == 4  # a new run is a new person's decision
    assert real.passes("-k", "transfer") == {"passed": 1}
    assert real.left == 6


def test_a_program_that_spends_tries_is_found_out(real: Real) -> None:
    real.suite.write(
        f"""
import os, subprocess

def test_program(key):
    command = [{sys.executable!r}, "-m", "vukey", "host", "pin", "verify"]
    subprocess.run(command, env=os.environ | key.env | {{"VUKEY_PIN": "999999"}})
"""
    )
    ended = real.run()
    assert ended.outcomes == {"passed": 1, "error": 1}
    assert "spent 1 tries of the real key's PIN; 0 were allowed" in ended.text


def test_a_changed_pin_must_be_changed_back(real: Real) -> None:
    real.suite.write(
        """
def test_change(key, session):
    session.change_pin(session.open_application("BOCOM"), key.user_pin, "314159")

def test_then(key):
    key.user_pin
"""
    )
    ended = real.run("-p", "no:randomly")
    assert ended.outcomes == {"passed": 1, "failed": 1, "error": 1}, ended.text
    assert "has changed the real key's PIN and not changed it back" in ended.text


def test_without_its_pin_what_needs_it_skips(real: Real) -> None:
    real.suite.write(TRANSFER_TEST)
    real.pin = None
    assert "VUKEY_PIN" in real.skips()


def test_the_pin_may_be_in_a_file(real: Real, tmp_path: Path) -> None:
    file = tmp_path / "pin"
    file.write_text(PIN + "\n")
    real.suite.write(TRANSFER_TEST)
    assert real.passes("--vukey-pin-file", str(file), VUKEY_PIN="999999") == {"passed": 1}


STAGES = """
@pytest.mark.vukey(stage="{stage}")
def test_stage(key, session): session.device_info()
"""


@pytest.mark.slow
def test_it_is_issued_anew_only_with_allow_wipe(real: Real) -> None:
    before = real.api("api.key()['applications']")
    for stage in ("blank", "issued"):
        real.suite.write(STAGES.format(stage=stage))
        assert "--allow-wipe would issue" in real.skips()
    assert real.api("api.key()['applications']") == before
    for stage, names in (("blank", []), ("issued", ["BOCOM"]), ("ready", ["BOCOM"])):
        real.suite.write(STAGES.format(stage=stage))
        assert real.passes("--allow-wipe") == {"passed": 1}
        assert [application["name"] for application in real.api("api.key()['applications']")] == names
    real.suite.write(TRANSFER_TEST)
    assert real.passes() == {"passed": 1}  # with the PIN that was handed over


@pytest.mark.slow
def test_the_device_key_is_tried_once_in_a_run(real: Real, tmp_path: Path) -> None:
    """A real key may count those tries, and lock itself for good."""
    model = tmp_path / "other.toml"
    model.write_text(
        'extends = "bocom-2g-tendyron"\n'
        f'device_auth_key = {{ value = "{bytes(16).hex()}", source = "assumed" }}\n'
    )
    real.suite.write(STAGES.format(stage="blank") + STAGES.format(stage="issued").replace("_stage", "_other"))
    ended = real.run("--allow-wipe", "--vukey-profile", str(model), "-n", "2")
    assert ended.outcomes == {"error": 2}, ended.text
    assert "the key has refused its model's device key; it is not tried again" in ended.text
    assert real.sent.count("DevAuth") == 1


def test_a_second_session_is_an_error_at_once(real: Real) -> None:
    """Over PC/SC it would wait for the first, which the same test holds."""
    real.suite.write(
        """
def test_second(key, session):
    from hostdriver.errors import KeyBusyError

    with pytest.raises(KeyBusyError):
        key.open()
    session.transport.close()
    key.session().device_info()
"""
    )
    assert real.passes() == {"passed": 1}


def test_a_test_for_another_model_wipes_nothing(real: Real) -> None:
    real.suite.write(
        '@pytest.mark.vukey(profile="icbc-2g-feitian", stage="issued")\ndef test_other(key): pass\n'
    )
    assert "another model" in real.skips("--allow-wipe")
    assert "DevAuth" not in real.sent


def test_deleting_is_refused_without_allow_wipe(real: Real) -> None:
    real.suite.write('def test_delete(key, session): session.delete_application("BOCOM")\n')
    ended = real.run()
    assert "without --allow-wipe: DeleteApplication was not sent" in ended.text
    assert "DeleteApplication" not in real.sent


def test_a_smart_keys_code_is_typed_by_its_operator(suite: Suite, fresh_pcscd: PrivatePcscd) -> None:
    with running(suite, fresh_pcscd, "--profile", "bocom-smart-tendyron", "--stage", "blank") as real:
        suite.write(STAGES.format(stage="ready"))
        assert real.passes("--allow-wipe") == {"passed": 1}
        [application] = real.api("api.key()['applications']")
        assert all(container["activated"] for container in application["containers"])


# Who works it


def test_a_robot_works_it(real: Real) -> None:
    real.suite.write(
        TRANSFER_TEST.replace(
            'press("down"', 'key.screen.wait_for("交易", regexp=True); clock_of(key); press("down"'
        )
        + """
def clock_of(key):
    import time

    deadline = time.monotonic() + 1  # OK is dead for so long, and a robot has only real time
    while time.monotonic() < deadline:
        key.screen.text

def test_pulled_out(key):
    key.unplug()
    key.plug()
    key.session().device_info()

def test_no_clock(clock):
    clock.advance(1)

def test_out_of_reach(key, press):
    from vukey_testing.errors import OperatorError

    with pytest.raises(OperatorError, match="did not /press: 500"):
        press("power")
"""
    )
    with real.robot("camera") as option:
        assert real.passes(*option) == {"passed": 3, "skipped": 1}


def test_a_robot_without_a_camera(real: Real) -> None:
    real.suite.write("def test_screen(screen): screen.text\n")
    with real.robot() as option:
        assert "no camera" in real.skips(*option)


def test_a_robot_that_is_not_there(real: Real) -> None:
    real.suite.write('def test_press(press): press("ok")\n')
    ended = real.run("--vukey-operator", f"http://127.0.0.1:{ROBOT_PORT}")
    assert ended.outcomes == {"failed": 1}
    assert "the robot at 127.0.0.1 did not /press" in ended.text


def test_an_operator_that_makes_no_sense_is_a_usage_error(real: Real) -> None:
    real.suite.write(TRANSFER_TEST)
    line = real.suite.refused(*real.options, "--vukey-operator", "robot", inside=real.pcscd, **real._more)
    assert "--vukey-operator robot: expected auto, person or http://HOST" in line
    assert real.sent == []


def test_a_person_without_a_terminal_never_passes(real: Real) -> None:
    real.suite.write(
        TRANSFER_TEST + '\ndef test_press(press): press("ok")\n\ndef test_plug(key): key.unplug()\n'
    )
    ended = real.run("--vukey-operator", "person")
    assert ended.outcomes == {"skipped": 3}
    assert "there is no terminal to ask on" in ended.text


@contextmanager
def at_terminal(real: Real, *options: str, **more: str) -> Iterator[Terminal]:
    """The suite, run from a terminal."""
    command = real.suite.command(*real.options, "--vukey-operator", "person", "-ra", *options)
    own = {"PYTHONPATH": real.suite.environment()["PYTHONPATH"], "VUKEY_PIN": PIN}
    directory = str(real.suite.path)
    with Terminal(
        real.run_directory,
        directory,
        program=[*command, "--rootdir", directory],
        inside=real.pcscd,
        **own | more,
    ) as terminal:
        yield terminal


@pytest.mark.parametrize("options", [(), pytest.param(("-n", "1"), marks=pytest.mark.slow)])
def test_a_person_works_it(real: Real, options: tuple[str, ...]) -> None:
    """Past pytest's capture, and from a worker too."""
    real.suite.write(TRANSFER_TEST)
    with at_terminal(real, *options) as terminal:
        terminal.wait_for("Does the key show “张三”.*n]")
        assert "张三" in real.api("api.screen()['text']")
        terminal.type("y\r")
        terminal.wait_for("On the key, press: down, down, OK – then press Enter")
        real.api("[api.advance(1), api.press('down', 'down', 'ok')]")
        terminal.type("\r")
        assert terminal.wait() == 0, terminal.text
        assert "1 passed" in terminal.text


def test_a_person_who_sees_something_else(real: Real) -> None:
    real.suite.write(TRANSFER_TEST)
    with at_terminal(real) as terminal:
        terminal.wait_for("Does the key show “张三”.*n]")
        terminal.type("\r")  # no clear yes
        terminal.wait_for("On the key, press: C .cancel.")
        real.api("api.press('cancel')")
        terminal.type("\r")
        assert terminal.wait() == 1
        assert "the person at the key does not see “张三”" in terminal.text


def test_a_person_who_cannot_do_it(real: Real) -> None:
    real.suite.write('def test_press(press): press("ok")\n')
    with at_terminal(real, LANGUAGE="zh_CN", LC_ALL="C.UTF-8") as terminal:
        terminal.wait_for("请在USBKey上依次按：OK")
        terminal.type("n\r")
        assert terminal.wait() == 1


def test_what_a_person_cannot_do_skips(real: Real) -> None:
    real.suite.write("def test_screen(screen): screen.text\n\ndef test_clock(clock): clock.advance(1)\n")
    with at_terminal(real) as terminal:
        assert terminal.wait() == 0
        assert "2 skipped" in terminal.text
