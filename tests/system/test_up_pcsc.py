"""`vukey up --link vpcd` in a real pcscd: seen by other people's tools, plugged and unplugged (E11, realistic use)."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.profiles import load_profile
from tests.rig.cli import PIN, Started, Up, run_directory, vukey
from tests.rig.messages import TRANSFER
from tests.rig.pcscd import PrivatePcscd, wait_for_card

PROFILE = "bocom-2g-tendyron"
ATR = load_profile(PROFILE).atr


@pytest.fixture
def run() -> Iterator[Path]:
    with run_directory() as directory:
        yield directory


def link(pcscd: PrivatePcscd) -> str:
    return f"vpcd:127.0.0.1:{pcscd.port}"


def up(run: Path, pcscd: PrivatePcscd, *arguments: str, ready: bool = True) -> Up:
    """A key for that pcscd, blank because that is quickest to make."""
    given = ("--profile", PROFILE, "--link", link(pcscd), "--stage", "blank", *arguments)
    return Up(run, *given, inside=pcscd, ready=ready)


def output(pcscd: PrivatePcscd, *command: str) -> str:
    done: subprocess.CompletedProcess[str] = pcscd.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def atr_by_pyscard(reader: str) -> bytes:
    from smartcard import scard  # the fixture has skipped the test if it is missing

    _, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
    code, card, _ = scard.SCardConnect(context, reader, scard.SCARD_SHARE_SHARED, scard.SCARD_PROTOCOL_ANY)
    assert code == scard.SCARD_S_SUCCESS, scard.SCardGetErrorMessage(code)
    _, _, _, _, atr = scard.SCardStatus(card)
    scard.SCardDisconnect(card, scard.SCARD_LEAVE_CARD)
    scard.SCardReleaseContext(context)
    return bytes(atr)


def test_every_tool_sees_the_key(run: Path, fresh_pcscd: PrivatePcscd) -> None:
    with up(run, fresh_pcscd) as key:
        assert key.facts["links"] == [link(fresh_pcscd)]
        assert key.facts["socket"] is None
        reader = wait_for_card()
        first, second = output(fresh_pcscd, "opensc-tool", "-l").splitlines()[-2:]
        assert first.split()[:2] == ["0", "Yes"]
        assert second.split()[:2] == ["1", "No"]
        said = output(fresh_pcscd, "opensc-tool", "-s", "80500000 08".replace(" ", ""))
        assert "SW1=0x90, SW2=0x00" in said
        assert reader in output(fresh_pcscd, "pcsc_scan", "-r")
        assert atr_by_pyscard(reader) == ATR
        assert ":".join(f"{byte:02x}" for byte in ATR) in output(fresh_pcscd, "opensc-tool", "--atr")
        assert key.stop() == 0
    wait_for_card(present=False)
    assert (
        "90, SW2"
        not in fresh_pcscd.run(["opensc-tool", "-s", "8050000008"], capture_output=True, text=True).stdout
    )


def test_it_waits_for_pcscd_and_outlives_it(run: Path, fresh_pcscd: PrivatePcscd) -> None:
    """Started before pcscd; after SIGTERM and SIGKILL of pcscd it is there again; one status line per change."""
    fresh_pcscd.halt()
    try:
        with up(run, fresh_pcscd, ready=False) as key:
            key.err.wait_for("waiting for pcscd")
            fresh_pcscd.start()
            for count, by in enumerate((signal.SIGTERM, signal.SIGKILL), start=1):
                key.err.wait_for("plugged into reader 0", count)
                assert atr_by_pyscard(wait_for_card()) == ATR
                fresh_pcscd.halt(by)
                key.err.wait_for("waiting for pcscd", count + 1)
                fresh_pcscd.start()
            key.err.wait_for("plugged into reader 0", 3)
            assert key.stop() == 0
            states = ["plugged" in line for line in key.err.all()]
        assert states == [False, True] * 3
    finally:
        fresh_pcscd.restart()


@pytest.mark.slow
def test_plugged_means_that_pcscd_asked(run: Path, fresh_pcscd: PrivatePcscd) -> None:
    """To be connected is not to be plugged: one waits in the backlog of a taken slot.

    The second key takes the second slot, the third says once that both are taken, and takes over when one leaves.
    """
    with up(run, fresh_pcscd) as first, up(run, fresh_pcscd) as second:
        first.err.wait_for("plugged into reader 0")
        second.err.wait_for("plugged into reader 1")
        assert len(first.err.so_far()) == len(second.err.so_far()) == 1
        assert atr_by_pyscard(wait_for_card(1)) == ATR
        with up(run, fresh_pcscd, ready=False) as third:
            third.err.wait_for("both readers are taken")
            assert first.stop(signal.SIGTERM) == 128 + signal.SIGTERM
            third.err.wait_for("plugged into reader 0")
            assert third.stop() == 0
            assert ["taken" in line for line in third.err.all()] == [True, False]


def test_socket_and_reader_hold_the_same_key(run: Path, fresh_pcscd: PrivatePcscd) -> None:
    with up(run, fresh_pcscd, "--link", "socket") as key:
        wait_for_card()
        listed = json.loads(vukey("host", "list", "--json", run=run, inside=fresh_pcscd).stdout)
        assert {token["serial"] for token in listed} == {key.serial}
        assert [token["token"].partition(":")[0] for token in listed] == ["socket", "pcsc"]
        one = vukey("host", "info", run=run, inside=fresh_pcscd)  # two ways to one key are one key
        assert one.returncode == 0, one.stderr
        assert f"socket:{key.serial}" in one.stdout


def test_a_list_in_between_does_not_end_another_programs_wait(run: Path, fresh_pcscd: PrivatePcscd) -> None:
    """E11 is for the one who loses the key: what happens on the other link takes nothing from a waiting host."""
    message = run / "message.xml"
    message.write_bytes(TRANSFER)
    links = ("--link", link(fresh_pcscd), "--link", "socket", "--panel")
    with Up(run, "--profile", "ccb-shield-gd", *links, inside=fresh_pcscd) as key:
        wait_for_card()
        command = ("host", "sign", message, "--alg", "sm2", "--token", "pcsc")
        with Started(*command, run=run, inside=fresh_pcscd, VUKEY_PIN=PIN) as sign:
            sign.err.wait_for("press OK on the key")
            busy = [token["busy"] for token in json.loads(vukey("host", "list", "--json", run=run).stdout)]
            assert busy == [True]
            for action in (("clock", "advance", "1s"), ("press", "ok")):
                assert vukey("key", *action, run=run, inside=fresh_pcscd).returncode == 0
            assert sign.wait() == 0, sign.err.all()
        assert key.stop() == 0


@pytest.mark.slow
def test_an_idle_readers_power_off_does_not_end_a_wait_on_the_socket(
    run: Path, fresh_pcscd: PrivatePcscd
) -> None:
    """pcscd takes an unused card's power away after 5 s, and `vukey host` has just used it to look around."""
    message = run / "message.xml"
    message.write_bytes(TRANSFER)
    links = ("--link", link(fresh_pcscd), "--link", "socket")
    with Up(run, "--profile", "ccb-shield-gd", *links, "--approve", "8", inside=fresh_pcscd) as key:
        wait_for_card()
        done = vukey("host", "sign", message, "--alg", "sm2", run=run, inside=fresh_pcscd, VUKEY_PIN=PIN)
        assert done.returncode == 0, done.stderr
        assert key.stop() == 0


def test_a_command_with_the_key_plugged(run: Path, fresh_pcscd: PrivatePcscd) -> None:
    command = ("--", "opensc-tool", "--atr")
    with up(run, fresh_pcscd, *command, ready=False) as key:
        assert key.process.wait(30) == 0
        assert ":".join(f"{byte:02x}" for byte in ATR) in key.out.all()
