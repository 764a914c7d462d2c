"""One test on keys of every dialect."""

from __future__ import annotations

import pytest

from protocols.dialect import DIALECTS

every_dialect = pytest.mark.parametrize(
    "dialect", [pytest.param(name, marks=pytest.mark.limits(dialect=name)) for name in DIALECTS]
)
"""For a test with a parameter `dialect`: its key, and its host, speak each dialect in turn."""
