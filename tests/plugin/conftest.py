"""What the tests of the plug-in share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.plugin.suite import Suite


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    """An empty test suite of somebody's."""
    return Suite(tmp_path)
