"""Tests that run again, or that pytest cannot run several times; and other plug-ins that want the same."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from tests.plugin.suite import Suite

TWICE = """
from _pytest.runner import runtestprotocol

def pytest_runtest_protocol(item, nextitem):
    runtestprotocol(item, nextitem=nextitem, log=False)
"""
"""As pytest-rerunfailures does, which this stands for: the same item, the whole protocol."""


def test_a_test_that_runs_again_has_its_first_key_again(suite: Suite) -> None:
    """Not one more: a real key is the only one there is."""
    suite.path.joinpath("conftest.py").write_text(TWICE)
    suite.write("serials = set()\ndef test_it(key): serials.add(key.serial); assert len(serials) == 1\n")
    assert suite.passes("--junitxml=junit.xml") == {"passed": 1}
    [case] = ElementTree.parse(suite.path / "junit.xml").iter("testcase")
    names = [each.attrib["name"] for each in case.iter("property")]
    assert sorted(set(names)) == sorted(names)
    assert not [name for name in names if name.startswith("vukey.2.")]


def test_nothing_holds_the_key_of_a_test_that_is_over(suite: Suite) -> None:
    suite.write("""
import gc, weakref
kept = []

@pytest.mark.parametrize("number", range(3))
def test_it(key, session, number):
    session.device_info()
    gc.collect()
    assert [held() for held in kept] == [None] * number
    kept.append(weakref.ref(key))
""")
    assert suite.passes("-p", "no:randomly") == {"passed": 3}


UNITTEST = """
import unittest

class TestOld(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def have_key(self, key, screen):
        self.key = key

    @pytest.mark.vukey(stage="blank")
    def test_key(self):
        assert self.key.target == "socket"
        assert self.key.stage == "blank"
"""


def test_what_cannot_run_several_times_runs_on_the_first_target(suite: Suite) -> None:
    """pytest gives methods of unittest.TestCase no parameters, nor fixtures that a test asks for by name."""
    suite.write(
        UNITTEST + '\ndef test_named(request): assert request.getfixturevalue("key").target == "socket"\n'
    )
    assert suite.passes("--token", "socket,inproc") == {"passed": 2}
    suite.write(UNITTEST.replace("blank", "new"))
    assert "stage is blank, issued or ready, not new" in suite.refused()


def test_an_option_that_another_plug_in_has_is_told(suite: Suite) -> None:
    suite.path.joinpath("other.py").write_text(
        'def pytest_addoption(parser): parser.addoption("--serial", action="store")\n'
    )
    suite.write("def test_it(): pass\n")
    line = suite.refused("-p", "other", PYTHONPATH=f"{suite.path}:{suite.environment()['PYTHONPATH']}")
    assert "another plug-in of pytest has an option of vukey's" in line
    assert "-p no:pytest_vukey" in line


@pytest.mark.parametrize("option", ["--token", "--serial"])
def test_a_destination_of_another_plug_in_is_its_own(suite: Suite, option: str) -> None:
    name = option.removeprefix("--")
    suite.path.joinpath("conftest.py").write_text(
        f'def pytest_addoption(parser): parser.addoption("--my-{name}", dest="{name}", default="mine")\n'
    )
    suite.write(f'def test_it(key, pytestconfig): assert pytestconfig.getoption("{name}") == "mine"\n')
    assert suite.passes() == {"passed": 1}
