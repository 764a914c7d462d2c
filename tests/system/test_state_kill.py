"""`kill -9` of `vukey up --state` in the middle of what it writes (C9, E4): old state or new state, nothing between."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from hostdriver.certificates import describe
from hostdriver.errors import HostError, PinIncorrectError, PinLockedError
from hostdriver.gmt import GmtSession
from protocols.gmt import ApplicationInfo
from tests.rig.cli import PIN, Up, run_directory
from tests.rig.key import CERTIFICATE
from tests.rig.patience import PATIENCE_S

PROFILE = "icbc-2g-feitian"
SECOND_PIN = "31415926535"
WRONG_PIN = "00000000"
CONTAINER = "SM2-SIGN"

Work = Callable[[GmtSession, ApplicationInfo, "Progress"], None]


@pytest.fixture
def run() -> Iterator[Path]:
    with run_directory() as directory:
        yield directory


class Progress:
    """What the host has seen of its own work: `begun` counts commands sent, `done` those that were answered.

    :param kill_at: the command in which the key is killed.
    :param in_commit: kill it as soon as its log has grown, else as soon as the command is on its way.
    """

    def __init__(self, key: Up, log: Path, kill_at: int, in_commit: bool) -> None:
        self.begun = self.done = 0
        self._key, self._log = key, log
        self._kill_at, self._in_commit = kill_at, in_commit
        self._over = threading.Event()

    def step(self, command: Callable[[], None]) -> None:
        """One command; the kill races with the chosen one."""
        self.begun += 1
        if self.begun < self._kill_at:
            command()
            self.done += 1
            return
        killer = threading.Thread(target=self._kill, args=[self._log_size()])
        killer.start()
        try:
            command()
            self.done += 1
        finally:
            self._over.set()
            killer.join()

    def _kill(self, size: int) -> None:
        while self._in_commit and self._log_size() == size and not self._over.is_set():
            continue
        self._key.process.send_signal(signal.SIGKILL)

    def _log_size(self) -> int:
        return self._log.stat().st_size if self._log.exists() else 0


def opened(session: GmtSession) -> ApplicationInfo:
    return session.open_application(session.applications()[0])


def up(run: Path) -> Up:
    return Up(run, "--link", "socket", "--state", run / "key.vukey", "--profile", PROFILE)


def killed_in(run: Path, longest: int, chance: random.Random, work: Work) -> Progress:
    """Do the work on the key, over and over, until the key is killed in one of the first commands."""
    with up(run) as key, GmtSession(key.connect()) as session:
        log = run / "key.vukey-wal"
        progress = Progress(key, log, chance.randint(1, longest), chance.random() < 0.5)
        application = opened(session)
        with suppress(HostError):
            while key.process.poll() is None:
                work(session, application, progress)
        assert key.process.wait(PATIENCE_S) == -signal.SIGKILL
        return progress


def change_pins(session: GmtSession, application: ApplicationInfo, progress: Progress) -> None:
    progress.step(lambda: session.change_pin(application, PIN, SECOND_PIN))
    progress.step(lambda: session.change_pin(application, SECOND_PIN, PIN))


def enter_wrong_pin(session: GmtSession, application: ApplicationInfo, progress: Progress) -> None:
    def attempt() -> None:
        with suppress(PinIncorrectError):
            session.verify_pin(application, WRONG_PIN)

    progress.step(attempt)


def import_certificates(session: GmtSession, application: ApplicationInfo, progress: Progress) -> None:
    """Another certificate in the place of the bank's, and the bank's again."""
    session.verify_pin(application, PIN)
    container = session.open_container(application, CONTAINER)
    own = session.export_certificate(container)
    for der in (CERTIFICATE, own):
        progress.step(partial(session.import_certificate, container, der))


def assert_consistent(session: GmtSession, application: ApplicationInfo) -> None:
    """Every container has its pair, and a certificate that is for it."""
    names = session.containers(application)
    assert sorted(names) == ["RSA-SIGN", CONTAINER]
    for name in names:
        container = session.open_container(application, name)
        assert session.container_info(application, name).sign_bits
        assert describe(session.export_certificate(container)).public_key == session.public_key(container)


def check_pins(run: Path, progress: Progress) -> None:
    """The PIN is the one of the last answered change, or of the one that was cut off."""
    pins = (PIN, SECOND_PIN)
    before, after = pins[progress.done % 2], pins[progress.begun % 2]
    with up(run) as key, GmtSession(key.connect()) as session:
        application = opened(session)
        assert_consistent(session, application)
        tries = session.pin_info(application)
        assert tries.left >= tries.tries - 1
        now = _the_right_one(session, application, {before, after})
        if now != PIN:
            session.change_pin(application, now, PIN)
        assert key.stop() == 0


def _the_right_one(session: GmtSession, application: ApplicationInfo, pins: set[str]) -> str:
    for value in sorted(pins):
        with suppress(PinIncorrectError):
            session.verify_pin(application, value)
            return value
    raise AssertionError("neither the old PIN nor the new one")


def check_tries(run: Path, progress: Progress) -> None:
    """E4: every answered wrong PIN has cost its try for good; the one that was cut off may have."""
    with up(run) as key, GmtSession(key.connect()) as session:
        application = opened(session)
        tries = session.pin_info(application)
        lost = tries.tries - tries.left
        assert min(progress.done, tries.tries) <= lost <= min(progress.begun, tries.tries)
        if tries.left:
            session.verify_pin(application, PIN)
        else:
            with pytest.raises(PinLockedError):
                session.verify_pin(application, PIN)
            session.unblock_pin(application, "87654321", PIN)
        assert_consistent(session, application)
        assert key.stop() == 0


def check_certificates(run: Path, progress: Progress) -> None:
    """C9: the certificate is the one of the last answered import, or of the one that was cut off, and whole."""
    with up(run) as key, GmtSession(key.connect()) as session:
        application = opened(session)
        container = session.open_container(application, CONTAINER)
        present = session.export_certificate(container)
        assert (present == CERTIFICATE) in {progress.done % 2 == 1, progress.begun % 2 == 1}
        if present == CERTIFICATE:
            session.verify_pin(application, PIN)
            session.import_certificate(container, (run / "own.der").read_bytes())
        assert_consistent(session, application)
        assert key.stop() == 0


WORK = [
    (change_pins, check_pins, 12),
    (enter_wrong_pin, check_tries, 5),
    (import_certificates, check_certificates, 12),
]


def rounds(run: Path, count: int) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    with up(run) as key, GmtSession(key.connect()) as session:
        container = session.open_container(opened(session), CONTAINER)
        (run / "own.der").write_bytes(session.export_certificate(container))
        assert key.stop() == 0
    for _ in range(count):
        for work, check, longest in WORK:
            check(run, killed_in(run, longest, chance, work))


def test_a_killed_key_comes_back_as_it_was_or_as_it_became(run: Path) -> None:
    rounds(run, 3)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_however_often_it_is_killed(run: Path) -> None:
    rounds(run, 67)
