"""APDUs in HID reports, against the frames of a published macOS driver for Longmai's GM3000 (G37)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import ProtocolError
from protocols.hid import HID_DESCRIPTOR, REPORT_DESCRIPTOR, HidDecoder, HidMessage, Way, reports

NOTHING = bytes(14)
RANDOM = bytes.fromhex("80500000000008")
ONE_REPORT = (bytes.fromhex("DE FE01") + NOTHING + bytes.fromhex("0A0000 01 12 0007") + RANDOM).ljust(
    64, b"\0"
)
"""GenRandom, sequence 1; the tag is D4 + 0A. What the driver calls byte 1 is our byte 0: it counts a report number."""
SIGNING = bytes.fromhex("8074020000002410003001") + bytes(range(32))
TWO_REPORTS = [
    bytes.fromhex("BF FE01") + NOTHING + bytes.fromhex("2E0000 02 12 002B") + SIGNING[:40],
    (bytes.fromhex("43") + SIGNING[40:]).ljust(64, b"\0"),
]
"""ECCSignData of a digest, sequence 2: 43 bytes, of which the first report holds 40."""
OPENED = bytes.fromhex("00000010 08 08 0100 1000 9000")
ANSWER = (bytes.fromhex("E3 AAAA 0F0000") + NOTHING + bytes.fromhex("01 12 000C") + OPENED).ljust(64, b"\0")
"""OpenApplication's twelve bytes: the driver's notes have the tag E3 for it."""


def decoded(way: Way, frames: list[bytes]) -> list[HidMessage]:
    decoder = HidDecoder(way)
    return [message for message in map(decoder.feed, frames) if message is not None]


def test_an_apdu_in_one_report() -> None:
    assert reports(Way.TO_KEY, 1, RANDOM) == [ONE_REPORT]
    assert decoded(Way.TO_KEY, [ONE_REPORT]) == [(1, RANDOM)]


def test_an_apdu_in_two_reports() -> None:
    assert reports(Way.TO_KEY, 2, SIGNING) == TWO_REPORTS
    assert decoded(Way.TO_KEY, TWO_REPORTS) == [(2, SIGNING)]


def test_an_answer() -> None:
    assert reports(Way.FROM_KEY, 1, OPENED) == [ANSWER]
    assert decoded(Way.FROM_KEY, [ANSWER]) == [(1, OPENED)]


@pytest.mark.parametrize(
    ("size", "tags"),
    [
        (2, "D9"),
        (40, "FF"),
        (41, "BF 41"),
        (103, "BF 7F"),
        (104, "BF 3F 41"),
        (290, "BF 3F 3F 3F 7D"),
    ],
)
def test_where_a_report_stands_and_how_much_of_it_counts(size: int, tags: str) -> None:
    frames = reports(Way.FROM_KEY, 9, bytes(size))
    assert bytes(frame[0] for frame in frames) == bytes.fromhex(tags)
    assert all(len(frame) == 64 for frame in frames)


def test_the_longest_message() -> None:
    frames = reports(Way.TO_KEY, 255, bytes(0xFFFF))
    assert frames[0][17:20] == bytes.fromhex("020001")  # 65,538 with its envelope, little-endian
    assert decoded(Way.TO_KEY, frames) == [(255, bytes(0xFFFF))]
    with pytest.raises(ProtocolError):
        reports(Way.TO_KEY, 255, bytes(0x10000))


def test_a_first_report_begins_afresh() -> None:
    assert decoded(Way.TO_KEY, [TWO_REPORTS[0], ONE_REPORT, *TWO_REPORTS]) == [(1, RANDOM), (2, SIGNING)]


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        bytes(65),
        b"\xd0" + ONE_REPORT[1:],  # counts too few bytes for a header
        b"\xde\xff" + ONE_REPORT[2:],
        b"\xdd" + ONE_REPORT[1:],  # one byte short of its envelope
        ONE_REPORT[:21] + b"\x13" + ONE_REPORT[22:],
        ANSWER,
        TWO_REPORTS[1],
        b"\x3f" + bytes(63),
    ],
)
def test_what_is_no_report_of_a_message(frame: bytes) -> None:
    decoder = HidDecoder(Way.TO_KEY)
    with pytest.raises(ProtocolError):
        decoder.feed(frame)
    assert decoder.feed(ONE_REPORT) == (1, RANDOM)


def test_a_message_without_end_is_given_up() -> None:
    decoder = HidDecoder(Way.TO_KEY)
    decoder.feed(TWO_REPORTS[0])
    for _ in range((20 + 0x10002 - 63) // 63):
        decoder.feed(b"\x3f" + bytes(63))
    with pytest.raises(ProtocolError):
        decoder.feed(b"\x3f" + bytes(63))


@given(st.lists(st.binary(max_size=70) | st.sampled_from([ONE_REPORT, ANSWER, *TWO_REPORTS]), max_size=12))
def test_any_bytes_raise_nothing_else(frames: list[bytes]) -> None:
    decoder = HidDecoder(Way.TO_KEY)
    for frame in frames:
        try:
            decoder.feed(frame)
        except ProtocolError:
            continue


def test_the_descriptors() -> None:
    descriptor = bytes.fromhex("09 21 1101 00 01 22 1900")  # HID 1.11, 6.2.1
    assert descriptor == HID_DESCRIPTOR
    layout = bytes.fromhex("0600FF0901A101150026FF00750895400901810209019102C0")
    assert layout == REPORT_DESCRIPTOR
