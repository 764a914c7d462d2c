"""A plug-in for pytest in the guest: it sends every report to the pytest outside, through its own standard output."""

from __future__ import annotations

import json
import os
from collections.abc import Generator

import pytest

MARK = b"\x1eREPORT "
"""Begins a line that holds a report; all other output is pytest's."""
NOT_POSSIBLE = "is not possible here"
"""In the reason by which the plug-in skips what a target cannot do."""
_OUTPUT = os.dup(1)
"""Taken before pytest captures it."""


class Reporter:
    """Sends each report as soon as it is made."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        data.pop("node", None)  # which of pytest-xdist's workers it was
        os.write(_OUTPUT, b"\n" + MARK + json.dumps(data).encode() + b"\n")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # pytest-xdist brings its workers' reports here
        config.pluginmanager.register(Reporter(config))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Whatever is not possible in the guest has failed: `--maxfail` is to end a run whose every test waits for it."""
    report = yield
    if report.skipped and NOT_POSSIBLE in str(report.longrepr):
        report.outcome = "failed"
        report.longrepr = str(report.longrepr)
    return report
