"""docs/errors.md: made of the host's table, which says what libskf_vukey really answers to each status word."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from docs.generate_errors import PAGES, Page
from emulator.profiles import load_profile
from hostdriver.errors import HostError, error_for
from hostdriver.outcomes import NEW_PIN_REFUSED, OUTCOMES, Sar, outcome_of_ckr, outcome_of_sar
from hostdriver.skf import Application, Container, Device, Library, connect, device_names
from protocols import sm2
from protocols.gmt import Ins, NewApplication
from protocols.sw import SW
from tests.rig.cli import ADMIN_PIN, PIN, run_directory
from tests.rig.skf import SkfKey, library, skf_key

BELOW_THE_TABLE = {
    SW.OK, SW.MORE_DATA,
    # Faults of whoever builds commands, which no person can mend.
    SW.SECURE_MESSAGING_NOT_SUPPORTED, SW.NO_CHALLENGE, SW.CONDITIONS_NOT_SATISFIED, SW.MAC_MISSING, SW.MAC_WRONG,
    SW.FUNCTION_NOT_SUPPORTED, SW.WRONG_P1_P2, SW.CLA_NOT_SUPPORTED, SW.MEMORY_FAILURE,
}  # fmt: skip
ONLY_BY_FUNCTION = {SW.NOT_FOUND, SW.KEY_NOT_FOUND, SW.ALREADY_EXISTS, SW.VERIFICATION_FAILED}


class Recording(Library):
    """A library that remembers the code of its last call."""

    code = 0

    def _function(self, name: str) -> Any:
        function = super()._function(name)

        def call(*arguments: object) -> int:
            self.code = function(*arguments)
            return self.code

        return call


class Answering:
    """A key behind the library that answers one command as the test wants."""

    device: Device
    application: Application
    container: Container

    def __init__(self, key: SkfKey, monkeypatch: pytest.MonkeyPatch) -> None:
        self._card = key.rig.device._card
        self._patch = monkeypatch
        self.library = Recording(str(library()))
        (name,) = device_names(self.library)
        self.device = connect(self.library, name)
        self.application = self.device.open_application(key.rig.profile.application)
        self.container = self.application.open_container(self.application.containers()[0])

    @contextmanager
    def answers(self, sw: int, ins: Ins) -> Iterator[None]:
        """This command ends in that status word."""
        run = self._card.run

        def answer(apdu: bytes) -> object:
            return sw.to_bytes(2) if apdu[1] == ins else run(apdu)

        with self._patch.context() as patch:
            patch.setattr(self._card, "run", answer)
            yield

    def code(self, sw: int, ins: Ins, call: Callable[[], object]) -> int:
        """What the library makes of a status word that ends this command."""
        with self.answers(sw, ins), pytest.raises(HostError):
            call()
        return self.library.code


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answering]:
    profile = load_profile("icbc-2g-feitian")
    with run_directory() as run, skf_key(profile, "ready", run) as key:
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(run))
        answering = Answering(key, monkeypatch)
        yield answering
        answering.device.disconnect()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.file.name)
def test_the_page_is_todays(page: Page) -> None:
    assert page.file.read_text("utf-8") == page.text(), "run: python docs/generate_errors.py"


def test_every_status_word_has_its_row() -> None:
    told = [outcome.sw for outcome in OUTCOMES if outcome.sw is not None and outcome is not NEW_PIN_REFUSED]
    assert len(told) == len(set(told))
    assert set(told) == set(SW) - BELOW_THE_TABLE


def test_what_the_library_answers_to_each_status_word(answering: Answering) -> None:
    for outcome in OUTCOMES:
        sw = outcome.sw
        if sw is None or sw in ONLY_BY_FUNCTION or outcome is NEW_PIN_REFUSED:
            continue
        sw = 0x63C2 if sw == SW.PIN_WRONG else sw
        code = answering.code(sw, Ins.GEN_RANDOM, lambda: answering.device.random(8))
        assert code == outcome.sars[0], outcome.meaning


def test_what_it_answers_where_the_function_decides(answering: Answering) -> None:
    device, application, container = answering.device, answering.application, answering.container
    new = NewApplication("NEW", b"87654321", 6, b"12345678", 6)
    signature = sm2.Signature(1, 2)
    point = sm2.PublicKey(sm2.GX, sm2.GY)
    cases: list[tuple[int, Ins, Callable[[], object], Sar]] = [
        (SW.NOT_FOUND, Ins.OPEN_APPLICATION, lambda: device.open_application("A"), Sar.APPLICATION_NOT_EXISTS),
        (SW.NOT_FOUND, Ins.OPEN_CONTAINER, lambda: application.open_container("C"), Sar.CONTAINER_NOT_EXISTS),
        (SW.NOT_FOUND, Ins.GET_FILE_INFO, lambda: application.file_info("f"), Sar.FILE_NOT_EXIST),
        (SW.ALREADY_EXISTS, Ins.CREATE_APPLICATION, lambda: device.create_application(new), Sar.APPLICATION_EXISTS),
        (SW.ALREADY_EXISTS, Ins.CREATE_CONTAINER, lambda: application.create_container("C"), Sar.CONTAINER_EXISTS),
        (SW.ALREADY_EXISTS, Ins.CREATE_FILE, lambda: application.create_file("f", 1), Sar.FILE_ALREADY_EXIST),
        (SW.KEY_NOT_FOUND, Ins.EXPORT_PUBLIC_KEY, lambda: container.public_key(), Sar.KEYNOTFOUNTERR),
        (SW.KEY_NOT_FOUND, Ins.EXPORT_CERTIFICATE, lambda: container.export_certificate(), Sar.CERTNOTFOUNTERR),
        (SW.WRONG_DATA, Ins.CHANGE_PIN, lambda: application.change_pin(PIN, "123456"), Sar.PIN_INVALID),
        (SW.WRONG_LENGTH, Ins.UNBLOCK_PIN, lambda: application.unblock_pin(ADMIN_PIN, "1"), Sar.PIN_LEN_RANGE),
    ]  # fmt: skip
    for sw, ins, call, wanted in cases:
        code = answering.code(sw, ins, call)
        assert code == wanted, ins.name
        outcome = outcome_of_sar(code)
        assert outcome is not None
        assert sw in (outcome.sw, SW.WRONG_LENGTH), ins.name
    with answering.answers(SW.VERIFICATION_FAILED, Ins.ECC_VERIFY):
        assert not device.verify_sm2(point, bytes(32), signature)


def test_every_way_gives_the_same_error() -> None:
    """Of a library's code that stands in one row only."""
    for outcome in OUTCOMES:
        error = outcome.error()
        if outcome.sw is not None and outcome is not NEW_PIN_REFUSED:
            assert type(error) is type(error_for(outcome.sw))
        for sar in outcome.sars:
            if sum(sar in other.sars for other in OUTCOMES) == 1:
                assert outcome_of_sar(sar) is outcome
        for ckr in outcome.ckrs:
            if sum(ckr in other.ckrs for other in OUTCOMES) == 1:
                assert outcome_of_ckr(ckr) is outcome
