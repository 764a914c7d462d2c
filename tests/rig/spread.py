"""Which worker of pytest-xdist gets which test: each goes where there is time, but the guest's stay together."""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

GUEST = "tests/vm/"


class GuestApart(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """One guest is enough: its tests, the longest, are given to one worker first."""

    def _split_scope(self, nodeid: str) -> str:
        return GUEST if nodeid.startswith(GUEST) else nodeid
