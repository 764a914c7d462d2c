"""Everything that the README shows is run here: its commands, and the lines that it says they print."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rig.pcscd import PrivatePcscd

ROOT = Path(__file__).parents[2]
READMES = ("README.md", "README.zh-CN.md")
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"^```(?:python|c) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(name: str) -> list[str]:
    return _BLOCK.findall((ROOT / name).read_text(encoding="utf-8"))


_CHINESE = {
    "README": 5,
    "docs/control-api": 1,
    "docs/host-session": 1,
    "docs/measuring": 1,
    "docs/skf": 2,
    "docs/signed-data": 3,
}
"""How many blocks each page has."""
CASES = [
    *(pytest.param("README.md", number, id=f"README-{number}") for number in range(5)),
    pytest.param("docs/control-api.md", 0, id="control-api"),
    pytest.param("docs/host-session.md", 0, id="host-session"),
    pytest.param("docs/measuring.md", 0, id="measuring"),
    *(pytest.param("docs/skf.md", number, id=f"skf-{number}") for number in range(2)),
    pytest.param("docs/signed-data.md", 0, id="signed-data-sm2"),
    pytest.param("docs/signed-data.md", 1, id="signed-data-rsa", marks=pytest.mark.slow),
    pytest.param("docs/signed-data.md", 2, id="signed-data-request", marks=pytest.mark.slow),
    *(
        pytest.param(f"{page}.zh-CN.md", number, id=f"{page}.zh-CN-{number}", marks=pytest.mark.slow)
        for page, count in _CHINESE.items()
        for number in range(count)
    ),
]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {"PATH": path, "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(runtime), "LC_ALL": ""}


@pytest.mark.parametrize(("name", "number"), CASES)
def test_a_block_of_the_readme(
    name: str, number: int, fresh_pcscd: PrivatePcscd, environment: dict[str, str], tmp_path: Path
) -> None:
    lines = blocks(name)[number].splitlines()
    for file, text in _FILE.findall((ROOT / name).read_text(encoding="utf-8")):
        (tmp_path / file).write_text(text, encoding="utf-8")
    script = "set -e\n" + "\n".join(line[2:] for line in lines if line.startswith("$ "))
    done = fresh_pcscd.run(
        ["bash", "-c", script],
        env={**environment, "LANG": "zh_CN.UTF-8" if ".zh-CN." in name else "en_US.UTF-8"},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    printed = done.stdout.splitlines()
    for line in lines:
        if line and not line.startswith("$ "):
            pattern = re.compile(".*".join(re.escape(part) for part in line.rstrip().split("…")) + r"\s*")
            assert any(pattern.fullmatch(found) for found in printed), (line, done.stdout)


def commands(name: str) -> list[str]:
    return [line for block in blocks(name) for line in block.splitlines() if line.startswith("$ ")]


def test_both_readmes_show_the_same_commands() -> None:
    assert commands("README.md") == commands("README.zh-CN.md")
    assert len(blocks("README.md")) == 5


@pytest.mark.parametrize("chinese", sorted(ROOT.glob("docs/*.zh-CN.md")), ids=lambda page: page.name)
def test_both_twins_have_the_same_sections_commands_and_files(chinese: Path) -> None:
    english = chinese.with_name(chinese.name.replace(".zh-CN", ""))
    assert f"]({chinese.name})" in english.read_text(encoding="utf-8")
    first, second = (_skeleton(page) for page in (english, chinese))
    assert first == second


def _skeleton(page: Path) -> tuple[list[str], list[str], list[str]]:
    """What translating leaves as it is: the levels of headings, the commands without their comments, the files."""
    text = page.read_text(encoding="utf-8")
    shown = commands(str(page.relative_to(ROOT)))
    headings = re.findall(r"^(#+) ", _FENCED.sub("", text), re.MULTILINE)
    return headings, [line.partition("  #")[0].rstrip() for line in shown], _FILE.findall(text)


@pytest.mark.parametrize("page", [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")], ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(((?!https:)[^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("name", READMES)
def test_every_make_target_of_the_readme_exists(name: str) -> None:
    targets = re.findall(r"`?make ([a-z-]+)", (ROOT / name).read_text(encoding="utf-8"))
    listed = subprocess.run(
        ["make", "-C", str(ROOT), "help"], capture_output=True, text=True, check=True
    ).stdout
    assert {"demo", "test"} <= set(targets)
    for target in targets:
        assert re.search(rf"^\s*{target} ", listed, re.MULTILINE), target


def test_make_demo_shows_the_transfer(tmp_path: Path) -> None:
    """The first command of the README, from the Makefile, in the environment that runs the tests."""
    venv = Path(sys.executable).parents[1]
    for stamp in ("demo.stamp",):
        (venv / stamp).touch()
    done = subprocess.run(
        ["make", "-C", str(ROOT), "--no-print-directory", "demo", f"VENV={venv}"],
        env={**os.environ, "LANG": "en_US.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "12,345.67" in done.stdout
    assert "valid, says gmalg" in done.stdout
