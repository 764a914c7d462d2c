"""The hint at a weak PIN (C7)."""

from __future__ import annotations

import pytest

from hostdriver.weak_pin import is_weak_pin


@pytest.mark.parametrize(
    ("pin", "weak"),
    [
        ("83629174", True),  # shorter than 10
        ("836291745", True),
        ("8362917450", False),
        ("31415926535", False),
        ("123456xyzq", True),
        ("xyzq654321", True),
        ("12345xyzq9", False),  # five in a row
        ("xq111111zz", True),
        ("xq11111zzz", False),
        ("xqabcdefzz", True),
        ("xqFEDCBAzz", True),
        ("x!!!!!!zzq", False),  # equal, but neither letters nor digits
        ("xz+,-./0qq", False),  # consecutive codes, not letters or digits throughout
    ],
)
def test_weak(pin: str, weak: bool) -> None:
    assert is_weak_pin(pin) is weak
