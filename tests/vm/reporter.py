"""A plug-in for pytest in the guest: it sends every report to the pytest outside, through its own standard output."""

from __future__ import annotations

import json
import os

import pytest

MARK = b"\x1eREPORT "
"""Begins a line that holds a report; all other output is pytest's."""
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
