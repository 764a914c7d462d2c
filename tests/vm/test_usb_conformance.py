"""The conformance suite, as over the other wires, with the key on a real USB bus: pytest runs inside the guest.

Between them the two targets go every way there is: FunctionFS with pcscd and libccid, vhci_hcd with the CCID driver of
our own. The target `usbip`, whose two halves they have, is left for whoever asks for it: ``--token usbip``.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.vm.guest import Guest
from tests.vm.remote import reports
from tests.vm.stack import UNDER

pytestmark = [pytest.mark.slow, pytest.mark.timeout(0)]

SECONDS = 2400.0
"""For the suite over one target."""
WORKERS = 3
LEFT_OUT = "leaves socket out"
"""Ends the reason of tests that are of one target alone."""
AT_LEAST = 600
"""Tests that are there, so that none at all is no success."""


@pytest.mark.parametrize("target", ["gadget", "usb"])
def test_conformance(guest: Guest, request: pytest.FixtureRequest, target: str) -> None:
    arguments = ["tests/conformance", "--token", target, "-p", "xdist.plugin", "-n", str(WORKERS)]
    under = [*UNDER, *(["--no-pcscd"] if target == "usb" else [])]
    ended: Counter[str] = Counter()
    bad = []
    for report in reports(guest, request.config, arguments, timeout=SECONDS, under=under):
        if report.when == "call" or not report.passed:
            ended[report.outcome] += 1
        if report.failed or (report.skipped and LEFT_OUT not in str(report.longrepr)):
            bad.append(f"{report.nodeid} ({report.when}): {report.longreprtext or report.longrepr}")
    assert not bad, "\n\n".join(bad)
    assert ended["passed"] >= AT_LEAST
