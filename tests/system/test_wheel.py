"""The wheel as pip makes it of the sources: with the C libraries, and without them where there is no compiler."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
LIBRARY = Path("hostdriver/skf/lib/libskf_vukey.so")
HEADER = Path("hostdriver/skf/include/skf_vukey.h")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def unpacked(place: Path, **environment: str) -> Path:
    """A wheel of what git knows, built as for a user: pip fetches what the build needs."""
    sources, wheels, files = place / "sources", place / "wheels", place / "files"
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in names.stdout.split("\0"):
        if name and (ROOT / name).exists():
            (sources / name).parent.mkdir(parents=True, exist_ok=True)
            (sources / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(wheels), str(sources)]
    subprocess.run(command, check=True, env={**os.environ, **environment})
    [wheel] = wheels.glob("*.whl")
    with ZipFile(wheel) as archive:
        archive.extractall(files)
    return files


def said(files: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What `vukey` of that wheel says, away from the checkout."""
    command = [sys.executable, "-m", "vukey", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(files), "PYTHONSAFEPATH": "1"}
    return subprocess.run(
        command, cwd=files.parent, env=environment, capture_output=True, text=True, check=False
    )


def test_the_library_is_in_the_wheel(tmp_path: Path) -> None:
    files = unpacked(tmp_path)
    assert said(files, "skf", "path").stdout.strip() == str(files / LIBRARY)
    assert said(files, "skf", "header").stdout.strip() == str(files / HEADER)
    library = ctypes.CDLL(str(files / LIBRARY))
    size = ctypes.c_uint32()
    assert library.SKF_EnumDev(1, None, ctypes.byref(size)) == 0


def test_without_a_compiler_there_is_a_wheel_all_the_same(tmp_path: Path) -> None:
    files = unpacked(tmp_path, CC="/bin/false")
    assert not (files / LIBRARY).exists()
    done = said(files, "skf", "path")
    assert done.returncode == 23
    assert "make skf" in done.stderr
