"""`vukey up --panel` and `vukey key`: a running key's face, from another terminal."""

from __future__ import annotations

import base64
import io
import json
import re
import signal
import socket
import subprocess
import sys
import unicodedata
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image

from hostdriver.control import KeyApi
from hostdriver.errors import (
    CancelledError,
    ControlError,
    Exit,
    KeyRemovedError,
    NoKeyError,
    NotShownError,
    SeveralKeysError,
)
from hostdriver.gmt import GmtSession
from protocols.gmt import SignInput
from protocols.runfile import RunFile
from tests.rig.cli import (
    INITIAL_PIN,
    PIN,
    Started,
    Terminal,
    Up,
    environment,
    failing,
    profile_file,
    run_directory,
    vukey,
)
from tests.rig.messages import TRANSFER

GET_DEV_INFO = bytes.fromhex("80040000000000")
PANEL = ("--link", "socket", "--panel")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A run directory that is ours too, so that `KeyApi.find` looks there."""
    with run_directory() as directory:
        (directory / "message.xml").write_bytes(TRANSFER)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(directory))
        yield directory


@pytest.fixture(scope="module")
def blank() -> Iterator[tuple[Up, Path]]:
    """One blank key, powered by a host, for all tests that leave it as it was."""
    with run_directory() as directory, Up(directory, *PANEL, "--stage", "blank") as key:
        host = key.connect()
        yield key, directory
        host.close()
        assert key.stop() == 0


def signing(run: Path, algorithm: str = "sm2") -> Started:
    return Started("host", "sign", run / "message.xml", "--alg", algorithm, run=run, VUKEY_PIN=PIN)


def key(run: Path, *arguments: str | Path, **named: Any) -> str:
    """Standard output of a `vukey key` that must succeed."""
    done = vukey("key", *arguments, run=run, **named)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def width(line: str) -> int:
    """Columns of a terminal: wide and full-width characters take two (Unicode annex 11)."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in line)


def token_of(key: Up, run: Path) -> str:
    """From the run file, which only its owner can read."""
    file = run / "vukey" / f"{key.serial}.json"
    assert file.stat().st_mode & 0o077 == 0
    token = RunFile.decode(file.read_bytes()).token
    assert token
    assert len(token) >= 32
    return token


# A transfer


def test_a_person_at_another_terminal_reads_and_signs(run: Path) -> None:
    with Up(run, *PANEL) as up, signing(run) as host:
        assert key(run, "wait", "张三") == ""
        text = key(run, "screen")
        frame = text.splitlines()
        assert "张三" in text
        assert {width(line) for line in frame} == {128 // 8 + 4}
        assert len(frame) == 64 // 16 + 2
        waiting = json.loads(key(run, "status", "--json"))["waiting"]
        assert ["收款人:", "张三"] in [
            [label.rstrip("：:") + ":", value] for label, value in waiting["items"]
        ]
        assert 0 < waiting["seconds_left"] <= 60
        pages = json.loads(key(run, "screen", "--json"))["pages"]
        key(run, "clock", "advance", "3s")  # OK is dead until a person may have read it
        key(run, "press", *["down"] * (pages - 1), "ok")
        assert host.wait() == 0
        assert len(bytes.fromhex(host.out.all()[0])) == 64
        logged = json.loads(key(run, "log", "--json"))
        assert [record["sw"] for record in logged][-1] == "9000"
        assert any(record["ms"] and not record["pending"] for record in logged)
        assert PIN not in json.dumps(logged)
        assert up.stop() == 0


def test_an_ok_that_is_not_taken_is_told(run: Path) -> None:
    dead = profile_file(
        run, "dead", "bocom-2g-tendyron", 'confirm.ok_dead_ms = { value = 10000, source = "assumed" }'
    )
    with Up(run, *PANEL, "--profile", dead) as up, KeyApi.find() as api, signing(run) as host:
        pages = api.wait_for("请核对交易")["pages"]
        assert "press down first" in vukey("key", "press", "ok", run=run).stderr
        api.press(*["down"] * (pages - 1))
        told = vukey("key", "press", "ok", run=run)
        assert (told.returncode, told.stdout) == (0, "")
        assert re.fullmatch(r"The key does not take OK yet: wait (\d+) s, .*advance \1s\.\n", told.stderr)
        key(run, "clock", "advance", "10s")
        key(run, "press", "ok")
        assert host.wait() == 0
        assert up.stop() == 0


def test_a_second_signal_does_not_cut_the_leaving_short(run: Path) -> None:
    with Up(run, *PANEL) as up, KeyApi.find() as api, closing(api.live()) as live:
        next(live)
        with socket.create_connection(("127.0.0.1", urlsplit(up.facts["panel"]).port)) as waits:
            request = f"GET /t/{token_of(up, run)}/wait?text=never HTTP/1.1\r\nHost: {up.facts['panel'][7:]}\r\n\r\n"
            waits.sendall(request.encode())
            assert api.key()["plugged"]  # whoever waits was heard before; to send it away takes a while
            up.process.send_signal(signal.SIGTERM)
            with pytest.raises(KeyRemovedError):
                list(live)
            assert up.stop(signal.SIGTERM) == 143
        assert up.run_files == []


def test_the_clock_moves_when_told(run: Path) -> None:
    with Up(run, *PANEL), KeyApi.find() as api, signing(run) as host:
        api.wait_for("张三")
        before = float(key(run, "clock"))
        assert float(key(run, "clock", "advance", "0.5m")) >= before + 30
        assert host.process.poll() is None
        key(run, "clock", "advance", "31s")
        assert host.wait() == 10
        assert "nobody pressed OK" in host.err.all()[-1]
        assert float(key(run, "clock", "advance", "1d")) >= before + 86400
        assert "59s" in failing(2, "key", "clock", "advance", "soon", run=run)
        assert "59s" in failing(2, "key", "clock", "advance", run=run)


def test_pulled_out_and_plugged_in_again(run: Path) -> None:
    with Up(run, *PANEL), KeyApi.find() as api, signing(run) as host:
        api.wait_for("张三")
        key(run, "unplug")
        assert host.wait() == 15
        failing(3, "host", "info", run=run)
        assert json.loads(key(run, "status", "--json"))["plugged"] is False
        key(run, "plug")
        assert vukey("host", "info", run=run).returncode == 0


def test_a_code_is_typed_on_the_keypad(run: Path) -> None:
    """A5, A6: as an argument and from standard input, where no list of processes shows it."""
    with Up(run, *PANEL, "--profile", "bocom-smart-tendyron", "--stage", "issued") as up:
        code = up.err.wait_for("Activation code: ").split()[-1]
        change = vukey("host", "pin", "change", run=run, VUKEY_PIN=INITIAL_PIN, VUKEY_NEW_PIN=PIN)
        assert change.returncode == 0
        with Started("host", "activate", run=run) as host, KeyApi.find() as api:
            host.err.wait_for("RSA-SIGN: type the activation code on the key")
            api.wait_for("请输入激活码")
            key(run, "type", code)
            assert "*" * len(code) in api.screen()["text"]
            api.press("ok")
            host.err.wait_for("SM2-SIGN: type the activation code on the key")
            api.wait_for("请输入激活码")
            key(run, "type", "-", "--ok", stdin=f"{code}\n")
            assert host.wait() == 0
        with Terminal(run, "key", "type", "-") as terminal:
            terminal.wait_for("Digits: ")
            terminal.type("5\n")
            assert terminal.wait() == 0
            assert "5" not in terminal.text


def test_a_bluetooth_key_has_a_battery(run: Path) -> None:
    with Up(run, *PANEL, "--profile", "bocom-ble-tendyron", "--stage", "blank"):
        key(run, "battery", "42")
        assert key(run, "battery") == "42\n"
        assert "42 %" in key(run, "status")
        assert vukey("key", "battery", "101", run=run).returncode == 2


def test_rules_press_by_themselves(run: Path) -> None:
    rules = {"version": 1, "rules": [{"regexp": ".*张三", "actions": [["press", "cancel"]]}]}
    (run / "rules.json").write_text(json.dumps(rules))
    with Up(run, *PANEL):
        key(run, "automate", run / "rules.json")
        assert json.loads(key(run, "automate", "--show"))["rules"][0]["regexp"] == ".*张三"
        with signing(run) as host:
            assert host.wait() == 9
        key(run, "automate", "--clear")
        assert json.loads(key(run, "automate", "--show")).get("rules") == []
        key(run, "automate", "-", stdin=json.dumps(rules))
        (run / "rules.json").write_text("[1]")
        assert "rules.json" in failing(2, "key", "automate", run / "rules.json", run=run)
        assert "--clear" in failing(2, "key", "automate", run=run)


# What it shows


def test_the_png_has_the_pixels_of_the_screen(blank: tuple[Up, Path]) -> None:
    _, run = blank
    key(run, "screen", "--png", run / "screen.png", "--scale", "3")
    screen = json.loads(key(run, "screen", "--json"))
    bits = base64.b64decode(screen["bits"])
    with Image.open(io.BytesIO((run / "screen.png").read_bytes()), formats=["PNG"]) as image:
        assert image.size == (3 * screen["width"], 3 * screen["height"]) == (3 * 128, 3 * 64)
        picture = image.convert("L")
    for y in range(screen["height"]):
        for x in range(screen["width"]):
            ink = bits[y * 128 // 8 + x // 8] >> (7 - x % 8) & 1
            assert (picture.getpixel((3 * x + 1, 3 * y + 1)) == 0) == bool(ink)
    assert "--watch" in failing(2, "key", "screen", "--png", "x.png", "--watch", run=run)


def test_what_happens_can_be_followed(run: Path) -> None:
    follow = ("--watch", "--json"), ("--follow", "--json")
    with (
        Up(run, *PANEL) as up,
        Started("key", "screen", *follow[0], run=run) as watch,
        Started("key", "log", *follow[1], run=run) as log,
        Started("key", "log", "--follow", run=run) as table,
        KeyApi.find() as api,
    ):
        watch.out.wait_for('"kind"')
        table.out.wait_for("Status")
        with signing(run) as host:
            watch.out.wait_for("张三")
            log.out.wait_for('"pending": true')
            table.out.wait_for("waits for a person")
            api.press("cancel")
            assert host.wait() == 9
        log.out.wait_for('"sw": "6ff0"')
        assert "cancelled on the key" in table.out.wait_for("6ff0")
        numbers = [json.loads(line)["number"] for line in log.out.so_far()]
        assert sorted(numbers) == numbers
        assert watch.stop() == 0
        assert log.stop() == 0
        assert up.stop() == 0
        assert table.wait() == 15
        assert "vukey up" in table.err.all()[-1]


def test_the_screen_is_drawn_in_place_on_a_terminal(blank: tuple[Up, Path]) -> None:
    _, run = blank
    with Terminal(run, "key", "screen", "--watch") as terminal:
        terminal.wait_for("╭─{18}╮")
        terminal.type("\x03")
        assert terminal.wait() == 0


def test_a_key_without_a_display_shows_its_light(run: Path) -> None:
    """E10."""
    with Up(run, *PANEL, "--profile", "icbc-1g-gd"):
        assert "○" in key(run, "screen")
        failing(16, "key", "screen", "--png", run / "light.png", run=run)
        failing(16, "key", "battery", run=run)
        failing(16, "key", "battery", "50", run=run)


def test_a_fault_for_a_key_that_is_no_usb_reader(blank: tuple[Up, Path]) -> None:
    """That faults come is in test_control_api.py, and in the guest."""
    _, run = blank
    assert "--link usbip" in failing(16, "key", "fault", "icc_mute", run=run)
    done = vukey("key", "fault", "parity", run=run)
    assert (done.returncode, "'xfr_parity_error'" in done.stderr) == (2, True)


def test_chinese(run: Path) -> None:
    with Up(run, *PANEL):
        status = key(run, "status", LANGUAGE="zh_CN")
        assert "序列号" in status
        assert not re.search(r"\b(?:Serial|tries|yes|certificate)\b", status)
        assert not re.search(r"[a-z]{4,} [a-z]{3,}", key(run, "log", LANGUAGE="zh_CN"))
        for wrong in (
            ("type", "1"),
            ("press", "power"),
            ("wait", "没有", "--timeout", "0.01s"),
            ("battery", "3"),
        ):
            done = vukey("key", *wrong, run=run, LANGUAGE="zh_CN")
            assert done.returncode > 1
            assert re.search("[\u4e00-\u9fff]{2}", done.stderr), done.stderr


# Which key


def test_which_key(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None, one without a panel, one, several, and one that was killed."""
    assert "vukey up --panel" in failing(3, "key", "screen", run=run)
    small = ("--link", "socket", "--stage", "blank")
    with Up(run, *small) as plain:
        assert f"key {plain.serial} runs without a panel" in failing(3, "key", "screen", run=run)
        with Up(run, *small, "--panel") as one:
            with Up(run, *small, "--panel") as other:
                several = failing(4, "key", "status", run=run)
                assert one.serial in several
                assert other.serial in several
                assert one.serial in key(run, "status", "--serial", one.serial)
                assert other.serial in key(run, "status", VUKEY_SERIAL=other.serial)
                with pytest.raises(SeveralKeysError, match="--serial"):
                    KeyApi.find()
                with KeyApi.find(other.serial) as api:
                    assert api.key()["serial"] == other.serial
                    assert other.stop(signal.SIGKILL) == -9
                    with pytest.raises(KeyRemovedError):
                        api.key()
                assert f"{other.serial}.json" in one.run_files
            assert one.serial in key(run, "status")
            with pytest.raises(NoKeyError, match="is running"):
                KeyApi.find(other.serial)


# Refusals, and who may know what


def test_what_is_refused_is_one_line(blank: tuple[Up, Path]) -> None:
    _, run = blank
    assert "left-handed" in failing(2, "key", "press", "left-handed", run=run)
    failing(2, "key", "press", "7", run=run)
    failing(16, "key", "type", "12345678", run=run)
    shown = json.loads(key(run, "screen", "--json"))["lines"][0]
    late = failing(10, "key", "wait", "no such text", "--timeout", "0.01s", run=run)
    assert shown in late
    assert key(run, "wait", shown) == ""
    assert key(run, "wait", f"^.*{shown}$", "--regexp") == ""
    failing(2, "key", "wait", "(", "--regexp", run=run)
    assert "59s" in failing(2, "key", "wait", "x", "--timeout", "soon", run=run)


def test_the_token_is_told_to_nobody(blank: tuple[Up, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    up, run = blank
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(run))
    token = token_of(up, run)
    said = "\n".join((*up.out.so_far(), *up.err.so_far()))
    assert token not in said
    assert up.facts["panel"].startswith("http://127.0.0.1:")
    with KeyApi.find() as api:
        assert token not in repr(api)
        with pytest.raises(ControlError) as refused:
            api.press("none")
        assert token not in repr(refused.value)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def status_of(url: str) -> tuple[int, str]:
    """What a browser without cookies gets, and the cookie it is given."""
    try:
        with urllib.request.build_opener(_NoRedirect).open(url, timeout=10) as answer:
            return answer.status, answer.headers.get("Set-Cookie", "")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers.get("Set-Cookie", "")


def test_the_panels_url_opens_once(blank: tuple[Up, Path]) -> None:
    up, run = blank
    told = up.err.wait_for("Panel: ").removeprefix("Panel: ")
    for url in (told, key(run, "panel").strip()):
        assert url.startswith(f"{up.facts['panel']}/enter?ticket=")
        code, cookie = status_of(url)
        assert code in (302, 303, 307)
        assert "HttpOnly" in cookie
        assert status_of(url)[0] in (401, 403)


def test_a_command_finds_the_api_in_its_environment(run: Path) -> None:
    """As a client of Speculos takes it: one base URL and nothing else."""
    program = (
        "import json, os, urllib.request\n"
        "url = os.environ['VUKEY_PANEL_URL']\n"
        "with urllib.request.urlopen(f'{url}/key') as answer: print(json.load(answer)['serial'])\n"
    )
    child = ("--", sys.executable, "-c", program)
    done = vukey("up", *PANEL, "--stage", "blank", "--serial", "5200000012", *child, run=run)
    assert (done.returncode, done.stdout) == (0, "5200000012\n"), done.stderr
    show = ("--", sys.executable, "-c", "import os; print(os.environ.get('VUKEY_PANEL_URL'))")
    other = vukey("up", "--link", "socket", "--stage", "blank", *show, run=run, VUKEY_PANEL_URL="http://x")
    assert other.stdout == "None\n"


def test_the_panels_line_on_a_terminal(run: Path) -> None:
    with Terminal(run, "up", *PANEL, "--stage", "blank") as terminal:
        terminal.wait_for(r"socket: listening")
        terminal.wait_for(r"Panel: http://127\.0\.0\.1:\d+/enter\?ticket=")
        terminal.type("\x03")
        assert terminal.wait() == 0


@pytest.mark.parametrize("panel", [True, False])
def test_with_a_command_somebody_can_press_in_the_panel(panel: bool, run: Path) -> None:
    options = PANEL if panel else PANEL[:-1]
    with Terminal(run, "up", *options, "--stage", "blank", "--", sys.executable, "-c", "") as terminal:
        assert terminal.wait() == 0
        assert ("add --panel" in terminal.text) is not panel
        assert ("Panel: http" in terminal.text) is panel


def test_where_the_panel_cannot_be(blank: tuple[Up, Path], run: Path) -> None:
    up, _ = blank
    port = up.facts["panel"].rpartition(":")[2]
    small = ("--link", "socket", "--stage", "blank")
    assert port in failing(2, "up", *small, "--panel-port", port, run=run)
    elsewhere = vukey("up", *small, "--panel-host", "192.0.2.1", run=run)  # RFC 5737: nobody's address
    assert elsewhere.returncode == 2
    assert "plain HTTP" in elsewhere.stderr.splitlines()[0]
    assert not list(run.glob("vukey/*"))


def test_without_the_panels_packages(run: Path) -> None:
    program = "import sys; sys.modules['starlette'] = None; import vukey; vukey.main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "up", *PANEL, "--stage", "blank"],
        env=environment(run),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 23
    assert "vukey[panel]" in done.stderr.splitlines()[-1]


# The client


class ApiTransport:
    """The wire of a host that reaches the key through its control API alone."""

    name = "api"

    def __init__(self, api: KeyApi) -> None:
        self.exchange = api.apdu

    def reset(self) -> bytes:
        raise NotImplementedError

    def close(self) -> None:
        """The client is closed by whoever opened it."""


def test_a_command_is_left_pending_while_others_look_and_press(run: Path) -> None:
    """One client for several threads, and the person who never answers because the key is pulled out."""
    with Up(run, *PANEL), KeyApi.find() as api:
        session = GmtSession(ApiTransport(api))
        application = session.open_application(session.applications()[0])
        session.verify_pin(application, PIN)
        container = session.open_container(application, "SM2-SIGN")
        with ThreadPoolExecutor() as pool:
            pending = pool.submit(session.sign_sm2, container, TRANSFER, SignInput.MESSAGE)
            api.wait_for("张三")
            api.press("cancel")
            assert isinstance(pending.exception(30), CancelledError)
            session.verify_pin(application, PIN)
            pending = pool.submit(session.sign_sm2, container, TRANSFER, SignInput.MESSAGE)
            api.wait_for("张三")
            api.unplug()
            lost = pending.exception(30)
        assert isinstance(lost, ControlError)
        assert (lost.code, lost.exit_code) == ("power-lost", Exit.REMOVED)
        with pytest.raises(ControlError, match="vukey key plug"):
            api.apdu(GET_DEV_INFO)


def test_the_client_says_what_is_shown_instead(
    blank: tuple[Up, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, run = blank
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(run))
    with KeyApi.find() as api:
        with pytest.raises(NotShownError) as late:
            api.wait_for("no such text", timeout=0.01)
        assert late.value.screen == api.screen()
        live = api.live()
        assert next(live)[0] == "key"
        live.close()
