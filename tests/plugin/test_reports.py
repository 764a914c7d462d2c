"""What a report says of the keys: the last screens and APDUs on failure, the screens for JUnit always."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen
from xml.etree import ElementTree

import pytest
from PIL import Image

from tests.plugin.project import PROFILE, Project
from tests.plugin.suite import Ended

LOGIN = """
import os

def test_login(key, session):
    application = session.open_application(key.profile.application)
    session.verify_pin(application, key.user_pin)
    assert "PASS" in os.environ, "the test fails"
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.write(LOGIN)
    return project


def properties(project: Project) -> dict[str, str]:
    """The properties of the only test of a JUnit report."""
    [case] = ElementTree.parse(project.path / "junit.xml").iter("testcase")
    return {each.attrib["name"]: each.attrib["value"] for each in case.iter("property")}


def lines_after(title: str, text: str) -> Iterator[str]:
    """The lines of a report's section."""
    lines = iter(text.splitlines())
    for line in lines:
        if title in line:
            break
    for line in lines:
        if line.startswith(("---", "===")):
            return
        yield line


def test_a_failure_shows_the_last_screens(project: Project) -> None:
    result = project.run()
    assert result.outcomes == {"failed": 1}
    section = list(lines_after("vukey screens", result.text))
    assert "|交通银行        |" in section
    assert any(line.endswith("s  idle 1/1") for line in section)


def test_a_failure_shows_the_apdus_and_no_pin(project: Project) -> None:
    result = project.run()
    section = "\n".join(lines_after("vukey APDUs", result.text))
    assert "VerifyPIN  Lc 18  9000" in section
    assert "data withheld" in section
    assert "80260000" in section  # OpenApplication of GM/T 0017
    sent = section.split("VerifyPIN")[1]
    assert "→" not in sent


def test_what_passes_is_not_told(project: Project) -> None:
    result = project.run("-rA", PASS="1")
    assert result.outcomes == {"passed": 1}
    assert "vukey APDUs" not in result.text


@pytest.mark.parametrize("family", ["xunit1", "xunit2"])
@pytest.mark.parametrize("run", [Project.run, Project.run_spread])
def test_junit_carries_the_screens(project: Project, family: str, run: Callable[..., Ended]) -> None:
    assert run(project, "--junitxml=junit.xml", "-o", f"junit_family={family}").outcomes == {"failed": 1}
    found = properties(project)
    assert found["vukey.profile"] == PROFILE
    assert found["vukey.target"] == "inproc"
    assert found["vukey.serial"]
    assert "|交通银行        |" in found["vukey.screen.2"].splitlines()
    with urlopen(found["vukey.screen.2.png"]) as response, Image.open(io.BytesIO(response.read())) as picture:
        assert picture.size == (256, 128)
        assert picture.convert("L").getextrema() == (0, 255)


def test_junit_carries_the_failures_screens_where_servers_show_them(project: Project) -> None:
    project.run("--junitxml=junit.xml")
    [failure] = ElementTree.parse(project.path / "junit.xml").iter("failure")
    assert failure.text is not None
    assert "|交通银行        |" in failure.text
    assert "VerifyPIN" in failure.text


def test_junit_carries_the_screens_of_what_passes_without_pictures(project: Project) -> None:
    assert project.run("--junitxml=junit.xml", PASS="1").outcomes == {"passed": 1}
    found = properties(project)
    assert "|交通银行        |" in found["vukey.screen.2"]
    assert not any(name.endswith(".png") for name in found)


def test_junit_stays_xml_whatever_a_screen_shows(project: Project) -> None:
    project.write("""
from emulator.hardware.display import Screen, ScreenKind

@pytest.mark.vukey(stage="blank")
@pytest.mark.parametrize("name", ["]]>", "<&\\x00\\x1b\\ud800\\ufffe"])
def test_any(key, screen, name):
    key.device._show(Screen(ScreenKind.CONFIRM, "", (name,)))
    raise AssertionError(name)
""")
    assert project.run("--junitxml=junit.xml").outcomes == {"failed": 2}
    values = [each.attrib["value"] for each in ElementTree.parse(project.path / "junit.xml").iter("property")]
    assert any("]]>" in value for value in values)
    assert any("<&" in value for value in values)


def test_a_test_without_a_key_has_nothing_of_one(project: Project) -> None:
    project.write("def test_other():\n    raise AssertionError\n")
    result = project.run("--junitxml=junit.xml")
    assert not properties(project)
    assert "vukey" not in "\n".join(lines_after("test_other", result.text))
