"""Lengths of time as people write them."""

from __future__ import annotations

import pytest

from protocols.duration import seconds_of
from protocols.errors import ProtocolError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("59s", 59), ("1.5m", 90), ("24h", 86_400), ("1d", 86_400), ("5", 5), (".5 s", 0.5), ("0s", 0)],
)
def test_a_length_of_time(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-1s", "1w", "1e3", "5S", "1m30s", "٥s", "5s\n"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(ProtocolError, match="is no duration"):
        seconds_of(text)
