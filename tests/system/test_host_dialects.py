"""`vukey host` with keys that read GM/T 0017 in their maker's way: a virtual key says which, over any wire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig.cli import PIN, Up, failing, openssl_accepts, profile_file, run_directory, vukey
from tests.rig.messages import TRANSFER
from tests.rig.pcscd import PrivatePcscd, wait_for_card


@pytest.fixture
def run() -> Iterator[Path]:
    with run_directory() as directory:
        (directory / "message.xml").write_bytes(TRANSFER)
        yield directory


def model(run: Path, dialect: str) -> Path:
    return profile_file(
        run, dialect, "icbc-2g-feitian", f'dialect = {{ value = "{dialect}", source = "assumed" }}'
    )


def judge(run: Path, dialect: str, token: str, inside: PrivatePcscd | None) -> None:
    def host(*arguments: str | Path) -> str:
        done = vukey("host", *arguments, "--token", token, run=run, inside=inside, VUKEY_PIN=PIN)
        assert done.returncode == 0, done.stderr
        return done.stdout

    (application,) = json.loads(host("info", "--json"))["applications"]
    kinds = {each["name"]: (each["type"], each["bits"]) for each in application["containers"]}
    assert kinds == {"RSA-SIGN": ("RSA", 2048), "SM2-SIGN": ("SM2", 256)}, dialect
    (run / "certificate.pem").write_text(host("certs", "--container", "SM2-SIGN", "--pem"))
    signed = host("sign", run / "message.xml", "--alg", "sm2")
    assert openssl_accepts(run / "certificate.pem", "sm2", TRANSFER, bytes.fromhex(signed))


@pytest.mark.parametrize("dialect", ["longmai", "sunyard", "synochip"])
def test_over_a_socket(dialect: str, run: Path) -> None:
    with Up(run, "--link", "socket", "--profile", model(run, dialect), "--approve", "always"):
        judge(run, dialect, "socket", None)


def test_over_pcsc(fresh_pcscd: PrivatePcscd, run: Path) -> None:
    link = ("--link", f"vpcd:127.0.0.1:{fresh_pcscd.port}", "--approve", "always")
    with Up(run, *link, "--profile", model(run, "sunyard"), inside=fresh_pcscd):
        wait_for_card()
        judge(run, "sunyard", "pcsc", fresh_pcscd)


def test_a_person_may_say_which(run: Path) -> None:
    with Up(run, "--link", "socket", "--profile", model(run, "longmai")):
        assert "is right" in vukey("host", "pin", "verify", run=run, VUKEY_PIN=PIN).stdout
        said = failing(5, "host", "pin", "verify", "--dialect", "default", run=run, VUKEY_PIN=PIN)
        assert "wrong PIN" in said  # the block that VerifyPIN enciphers is another one
        said = failing(2, "host", "info", run=run, VUKEY_DIALECT="nonsense")
        assert said == "vukey: no dialect nonsense; known: default, longmai, sunyard, synochip"
