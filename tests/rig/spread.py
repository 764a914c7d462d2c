"""Which worker of pytest-xdist gets which test: each goes where there is time, but the guest's stay together."""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

GUEST = "tests/vm/"
ALONE = "tests/vm/test_usb_conformance.py"
"""Boots its own guests, beside the other tests' one."""


class GuestApart(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """One guest is enough: its tests, the longest, are given to one worker first; what has its own, to the next."""

    def _split_scope(self, nodeid: str) -> str:
        return next((scope for scope in (ALONE, GUEST) if nodeid.startswith(scope)), nodeid)
