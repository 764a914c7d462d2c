"""The private pcscd itself, with the bare responder as its card."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from bench.bare_responder import ATR, serve
from tests.rig.patience import PATIENCE_S
from tests.rig.pcscd import PrivatePcscd, wait_for_card

GET_CHALLENGE = bytes.fromhex("0084000008")
RESPONDER = Path(__file__).parents[2] / "bench" / "bare_responder.py"


@contextmanager
def card_in(pcscd: PrivatePcscd, port: int | None = None) -> Iterator[None]:
    """A bare responder in a slot, in a thread of this process."""
    with pcscd.connect(port) as connection:
        card = threading.Thread(target=serve, args=[connection])
        card.start()
        try:
            yield
        finally:
            with suppress(OSError):  # pcscd may have closed it first
                connection.shutdown(socket.SHUT_RDWR)
            card.join()


def assert_bare(found: tuple[bytes, bytes]) -> None:
    """The bare responder's ATR, and 8 bytes with 9000."""
    atr, answer = found
    assert atr == ATR
    assert len(answer) == 10
    assert answer[-2:] == b"\x90\x00"


def get_challenge(reader: str) -> tuple[bytes, bytes]:
    """The ATR of the card in that reader, and its answer, by pyscard."""
    from smartcard import scard  # the fixture has skipped the test if it is missing

    _, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
    code, card, protocol = scard.SCardConnect(
        context, reader, scard.SCARD_SHARE_SHARED, scard.SCARD_PROTOCOL_ANY
    )
    assert code == scard.SCARD_S_SUCCESS, scard.SCardGetErrorMessage(code)
    _, _, _, _, atr = scard.SCardStatus(card)
    code, answer = scard.SCardTransmit(card, protocol, list(GET_CHALLENGE))
    assert code == scard.SCARD_S_SUCCESS, scard.SCardGetErrorMessage(code)
    scard.SCardDisconnect(card, scard.SCARD_LEAVE_CARD)
    scard.SCardReleaseContext(context)
    return bytes(atr), bytes(answer)


def readers_listed(pcscd: PrivatePcscd) -> str:
    """What opensc-tool says of the readers."""
    return str(pcscd.run(["opensc-tool", "-l"], capture_output=True, text=True, check=True).stdout)


def test_opensc_sees_the_card_in_its_slot(fresh_pcscd: PrivatePcscd) -> None:
    with card_in(fresh_pcscd):
        wait_for_card()
        first, second = readers_listed(fresh_pcscd).splitlines()[-2:]
    assert first.split() == ["0", "Yes", "Virtual", "PCD", "00", "00"]
    assert second.split() == ["1", "No", "Virtual", "PCD", "00", "01"]


def test_pyscard_transmits_to_both_slots_of_a_reader(fresh_pcscd: PrivatePcscd) -> None:
    with card_in(fresh_pcscd), card_in(fresh_pcscd, fresh_pcscd.port + 1):
        assert_bare(get_challenge(wait_for_card(0)))
        assert_bare(get_challenge(wait_for_card(1)))


def test_a_card_that_leaves_is_seen_to_leave(fresh_pcscd: PrivatePcscd) -> None:
    with card_in(fresh_pcscd):
        reader = wait_for_card()
    assert wait_for_card(present=False) == reader


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL])
def test_restart_ends_the_connections_and_takes_new_ones(
    fresh_pcscd: PrivatePcscd, by: signal.Signals
) -> None:
    with card_in(fresh_pcscd):
        wait_for_card()
        fresh_pcscd.restart(by)
    with card_in(fresh_pcscd):
        assert_bare(get_challenge(wait_for_card()))


def test_while_pcscd_is_down_connections_are_refused(fresh_pcscd: PrivatePcscd) -> None:
    fresh_pcscd.halt()
    try:
        with pytest.raises(ConnectionRefusedError):
            fresh_pcscd.connect()
    finally:
        fresh_pcscd.start()
    fresh_pcscd.connect().close()


def test_a_program_inside_reaches_the_reader_by_its_address(fresh_pcscd: PrivatePcscd) -> None:
    card = fresh_pcscd.popen([sys.executable, str(RESPONDER), f"127.0.0.1:{fresh_pcscd.port}"])
    assert_bare(get_challenge(wait_for_card()))
    card.terminate()  # the command itself, not a wrapper that would outlive or outrun it
    assert card.wait() == -signal.SIGTERM


def test_two_instances_on_one_port_do_not_meet(fresh_pcscd: PrivatePcscd) -> None:
    with PrivatePcscd(readers=2) as other, card_in(other, other.ports[1]):
        assert other.port == fresh_pcscd.port
        other.run(["opensc-tool", "--wait", "--reader", "2", "--atr"], check=True, capture_output=True)
        cards = [line.split()[1] for line in readers_listed(other).splitlines()[-4:]]
        assert cards == ["No", "No", "Yes", "No"]
        wait_for_card(present=False)
        assert readers_listed(fresh_pcscd).count("Virtual PCD") == 2


def test_nothing_listens_on_the_machine(fresh_pcscd: PrivatePcscd) -> None:
    machine = Path("/proc/self/net/tcp").read_text() + Path("/proc/self/net/tcp6").read_text()
    inside = fresh_pcscd.run(["cat", "/proc/self/net/tcp"], capture_output=True, text=True).stdout
    listening = f":{fresh_pcscd.port:04X} 00000000:0000 0A"
    assert listening in inside
    assert listening not in machine


@pytest.mark.usefixtures("pcscd")
def test_it_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    program = """
from tests.rig.pcscd import PrivatePcscd
with PrivatePcscd() as pcscd:
    print(pcscd.environment["PCSCLITE_CSOCK_NAME"], flush=True)
    input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=RESPONDER.parents[1],
        env={**os.environ, "TMPDIR": str(tmp_path)},  # killed, it leaves its directory behind
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as owner:
        assert owner.stdout is not None
        holder = int(owner.stdout.readline().split("/")[2])
        daemon = int(Path(f"/proc/{holder}/task/{holder}/children").read_text())
        watched = [os.pidfd_open(pid) for pid in (holder, daemon)]
        owner.kill()
    for process in watched:
        ended, _, _ = select.select([process], [], [], PATIENCE_S)
        os.close(process)
        assert ended
