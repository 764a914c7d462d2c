"""Everything that docs/usb.md shows is run here: its commands, and the lines that it says they print."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.vm.guest import ROOT
from tests.vm.stack import load_modules

PAGE = "usb.md"
BLOCKS = 5
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^(?:\$ |sudo |vukey |ssh ).*?(?=  #|$)", re.MULTILINE)
_FILE = re.compile(r"^```toml (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def buses() -> None:
    """Without pcscd, which would claim the keys."""
    load_modules()


def text_of(page: str) -> str:
    return (ROOT / "docs" / page).read_text(encoding="utf-8")


def test_both_pages_show_the_same_commands() -> None:
    english, chinese = (_COMMAND.findall(text_of(page)) for page in (PAGE, "usb.zh-CN.md"))
    assert english == chinese
    assert len(_BLOCK.findall(text_of(PAGE))) == BLOCKS


@pytest.mark.parametrize("number", range(BLOCKS))
def test_a_block(number: int, buses: None, tmp_path: Path) -> None:
    lines = _BLOCK.findall(text_of(PAGE))[number].splitlines()
    for file, text in _FILE.findall(text_of(PAGE)):
        (tmp_path / file).write_text(text, encoding="utf-8")
    script = "\n".join(["set -e", 'sudo() { "$@"; }', *(line[2:] for line in lines if line.startswith("$ "))])
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "LC_ALL": "C.UTF-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    for line in lines:
        if line and not line.startswith("$ "):
            pattern = re.compile(".*".join(re.escape(part) for part in line.split("…")) + r"\s*")
            assert any(map(pattern.fullmatch, done.stdout.splitlines())), (line, done.stdout)
