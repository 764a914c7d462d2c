"""Keys behind libraries: an emulated one behind ours, and SoftHSM2's tokens taken for real keys.

The suite's program takes the fixture `token`; what sends APDUs itself skips.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostdriver.control import KeyApi
from hostdriver.pkcs11 import list_tokens
from tests.plugin.project import Project
from tests.plugin.suite import ROOT, Ended, Suite
from tests.rig.cli import PIN, Up, run_directory
from tests.rig.skf import library
from tests.rig.softhsm import MODULE, USER_PIN, SoftHsm, softhsm_here

SAME_TEST = """
from hostdriver import certificates


def pair(key, token):
    application = token.application(key.profile.application)
    application.verify_pin(key.user_pin)
    return application.container(key.profile.containers.sm2.name)

def test_transfer(key, token, screen, press):
    container = pair(key, token)
    with key.pending(container.sign, TRANSFER, SignInput.MESSAGE) as signature:
        assert screen.wait_for("张三").title == "请核对交易"
        press("down", "down", "ok")
    assert certificates.verify(container.public_key(), TRANSFER, signature.result())
    assert container.certificate() == key.certificates[container.name]

def test_cancelled(key, token, press):
    from hostdriver.errors import CancelledError

    with pytest.raises(CancelledError), key.pending(pair(key, token).sign, TRANSFER, SignInput.MESSAGE):
        press("cancel")

def test_pulled_out(key, token):
    from hostdriver.errors import KeyRemovedError

    with pytest.raises(KeyRemovedError), key.pending(pair(key, token).sign, TRANSFER, SignInput.MESSAGE):
        key.unplug()
    assert not key.plugged
    key.plug()
    with key.open_token() as again:
        assert again.info().serial == key.serial
"""
APDUS = """
def test_apdus(session):
    session.device_info()
"""
WHY_NO_APDUS = "the test sends APDUs itself, and --token {} goes through a library: use the fixture token"


class Alone(Project):
    """Run with no other plug-ins than ours: that takes half the time."""

    write = Suite.write


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return Alone(tmp_path)


# The emulated key behind our library


@pytest.fixture
def ours(suite: Suite) -> Suite:
    """A suite whose target `skf` takes the library of this tree."""
    suite.path.joinpath("conftest.py").write_text(
        f"from pathlib import Path\nfrom hostdriver.cli import skf\nskf.LIBRARY = Path({str(library())!r})\n"
    )
    return suite


OTHERS = f"""
import json, os, subprocess

def test_another_program_takes_the_library_too(key):
    command = [{sys.executable!r}, "-m", "vukey", "host", "info", "--json"]
    done = subprocess.run(command, env=os.environ | key.env, capture_output=True, text=True, check=True)
    facts = json.loads(done.stdout)
    assert (facts["serial"], facts["token"]) == (key.serial, key.token)

@pytest.mark.vukey(values={{"dialect": "sunyard"}})
def test_another_dialect(key, token): pass
"""


def test_the_same_test_over_apdus_and_our_library(ours: Suite) -> None:
    ours.write(SAME_TEST + APDUS + OTHERS)
    ended = ours.run("--token", "socket,skf", "-ra")
    assert ended.outcomes == {"passed": 10, "skipped": 2}, ended.text
    assert WHY_NO_APDUS.format("skf") in ended.text
    assert "at a bare socket the SKF library speaks default, and this model sunyard" in ended.text


@pytest.mark.slow
def test_a_library_that_was_not_built_skips(suite: Suite) -> None:
    suite.path.joinpath("conftest.py").write_text(
        "from pathlib import Path\n"
        "from hostdriver.cli import skf\n"
        "skf.LIBRARY = Path('/nowhere/libskf_vukey.so')\n"
    )
    suite.write(APDUS)
    ended = suite.run("--token", "skf", "-ra")
    assert ended.outcomes == {"skipped": 1}
    assert "was installed without its SKF library" in ended.text


# A key that runs, behind our library, taken for a real one


@pytest.mark.slow
def test_a_key_behind_an_skf_library_is_taken_for_a_real_one(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    with run_directory() as run, Up(run, "--link", "socket", "--panel") as up:
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(run))
        suite.write(SAME_TEST + APDUS + GUARDED + SPENDING)
        target = f"skf:{library()}:socket:{up.serial}"
        named = ("--token", target, "--serial", up.serial, "-ra")
        ended = suite.run(*named, XDG_RUNTIME_DIR=str(run), VUKEY_PIN=PIN)
        assert ended.outcomes == {"passed": 5, "skipped": 1}, ended.text
        api = KeyApi.find(up.serial)
        [application] = api.key()["applications"]
        assert application["user_pin"]["left"] == 5  # SPENDING's
        assert {apdu["name"] for apdu in api.apdus()}.isdisjoint({"CreateContainer", "DeleteContainer"})
        api.close()
        other = suite.refused(*named[:3], "5200000000", XDG_RUNTIME_DIR=str(run), VUKEY_PIN=PIN)
        assert f"says that it is {up.serial}, not --serial 5200000000: it was left alone" in other


# SoftHSM2's tokens, taken for real keys

GUARDED = """
def test_what_is_not_sent(key, token):
    from hostdriver.errors import PinIncorrectError
    from hostdriver.token import Algorithm
    from protocols.gmt import PinType
    from vukey_testing.errors import GuardError

    application = token.application()
    with pytest.raises(GuardError, match="could cost a try"):
        application.verify_pin("000000")
    with pytest.raises(GuardError, match="could cost a try"):
        application.verify_pin(key.user_pin, PinType.ADMIN)
    application.verify_pin(key.user_pin)
    container = application.container(application.containers()[0])
    for call in (
        lambda: application.create_container("new"),
        lambda: application.delete_container(container.name),
        lambda: application.unblock_pin("87654321", "314159"),
        lambda: application.change_pin("000000", "314159"),
        lambda: application.change_pin_on_keypad(),
        lambda: container.generate(Algorithm.RSA, 2048),
        lambda: container.import_certificate(b""),
    ):
        with pytest.raises(GuardError, match="--allow-wipe"):
            call()
    for call in (lambda: container.activate("12345678"), container.activate_on_keypad):
        with pytest.raises(GuardError, match="could cost a try"):
            call()
"""
SPENDING = """
@pytest.mark.vukey_spends_tries(1)
def test_spends(key, token):
    from hostdriver.errors import PinIncorrectError

    with pytest.raises(PinIncorrectError):
        token.application().verify_pin("000000")
"""
SIGNS = """
from hostdriver import certificates

def test_signs(key, token):
    application = token.application()
    application.verify_pin(key.user_pin)
    container = application.find_container()
    signature = container.sign(b"text", SignInput.MESSAGE)
    assert certificates.verify(container.public_key(), b"text", signature)
    assert (key.target, key.device) == ("pkcs11", None)
    assert token.kind == "pkcs11"
    assert token.wait_for_event(0) is None
    assert len(token.random(8)) == 8
"""


class Hsm:
    """A token, and test suites against it."""

    def __init__(self, suite: Suite, hsm: SoftHsm) -> None:
        self.suite, self.hsm = suite, hsm
        [self.info] = list_tokens(str(MODULE))

    def run(self, *options: str, pin: str | None = USER_PIN) -> Ended:
        named = (*self._named(self.info.serial), "-ra", *options)
        return self.suite.run(*named, inside=None, **self._environment(pin))

    def refused(self, serial: str, *options: str) -> str:
        named = (*self._named(serial), *options)
        return self.suite.refused(*named, inside=None, **self._environment(USER_PIN))

    def _named(self, serial: str) -> tuple[str, ...]:
        profile = ("--vukey-profile", "bocom-2g-tendyron", "--vukey-operator", "person")
        return ("--token", f"pkcs11:{MODULE}:one", "--serial", serial, *profile)

    def _environment(self, pin: str | None) -> dict[str, str]:
        return self.hsm.environment | ({"VUKEY_PIN": pin} if pin else {})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SoftHsm:
    """A token with a key pair, to be copied."""
    made = SoftHsm(tmp_path_factory.mktemp("softhsm"))
    made.add("one")
    made.add_key()
    return made


@pytest.fixture
def token_in_hsm(
    suite: Suite, made: SoftHsm, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Hsm]:
    with softhsm_here(tmp_path_factory.mktemp("hsm"), monkeypatch, made) as hsm:
        yield Hsm(suite, hsm)


WANTS = """
@pytest.mark.vukey(stage="blank")
def test_blank(key): pass

@pytest.mark.vukey(initial_pin=True)
def test_initial_pin(key): pass

@pytest.mark.vukey(pin_tries=2)
def test_tries(key): pass

@pytest.mark.vukey(profile="icbc-2g-feitian")
def test_model(key): pass
"""


def test_a_token_is_taken_for_a_real_key(token_in_hsm: Hsm) -> None:
    token_in_hsm.suite.write(SIGNS + GUARDED + SPENDING + APDUS + WANTS)
    ended = token_in_hsm.run()
    assert ended.outcomes == {"passed": 2, "skipped": 6}, ended.text
    for reason in (
        WHY_NO_APDUS.format("pkcs11"),
        "does not tell how many tries are left, and the test may spend 1",
        "not at the stage that the test wants",
        "PIN is not as the test wants it",
        "another number of tries left",
        "another model",
    ):
        assert reason in ended.text


def test_another_serial_number_is_a_usage_error(token_in_hsm: Hsm) -> None:
    token_in_hsm.suite.write(SIGNS)
    line = token_in_hsm.refused("5200000000")
    says = f"says that it is {token_in_hsm.info.serial}, not --serial 5200000000: it was left alone"
    assert says in line


@pytest.mark.slow
def test_without_a_number_it_is_not_touched(suite: Suite) -> None:
    suite.write(SIGNS)
    line = suite.refused("--token", "pkcs11:/nowhere.so")
    assert "may be a real key: say which one it must be with --serial" in line


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("pkcs11:/nowhere.so", "the PKCS#11 module /nowhere.so cannot be loaded"),
        (f"pkcs11:{ROOT}/setup.py", "cannot be loaded"),
        ("skf:/nowhere.so", "/nowhere.so"),
    ],
)
def test_a_library_without_the_key_is_a_usage_error(suite: Suite, target: str, reason: str) -> None:
    suite.write(SIGNS)
    line = suite.refused("--token", target, "--serial", "1", "--vukey-profile", "bocom-2g-tendyron")
    assert reason in line


def test_the_pin_that_was_handed_over_is_tried_once_in_a_run(token_in_hsm: Hsm) -> None:
    token_in_hsm.suite.write(SIGNS + SIGNS.replace("test_signs", "test_again"))
    ended = token_in_hsm.run(pin="999999")
    assert ended.outcomes == {"failed": 2}, ended.text
    assert "it is not tried again" in ended.text
    assert "999999" not in ended.text


@pytest.mark.slow
def test_without_its_pin_what_needs_it_skips(token_in_hsm: Hsm) -> None:
    token_in_hsm.suite.write(SIGNS)
    ended = token_in_hsm.run(pin=None)
    assert ended.outcomes == {"skipped": 1}
    assert "VUKEY_PIN" in ended.text


@pytest.mark.slow
def test_a_changed_pin_must_be_changed_back(token_in_hsm: Hsm) -> None:
    token_in_hsm.suite.write(
        """
def test_change(key, token):
    application = token.application()
    application.change_pin(key.user_pin, "314159")
    application.change_pin("314159", key.user_pin)
    application.change_pin(key.user_pin, "314159")
"""
    )
    ended = token_in_hsm.run()
    assert ended.outcomes == {"passed": 1, "error": 1}, ended.text
    assert "has changed the real key's PIN and not changed it back" in ended.text


@pytest.mark.slow
def test_with_allow_wipe_it_may_be_changed(token_in_hsm: Hsm) -> None:
    token_in_hsm.suite.write(
        """
def test_generate(key, token):
    from hostdriver.token import Algorithm

    application = token.application()
    application.verify_pin(key.user_pin)
    assert application.create_container("new").generate(Algorithm.RSA, 1024).bits == 1024
    application.delete_container("new")
"""
    )
    assert token_in_hsm.run("--allow-wipe").outcomes == {"passed": 1}
