"""Speculos as a peer: from PyPI into a virtual environment of its own, with the app that its source package carries.

It is GPLv3 software: it runs as a program beside the key, and nothing of it comes into this project.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import tarfile
import tempfile
import venv
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.ratios import UnavailableError
from bench.remote import Remote, Running

VERSION = "0.27.1"
_QEMU = "qemu-arm-static"  # the name by which Speculos calls it
_REQUIREMENT = f"speculos=={VERSION}"
_APP = f"speculos-{VERSION}/apps/boil.elf"  # Ledger's Boilerplate app for a Nano X: 128×64 pixels
_APP_SHA256 = "0247e866353e99caff8f2d5d4f20edf00e542ea4bf78c5499de494d7681b143a"


def default_directory() -> Path:
    """Where it is kept between runs: the user's cache directory."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache, "vukey", "bench", f"speculos-{VERSION}")


@dataclass(frozen=True, slots=True)
class Speculos:
    """Speculos, installed.

    :param directory: its virtual environment, with the app to run in it.
    """

    directory: Path

    def program(self, name: str) -> str:
        """One of its programs."""
        return str(self.directory / "bin" / name)

    @property
    def app(self) -> Path:
        """The app; it is put there last, so where it is, everything is."""
        return self.directory / "app.elf"

    @contextmanager
    def running(self) -> Iterator[Running]:
        """A process of it whose screen is up.

        It listens on every address of the machine, for it knows no other way: `python -m bench` gives it a network of
        its own. It takes no port by itself.

        :raises UnavailableError: it showed no screen.
        """
        api_port, apdu_port = _free_ports()
        command = [self.program("speculos"), str(self.app), "--display", "headless"]
        command += ["--api-port", str(api_port), "--apdu-port", str(apdu_port)]
        with ExitStack() as stack:
            process = stack.enter_context(
                subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            )
            stack.callback(process.terminate)
            remote = Remote(f"http://127.0.0.1:{api_port}")
            stack.callback(remote.close)
            try:
                remote.wait_for_other([])
            except TimeoutError:
                raise UnavailableError(f"Speculos showed no screen; see why: {' '.join(command)}") from None
            yield Running(process, remote)


def find(directory: Path) -> Speculos:
    """Speculos in a directory, put there first unless it is.

    :raises UnavailableError: no emulator for ARM programs, or nothing to be had from PyPI.
    """
    if shutil.which(_QEMU) is None:
        raise UnavailableError(f"Speculos needs {_QEMU}: apt install qemu-user-static")
    found = Speculos(directory)
    if not found.app.exists():
        try:
            _install(found)
        except subprocess.CalledProcessError as error:
            reason = (error.stderr.strip().splitlines() or ["pip failed"])[-1]
            raise UnavailableError(f"Speculos cannot be installed from PyPI: {reason}") from None
    return found


def _install(wanted: Speculos) -> None:
    """The program from its wheel, the app out of the source package: the wheel has none."""
    venv.create(wanted.directory, clear=True, with_pip=True)
    _pip(wanted, "install", _REQUIREMENT)
    with tempfile.TemporaryDirectory() as directory:
        _pip(wanted, "download", "--no-deps", "--no-binary", "speculos", "--dest", directory, _REQUIREMENT)
        (package,) = Path(directory).iterdir()
        with tarfile.open(package) as archive:
            member = archive.extractfile(_APP)
            app = member.read() if member else b""
    if hashlib.sha256(app).hexdigest() != _APP_SHA256:
        raise UnavailableError(f"the source package of Speculos {VERSION} carries another app than measured")
    wanted.app.write_bytes(app)


def _pip(wanted: Speculos, *arguments: str) -> None:
    command = [wanted.program("python"), "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    subprocess.run(command, check=True, capture_output=True, text=True)


def _free_ports() -> tuple[int, int]:
    """Two TCP ports that nothing listens on."""
    with socket.create_server(("", 0)) as first, socket.create_server(("", 0)) as second:
        return first.getsockname()[1], second.getsockname()[1]
