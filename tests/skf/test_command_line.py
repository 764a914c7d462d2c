"""``vukey skf``."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hostdriver.cli import skf as commands
from hostdriver.errors import Exit, MissingComponentError
from tests.rig.skf import INCLUDE, library
from vukey import app

PROGRAM = """
#include <skf_vukey.h>
int main(void) {
    ULONG size = 0;
    return SKF_EnumDev(TRUE, 0, &size) == SAR_OK ? 0 : 1;
}
"""


def said(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["skf", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_header() -> None:
    assert Path(said("header").strip()) == INCLUDE / "skf_vukey.h"


def test_a_program_is_built_as_pkg_config_says(
    tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It finds the library again by itself; the library's path may hold what a shell would split."""
    home = tmp_path / "some where"
    home.mkdir()
    os.link(library(), home / "libskf_vukey.so")
    monkeypatch.setattr(commands, "LIBRARY", home / "libskf_vukey.so")
    assert Path(said("path").strip()) == home / "libskf_vukey.so"
    text = dict(line.split(": ", 1) for line in said("pc").splitlines())
    source = tmp_path / "program.c"
    source.write_text(PROGRAM)
    command = f"gcc {source} -o {tmp_path}/program {text['Cflags']} {text['Libs']}"
    subprocess.run(["sh", "-c", command], check=True)
    subprocess.run([tmp_path / "program"], check=True)


def test_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "LIBRARY", tmp_path / "libskf_vukey.so")
    for command in ("path", "pc"):
        result = CliRunner().invoke(app, ["skf", command])
        assert isinstance(result.exception, MissingComponentError)
        assert result.exception.exit_code == Exit.MISSING_COMPONENT
        assert "make skf" in result.exception.localized(str)
