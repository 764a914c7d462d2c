"""Where no guest can run: one reason, and what to install."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from tests.vm import kernel
from tests.vm.guest import ROOT
from tests.vm.kernel import NoGuestError, find_kernel

WITHOUT_APT = "/no/programs/here"
PYTEST = ("-m", "pytest", "-n0", "-p", "no:cacheprovider", "-k", "test_opensc", "tests/vm/test_smoke_vm.py")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's cache of our own, on a machine without apt."""
    for name in kernel._PROGRAMS:
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setattr(kernel, "_SEARCH_PATH", str(tmp_path))
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", WITHOUT_APT)
    return tmp_path / "vukey-tests"


def test_without_apt_the_newest_cached_kernel_is_taken(cache: Path) -> None:
    for version in ("6.1.0-9-amd64", "6.1.0-56-amd64", "5.10.0-99-amd64"):
        (cache / f"kernel-{version}").mkdir(parents=True)
    assert find_kernel().root == cache / "kernel-6.1.0-56-amd64"


def test_the_cache_is_the_users_own(cache: Path) -> None:
    with pytest.raises(NoGuestError, match="linux-image-amd64"):
        find_kernel()
    assert cache.stat().st_mode & 0o777 == 0o700


def test_a_missing_program_is_named_with_its_package(cache: Path) -> None:
    (cache.parent / "busybox").unlink()
    with pytest.raises(NoGuestError, match="apt-get install busybox-static"):
        find_kernel()


def test_another_processor_has_no_guest(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(NoGuestError, match="x86-64"):
        find_kernel()


@pytest.mark.parametrize(("ci", "code", "said"), [("false", 0, "1 skipped"), ("true", 1, "1 error")])
def test_the_guests_tests_are_skipped_with_that_reason_and_fail_in_ci(ci: str, code: int, said: str) -> None:
    done = subprocess.run(
        [sys.executable, *PYTEST],
        cwd=ROOT,
        env={**os.environ, "PATH": WITHOUT_APT, "CI": ci, "COLUMNS": "200"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stdout
    assert said in done.stdout
    assert "the guest needs: apt-get install qemu-system-x86" in done.stdout
