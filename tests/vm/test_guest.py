"""The guest itself, and pytest inside it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.vm.agent import TIMED_OUT
from tests.vm.guest import OUTPUT_LIMIT, ROOT, Guest, GuestError
from tests.vm.kernel import find_kernel
from tests.vm.remote import LostReportsError, reports
from tests.vm.stack import kernel_complaints, mark_kernel_log

TESTS_OF_EVERY_END = """
import os, pytest

def test_passed(): assert os.uname().nodename == "vukey-guest"
def test_failed(): assert os.uname().nodename == "another"
def test_skipped(): pytest.skip("for a reason")
@pytest.fixture
def broken(): raise OSError("in setup")
def test_error(broken): pass
"""


def test_it_runs_the_kernel_of_the_cache(guest: Guest) -> None:
    assert guest.run(["uname", "-r"]).output.strip() == find_kernel().version
    assert f"Linux version {find_kernel().version}" in guest.dmesg()


def test_exit_codes_and_output_come_back(guest: Guest) -> None:
    assert guest.run("echo out; echo err >&2; exit 3") == guest.run("echo out; echo err; exit 3")
    assert guest.run("echo out; exit 3").code == 3
    assert guest.run("kill -9 $$").code == -9
    assert guest.run(["/no/such/program"]).code == 127
    assert guest.run("exit 0", cwd="/no/such/directory").code == 127


def test_environment_and_directory(guest: Guest) -> None:
    assert guest.run("echo $WORD; pwd", env={"WORD": "hallo"}, cwd="/usr").output == "hallo\n/usr\n"
    assert guest.run("pwd").output.strip() == str(ROOT)


def test_too_long_is_killed_with_all_it_has_started(guest: Guest) -> None:
    done = guest.run("echo begun; sleep 4242 & sleep 4242", timeout=1)
    assert done.code == TIMED_OUT
    assert done.output == "begun\n\nguest: killed after 1 s\n"
    assert guest.run("pgrep --full 'sleep 424[2]'").output == ""


def test_what_stays_in_the_background_holds_nobody_up(guest: Guest) -> None:
    assert guest.run("sleep 4343 & echo $!").code == 0
    assert guest.run("pkill --full 'sleep 434[3]'").code == 0


def test_of_long_output_the_end_is_kept(guest: Guest) -> None:
    output = guest.run(f"head --bytes {OUTPUT_LIMIT} /dev/zero; echo end").output
    assert len(output) == OUTPUT_LIMIT
    assert output.endswith("\0end\n")


def test_nothing_that_it_writes_reaches_the_machine(guest: Guest, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("before")
    done = guest.run(f"echo after > {mine} && echo new > {tmp_path}/new && cat {mine} {tmp_path}/new")
    assert done.output == "after\nnew\n"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert mine.read_text() == "before"


@pytest.mark.parametrize(
    "workers", [(), pytest.param(("-p", "xdist.plugin", "-n", "1"), marks=pytest.mark.slow)]
)
def test_reports_of_tests_inside(
    guest: Guest, request: pytest.FixtureRequest, tmp_path: Path, workers: tuple[str, ...]
) -> None:
    module = tmp_path / "test_of_every_end.py"
    module.write_text(TESTS_OF_EVERY_END)
    found = [
        (report.nodeid.rpartition("::")[2], report.when, report.outcome)
        for report in reports(guest, request.config, [str(module), *workers], timeout=120)
        if report.when == "call" or not report.passed
    ]
    assert found == [
        ("test_passed", "call", "passed"),
        ("test_failed", "call", "failed"),
        ("test_skipped", "call", "skipped"),
        ("test_error", "setup", "failed"),
    ]


@pytest.mark.slow
def test_no_reports_are_no_success(guest: Guest, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    module = tmp_path / "test_broken.py"
    module.write_text("import no_such_module")
    with pytest.raises(LostReportsError, match="no_such_module"):
        list(reports(guest, request.config, [str(module)], timeout=120))


@pytest.mark.slow
@pytest.mark.usefixtures("guest")
def test_a_guest_that_dies_says_why() -> None:
    with Guest() as another, pytest.raises(GuestError, match="sysrq triggered crash"):
        another.run("echo c > /proc/sysrq-trigger")


def test_a_test_that_asks_for_no_guest_runs_inside() -> None:
    assert os.uname().nodename == "vukey-guest"


def test_the_last_word_to_a_key_pulled_out_and_a_slow_machine_are_no_complaints_of_the_kernel() -> None:
    unheard = [
        "vhci_hcd: sendmsg failed!, ret=-32 for 48",
        "hrtimer: interrupt took 17772536 ns",
        "sched: RT throttling activated",
        "tsc: Marking TSC unstable due to clocksource watchdog",
    ]
    unheard_with_figures = [
        "perf: interrupt took too long (2511 > 2500), lowering kernel.perf_event_max_sample_rate to 79500",
        "clocksource: timekeeping watchdog on CPU1: hpet retried 2 times before success",
    ]
    heard = [
        "vhci_hcd: sendmsg failed!, ret=-104 for 48",
        "usbip-host: sendmsg failed!, ret=-32 for 48",
        "hrtimer: interrupt took no key",
        *(f"{line}!" for line in unheard),
    ]
    mark_kernel_log()
    for line in (*unheard, *unheard_with_figures, *heard):
        Path("/dev/kmsg").write_text(f"<3>{line}\n")
    Path("/dev/kmsg").write_text("<6>all is well\n")
    assert kernel_complaints() == heard
