"""`vukey host --token skf:…`: the same commands as for any key, through libskf_vukey and a key on its socket."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.profiles import load_profile
from tests.rig.cli import (
    ADMIN_PIN,
    PIN,
    Up,
    der_signature,
    failing,
    openssl_accepts,
    profile_file,
    run_directory,
    vukey,
)
from tests.rig.key import activation_code, changed
from tests.rig.libcrypto import Sm2Key
from tests.rig.messages import TRANSFER
from tests.rig.skf import library, skf_key
from tests.rig.verifiers import SIGNER_ID

NEW_PIN = "9753104286"
TWO_TRIES = 'pin.user.tries = { value = 2, source = "assumed" }'


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with run_directory() as directory:
        (directory / "message.xml").write_bytes(TRANSFER)
        (directory / "digest").write_bytes(hashlib.sha256(TRANSFER).digest())
        monkeypatch.chdir(directory)
        yield directory


class Host:
    """Commands of a person who has nothing but the library.

    :param key: behind it, where several are found.
    """

    def __init__(self, run: Path, key: str = "") -> None:
        self._run = run
        self.token = f"skf:{library()}" + (f":{key}" if key else "")

    def __call__(self, *arguments: str, **variables: str) -> str:
        """What a command says that goes well."""
        done = vukey("host", *arguments, "--token", self.token, run=self._run, **variables)  # type: ignore[arg-type]
        assert done.returncode == 0, done.stderr
        assert not any(pin in done.stdout + done.stderr for pin in variables.values())
        return done.stdout

    def failing(self, code: int, *arguments: str, **variables: str) -> str:
        """The line of one that does not."""
        return failing(code, "host", *arguments, "--token", self.token, run=self._run, **variables)


def test_a_transfer_is_shown_and_signed(run: Path) -> None:
    """The library knows how to hand the key the message, so that a person reads it there."""
    host, sign = Host(run), ("sign", "message.xml", "--alg", "sm2")
    with skf_key(load_profile("icbc-2g-feitian"), "ready", run) as key:
        with key.rig.pending(host, *sign, VUKEY_PIN=PIN) as printed:
            shown = key.rig.shown_pages()
            assert "张三" in shown
            assert "123.23" in shown
            key.rig.page_and_press_ok()
        signature = printed.result().strip()
        key.rig.plug_in()
        public = key.rig.session.public_key(key.rig.container())
        assert key.rig.transport is not None
        key.rig.transport.close()
        judge = Sm2Key.public(public.encode())
        assert judge.verify_message(TRANSFER, SIGNER_ID, der_signature(bytes.fromhex(signature)))
        with key.rig.pending(host.failing, 9, *sign, VUKEY_PIN=PIN) as line:
            key.rig.press("cancel")
        assert line.result() == "vukey: cancelled on the key"


@pytest.mark.slow
def test_a_keys_life(run: Path) -> None:
    model = profile_file(run, "two-tries", "icbc-2g-feitian", TWO_TRIES)
    host = Host(run)
    with Up(run, "--profile", model, "--link", "socket", "--approve", "always") as key:
        (listed,) = json.loads(host("list", "--json"))
        assert (listed["token"], listed["serial"]) == (f"{host.token}:socket:{key.serial}", key.serial)
        assert key.serial in host("list")
        own = json.loads(vukey("host", "info", "--json", run=run).stdout)
        assert json.loads(host("info", "--json")) == own | {"token": listed["token"]}
        for use in ("sign", "exchange"):
            certificates = ("certs", "--use", use, "--pem")
            assert host(*certificates) == vukey("host", *certificates, run=run).stdout
        host("pin", "change", VUKEY_PIN=PIN, VUKEY_NEW_PIN=NEW_PIN)
        assert "is right" in host("pin", "verify", VUKEY_PIN=NEW_PIN)
        for algorithm, container, file in (
            ("rsa", "RSA-SIGN", "message.xml"),
            ("rsa", "RSA-SIGN", "digest"),
            ("sm2", "SM2-SIGN", "message.xml"),
        ):
            _sign_and_judge(host, run, algorithm, container, file)
        assert "knows nothing of activation" in host.failing(16, "activate")
        assert "1 tries left" in host.failing(5, "pin", "verify", VUKEY_PIN="000000")
        assert "locked now" in host.failing(5, "pin", "verify", VUKEY_PIN="000000")
        assert "pin unblock" in host.failing(6, "pin", "verify", VUKEY_PIN=NEW_PIN)
        host("pin", "unblock", VUKEY_ADMIN_PIN=ADMIN_PIN, VUKEY_NEW_PIN=PIN)
        host("pin", "verify", "--admin", VUKEY_ADMIN_PIN=ADMIN_PIN)
        assert key.stop() == 0
    assert "finds no key: plug it in" in host.failing(3, "info")
    assert vukey("host", "list", "--token", host.token, run=run).stderr == (
        "The library finds no key: plug one in.\n"
    )


def _sign_and_judge(host: Host, run: Path, algorithm: str, container: str, file: str) -> None:
    certificate = run / "certificate.pem"
    certificate.write_text(host("certs", "--pem", "--container", container))
    source = ("--digest",) if file == "digest" else ()
    signed = host("sign", file, "--alg", algorithm, *source, VUKEY_PIN=NEW_PIN)
    assert openssl_accepts(certificate, algorithm, TRANSFER, bytes.fromhex(signed))
    check = ("verify", file, "--alg", algorithm, *source, "--signature")
    assert "valid" in host(*check, signed.strip())


@pytest.mark.slow
def test_activation(run: Path) -> None:
    """A code from the host, wrong and right, through the library's own functions."""
    profile = changed(load_profile("icbc-2g-feitian"), activation="host")
    with skf_key(profile, "issued", run):
        host, code = Host(run), activation_code(profile)
        wrong = code[:-1] + str((int(code[-1]) + 1) % 10)
        assert json.loads(host("info", "--json"))["applications"][0]["containers"][0]["activated"] is False
        assert "wrong activation code" in host.failing(21, "activate", VUKEY_ACTIVATION_CODE=wrong)
        assert "SM2-SIGN: activated" in host("activate", VUKEY_ACTIVATION_CODE=code)
        assert "already activated" in host("activate")


@pytest.mark.slow
def test_what_cannot_be_done_through_a_library(run: Path) -> None:
    with skf_key(load_profile("icbc-2g-feitian"), "ready", run) as key:
        host = Host(run, key.name)
        assert "leave out --keypad" in host.failing(19, "pin", "verify", "--keypad")
        assert "leave out --keypad" in host.failing(19, "pin", "change", "--keypad")
        line = failing(19, "issue", "--token", host.token, run=run)
        assert "name the key itself" in line
        assert "--dialect middle: an SKF library has habits such as right, left" in host.failing(
            2, "info", "--dialect", "middle"
        )
        (run / "long").write_bytes(bytes(70_000))
        assert "has 70000 bytes, the key takes at most" in host.failing(1, "sign", "long", "--alg", "sm2")
        assert "no key “none”" in Host(run, "none").failing(3, "info")
    for code, spec, words in (
        (2, "skf:", "names no library"),
        (23, "skf:/nowhere.so", "cannot be read"),
        (23, f"skf:{__file__}", "is no shared library"),
        (23, "skf:libc.so.6", "is no SKF library"),
    ):
        assert words in failing(code, "host", "info", "--token", spec, run=run)
    assert "expected skf:LIBRARY or pkcs11:MODULE" in failing(2, "host", "list", "--token", "socket", run=run)
