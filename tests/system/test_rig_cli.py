"""What the tests' own `vukey up` says of one that does not come."""

from __future__ import annotations

import sys

import pytest

from tests.rig.cli import Up, run_directory

NEVER_READY = "import os, threading; os.close(1); threading.Event().wait()"


def test_of_one_that_is_not_ready_it_says_where_it_is_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tests.rig.cli.VUKEY", (sys.executable, "-c", NEVER_READY))
    with run_directory() as run:
        key = Up(run)
        with pytest.raises(AssertionError, match=r"not ready.*Fatal Python error: Aborted.*in <module>"):
            key.__enter__()
        assert key.process.returncode is not None
        assert key.process.stdout is not None
        assert key.process.stdout.closed
