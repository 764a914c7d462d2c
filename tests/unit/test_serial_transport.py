"""The host on a serial line, over real pseudo-terminals: what a key says well, badly or not at all."""

from __future__ import annotations

import select
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from hostdriver.errors import (
    CancelledError,
    HostError,
    KeyBusyError,
    KeyRemovedError,
    LowBatteryError,
    MissingComponentError,
    NoKeyError,
    TransmissionError,
)
from hostdriver.tokens import open_session
from hostdriver.transport import serial
from hostdriver.transport.serial import SerialTransport
from protocols.ble import enclose
from protocols.runfile import RunFile
from tests.rig.patience import PATIENCE_S
from tests.rig.serial_line import RawKey

CANCEL = "be0000"
GET_DEV_INFO = bytes.fromhex("80040000000000")
COMMAND = "83000a12000780040000000000"
"""MESSAGE, its length, the envelope (tag 12, length), the APDU."""
ANSWER = "83 0005 12 0002 9000"


@pytest.fixture
def key() -> Iterator[RawKey]:
    with RawKey() as key:
        yield key


@pytest.fixture
def transport(key: RawKey) -> Iterator[SerialTransport]:
    transport = SerialTransport.open(key.path)
    yield transport
    transport.close()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


@pytest.fixture
def asked(key: RawKey, transport: SerialTransport, pool: ThreadPoolExecutor) -> Future[bytes]:
    """The host's first command, which the key has received."""
    return first_command(key, transport, pool)


def first_command(key: RawKey, transport: SerialTransport, pool: ThreadPoolExecutor) -> Future[bytes]:
    """A host that knows nothing of the line begins with CANCEL and PING, and takes nothing before the echo."""
    answer = pool.submit(transport.exchange, GET_DEV_INFO)
    assert key.receive() == CANCEL
    ping = key.receive()
    assert ping.startswith("810004")
    assert key.receive() == COMMAND
    key.send(ping)
    return answer


def test_a_command_and_its_answer(asked: Future[bytes], key: RawKey) -> None:
    key.send(ANSWER)
    assert asked.result(PATIENCE_S).hex() == "9000"


def test_the_second_command_is_one_frame(
    asked: Future[bytes], key: RawKey, transport: SerialTransport, pool: ThreadPoolExecutor
) -> None:
    key.send(ANSWER)
    asked.result(PATIENCE_S)
    second = pool.submit(transport.exchange, GET_DEV_INFO)
    assert key.receive() == COMMAND
    key.send(ANSWER)
    assert second.result(PATIENCE_S).hex() == "9000"


def test_what_was_meant_for_somebody_else(
    key: RawKey, transport: SerialTransport, pool: ThreadPoolExecutor
) -> None:
    key.send("83 0005 12 0002 6982", "82 0001 02")
    answer = first_command(key, transport, pool)
    key.send(ANSWER)
    assert answer.result(PATIENCE_S).hex() == "9000"


def test_keep_alives_and_noise_before_the_answer(asked: Future[bytes], key: RawKey) -> None:
    key.send("82 0001 02")
    key.write(b"\x00\x7d\x5e\x7e\x7e")
    key.send("82 0001 01")
    key.write(enclose(bytes.fromhex(ANSWER))[:5])
    key.write(enclose(bytes.fromhex(ANSWER))[5:])
    assert asked.result(PATIENCE_S).hex() == "9000"


@pytest.mark.parametrize(
    ("said", "error", "text"),
    [
        ("BF 0001 06", KeyBusyError, "busy"),
        ("BF 0001 2D", CancelledError, "cancelled"),
        ("BF 0001 F0", LowBatteryError, "charge it"),
        ("BF 0001 05", TransmissionError, "TIMEOUT"),
        ("BF 0001 04", TransmissionError, "INVALID_SEQUENCE"),
        ("BF 0001 99", TransmissionError, "0x99"),
        ("BF 0000", TransmissionError, "INVALID_LENGTH"),
        ("83 0005 12 0003 9000", TransmissionError, "INVALID_PARAMETER"),
        ("81 0001 00", TransmissionError, "INVALID_COMMAND"),
    ],
)
def test_what_a_key_says_instead_of_an_answer(
    asked: Future[bytes],
    key: RawKey,
    transport: SerialTransport,
    pool: ThreadPoolExecutor,
    said: str,
    error: type[HostError],
    text: str,
) -> None:
    key.send(said)
    with pytest.raises(error, match=text):
        asked.result(PATIENCE_S)
    again = first_command(key, transport, pool)
    key.send(ANSWER)
    assert again.result(PATIENCE_S).hex() == "9000"


def test_a_damaged_answer(asked: Future[bytes], key: RawKey) -> None:
    sound = enclose(bytes.fromhex(ANSWER))
    key.write(sound[:8] + bytes((sound[8] ^ 1,)) + sound[9:])
    with pytest.raises(TransmissionError, match="INVALID_LENGTH"):
        asked.result(PATIENCE_S)


def test_a_key_that_falls_silent(
    key: RawKey, transport: SerialTransport, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(serial, "_SILENCE_S", 0.01)
        with pytest.raises(KeyRemovedError, match="nothing is heard"):
            first_command(key, transport, pool).result(PATIENCE_S)
    key.send(ANSWER)  # too late
    again = first_command(key, transport, pool)
    key.send("83 0005 12 0002 6A80")
    assert again.result(PATIENCE_S).hex() == "6a80"


def test_last_words_to_a_silent_key(
    key: RawKey, transport: SerialTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serial, "_FAREWELL_S", 0.01)
    with pytest.raises(KeyRemovedError, match="nothing is heard"):
        transport.last_words(GET_DEV_INFO)


def test_a_key_that_is_pulled_out(asked: Future[bytes], key: RawKey, transport: SerialTransport) -> None:
    key.close()
    with pytest.raises(KeyRemovedError, match="is gone"):
        asked.result(PATIENCE_S)
    with pytest.raises(KeyRemovedError, match="is gone"):
        transport.exchange(GET_DEV_INFO)
    with pytest.raises(KeyRemovedError, match="is gone"):
        transport.reset()
    transport.close()


def test_closing_ends_the_exchange_and_says_goodbye(
    asked: Future[bytes], key: RawKey, transport: SerialTransport
) -> None:
    transport.close()
    with pytest.raises(KeyRemovedError):
        asked.result(PATIENCE_S)
    assert key.receive() == CANCEL
    transport.close()


def test_a_reset_is_a_cancel(key: RawKey, transport: SerialTransport) -> None:
    assert transport.reset() == b""
    assert key.receive() == CANCEL


def test_the_longest_command(asked: Future[bytes], key: RawKey, transport: SerialTransport) -> None:
    key.send(ANSWER)
    asked.result(PATIENCE_S)
    received: list[str] = []
    reader = threading.Thread(target=lambda: received.append(key.receive()))
    reader.start()
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(transport.exchange, bytes(65532))
        reader.join(PATIENCE_S)
        assert received == ["83ffff12fffc" + "00" * 65532]
        key.send(ANSWER)
        answer.result(PATIENCE_S)
    with pytest.raises(HostError, match="too long"):
        transport.exchange(bytes(65533))


def test_ctrl_c_has_the_key_end_the_command(key: RawKey, transport: SerialTransport) -> None:
    """It waits for the key to say so, and nothing of it is left for the next command."""
    main = threading.get_ident()
    said: list[str] = []

    def be_key() -> None:
        said.extend(key.receive() for _ in range(3))
        key.send(said[1])
        key.send("82 0001 02")
        signal.pthread_kill(main, signal.SIGINT)
        said.append(key.receive())
        key.send("BF 0001 2D")

    thread = threading.Thread(target=be_key)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        transport.exchange(GET_DEV_INFO)
    thread.join(PATIENCE_S)
    assert said[2:] == [COMMAND, CANCEL]
    with ThreadPoolExecutor() as pool:
        answer = first_command(key, transport, pool)
        key.send(ANSWER)
        assert answer.result(PATIENCE_S).hex() == "9000"


def test_ctrl_c_and_a_key_that_does_not_care(
    key: RawKey, transport: SerialTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serial, "_FAREWELL_S", 0.01)
    main = threading.get_ident()

    def be_key() -> None:
        key.receive()
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=be_key)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        transport.exchange(GET_DEV_INFO)
    thread.join(PATIENCE_S)


def test_one_program_at_a_time(key: RawKey, transport: SerialTransport) -> None:
    with pytest.raises(KeyBusyError):
        SerialTransport.open(key.path)


def test_no_port(tmp_path: Path) -> None:
    with pytest.raises(NoKeyError, match="No such file"):
        SerialTransport.open(str(tmp_path / "ttyS9"))
    (tmp_path / "file").touch()
    with pytest.raises(NoKeyError, match="no serial port at"):
        SerialTransport.open(str(tmp_path / "file"))


def test_without_pyserial(monkeypatch: pytest.MonkeyPatch, key: RawKey) -> None:
    monkeypatch.setitem(sys.modules, "serial", None)
    with pytest.raises(MissingComponentError, match=r"vukey\[serial\]"):
        SerialTransport.open(key.path)


def test_the_token(key: RawKey) -> None:
    session = open_session(f"serial:{key.path}", "default")
    assert session.transport.name == f"serial:{key.path}"
    session.transport.close()


def test_a_killed_keys_terminal_may_be_anybodys(
    key: RawKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linux gives its number to the next terminal that is opened: that is left alone."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    directory = tmp_path / "vukey"
    directory.mkdir(mode=0o700)
    terminal = directory / "5212345678.tty"
    terminal.symlink_to(key.path)
    dead = subprocess.Popen(["true"])
    dead.wait(PATIENCE_S)
    run_file = RunFile(
        dead.pid, "5212345678", "bocom-2g-tendyron", "bocom-2g-tendyron", (f"serial:{terminal}",), None
    )
    (directory / "5212345678.json").write_bytes(run_file.encode())
    before = termios.tcgetattr(key.descriptor)
    with pytest.raises(NoKeyError):
        open_session("serial")
    assert termios.tcgetattr(key.descriptor) == before
    assert select.select([key.descriptor], [], [], 0) == ([], [], [])


def test_nothing_loads_pyserial_before_a_port_is_opened() -> None:
    code = "import sys, emulator.running, hostdriver.tokens; sys.exit('serial' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
