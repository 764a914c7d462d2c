"""The JSON contracts: what docs/json.md lists is exactly what comes out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rig.cli import INITIAL_PIN, PIN, Started, Up, profile_file, run_directory, vukey
from tests.rig.messages import TRANSFER

PAGE = Path(__file__).parents[2] / "docs" / "json.md"
OPEN = ("[].sources", "screen")
"""Objects whose keys are data, and one that has a section of its own."""
MODEL = 'activation = { value = "host", source = "assumed" }\nconfirm.ok_dead_ms = { value = 0, source = "assumed" }'


def documented(command: str) -> set[str]:
    """The keys that the page lists for a command."""
    section = PAGE.read_text().split(f"## `vukey {command} --json`\n")[1].split("\n## ")[0]
    return set(re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE))


def keys(value: Any, path: str = "") -> Iterator[str]:
    """Every key in the output, as the page writes it."""
    if isinstance(value, dict) and path not in OPEN:
        for name, inner in value.items():
            yield from keys(inner, f"{path}.{name}".removeprefix("."))
    elif isinstance(value, list):
        for inner in value:
            yield from keys(inner, f"{path}[]")
    else:
        yield path


def said(run: Path, *arguments: str | Path, pin: str = "") -> Any:
    done = vukey(*arguments, "--json", run=run, VUKEY_PIN=pin)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def assert_documented(command: str, output: Any) -> None:
    """Objects that may be null are listed beside their keys."""
    found, listed = set(keys(output)), documented(command)
    parents = {key for key in listed if any(other.startswith(f"{key}.") for other in listed)}
    assert found | parents == listed
    assert parents <= found | {key.rpartition(".")[0] for key in found}


@pytest.fixture
def run() -> Iterator[Path]:
    with run_directory() as directory:
        (directory / "message.xml").write_bytes(TRANSFER)
        yield directory


def test_profiles(run: Path) -> None:
    models = said(run, "profiles")
    assert_documented("profiles", models)
    assert len(models) == 21
    table = vukey("profiles", run=run).stdout
    for model in models:
        assert model["id"] in table
        assert re.fullmatch(r"(?:[0-9a-f]{2}){2,33}", model["atr"])
        paths = {path.removeprefix("sources.") for path in model["sources"]}
        assert {"maker", "atr", "pin.user.tries", "usb.vid"} <= paths


def test_demo(run: Path) -> None:
    assert_documented("demo", said(run, "demo"))


def test_a_running_key(run: Path) -> None:
    """up, issue, host list, info, certs, sign, request and bench, of one key."""
    model = profile_file(run, "model", "icbc-2g-feitian", MODEL)
    arguments = ("--link", "socket", "--profile", model, "--stage", "blank", "--approve", "always")
    with Up(run, *arguments) as key:
        assert_documented("up", key.facts)
        issued = said(run, "issue", "--profile", model)
        assert_documented("issue", issued)
        assert_documented("host list", said(run, "host", "list"))
        assert_documented("host info", said(run, "host", "info"))
        for use in ("sign", "exchange"):
            assert_documented("host certs", said(run, "host", "certs", "--use", use))
        changed = vukey("host", "pin", "change", run=run, VUKEY_PIN=INITIAL_PIN, VUKEY_NEW_PIN=PIN)
        assert changed.returncode == 0
        activated = vukey("host", "activate", run=run, VUKEY_ACTIVATION_CODE=issued["activation_code"])
        assert activated.returncode == 0
        sign = ("host", "sign", run / "message.xml", "--alg", "sm2")
        assert_documented("host sign", said(run, *sign, pin=PIN))
        assert_documented("host request", said(run, "host", "request", "--alg", "sm2", pin=PIN))
        assert_documented("bench", said(run, "bench", "--count", "1", pin=PIN))
        assert key.stop() == 0


def test_a_running_keys_face(run: Path) -> None:
    """key screen, status and log, while a Bluetooth key waits for its person."""
    arguments = ("--link", "socket", "--panel", "--profile", "bocom-ble-tendyron")
    sign = ("host", "sign", run / "message.xml", "--alg", "sm2")
    with Up(run, *arguments), Started(*sign, run=run, VUKEY_PIN=PIN):
        assert vukey("key", "wait", "张三", run=run).returncode == 0
        status = said(run, "key", "status")
        assert_documented("key status", status)
        screen = said(run, "key", "screen")
        assert_documented("key screen", screen)
        assert status["screen"].keys() == screen.keys()
        assert_documented("key log", said(run, "key", "log"))
