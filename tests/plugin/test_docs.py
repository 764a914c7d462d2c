"""docs/testing-with-vukey.md: its test modules and commands are run here, and so are the samples for CI."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.plugin.suite import PLUGIN, ROOT, TIMEOUT_S
from tests.rig.cli import run_directory
from tests.rig.pcscd import PrivatePcscd, missing_components, user_options

DOCS = ROOT / "docs"
GUIDES = ("testing-with-vukey.md", "testing-with-vukey.zh-CN.md")
_BLOCK = re.compile(r"^```(python (?P<file>\S+)|console)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_OTHERS = re.compile(r"^\s*(pip install|apt-get) .*\n", re.MULTILINE)
_ALONE = "mount -t tmpfs tmpfs /run && ip link set lo up && "
"""A container's own /run and network."""


def environment(run: Path) -> dict[str, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"], "/usr/sbin"])
    own = {
        "PATH": path,
        "PYTHONPATH": str(ROOT),
        "XDG_RUNTIME_DIR": str(run),
        "LANG": "C.UTF-8",
        "HOME": str(run),
    }
    return own | ({"PYTEST_PLUGINS": PLUGIN[1]} if PLUGIN else {})


def guide(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def modules(name: str) -> dict[str, str]:
    return {block["file"]: block["text"] for block in _BLOCK.finditer(guide(name)) if block["file"]}


def consoles(name: str) -> list[str]:
    return [block["text"] for block in _BLOCK.finditer(guide(name)) if not block["file"]]


def commands(text: str) -> str:
    """The lines that a person types, without remarks, and without those that install."""
    typed = (line[2:].partition("  #")[0].rstrip() for line in text.splitlines() if line.startswith("$ "))
    return _OTHERS.sub("", "".join(f"{line}\n" for line in typed))


def test_every_block_of_the_guide(fresh_pcscd: PrivatePcscd, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    for file, text in modules(GUIDES[0]).items():
        tmp_path.joinpath(file).write_text(text, encoding="utf-8")
    for text in consoles(GUIDES[0]):
        with run_directory() as run:
            done = fresh_pcscd.run(
                ["bash", "-ec", commands(text)],
                env=environment(run),
                cwd=tmp_path,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=TIMEOUT_S,
            )
        assert done.returncode == 0, (text, done.stdout)
        for line in text.splitlines():
            if line.startswith("…"):
                assert line.strip("… ") in done.stdout, done.stdout


def test_the_first_test_has_ten_lines() -> None:
    lines = [line for line in modules(GUIDES[0])["test_transfer.py"].splitlines() if line]
    assert len(lines) == 10


def test_both_guides_show_the_same() -> None:
    english, chinese = GUIDES
    assert modules(english) == modules(chinese)
    assert list(map(commands, consoles(english))) == list(map(commands, consoles(chinese)))
    for pattern in (r"`--[a-z-]+", r"^\| `[a-z_]+`", r"\((ci/\S+)\)"):
        assert sorted(set(re.findall(pattern, guide(english), re.MULTILINE))) == sorted(
            set(re.findall(pattern, guide(chinese), re.MULTILINE))
        )


@pytest.mark.parametrize("name", GUIDES)
def test_what_the_guides_name_exists(name: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", guide(name)):
        assert (DOCS / target).exists(), target
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for names in re.findall(r"pip install '(?:vukey|\.)\[([a-z,]+)\]'", guide(name)):
        assert set(names.split(",")) <= set(extras)


def test_every_option_is_in_the_guide() -> None:
    source = (ROOT / "pytest_vukey.py").read_text() + (ROOT / "vukey_testing" / "golden.py").read_text()
    options = re.findall(r'addoption\(\s*"(--[a-z-]+)"', source)
    assert len(options) >= 9
    for option in options:
        assert f"`{option}" in guide(GUIDES[0]), option


def jobs() -> dict[str, str]:
    """The scripts of both samples."""
    pipeline: dict[str, Any] = yaml.safe_load((DOCS / "ci" / "gitlab-ci.yml").read_text())
    found = {name: "\n".join(job["script"]) + "\n" for name, job in pipeline.items() if "script" in job}
    steps = re.findall(r"sh '''\n(.*?)'''", (DOCS / "ci" / "Jenkinsfile").read_text(), re.DOTALL)
    return found | {f"jenkins-{number}": step for number, step in enumerate(steps)}


def test_no_sample_is_privileged() -> None:
    assert len(jobs()) == 4
    for file in (DOCS / "ci").iterdir():
        text = file.read_text()
        assert not re.search(r"--privileged|privileged: *true|services:|/dev/bus|dind", text), file


@pytest.mark.slow
@pytest.mark.parametrize("name", jobs())
def test_a_job_of_the_samples(name: str, tmp_path: Path) -> None:
    """What they install is here already; of a container they get its own network and /run."""
    if reason := missing_components():
        pytest.skip(reason)
    for file in ("test_transfer.py", "test_marks.py"):
        tmp_path.joinpath(file).write_text(modules(GUIDES[0])[file], encoding="utf-8")
    script = _ALONE + "\n" + _OTHERS.sub("", jobs()[name])
    with run_directory() as run:
        done = subprocess.run(
            [
                "unshare",
                *(user_options() or ()),
                "--net",
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "bash",
                "-ec",
                script,
            ],
            env=environment(run),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout
    assert any(tmp_path.glob("report*.xml"))
