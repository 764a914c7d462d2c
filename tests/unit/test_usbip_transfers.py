"""IN endpoints over USB/IP: which request gets which bytes, and when one ends (USB 2.0, 5.8.3)."""

from __future__ import annotations

import struct

import pytest

from emulator.links.usb.transfers import MAX_WAITING, InEndpoint
from protocols.errors import ProtocolError
from protocols.usbip import Submit

PACKET = 512
STALL, SHORT = -32, -121


def wants(number: int, room: int, *, short_not_ok: bool = False) -> Submit:
    return Submit(number, 0x81, room, bytes(8), short_not_ok, bytes(8))


def answers(stream: bytes) -> list[tuple[int, int, bytes]]:
    """Number, status and data of each RET_SUBMIT."""
    found = []
    while stream:
        _, number, _, _, _, status, size = struct.unpack_from(">5I2i", stream)
        found.append((number, status, stream[48 : 48 + size]))
        stream = stream[48 + size :]
    return found


@pytest.fixture
def halted() -> set[int]:
    return set()


@pytest.fixture
def endpoint(halted: set[int]) -> InEndpoint:
    return InEndpoint(0x81, PACKET, halted)


def test_a_request_waits_for_data(endpoint: InEndpoint) -> None:
    assert endpoint.request(wants(1, 1024)) == b""
    assert answers(endpoint.send(b"abc", True)) == [(1, 0, b"abc")]


def test_data_wait_for_a_request(endpoint: InEndpoint) -> None:
    assert endpoint.send(b"abc", True) == b""
    assert answers(endpoint.request(wants(1, 1024))) == [(1, 0, b"abc")]


def test_a_request_gets_no_more_than_it_has_room_for(endpoint: InEndpoint) -> None:
    endpoint.send(bytes(range(10)), True)
    assert answers(endpoint.request(wants(1, 4))) == [(1, 0, bytes(range(4)))]
    assert answers(endpoint.request(wants(2, 4))) == [(2, 0, bytes(range(4, 8)))]
    assert answers(endpoint.request(wants(3, 4))) == [(3, 0, bytes(range(8, 10)))]
    assert endpoint.request(wants(4, 4)) == b""


def test_each_message_ends_a_request(endpoint: InEndpoint) -> None:
    endpoint.send(b"one", True)
    endpoint.send(b"two", True)
    endpoint.request(wants(1, 1024))
    assert answers(endpoint.request(wants(2, 1024))) == [(2, 0, b"two")]


def test_an_empty_packet_ends_a_message_of_whole_packets(endpoint: InEndpoint) -> None:
    endpoint.request(wants(1, 2048))
    assert answers(endpoint.send(bytes(1024), True)) == [(1, 0, bytes(1024))]


def test_without_room_the_empty_packet_ends_the_next_request(endpoint: InEndpoint) -> None:
    endpoint.send(bytes(512), True)
    endpoint.send(b"next", True)
    assert answers(endpoint.request(wants(1, 512))) == [(1, 0, bytes(512))]
    assert answers(endpoint.request(wants(2, 512))) == [(2, 0, b"")]
    assert answers(endpoint.request(wants(3, 512))) == [(3, 0, b"next")]


def test_whole_packets_of_no_message_leave_the_request_open(endpoint: InEndpoint) -> None:
    endpoint.request(wants(1, 2048))
    assert endpoint.send(bytes(512), False) == b""
    assert endpoint.send(bytes(1024), False) == b""
    assert answers(endpoint.send(b"end", False)) == [(1, 0, bytes(1536) + b"end")]


def test_a_full_request_ends_without_a_short_packet(endpoint: InEndpoint) -> None:
    endpoint.request(wants(1, 1024))
    endpoint.send(bytes(512), False)
    assert answers(endpoint.send(b"\1" * 512, False)) == [(1, 0, bytes(512) + b"\1" * 512)]
    endpoint.send(b"csw", False)
    assert answers(endpoint.request(wants(2, 1024))) == [(2, 0, b"csw")]


def test_one_message_can_fill_several_waiting_requests(endpoint: InEndpoint) -> None:
    for number in (1, 2, 3):
        endpoint.request(wants(number, 512))
    filled = answers(endpoint.send(b"\2" * 1100, True))
    assert [(number, len(data)) for number, _, data in filled] == [(1, 512), (2, 512), (3, 76)]


def test_too_little_is_an_error_to_a_request_that_says_so(endpoint: InEndpoint) -> None:
    endpoint.send(b"abc", True)
    assert answers(endpoint.request(wants(1, 8, short_not_ok=True))) == [(1, SHORT, b"abc")]
    endpoint.send(b"abc", True)
    assert answers(endpoint.request(wants(2, 3, short_not_ok=True))) == [(2, 0, b"abc")]


def test_an_unlinked_request_is_answered_no_more(endpoint: InEndpoint) -> None:
    endpoint.request(wants(1, 64))
    endpoint.request(wants(2, 64))
    assert endpoint.unlink(1)
    assert not endpoint.unlink(1)
    assert answers(endpoint.send(b"abc", True)) == [(2, 0, b"abc")]


def test_dropped_data_never_arrive(endpoint: InEndpoint) -> None:
    endpoint.send(b"stale", True)
    endpoint.clear()
    assert endpoint.request(wants(1, 64)) == b""


def test_a_halt_comes_after_what_was_sent(endpoint: InEndpoint, halted: set[int]) -> None:
    endpoint.send(b"data", False)
    endpoint.halt()
    assert answers(endpoint.request(wants(1, 64))) == [(1, 0, b"data")]
    assert not halted
    assert answers(endpoint.request(wants(2, 64))) == [(2, STALL, b"")]
    assert halted == {0x81}
    assert answers(endpoint.request(wants(3, 64))) == [(3, STALL, b"")]


def test_a_halt_ends_an_open_request_with_what_it_has(endpoint: InEndpoint) -> None:
    endpoint.request(wants(1, 2048))
    endpoint.send(bytes(512), False)
    assert answers(endpoint.halt()) == [(1, STALL, bytes(512))]


def test_what_is_sent_during_a_halt_comes_after_it(endpoint: InEndpoint, halted: set[int]) -> None:
    endpoint.halt()
    endpoint.request(wants(1, 64))
    assert endpoint.send(b"csw", False) == b""
    halted.clear()
    assert answers(endpoint.request(wants(2, 64))) == [(2, 0, b"csw")]


def test_requests_are_bounded(endpoint: InEndpoint) -> None:
    for number in range(MAX_WAITING):
        endpoint.request(wants(number, 64))
    with pytest.raises(ProtocolError):
        endpoint.request(wants(MAX_WAITING, 64))


def test_an_endpoint_is_full_until_the_host_takes_something(endpoint: InEndpoint) -> None:
    sent = 0
    while not endpoint.is_full():
        endpoint.send(b"x", True)
        sent += 1
    assert 1 < sent < 100
    endpoint.request(wants(1, 64))
    assert not endpoint.is_full()


def test_halted_again_and_again_it_is_halted_once(endpoint: InEndpoint, halted: set[int]) -> None:
    """A disk halts anew whenever the host clears the halt of a command that was none (BOT 1.0, 6.6.1)."""
    for _ in range(1000):
        endpoint.halt()
    assert not endpoint.is_full()
    assert answers(endpoint.request(wants(1, 13))) == [(1, STALL, b"")]
    halted.clear()
    assert endpoint.request(wants(2, 13)) == b""
