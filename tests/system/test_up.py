"""`vukey up`: its options, its ends, its state file, and what hosts do to its unix socket."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from hostdriver.errors import ConfirmTimeoutError, KeyBusyError, KeyRemovedError, PinIncorrectError
from hostdriver.gmt import GmtSession
from hostdriver.transport.unix_socket import SocketTransport
from protocols.apdu import Command, encode_command
from protocols.gmt import CLA_PLAIN, Ins, SignInput
from protocols.sw import SW
from protocols.vpcd import Control, encode
from tests.rig.cli import (
    INITIAL_PIN,
    PIN,
    Started,
    Up,
    environment,
    failing,
    profile_file,
    run_directory,
    vukey,
)
from tests.rig.messages import TRANSFER
from tests.rig.patience import PATIENCE_S

GET_DEV_INFO = bytes.fromhex("80040000000000")
QUICK = 'confirm.timeout_s = { value = 1, source = "assumed" }'
"""A model whose requests time out after a second: the shortest that a profile may say."""


@pytest.fixture
def run() -> Iterator[Path]:
    with run_directory() as directory:
        yield directory


@pytest.fixture(scope="module")
def blank() -> Iterator[Up]:
    """One blank key for all tests that leave it as it was."""
    with run_directory() as directory, Up(directory, "--link", "socket", "--stage", "blank") as key:
        yield key
        assert key.stop() == 0
        assert key.run_files == []


@pytest.fixture(scope="module")
def quick() -> Iterator[Up]:
    """One ready key that nobody presses; its requests time out after a second."""
    with run_directory() as directory:
        model = profile_file(directory, "quick", "ccb-shield-gd", QUICK)
        with Up(directory, "--link", "socket", "--profile", model) as key:
            yield key
            assert key.stop() == 0


def logged_in(transport: SocketTransport) -> tuple[GmtSession, Any]:
    """A session that may sign, and its SM2 container."""
    session = GmtSession(transport)
    application = session.open_application(session.applications()[0])
    session.verify_pin(application, PIN)
    return session, session.open_container(application, "SM2-SIGN")


def info(run: Path) -> dict[str, Any]:
    done = vukey("host", "info", "--json", run=run)
    assert done.returncode == 0, done.stderr
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


GET_DEV_INFO = bytes.fromhex("80040000000000")


# Starting and leaving


@pytest.mark.parametrize(("by", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_it_leaves_cleanly(by: signal.Signals, code: int, run: Path) -> None:
    with Up(run, "--link", "socket", "--stage", "blank") as key:
        assert key.run_files == [f"{key.serial}.json", f"{key.serial}.sock"]
        assert key.stop(by) == code
        assert key.run_files == []
        assert key.err.all() == [f"bocom-2g-tendyron {key.serial} · socket: listening"]


def test_json_is_one_line(blank: Up) -> None:
    assert len(blank.out.so_far()) == 1
    assert blank.facts["pid"] == blank.process.pid
    assert blank.socket.stat().st_mode & 0o777 == 0o600
    assert blank.socket.parent.stat().st_mode & 0o777 == 0o700
    run_file = blank.socket.with_suffix(".json")
    assert run_file.stat().st_mode & 0o777 == 0o600
    assert {"ready": True, **json.loads(run_file.read_text())} == blank.facts | {"token": None}


@pytest.mark.parametrize(
    ("stage", "applications", "initial"), [("blank", 0, None), ("issued", 1, True), ("ready", 1, False)]
)
def test_stage(stage: str, applications: int, initial: bool | None, run: Path) -> None:
    with Up(run, "--link", "socket", "--stage", stage, "--profile", "bocom-smart-tendyron") as key:
        facts = info(run)
        assert facts["serial"] == key.serial
        assert len(facts["applications"]) == applications
        for application in facts["applications"]:
            assert application["user_pin"]["initial"] is initial
            activated = {container["activated"] for container in application["containers"]}
            assert activated == {stage == "ready"}
        told = [line for line in key.err.so_far() if line.startswith("Activation code: ")]
        assert len(told) == (stage == "issued")


@pytest.mark.parametrize(
    "dialect",
    [
        pytest.param("longmai", marks=pytest.mark.slow),
        pytest.param("sunyard", marks=pytest.mark.slow),
        "synochip",
    ],
)
def test_a_key_of_another_dialect_is_issued_and_made_ready(dialect: str, run: Path) -> None:
    value = f'dialect = {{ value = "{dialect}", source = "assumed" }}'
    profile = profile_file(run, dialect, "icbc-2g-feitian", value)
    with Up(run, "--link", "socket", "--profile", profile, "--stage", "blank") as key:
        issued = vukey("issue", run=run)
        assert issued.stdout == f"Issued {key.serial}: RSA-SIGN, SM2-SIGN (double certificate)\n", (
            issued.stderr
        )
    with Up(run, "--link", "socket", "--profile", profile) as key:
        assert key.stop() == 0


def test_two_keys_of_one_number_are_refused_and_the_first_lives_on(blank: Up) -> None:
    run = blank.socket.parents[1]
    for link in ("socket", "vpcd:127.0.0.1:9"):
        said = failing(2, "up", "--link", link, "--stage", "blank", "--serial", blank.serial, run=run)
        assert f"key {blank.serial} is running already" in said
    assert blank.run_files == [f"{blank.serial}.json", f"{blank.serial}.sock"]
    assert info(run)["serial"] == blank.serial


def test_what_a_killed_key_left_is_taken_over(run: Path) -> None:
    with Up(run, "--link", "socket", "--stage", "blank") as key:
        serial = key.serial
        key.stop(signal.SIGKILL)
        assert key.run_files == [f"{serial}.json", f"{serial}.sock"]
    assert vukey("host", "list", "--json", run=run).stdout.strip() == "[]"
    with Up(run, "--link", "socket", "--stage", "blank", "--serial", serial) as key:
        assert info(run)["serial"] == serial
        assert key.stop() == 0
        assert key.run_files == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--approve", "soon"), "--approve soon: expected always, never or seconds"),
        (("--approve", "-1"), "--approve -1: expected always, never or seconds"),
        (("--approve", "nan"), "--approve nan: expected always, never or seconds"),
        (("--link", "usb"), "--link usb: expected vpcd[:HOST:PORT], socket, usbip[:[HOST:]PORT], vhci,"),
        (("--link", "vpcd:127.0.0.1:70000"), "--link vpcd:127.0.0.1:70000: expected"),
        (("--link", "vpcd:127.0.0.1:²"), "--link vpcd:127.0.0.1:²: expected"),
        (("--profile", "no-such-key"), "no-such-key"),
        (("--profile", "./no-such-key.toml"), "no-such-key.toml"),
        (("--serial", "1234567890"), "1234567890"),
        (("--link", "socket", "--", "no-such-program"), "no-such-program cannot be run: No such file"),
    ],
)
def test_bad_options_are_one_line(arguments: tuple[str, ...], words: str, run: Path) -> None:
    assert words in failing(2, "up", "--stage", "blank", *arguments, run=run)
    assert not list(run.glob("vukey/*"))


def test_a_run_directory_that_others_can_enter_is_refused(run: Path) -> None:
    directory = run / "vukey"
    directory.mkdir()
    directory.chmod(0o755)
    assert "chmod 700" in failing(2, "up", "--link", "socket", "--stage", "blank", run=run)


def test_a_path_too_long_for_a_socket_is_one_line(run: Path) -> None:
    long = run / ("x" * 100)
    long.mkdir()
    assert "too long for a unix socket" in failing(1, "up", "--link", "socket", "--stage", "blank", run=long)
    assert not list(long.glob("vukey/*"))


# A command of the user's


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143)])
def test_up_ends_as_its_command_does(script: str, code: int, run: Path) -> None:
    done = vukey("up", "--link", "socket", "--stage", "blank", "--", "sh", "-c", script, run=run)
    assert done.returncode == code
    assert not list(run.glob("vukey/*"))


def test_a_command_that_never_ran_was_no_success(run: Path) -> None:
    """Ctrl-C while there is no reader yet; port 1 has no pcscd."""
    command = [
        sys.executable,
        "-m",
        "vukey",
        "up",
        "--stage",
        "blank",
        "--link",
        "vpcd:127.0.0.1:1",
        "--",
        "true",
    ]
    with subprocess.Popen(command, env=environment(run), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "waiting for pcscd" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130


def test_the_command_is_told_which_key(run: Path) -> None:
    show = 'echo "$VUKEY_SERIAL $VUKEY_TOKEN"; exec "$0" -m vukey host info'
    command = ("sh", "-c", show, sys.executable)
    done = vukey("up", "--link", "socket", "--stage", "blank", "--", *command, run=run)
    assert done.returncode == 0, done.stderr
    told, shown, blank = done.stdout.splitlines()
    serial, token = told.split()
    assert token == f"socket:{serial}"
    assert shown.startswith(serial)
    assert "blank" in blank


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_passed_on_to_the_command(by: signal.Signals, run: Path) -> None:
    """The command puts its things in order and says how it ended."""
    script = f"trap 'exit 42' {by.name[3:]}; echo started; read forever"
    reader = ("sh", "-c", f"mkfifo {run}/never; exec <> {run}/never; {script}")
    with Started("up", "--link", "socket", "--stage", "blank", "--", *reader, run=run) as key:
        key.out.wait_for("started")
        assert key.stop(by) == 42
    assert not list(run.glob("vukey/*"))


_SIGNALLED_AT_ONCE = """
import os, subprocess, sys
import vukey

number = int(sys.argv.pop(1))

class Popen(subprocess.Popen):
    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        os.kill(os.getpid(), number)

subprocess.Popen = Popen
vukey.main()
"""


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_comes_while_the_command_starts_is_passed_on_too(by: signal.Signals, run: Path) -> None:
    """A command that nobody ends would keep our pipe, and the run below would not end."""
    reader = ("sh", "-c", f"mkfifo {run}/never; exec <> {run}/never; read forever")
    up = ("up", "--link", "socket", "--stage", "blank", "--", *reader)
    done = subprocess.run(
        [sys.executable, "-c", _SIGNALLED_AT_ONCE, str(int(by)), *up],
        env=environment(run),
        capture_output=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 128 + by
    assert not list(run.glob("vukey/*"))


def test_ctrl_c_is_the_commands(run: Path) -> None:
    """The terminal sends it to both; the command decides how it ends, and that is the exit code."""
    script = (
        f"trap 'exit 42' INT; mkfifo {run}/never; exec <> {run}/never; echo started; read forever; exit 1"
    )
    arguments = ("up", "--link", "socket", "--stage", "blank", "--", "sh", "-c", script)
    with Started(*arguments, run=run, own_group=True) as key:
        key.out.wait_for("started")
        os.killpg(key.process.pid, signal.SIGINT)
        assert key.wait() == 42


# Who presses


def test_without_a_terminal_nobody_presses(quick: Up) -> None:
    """E1, E11: the request times out."""
    session, container = logged_in(_until_free(quick))
    with session, pytest.raises(ConfirmTimeoutError):
        session.sign_sm2(container, TRANSFER, SignInput.MESSAGE)


@pytest.mark.parametrize(("rule", "code"), [("always", 0), ("never", 9), ("0.2", 0)])
def test_approve(rule: str, code: int, run: Path) -> None:
    message = run / "message.xml"
    message.write_bytes(TRANSFER)
    with Up(run, "--link", "socket", "--profile", "ccb-shield-gd", "--approve", rule) as key:
        assert key.err.wait_for("Warning").startswith(f"Warning: --approve {rule}")
        sign = ("host", "sign", message, "--alg", "sm2")
        assert vukey(*sign, run=run, VUKEY_PIN=PIN).returncode == code
        assert key.stop() == 0


# The state file


def host_view(run: Path) -> tuple[Any, str]:
    facts = info(run)
    return facts, vukey("host", "certs", "--pem", run=run).stdout


def test_a_state_file_keeps_the_key(run: Path) -> None:
    state = run / "key.vukey"
    given = ("--link", "socket", "--state", state)
    with Up(run, *given, "--profile", "ccb-shield-gd") as key:
        assert vukey("host", "pin", "verify", run=run, VUKEY_PIN="000000").returncode == 5
        before = host_view(run)
        assert before[0]["applications"][0]["user_pin"]["left"] == 5
        assert key.stop() == 0
    assert state.stat().st_mode & 0o777 == 0o600
    for arguments in ((), ("--profile", "ccb-shield-gd", "--serial", before[0]["serial"])):
        with Up(run, *given, *arguments) as key:
            assert host_view(run) == before
            second = failing(22, "up", *given, run=run)
            assert f"another key runs on the state file {state}" in second
            assert key.stop() == 0
    kept = state.read_bytes()
    for wrong in (("--profile", "icbc-2g-feitian"), ("--serial", "1100000000")):
        assert str(state) in failing(22, "up", *given, *wrong, run=run)
    assert "no key goes back to blank" in failing(2, "up", *given, "--stage", "blank", run=run)
    assert state.read_bytes() == kept


@pytest.mark.slow
def test_a_key_in_a_file_stays_at_its_stage_until_another_is_asked_for(run: Path) -> None:
    given = ("--link", "socket", "--state", run / "key.vukey", "--profile", "bocom-smart-feitian")
    seen = []
    for stage in (("--stage", "blank"), (), ("--stage", "issued"), (), ("--stage", "ready"), ()):
        with Up(run, *given, *stage) as key:
            applications = info(run)["applications"]
            seen.append([application["user_pin"]["initial"] for application in applications])
            assert key.stop() == 0
    assert seen == [[], [], [True], [True], [False], [False]]


@pytest.mark.parametrize("content", [b"not a database at all\n" * 9, b"SQLite format 3\0" + bytes(200)])
def test_a_foreign_file_is_refused_by_name_and_left_alone(content: bytes, run: Path) -> None:
    state = run / "precious.db"
    state.write_bytes(content)
    state.chmod(0o600)
    assert str(state) in failing(22, "up", "--link", "socket", "--state", state, run=run)
    assert state.read_bytes() == content
    assert [path.name for path in run.iterdir()] == ["precious.db"]


def test_a_damaged_file_is_refused_by_name_and_left_alone(run: Path) -> None:
    state = run / "key.vukey"
    with Up(run, "--link", "socket", "--state", state, "--stage", "blank") as key:
        assert key.stop() == 0
    raw = bytearray(state.read_bytes())
    spot = raw.index(b"bocom-2g-tendyron")
    raw[spot] ^= 1
    state.write_bytes(raw)
    said = failing(22, "up", "--link", "socket", "--state", state, run=run)
    assert str(state) in said
    assert "damaged" in said
    assert state.read_bytes() == raw


# The socket


def raw_connection(key: Up) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(key.socket))
    connection.settimeout(PATIENCE_S)
    return connection


def assert_answers(key: Up) -> None:
    with GmtSession(_until_free(key)) as session:
        assert session.device_info().serial == key.serial


def test_garbage_on_the_socket_does_not_hurt_the_key(blank: Up) -> None:
    """Bad input: random bytes, empty frames, unknown controls, a client that vanishes in mid-frame."""
    noise = random.Random(2)
    pieces = [
        encode(b"") * 3,
        *(encode(bytes((value,))) for value in (3, 7, 0x80, 0xFF)),
        b"\xff\xff" + b"A" * 100,
        b"\x00",
        encode(b"\xff" * 0xFFFF),
        *(noise.randbytes(noise.randrange(1, 5000)) for _ in range(40)),
    ]
    for piece in pieces:
        with raw_connection(blank) as connection, suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(piece)
    with (
        closing(_until_free(blank)),
        raw_connection(blank) as connection,
    ):  # after whole frames even the connection goes on
        connection.sendall(encode(b"") + encode(b"\x09") + encode(bytes((Control.RESET,))))
        connection.sendall(encode(GET_DEV_INFO))
        assert connection.recv(100) == encode(bytes.fromhex("6ff6"))
    assert_answers(blank)
    assert blank.process.poll() is None
    assert "Traceback" not in "\n".join(blank.err.so_far())


def test_many_clients_at_once(blank: Up) -> None:
    """Those that come too many are sent away; the others, and the next one, are served."""
    clients = [raw_connection(blank) for _ in range(20)]
    answers = []
    for client in clients:
        with suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(encode(bytes((Control.ATR,))))
            answers.append(client.recv(100))
    assert 16 >= sum(map(bool, answers)) >= 10
    for client in clients:
        client.close()
    assert_answers(blank)


def test_the_second_client_is_told_that_the_key_is_busy(blank: Up) -> None:
    first = blank.connect()
    with pytest.raises(KeyBusyError):
        blank.connect()
    assert "busy" in failing(14, "host", "info", run=blank.socket.parents[1])
    listed = json.loads(vukey("host", "list", "--json", run=blank.socket.parents[1]).stdout)
    assert [token["busy"] for token in listed] == [True]
    assert first.exchange(GET_DEV_INFO)[-2:] == b"\x90\x00"
    first.close()
    _until_free(blank).close()


def _until_free(key: Up) -> SocketTransport:
    """The next client in: the key's thread sees a client leave a moment after it left."""
    while True:
        with suppress(KeyBusyError, KeyRemovedError):
            return key.connect()


def test_a_client_that_leaves_ends_its_wait(run: Path) -> None:
    """E11: nothing is signed for a host that is gone, and the next one is served at once."""
    with Up(run, "--link", "socket", "--profile", "icbc-2g-feitian") as key:
        connection = raw_connection(key)
        _, container = logged_in(SocketTransport(connection, "it does not lock the key"))
        data = container.handles + TRANSFER
        sign = Command(CLA_PLAIN, Ins.ECC_SIGN_DATA, SignInput.MESSAGE, 0, data, 68)
        connection.sendall(encode(encode_command(sign)))
        _until_busy(key)
        connection.close()
        session, _ = logged_in(_until_free(key))
        with session:
            assert session.device_info().serial == key.serial
        assert key.stop() == 0


def _until_busy(key: Up) -> None:
    """The key has begun to wait for a person. Asked without lock or reset, which could come before the request."""
    with closing(raw_connection(key)) as connection:
        transport = SocketTransport(connection, "it neither locks nor resets the key")
        while transport.exchange(GET_DEV_INFO) != SW.BUSY.to_bytes(2):
            continue


def test_a_wrong_pin_on_the_socket_costs_a_try_and_the_right_one_gives_them_back(quick: Up) -> None:
    with GmtSession(_until_free(quick)) as session:
        application = session.open_application(session.applications()[0])
        with pytest.raises(PinIncorrectError) as wrong:
            session.verify_pin(application, INITIAL_PIN)
        session.verify_pin(application, PIN)
        assert wrong.value.left is not None
        assert session.pin_info(application).left == wrong.value.left + 1


def test_the_script_beside_python_is_the_same_program() -> None:
    script = Path(sys.executable).with_name("vukey")
    done = subprocess.run([script, "--help"], capture_output=True, text=True, check=True)
    assert "up" in done.stdout


def test_a_copy_without_its_log_is_refused_and_left_alone(run: Path, tmp_path: Path) -> None:
    """What a running key has written may still lie in the -wal file beside it."""
    original, copy = tmp_path / "original", tmp_path / "copy"
    with Up(run, "--link", "socket", "--state", original):
        copy.write_bytes(original.read_bytes())
        copy.chmod(0o600)
    before = copy.read_bytes()
    said = failing(22, "up", "--link", "socket", "--state", copy, "--", "true", run=run)
    assert "holds no key" in said
    assert copy.read_bytes() == before


def test_a_suspended_key_still_hears_its_end(run: Path) -> None:
    """What a shell's `kill %1` does to a job that Ctrl-Z has stopped."""
    with Up(run, "--link", "socket", "--stage", "blank") as key:
        for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGCONT):
            key.process.send_signal(number)
        assert key.process.wait(PATIENCE_S) == 143


def test_a_run_directory_that_others_can_enter_is_not_believed(run: Path) -> None:
    """Somebody else's socket there would be handed the PIN's cryptogram."""
    with Up(run, "--link", "socket", "--stage", "blank"):
        assert len(json.loads(vukey("host", "list", "--json", run=run).stdout)) == 1
        (run / "vukey").chmod(0o777)
        assert json.loads(vukey("host", "list", "--json", run=run).stdout) == []


@pytest.mark.slow
def test_answers_keep_the_order_of_their_commands(run: Path) -> None:
    """A client that does not wait for its answers: the signature comes first, or *busy* for what came too early."""
    with Up(run, "--link", "socket", "--approve", "always") as key:
        transport = SocketTransport.open(key.socket)
        session = GmtSession(transport)
        application = session.open_application("BOCOM")
        container = session.open_container(application, "SM2-SIGN")
        for _round in range(20):
            session.verify_pin(application, PIN)
            data = container.handles + TRANSFER
            sign = encode_command(Command(CLA_PLAIN, Ins.ECC_SIGN_DATA, SignInput.MESSAGE, 0, data, 68))
            random_bytes = encode_command(Command(CLA_PLAIN, Ins.GEN_RANDOM, 0, 0, b"", 8))
            transport._socket.sendall(encode(sign))
            transport._socket.sendall(encode(random_bytes))
            answers = {len(transport._receive()), len(transport._receive())}
            assert 70 in answers
            assert answers <= {70, 10, 2}
        transport.close()
