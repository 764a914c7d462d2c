"""`vukey host` over SoftHSM2's PKCS#11 module: what OpenSC's pkcs11-tool made, judged by openssl."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hostdriver.errors import Exit
from tests.rig.cli import failing, openssl, run_directory, vukey
from tests.rig.softhsm import MODULE, SO_PIN, USER_PIN, SoftHsm

NEW_PIN = "9753104286"


class Host:
    """`vukey host` and a token with a key pair and its certificate."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self.hsm = SoftHsm(run)
        self.hsm.add("one")
        self.spec = f"pkcs11:{MODULE}:one"

    def make_pair(self) -> Path:
        """By openssl and pkcs11-tool; where the certificate is, PEM."""
        key, pem = self.run / "key.pem", self.run / "certificate.pem"
        openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", pem, "-subj", "/CN=张三"
        )
        for kind, source in (("privkey", key), ("cert", pem)):
            der = source.with_suffix(".der")
            command = "rsa" if kind == "privkey" else "x509"
            openssl(command, "-in", source, "-outform", "DER", "-out", der)
            self.hsm.tool("--write-object", der, "--type", kind, "--id", "07", "--label", "SIGN")
        return pem

    def __call__(self, *arguments: str | Path, **more: str) -> str:
        words = ("host", *arguments, "--token", self.spec)
        done = vukey(*words, run=self.run, **self.environment | {"VUKEY_PIN": USER_PIN} | more)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def fails(self, code: Exit, *arguments: str | Path, spec: str | None = None, **more: str) -> str:
        words = ("host", *arguments, "--token", spec or self.spec)
        return failing(code, *words, run=self.run, **self.environment | {"VUKEY_PIN": USER_PIN} | more)

    @property
    def environment(self) -> dict[str, Any]:
        return {**self.hsm.environment}


@pytest.fixture
def host() -> Iterator[Host]:
    with run_directory() as run:
        yield Host(run)


def test_a_walk(host: Host) -> None:
    pem = host.make_pair()
    message, signature = host.run / "message", host.run / "signature"
    message.write_bytes("付款 100.00 元".encode())
    facts = json.loads(host("info", "--json"))
    assert (facts["label"], facts["manufacturer"]) == ("one", "SoftHSM project")
    [application] = facts["applications"]
    assert [container["name"] for container in application["containers"]] == ["SIGN"]
    assert host("certs", "--pem") == pem.read_text()
    host("sign", message, "-o", signature)
    public = host.run / "public.pem"
    openssl("x509", "-in", pem, "-pubkey", "-noout", "-out", public)
    verified = openssl("dgst", "-sha256", "-verify", public, "-signature", signature, message)
    assert verified == "Verified OK\n"
    assert "valid" in host("verify", message, "--signature", str(signature))
    message.write_bytes(b"another")
    host.fails(Exit.SIGNATURE_INVALID, "verify", message, "--signature", str(signature))


@pytest.mark.slow
def test_pins(host: Host) -> None:
    host("pin", "verify")
    assert "wrong PIN" in host.fails(Exit.PIN_WRONG, "pin", "verify", VUKEY_PIN="000000")
    host("pin", "change", VUKEY_NEW_PIN=NEW_PIN)
    host.fails(Exit.PIN_WRONG, "pin", "verify")
    host("pin", "verify", VUKEY_PIN=NEW_PIN)
    host("pin", "unblock", VUKEY_ADMIN_PIN=SO_PIN, VUKEY_NEW_PIN=USER_PIN)
    host("pin", "verify")
    assert "--keypad" in host.fails(Exit.NOT_FOUND, "pin", "verify", "--keypad")


@pytest.mark.slow
def test_which_key(host: Host) -> None:
    host.hsm.add("two")
    listed = vukey("host", "list", "--token", f"pkcs11:{MODULE}", "--json", run=host.run, **host.environment)
    assert sorted(key["label"] for key in json.loads(listed.stdout)) == ["one", "two"]
    line = host.fails(Exit.SEVERAL_KEYS, "info", spec=f"pkcs11:{MODULE}")
    assert f"pkcs11:{MODULE}:one" in line
    host.fails(Exit.NO_KEY, "info", spec=f"pkcs11:{MODULE}:three")
    assert "finds no key: is it plugged in" in host.fails(Exit.NO_KEY, "info", spec="pkcs11:opensc-pkcs11.so")
    host.fails(Exit.USAGE, "info", spec="pkcs11:/nowhere.so")
    host.fails(Exit.USAGE, "info", spec="pkcs11:libm.so.6")
    host.fails(Exit.NOT_FOUND, "sign", host.hsm.directory / "softhsm2.conf")
