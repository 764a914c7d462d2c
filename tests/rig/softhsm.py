"""Tokens in SoftHSM2, and what OpenSC's pkcs11-tool makes and says of them: nobody here wrote either."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hostdriver.pkcs11.module import finalize_all

MODULE = next(
    (
        path
        for path in map(Path, ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so"))
        if path.exists()
    ),
    Path("libsofthsm2.so"),
)
USER_PIN = "271828"
SO_PIN = "87654321"
_CONFIGURATION = "directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"


class SoftHsm:
    """Tokens in a directory of their own; `environment` says where to the module.

    :param directory: empty.
    :param like: whose tokens it begins with.
    """

    def __init__(self, directory: Path, like: SoftHsm | None = None) -> None:
        self.directory = directory
        tokens = directory / "tokens"
        if like:
            shutil.copytree(like.directory / "tokens", tokens)
        else:
            tokens.mkdir()
        configuration = directory / "softhsm2.conf"
        configuration.write_text(_CONFIGURATION.format(tokens=tokens))
        self.environment = {"SOFTHSM2_CONF": str(configuration)}

    def add(self, label: str) -> None:
        """A new token."""
        self._run(
            "softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", SO_PIN, "--pin", USER_PIN
        )

    def tool(self, *arguments: str | Path, label: str = "one") -> str:
        """What pkcs11-tool prints, logged in."""
        options = ("--module", MODULE, "--token-label", label, "--login", "--pin", USER_PIN)
        return self._run("pkcs11-tool", *options, *arguments)

    def add_key(self, label: str = "signing", identity: str = "01", kind: str = "rsa:2048") -> None:
        """A key pair, made on the token by pkcs11-tool."""
        self.tool("--keypairgen", "--key-type", kind, "--id", identity, "--label", label)

    def _run(self, *command: str | Path) -> str:
        done = subprocess.run(
            [str(word) for word in command],
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@contextmanager
def softhsm_here(
    directory: Path, monkeypatch: pytest.MonkeyPatch, like: SoftHsm | None = None
) -> Iterator[SoftHsm]:
    """Tokens for this process; no module outlives the test."""
    hsm = SoftHsm(directory, like)
    monkeypatch.setenv("SOFTHSM2_CONF", hsm.environment["SOFTHSM2_CONF"])
    yield hsm
    finalize_all()
