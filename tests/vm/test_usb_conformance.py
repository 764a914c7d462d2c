"""The conformance suite, as over the other wires, with the key on a real USB bus: pytest runs inside the guest.

Between them the two targets go every way there is: FunctionFS with pcscd and libccid, vhci_hcd with the CCID driver of
our own. The target `usbip`, whose two halves they have, is left for whoever asks for it: ``--token usbip``.
"""

from __future__ import annotations

import warnings

import pytest

from tests.vm.guest import PROCESSORS, Guest
from tests.vm.remote import reports
from tests.vm.stack import THREAD, UNDER

pytestmark = [pytest.mark.slow, pytest.mark.timeout(0)]

SECONDS = 2400.0
"""For the suite over one target."""
WORKERS = 3
LEFT_OUT = "leaves socket out"
"""Ends the reason of tests that are of one target alone."""
PCSCD_LOG = "/run/pcscd.log"
LAST_WORDS = 10_000
"""Characters of it that a failure quotes."""
AT_LEAST = 600
"""Tests that are there, so that none at all is no success."""
NO_READER = "pcscd makes no reader of the USB key"


class Run:
    """The suite in a guest of its own, up to the first test that fails.

    ``passed`` names what passed, ``failed`` has the reason of what did not.
    """

    def __init__(self, config: pytest.Config, target: str, left_out: set[str]) -> None:
        self.passed: set[str] = set()
        self.failed: dict[str, str] = {}
        arguments = ["tests/conformance", "--token", target, *(f"--deselect={name}" for name in left_out)]
        workers = ["-p", "xdist.plugin", "-n", str(WORKERS), "--maxfail=1"]
        under = [*UNDER, *(["--no-pcscd"] if target == "usb" else ["--log", PCSCD_LOG])]
        with Guest(processors=PROCESSORS) as guest:
            for report in reports(guest, config, [*arguments, *workers], timeout=SECONDS, under=under):
                self._note(report)
            self.evidence = _evidence(guest) if self.failed else ""

    @property
    def only_lacks_readers(self) -> bool:
        """Whether nothing failed but that pcscd made no reader."""
        return bool(self.failed) and all(NO_READER in reason for reason in self.failed.values())

    @property
    def story(self) -> str:
        """What failed, and what can be known of it."""
        reasons = [f"{name}: {reason}" for name, reason in self.failed.items()]
        return "\n\n".join([*reasons, self.evidence])

    def _note(self, report: pytest.TestReport) -> None:
        if report.failed or (report.skipped and LEFT_OUT not in str(report.longrepr)):
            self.failed[report.nodeid] = f"({report.when}) {report.longreprtext or report.longrepr}"
            self.passed.discard(report.nodeid)
        elif report.passed and report.when == "call":
            self.passed.add(report.nodeid)


def _evidence(guest: Guest) -> str:
    """What pcscd's threads were at, the bus, and the last words of the kernel and of pcscd."""
    threads = guest.run(["grep", "-A", "30", THREAD, PCSCD_LOG])
    rest = guest.run(f"lsusb; free -m; dmesg | tail -50; tail -c {LAST_WORDS} {PCSCD_LOG}")
    return threads.output + rest.output


@pytest.mark.filterwarnings("default::UserWarning")
@pytest.mark.usefixtures("guest")
@pytest.mark.parametrize("target", ["gadget", "usb"])
def test_conformance(request: pytest.FixtureRequest, target: str) -> None:
    """Twice, on busy machines, pcscd made no more readers after hundreds of keys, and nobody has seen why: what it
    leaves undone then is done in another guest, and the story told as a warning.
    """
    run = Run(request.config, target, set())
    passed = run.passed
    if run.only_lacks_readers:
        warnings.warn(run.story, stacklevel=1)
        run = Run(request.config, target, passed)
        passed |= run.passed
    assert not run.failed, run.story
    assert len(passed) >= AT_LEAST
