"""`vukey demo` from outside: its steps, its signatures judged by openssl, a person at a terminal (docs/json.md)."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import keys, pem

from tests.rig.cli import (
    VUKEY,
    Terminal,
    der_signature,
    environment,
    failing,
    openssl,
    profile_file,
    run_directory,
    vukey,
)
from tests.rig.patience import PATIENCE_S
from vukey_demo import MESSAGE

SM2_CURVE = "1.2.156.10197.1.301"  # GM/T 0006
DISPLAY_STEPS = [
    "issue",
    "change-initial-pin",
    "sign-rsa",
    "sign-sm2",
    "issue",
    "activate-on-keypad",
    "refusals",
]
SMART_STEPS = ["issue", "activate-on-keypad", "change-initial-pin", "sign-rsa", "sign-sm2", "refusals"]
SHOWN = ("喆堃商贸有限公司", "6222600810012345678", "12,345.67元")
"""Payee, account and amount of the demo's transfer."""
UNSHOWN = "202611210001"
"""Its serial number, which stands in the part that is signed unseen (E2)."""


@pytest.fixture
def run() -> Iterator[Path]:
    with run_directory() as directory:
        yield directory


def demo(run: Path, *arguments: str) -> dict[str, Any]:
    done = vukey("demo", "--json", *arguments, run=run)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def rsa_key(modulus: bytes) -> bytes:
    return bytes(
        keys.PublicKeyInfo.wrap(
            keys.RSAPublicKey({"modulus": int.from_bytes(modulus), "public_exponent": 65537}), "rsa"
        ).dump()
    )


def sm2_key(point: bytes) -> bytes:
    algorithm = {"algorithm": "ec", "parameters": keys.ECDomainParameters("named", SM2_CURVE)}
    return bytes(keys.PublicKeyInfo({"algorithm": algorithm, "public_key": b"\x04" + point}).dump())


def check_with_openssl(signature: dict[str, Any], directory: Path) -> None:
    """The demo's own signature, verified by openssl from the report alone."""
    raw, public = bytes.fromhex(signature["signature"]), bytes.fromhex(signature["public_key"])
    is_rsa = signature["alg"] == "rsa"
    key, data, signed = directory / "key.pem", directory / "message", directory / "signature"
    key.write_bytes(pem.armor("PUBLIC KEY", rsa_key(public) if is_rsa else sm2_key(public)))
    data.write_bytes(MESSAGE)
    signed.write_bytes(raw if is_rsa else der_signature(raw))
    if is_rsa:
        said = openssl("dgst", "-sha256", "-verify", key, "-signature", signed, data)
    else:
        options = ["-rawin", "-digest", "sm3", "-pkeyopt", "distid:1234567812345678", "-pubin"]
        said = openssl("pkeyutl", "-verify", *options, "-inkey", key, "-in", data, "-sigfile", signed)
    assert "erifi" in said
    assert signature["message_sha256"] == hashlib.sha256(MESSAGE).hexdigest()
    assert signature["verified"] is True


def shown_in(step: dict[str, Any]) -> str:
    """All lines of a step's screens, without the breaks of their layout."""
    return "".join(line for screen in step["screens"] for line in screen)


@pytest.mark.parametrize(
    ("profile", "steps"),
    [
        ("bocom-2g-tendyron", DISPLAY_STEPS),
        ("bocom-2g-excelsecu", DISPLAY_STEPS),
        ("bocom-smart-feitian", SMART_STEPS),
        ("bocom-ble-excelsecu", DISPLAY_STEPS),
        ("bocom-direct", DISPLAY_STEPS),
        ("ccb-shield-gd", DISPLAY_STEPS),
        ("icbc-2g-huahong", DISPLAY_STEPS),
    ],
)
def test_every_kind_of_display_key_shows_the_transfer_and_signs(
    profile: str, steps: list[str], run: Path, tmp_path: Path
) -> None:
    report = demo(run, "--profile", profile)
    assert [step["name"] for step in report["steps"]] == steps
    assert all(step["ok"] for step in report["steps"])
    assert [signature["alg"] for signature in report["signatures"]] == ["rsa", "sm2"]
    for signature in report["signatures"]:
        check_with_openssl(signature, tmp_path)
    for step in report["steps"]:
        if step["name"].startswith("sign-"):
            shown = shown_in(step)
            assert all(text in shown for text in SHOWN)
            assert UNSHOWN not in shown
    results = [(refusal["case"], refusal["result"][:3]) for refusal in report["refusals"]]
    assert results == [("wrong-pin", "63C"), ("wrong-pin", "63C"), ("cancel", "6FF"), ("time-out", "6FF")]


@pytest.mark.parametrize("profile", ["icbc-1g-gd", "icbc-1g-goldpac"])
def test_a_first_generation_key_signs_without_asking(profile: str, run: Path, tmp_path: Path) -> None:
    """E10, C2: no screen, no button; nothing can be cancelled or time out."""
    report = demo(run, "--profile", profile)
    for signature in report["signatures"]:
        check_with_openssl(signature, tmp_path)
    assert report["signatures"]
    assert {refusal["case"] for refusal in report["refusals"]} == {"wrong-pin"}


def test_wrong_pins_count_down(run: Path) -> None:
    first, second, *_ = demo(run)["refusals"]
    left = [int(refusal["result"][3], 16) for refusal in (first, second)]
    assert left[1] == left[0] - 1


@pytest.mark.parametrize(
    ("choice", "algorithms"), [("rsa", ["rsa"]), ("sm2", ["sm2"]), ("both", ["rsa", "sm2"])]
)
def test_alg_chooses_the_signatures(choice: str, algorithms: list[str], run: Path, tmp_path: Path) -> None:
    report = demo(run, "--alg", choice)
    assert [signature["alg"] for signature in report["signatures"]] == algorithms
    for signature in report["signatures"]:
        check_with_openssl(signature, tmp_path)


def test_the_text_names_the_foreign_verifiers_and_draws_the_screens(run: Path) -> None:
    done = vukey("demo", run=run)
    assert done.returncode == 0, done.stderr
    assert "valid, says pycryptodome" in done.stdout
    assert "valid, says gmalg" in done.stdout
    assert all(part in done.stdout for part in ("喆堃商贸有限公司", "1/3", "OK确认"))
    assert "vukey up --profile bocom-2g-tendyron" in done.stdout.splitlines()[-1]


def test_a_reader_that_has_seen_enough_ends_it(run: Path) -> None:
    """`vukey demo | head`: whichever of its threads draws next."""
    with subprocess.Popen(
        [*VUKEY, "demo"], env=environment(run), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as demo:
        assert demo.stdout is not None
        demo.stdout.readline()
        demo.stdout.close()
        assert demo.wait(PATIENCE_S) == -signal.SIGPIPE


def test_an_algorithm_that_the_model_lacks_is_one_line(run: Path, tmp_path: Path) -> None:
    model = profile_file(
        tmp_path,
        "rsa-only",
        "bocom-2g-tendyron",
        '[containers]\nsm2 = { value = "none", source = "assumed" }',
    )
    assert "rsa-only makes no sm2 keys" in failing(1, "demo", "--profile", model, "--alg", "sm2", run=run)
    assert [signature["alg"] for signature in demo(run, "--profile", str(model))["signatures"]] == ["rsa"]


def test_interactive_needs_a_terminal(run: Path) -> None:
    assert "needs a terminal" in failing(2, "demo", "--interactive", run=run)


def test_a_person_pages_presses_and_types(run: Path) -> None:
    """A display key's transfer, then a smart key's code, then C; the rest is the clock's."""
    with Terminal(run, "demo", "--interactive", "--alg", "sm2", "--profile", "bocom-2g-feitian") as terminal:
        terminal.wait_for("press Enter for OK")
        terminal.wait_for("1/3")
        terminal.type("\x1b[B")
        terminal.wait_for("2/3")
        terminal.type("\x1b[B")
        terminal.wait_for("3/3")
        _press_when_alive(terminal, "valid, says gmalg")
        code = terminal.wait_for(r"Type (\d+) and press Enter").group(1)
        for container in ("RSA-SIGN", "SM2-SIGN"):
            terminal.wait_for("________")
            terminal.type(code + "\r")
            terminal.wait_for(f"{container}: activated")
        terminal.wait_for("press Esc for C")
        terminal.wait_for("1/3")
        terminal.type("\x1b")
        terminal.wait_for("6FF0")
        terminal.wait_for("6FF1")
        assert terminal.wait() == 0
        assert terminal.modes == terminal.modes_before


def _press_when_alive(terminal: Terminal, then: str) -> None:
    """OK is dead for a second after a new request (E1): a person presses it again."""
    while then not in terminal.text:
        terminal.type("\r")
        terminal.take_in(0.2)
    terminal.wait_for(then)
