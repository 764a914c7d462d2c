"""Debian's stock kernel, fetched through apt when it is first needed and kept in the user's cache."""

from __future__ import annotations

import fcntl
import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

META_PACKAGE = "linux-image-amd64"
"""Depends on the newest kernel of the Debian release that apt knows."""
FETCH_SECONDS = 600

_PROGRAMS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "busybox": "busybox-static",
    "depmod": "kmod",
    "modprobe": "kmod",
    "dpkg-deb": "dpkg",
    "udevadm": "udev",
}
_SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


class NoGuestError(RuntimeError):
    """No guest can run here; the message is one line and says what is missing."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """An unpacked kernel: `root` holds boot/ and lib/modules/."""

    root: Path

    @property
    def version(self) -> str:
        """As `uname -r` in the guest says, such as 6.1.0-56-amd64."""
        return self.modules.name

    @property
    def image(self) -> Path:
        """What the boot loader loads."""
        return self.root / "boot" / f"vmlinuz-{self.version}"

    @property
    def modules(self) -> Path:
        """The directory that the guest has at /lib/modules/VERSION."""
        return next((self.root / "lib/modules").iterdir())


def program(name: str) -> str:
    """The path of a program of the system.

    :raises NoGuestError: it is not installed.
    """
    path = shutil.which(name, path=_SEARCH_PATH)
    if path is None:
        raise NoGuestError(f"the guest needs: apt-get install {_PROGRAMS[name]} (tests/install-packages.sh)")
    return path


def find_kernel() -> Kernel:
    """The newest kernel that apt knows, from the cache or fetched now; without apt's help the newest in the cache.

    :raises NoGuestError: there is none, or a program that the guest needs is missing.
    """
    if platform.machine() != "x86_64":
        raise NoGuestError(
            "the guest runs this machine's own programs on an x86-64 kernel: not on this machine"
        )
    for name in _PROGRAMS:
        program(name)
    cache = _cache()
    try:
        return _newest_of_apt(cache)
    except NoGuestError:
        roots = sorted(cache.glob("kernel-*"), key=_numbers)
        if not roots:
            raise
        return Kernel(roots[-1])


def _newest_of_apt(cache: Path) -> Kernel:
    package = _newest_package()
    kernel = Kernel(cache / f"kernel-{package.removeprefix('linux-image-')}")
    with _locked(cache):
        if not kernel.root.exists():
            _fetch(package, kernel.root)
    return kernel


def _numbers(root: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", root.name)]


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    cache = Path(home) / "vukey-tests"
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    return cache


def _newest_package() -> str:
    """Such as linux-image-6.1.0-56-amd64."""
    show = ["apt-cache", "show", META_PACKAGE]
    shown = subprocess.run(show, capture_output=True, text=True).stdout if shutil.which("apt-cache") else ""
    depends = re.search(r"^Depends:.*?\b(linux-image-\d[\w.+~-]*-amd64)\b", shown, re.MULTILINE)
    if depends is None:
        raise NoGuestError(f"the guest's kernel is Debian's {META_PACKAGE}, and apt does not know it here")
    return depends[1]


@contextmanager
def _locked(cache: Path) -> Iterator[None]:
    """Two test processes fetch once."""
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch(package: str, root: Path) -> None:
    """Download, unpack and index beside the place, then move there: what stands there is whole."""
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=root.parent) as work:
        download = ["apt-get", "download", package]
        try:
            subprocess.run(
                download, cwd=work, capture_output=True, text=True, timeout=FETCH_SECONDS, check=True
            )
        except subprocess.CalledProcessError as error:
            _, _, said = error.stderr.strip().rpartition("\n")
            raise NoGuestError(f"{' '.join(download)} failed, apt-get update may help: {said}") from None
        except subprocess.TimeoutExpired:
            raise NoGuestError(f"{' '.join(download)} took more than {FETCH_SECONDS} s") from None
        unpacked = Path(work, "root")
        archive = next(Path(work).glob("*.deb"))
        subprocess.run([program("dpkg-deb"), "--extract", str(archive), str(unpacked)], check=True)
        if not (unpacked / "lib").exists():  # from Debian 13 on the modules lie below usr/
            (unpacked / "lib").symlink_to("usr/lib")
        version = next((unpacked / "lib/modules").iterdir()).name
        subprocess.run([program("depmod"), "--basedir", str(unpacked), version], check=True)
        unpacked.rename(root)
