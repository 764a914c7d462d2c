"""`vukey host` and `vukey issue` from outside: a key's whole life over each wire, and every exit code."""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from hostdriver.errors import Exit
from protocols.vpcd import Control, FrameDecoder, encode
from tests.rig.cli import (
    ADMIN_PIN,
    INITIAL_PIN,
    PIN,
    Started,
    Up,
    documented_rows,
    environment,
    failing,
    openssl,
    openssl_accepts,
    profile_file,
    run_directory,
    vukey,
)
from tests.rig.messages import TRANSFER
from tests.rig.patience import PATIENCE_S
from tests.rig.pcscd import PrivatePcscd, wait_for_card

DOCS = Path(__file__).parents[2] / "docs"
NEW_PIN = "9753104286"
SIGN = ("host", "sign", "message.xml")
KEY_USAGE = {
    "sign": "Digital Signature, Non Repudiation",
    "exchange": "Key Encipherment, Data Encipherment, Key Agreement",
}
"""As openssl says what a certificate of each use is for."""
TWO_TRIES = 'pin.user.tries = { value = 2, source = "assumed" }'
WEAK_KEY = """
plain_message = { value = "refuse", source = "assumed" }
ready_digest = { value = "refuse", source = "assumed" }
activation = { value = "host", source = "assumed" }
confirm.timeout_s = { value = 1, source = "assumed" }
""" + TWO_TRIES  # fmt: skip
"""A model that refuses most things and asks for its activation code through the host."""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with run_directory() as directory:
        (directory / "message.xml").write_bytes(TRANSFER)
        monkeypatch.chdir(directory)
        yield directory


@pytest.fixture
def model(run: Path) -> Path:
    return profile_file(run, "refusing", "icbc-2g-feitian", WEAK_KEY)


# A whole life


@pytest.fixture(params=[pytest.param("socket", marks=pytest.mark.slow), "pcsc"])
def wire(request: pytest.FixtureRequest) -> tuple[str, str, PrivatePcscd | None]:
    """--link, --token, and whose network the key lives in."""
    if request.param == "socket":
        return "socket", "socket", None
    pcscd: PrivatePcscd = request.getfixturevalue("fresh_pcscd")
    return f"vpcd:127.0.0.1:{pcscd.port}", "pcsc", pcscd


def test_a_keys_life(wire: tuple[str, str, PrivatePcscd | None], run: Path) -> None:
    """Blank, issued, PIN changed, signing, locked, unblocked: one key, by the command line alone."""
    link, token, inside = wire
    model = profile_file(run, "two-tries", "ccb-shield-gd", TWO_TRIES)
    blank = ("--profile", model, "--link", link, "--stage", "blank", "--approve", "always")
    with Up(run, *blank, inside=inside) as key:
        if inside:
            wait_for_card()

        def host(*arguments: str, code: int = 0, **variables: str) -> str:
            done = vukey(*arguments, "--token", token, run=run, inside=inside, **variables)
            assert done.returncode == code, done.stderr
            assert not any(pin in done.stdout + done.stderr for pin in variables.values())
            return done.stdout if code == 0 else done.stderr

        issued = json.loads(host("issue", "--json"))
        assert issued["serial"] == key.serial
        for use in KEY_USAGE:
            _judge_certificates(host, use, issued["certificates"], run)
        assert "initial PIN; change it first" in host(*SIGN, "--alg", "sm2", code=7, VUKEY_PIN=INITIAL_PIN)
        assert "Hint" not in host("host", "pin", "change", VUKEY_PIN=INITIAL_PIN, VUKEY_NEW_PIN=NEW_PIN)
        assert "is right" in host("host", "pin", "verify", VUKEY_PIN=NEW_PIN)
        assert key.serial in host("host", "info")
        for algorithm in ("rsa", "sm2"):
            _sign_and_judge(host, algorithm, run)
        nowhere = ("-o", "/nowhere/at/all")
        assert "/nowhere/at/all cannot be written" in host(
            *SIGN, "--alg", "sm2", *nowhere, code=1, VUKEY_PIN=NEW_PIN
        )
        assert "wrong PIN, 1 tries left" in host("host", "pin", "verify", code=5, VUKEY_PIN="000000")
        assert "locked now" in host("host", "pin", "verify", code=5, VUKEY_PIN="000000")
        assert "pin unblock" in host("host", "pin", "verify", code=6, VUKEY_PIN=NEW_PIN)
        host("host", "pin", "unblock", VUKEY_ADMIN_PIN=ADMIN_PIN, VUKEY_NEW_PIN=PIN)
        host("host", "pin", "verify", "--admin", VUKEY_ADMIN_PIN=ADMIN_PIN)
        host("host", "pin", "verify", VUKEY_PIN=PIN)
        assert key.stop() == 0


def _judge_certificates(host: object, use: str, issued: list[dict[str, str]], run: Path) -> None:
    """The halves of a double certificate are what the issuer said it made; openssl says what they are for."""
    assert callable(host)
    listed = json.loads(host("host", "certs", "--use", use, "--json"))
    facts = [{name: item[name] for name in ("container", "use", "sha256")} for item in listed]
    assert facts == [item for item in issued if item["use"] == use]
    certificate = run / f"{use}.pem"
    certificate.write_text(host("host", "certs", "--use", use, "--pem"))
    assert KEY_USAGE[use] in openssl("x509", "-in", certificate, "-noout", "-ext", "keyUsage")


def _sign_and_judge(host: object, algorithm: str, run: Path) -> None:
    """Signatures over the message and over a ready digest, in hex and raw, by --pin-file; judged by openssl."""
    assert callable(host)
    container = {"rsa": "RSA-SIGN", "sm2": "SM2-SIGN"}[algorithm]
    listed = json.loads(host("host", "certs", "--json"))
    name = next(item["container"] for item in listed if item["container"] in (container, algorithm.upper()))
    certificate = run / "certificate.pem"
    certificate.write_text(host("host", "certs", "--pem", "--container", name))
    assert "BEGIN CERTIFICATE" in openssl("x509", "-in", certificate)
    (run / "pin").write_text(NEW_PIN + "\n")
    chosen = ("--alg", algorithm)
    printed = bytes.fromhex(host(*SIGN, *chosen, "--pin-file", "pin"))
    assert openssl_accepts(certificate, algorithm, TRANSFER, printed)
    assert not openssl_accepts(certificate, algorithm, TRANSFER + b" ", printed)
    check = ("host", "verify", "message.xml", *chosen, "--signature")
    assert "valid" in host(*check, printed.hex())
    if algorithm == "rsa":
        (run / "digest").write_bytes(hashlib.sha256(TRANSFER).digest())
        signed = host("host", "sign", "digest", "--digest", *chosen, VUKEY_PIN=NEW_PIN)
        assert openssl_accepts(certificate, "rsa", TRANSFER, bytes.fromhex(signed))
        host("host", "verify", "digest", "--digest", *chosen, "--signature", signed.strip())
        assert "neither hex nor a file" in host(*check, "no hex", code=1)
    else:
        assert host(*SIGN, *chosen, "-o", "signature.bin", "--container", name, "--pin-file", "pin") == ""
        assert openssl_accepts(certificate, algorithm, TRANSFER, (run / "signature.bin").read_bytes())
        (run / "message.xml").write_bytes(TRANSFER + b" ")
        host(*check, "signature.bin", code=18)


# Every exit code


def reached_with_a_key(run: Path, model: Path) -> set[int]:
    """Exit codes that one refusing key gives, each with the words that a person needs."""
    codes = set()

    def fails(code: int, words: str, *arguments: str, **variables: str) -> None:
        assert words in failing(code, *arguments, run=run, **variables)
        codes.add(code)

    (run / "plain").write_text("no transaction")
    (run / "digest").write_bytes(bytes(32))
    link = ("--link", "socket", "--profile", model)
    with Up(run, *link, "--stage", "issued") as key:
        code = key.err.wait_for("Activation code: ").split()[-1]
        wrong = {"VUKEY_ACTIVATION_CODE": f"{(int(code) + 1) % 10 ** len(code):0{len(code)}d}"}
        serial = ("--token", f"socket:{key.serial}")
        assert (
            vukey("host", "pin", "change", run=run, VUKEY_PIN=INITIAL_PIN, VUKEY_NEW_PIN=PIN).returncode == 0
        )
        fails(11, "vukey host activate", *SIGN, "--alg", "sm2", VUKEY_PIN=PIN)
        fails(21, "wrong activation code", "host", "activate", **wrong)
        assert vukey("host", "activate", run=run, VUKEY_ACTIVATION_CODE=code).returncode == 0
        fails(12, "cannot show this message", "host", "sign", "plain", "--alg", "sm2", VUKEY_PIN=PIN)
        fails(13, "--message", "host", "sign", "digest", "--digest", "--alg", "sm2", VUKEY_PIN=PIN)
        fails(10, "nobody pressed OK", *SIGN, "--alg", "sm2", VUKEY_PIN=PIN)
        fails(16, "vukey host info", *SIGN, "--container", "none", VUKEY_PIN=PIN)
        fails(4, "--alg", *SIGN, VUKEY_PIN=PIN)
        fails(2, "VUKEY_PIN", *SIGN, "--alg", "sm2")
        fails(16, "leave out --keypad", "host", "pin", "verify", "--keypad")
        fails(16, "leave out --keypad", "host", "pin", "change", "--keypad")
        fails(2, "leave out the file", *SIGN, "--alg", "sm2", "--keypad", "--pin-file", "plain")
        fails(17, "issued already", "issue", "--profile", str(model), *serial)
        fails(1, "holds no digest", "host", "sign", "plain", "--digest", "--alg", "sm2", VUKEY_PIN=PIN)
        fails(5, "1 tries left", "host", "pin", "verify", VUKEY_PIN="000000")
        fails(5, "locked now", "host", "pin", "verify", VUKEY_PIN="000000")
        fails(6, "vukey host pin unblock", "host", "pin", "verify", VUKEY_PIN=PIN)
        fails(3, "no key at socket:none", "host", "info", "--token", "socket:none")
        with key_beside(run) as other:
            fails(4, other.serial, "host", "info")
        assert key.stop() == 0
    fails(3, "vukey up --profile", "host", "info")
    return codes


@contextmanager
def key_beside(run: Path) -> Iterator[Up]:
    with Up(run, "--link", "socket", "--stage", "blank") as key:
        yield key
        assert key.stop() == 0


def test_what_a_refusing_key_says(run: Path, model: Path) -> None:
    assert reached_with_a_key(run, model) == {1, 2, 3, 4, 5, 6, 10, 11, 12, 13, 16, 17, 21}


def test_cancelled_and_removed(run: Path) -> None:
    sign = (*SIGN, "--alg", "sm2")
    with Up(run, "--link", "socket", "--profile", "icbc-2g-feitian", "--approve", "never") as key:
        assert failing(9, *sign, run=run, VUKEY_PIN=PIN) == "vukey: cancelled on the key"
        assert key.stop() == 0
    with (
        Up(run, "--link", "socket", "--profile", "icbc-2g-feitian") as key,
        Started(*sign, run=run, VUKEY_PIN=PIN) as host,
    ):
        host.err.wait_for("press OK on the key")
        assert "busy" in failing(14, "host", "info", run=run)
        assert key.stop() == 0
        assert host.wait() == 15
        assert "vukey up" in host.err.all()[-1]


def test_without_pyscard(run: Path) -> None:
    program = "import sys; sys.modules['smartcard'] = None; import vukey; vukey.main()"
    command = [sys.executable, "-c", program, "host", "info", "--token"]
    done = subprocess.run([*command, "pcsc"], env=environment(run), capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (23, "")
    assert done.stderr.startswith("vukey: PC/SC needs pyscard: pip install pyscard")
    done = subprocess.run([*command[:-2], "list"], env=environment(run), capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    assert "PC/SC needs pyscard" in done.stderr


def test_without_pyusb(run: Path) -> None:
    """Said only where it is asked for."""
    program = "import sys; sys.modules['usb'] = None; import vukey; vukey.main()"
    command = [sys.executable, "-c", program, "host"]
    for token in ("usb", "usb:1209:0001"):
        done = subprocess.run(
            [*command, "info", "--token", token], env=environment(run), capture_output=True, text=True
        )
        assert (done.returncode, done.stdout) == (23, "")
        assert done.stderr.startswith("vukey: USB without PC/SC needs pyusb: pip install pyusb")
    done = subprocess.run([*command, "list"], env=environment(run), capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    assert "pyusb" not in done.stderr


class Impostor:
    """Something on a socket that gives one answer to every APDU."""

    def __init__(self, path: Path, answer: bytes) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._answer = answer
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE_S)
        self._listener.close()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        answers = {bytes((Control.LOCK,)): b"\x00", bytes((Control.ATR,)): b"\x3b\x00"}
        silent = (bytes((Control.POWER_ON,)), bytes((Control.RESET,)))
        decoder = FrameDecoder()
        with connection:
            while data := connection.recv(0x10000):
                for frame in decoder.feed(data):
                    if frame not in silent:
                        connection.sendall(encode(answers.get(frame, self._answer)))


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("", 19),
        ("90", 19),
        ("9000", 19),
        ("ff" * 40 + "9000", 19),
        ("00" * 500 + "6a9e", 19),
        ("6d00", 19),
        ("6f42", 1),
        ("6982", 8),
        ("6a84", 20),
        ("6ff7", 21),
        ("6300", 18),
    ],
)
def test_a_key_that_answers_nonsense(answer: str, code: int, run: Path) -> None:
    with Impostor(run / "key", bytes.fromhex(answer)):
        failing(code, "host", "info", "--token", f"socket:{run / 'key'}", run=run)


@pytest.mark.parametrize("page", ["exit-codes.md", "exit-codes.zh-CN.md"])
def test_the_page_lists_exactly_the_exit_codes(page: str) -> None:
    rows = [row for row in documented_rows(DOCS / page) if row[0].isdecimal()]
    named = [row for row in rows if int(row[0]) < 100]
    assert [(int(code), name.strip("`")) for code, name, *_ in named] == [
        (int(ours), ours.name) for ours in Exit
    ]
    assert {int(row[0]) for row in rows} - set(map(int, Exit)) == {129, 130, 141, 143}


def test_odd_pins_are_one_line(run: Path) -> None:
    """Empty, far too long, and bytes that are no text: refused, and the PIN stays what it was."""
    with Up(run, "--link", "socket", "--profile", "icbc-2g-feitian") as key:
        for value, code in (("", 2), ("x" * 200, 5), ("\udcff\udcfe", 2)):
            said = failing(code, "host", "pin", "verify", run=run, VUKEY_PIN=value)
            assert not value or value not in said
            change = vukey("host", "pin", "change", run=run, VUKEY_PIN=PIN, VUKEY_NEW_PIN=value)
            assert change.returncode in (Exit.FAILED, Exit.USAGE), change.stderr
            assert change.stderr.splitlines()[-1].startswith("vukey: ")
        empty = failing(2, "host", "pin", "verify", run=run, VUKEY_PIN="")
        assert "empty" in empty
        info = json.loads(vukey("host", "info", "--json", run=run).stdout)
        assert info["applications"][0]["user_pin"]["left"] == 5  # only the long one was a try
        assert vukey("host", "pin", "verify", run=run, VUKEY_PIN=PIN).returncode == 0
        assert key.stop() == 0


def test_a_serial_number_is_meant_whole(run: Path) -> None:
    """The digit that two keys share must never lead to one of them."""
    with Up(run, "--link", "socket", "--stage", "blank", "--serial", "5200000012") as key:
        assert key.serial == "5200000012"
        failing(3, "host", "info", "--token", "socket:52", run=run)
        assert vukey("host", "info", "--token", "socket:5200000012", run=run).returncode == 0


def test_what_is_wrong_with_a_file_is_said_before_anybody_presses(run: Path, tmp_path: Path) -> None:
    """Nobody presses here: whoever waited for a press would time out with code 10."""
    empty, large, good = (tmp_path / name for name in ("empty", "large", "good"))
    empty.touch()
    large.write_bytes(bytes(100_000))
    good.write_text("hello")
    with Up(run, "--link", "socket", "--approve", "always"):
        sign = ("host", "sign", "--alg", "sm2")
        assert "is empty" in failing(1, *sign, str(empty), run=run, VUKEY_PIN=PIN)
        assert "100000 bytes" in failing(1, *sign, str(large), run=run, VUKEY_PIN=PIN)
        said = failing(1, *sign, str(good), "-o", "/nonexistent/x", run=run, VUKEY_PIN=PIN)
        assert "cannot be written" in said
        assert "nonexistent" in said


def test_a_refused_message_and_a_refused_pin_say_why(run: Path, tmp_path: Path) -> None:
    message = tmp_path / "gbk.xml"
    message.write_bytes(
        '<?xml version="1.0" encoding="utf-8"?><T><D><M><k>收</k><v>张</v></M></D></T>'.encode("gbk")
    )
    with Up(run, "--link", "socket", "--approve", "always"):
        refused = vukey("host", "sign", "--alg", "sm2", str(message), run=run, VUKEY_PIN=PIN)
        assert refused.returncode == 12
        assert "As a transaction it cannot be read" in refused.stderr
        for new in ("12", "123456", "1" * 20):
            said = failing(1, "host", "pin", "change", run=run, VUKEY_PIN=PIN, VUKEY_NEW_PIN=new)
            assert "the old one stays" in said
        assert vukey("host", "pin", "verify", run=run, VUKEY_PIN=PIN).returncode == 0
