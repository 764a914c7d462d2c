"""pytest inside the guest, its reports outside."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence

import pytest

from tests.vm.guest import Guest, GuestError
from tests.vm.reporter import MARK

PLUGINS = ("tests.vm.reporter", "pytest_timeout", "pytest_vukey")
TEST_SECONDS = 600
"""For one test in the guest; outside it is the `timeout` of pyproject.toml."""


class LostReportsError(RuntimeError):
    """pytest ended in the guest without a word about some tests; the message is its output."""


def reports(
    guest: Guest,
    config: pytest.Config,
    arguments: Sequence[str],
    *,
    timeout: float,
    under: Sequence[str] = (),
) -> Iterator[pytest.TestReport]:
    """Run pytest in the guest and yield its reports as they come. Take all of them: the guest is busy until then.

    :param under: a command that runs the command that follows it.
    :param timeout: seconds for all of it.
    :raises LostReportsError: it was killed for time, or did not get as far as its tests.
    :raises GuestError: the guest died.
    """
    plugins = [option for plugin in PLUGINS for option in ("-p", plugin)]
    options = ["-p", "no:cacheprovider", "-o", f"timeout={TEST_SECONDS}"]
    command = [*under, sys.executable, "-m", "pytest", *plugins, *options, *arguments]
    rest = b""
    output: list[bytes] = []
    has_failed = False
    for piece in guest.follow(command, timeout=timeout, env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}):
        if isinstance(piece, int):
            ends = {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}
            if has_failed:  # what `--maxfail` ends in with pytest-xdist; else it has collected nothing
                ends.add(pytest.ExitCode.INTERRUPTED)
            if piece not in ends:
                raise LostReportsError(b"\n".join([*output, rest]).decode(errors="replace"))
            return
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.startswith(MARK):
                data = json.loads(line.removeprefix(MARK))
                report = config.hook.pytest_report_from_serializable(config=config, data=data)
                if isinstance(report.longrepr, list):  # where and why it was skipped: JSON knows no tuples
                    report.longrepr = tuple(report.longrepr)
                has_failed |= report.failed
                yield report
            else:
                output.append(line)


class InsideRun:
    """One run of pytest in the guest, asked test by test what became of it.

    :param names: node ids of the tests.
    """

    def __init__(self, guest: Guest, config: pytest.Config, names: Sequence[str], *, timeout: float) -> None:
        self.names = frozenset(names)
        self._running = reports(guest, config, names, timeout=timeout)
        self._of: dict[str, list[pytest.TestReport]] = {name: [] for name in names}
        self._last_words = "the guest said nothing about this test"

    def of(self, name: str) -> list[pytest.TestReport]:
        """The reports of one test: setup, call and teardown; wait for them."""
        while not _is_whole(self._of[name]) and self._take():
            pass
        found = self._of[name]
        return found if _is_whole(found) else [*found, _lost(name, self._last_words)]

    def finish(self) -> None:
        """Wait for the end of all its tests: the guest is free then."""
        while self._take():
            pass

    def _take(self) -> bool:
        try:
            report = next(self._running, None)
        except (LostReportsError, GuestError) as error:
            self._last_words = str(error)
            return False
        if report is not None:
            self._of[report.nodeid].append(report)
        return report is not None


def _is_whole(found: list[pytest.TestReport]) -> bool:
    return bool(found) and found[-1].when == "teardown"


def _lost(name: str, why: str) -> pytest.TestReport:
    return pytest.TestReport(
        name, (name.partition("::")[0], None, name), keywords={}, outcome="failed", longrepr=why, when="call"
    )
