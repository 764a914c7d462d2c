"""Frames of the virtual reader, against what vsmartcard's own driver sent."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import ProtocolError
from protocols.vpcd import Control, FrameDecoder, encode, parse_control

# Recorded from libifdvpcd 3.3 under pcscd 1.9.9: presence check, power on, ATR, GET CHALLENGE, presence check.
RECORDED = bytes.fromhex("000104 000101 000104 0005 0084000008 000104")
RECORDED_FRAMES = [b"\x04", b"\x01", b"\x04", bytes.fromhex("0084000008"), b"\x04"]
# What that driver took for an answer and handed to the client whole.
ACCEPTED_ANSWER = bytes.fromhex("000A 5A3C81F7E20B964D9000")

streams = st.lists(st.binary(max_size=300), max_size=8)


def feed_in_pieces(data: bytes, size: int) -> list[bytes]:
    decoder = FrameDecoder()
    return [frame for at in range(0, len(data), size) for frame in decoder.feed(data[at : at + size])]


@pytest.mark.parametrize("size", [1, 2, 3, 7, len(RECORDED)])
def test_the_recorded_stream_in_pieces_of_any_size(size: int) -> None:
    assert feed_in_pieces(RECORDED, size) == RECORDED_FRAMES


def test_the_recorded_frames_encode_to_the_recorded_stream() -> None:
    assert b"".join(map(encode, RECORDED_FRAMES)) == RECORDED


def test_an_answer_is_framed_as_the_driver_accepts_it() -> None:
    assert encode(bytes.fromhex("5A3C81F7E20B964D9000")) == ACCEPTED_ANSWER


def test_controls_of_the_recorded_stream() -> None:
    found = [parse_control(frame) for frame in RECORDED_FRAMES]
    assert found == [Control.ATR, Control.POWER_ON, Control.ATR, None, Control.ATR]


@pytest.mark.parametrize(
    ("byte", "control"),
    [
        (0, Control.POWER_OFF),
        (1, Control.POWER_ON),
        (2, Control.RESET),
        (4, Control.ATR),
        (5, Control.LOCK),
        (6, Control.UNLOCK),
    ],
)
def test_every_control(byte: int, control: Control) -> None:
    assert parse_control(bytes([byte])) is control


@pytest.mark.parametrize("byte", [3, 7, 255])
def test_one_byte_that_is_no_control_is_refused(byte: int) -> None:
    with pytest.raises(ProtocolError, match=f"0x{byte:02X}"):
        parse_control(bytes([byte]))


def test_an_empty_body_is_a_frame_and_no_control() -> None:
    assert FrameDecoder().feed(b"\0\0") == [b""]
    assert parse_control(b"") is None


def test_the_longest_body_and_one_more() -> None:
    body = bytes(65535)
    assert encode(body)[:3] == b"\xff\xff\0"
    assert FrameDecoder().feed(encode(body)) == [body]
    with pytest.raises(ProtocolError, match="65536"):
        encode(bytes(65536))


@given(streams, st.integers(1, 64))
def test_what_was_encoded_comes_back_however_it_is_cut(frames: list[bytes], size: int) -> None:
    data = b"".join(len(frame).to_bytes(2, "big") + frame for frame in frames)
    assert feed_in_pieces(data, size) == frames
    assert FrameDecoder().feed(data) == frames


@given(streams, st.binary(max_size=2))
def test_trailing_bytes_wait_for_the_rest(frames: list[bytes], start: bytes) -> None:
    data = b"".join(len(frame).to_bytes(2, "big") + frame for frame in frames)
    trailing = b"\0\x03" + start
    decoder = FrameDecoder()
    assert decoder.feed(data + trailing) == frames
    assert decoder.feed(b"abc"[: 3 - len(start)]) == [start + b"abc"[: 3 - len(start)]]


@given(st.lists(st.binary(max_size=40)))
def test_random_input_raises_nothing_but_the_protocol_error(pieces: list[bytes]) -> None:
    decoder = FrameDecoder()
    for frame in [frame for piece in pieces for frame in decoder.feed(piece)]:
        try:
            parse_control(frame)
        except ProtocolError:
            assert len(frame) == 1


def test_a_million_bytes_leave_less_than_a_frame_behind() -> None:
    decoder, piece = FrameDecoder(), bytes.fromhex("FFFF") + bytes(998)
    tracemalloc.start()
    try:
        for _ in range(1000):
            decoder.feed(piece)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 2 * 65537  # a bytearray grows by more than it needs
