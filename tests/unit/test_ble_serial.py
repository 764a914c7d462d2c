"""Fragments on a serial line: ours, with RFC 1662's flags and escapes and a CRC that others have published."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.ble import (
    WHOLE,
    FragmentStream,
    FrameError,
    HostEnd,
    KeyEnd,
    Reply,
    Response,
    Transmit,
    enclose,
)
from protocols.ble.serial import crc16

PING = bytes.fromhex("81 0002 7E7D")
fragments = st.binary(min_size=1, max_size=80) | st.text("\x7d\x7e\x5d\x5e", min_size=1).map(str.encode)


def crc_by_bits(data: bytes) -> int:
    """The polynomial division itself: x^16 + x^12 + x^5 + 1, begun with ones."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021) & 0xFFFF if crc & 0x8000 else crc << 1
    return crc


def test_the_published_check_value() -> None:
    """CRC-16/IBM-3740 in the catalogue of parametrised CRC algorithms."""
    assert crc16(b"123456789") == 0x29B1


@given(st.binary(max_size=100))
def test_the_crc_by_another_way(data: bytes) -> None:
    assert crc16(data) == crc_by_bits(data)


def test_a_fragment_between_its_flags() -> None:
    assert enclose(b"123456789") == b"\x7e123456789\x29\xb1\x7e"
    crc = crc_by_bits(PING).to_bytes(2, "big")
    assert not {0x7D, 0x7E} & set(crc)
    assert enclose(PING) == bytes.fromhex("7E 81 0002 7D5E 7D5D") + crc + b"\x7e"
    assert FragmentStream().feed(enclose(PING)) == [PING]


@given(st.lists(fragments, max_size=8), st.integers(1, 64))
def test_what_was_enclosed_comes_back_however_it_is_cut(sent: list[bytes], size: int) -> None:
    data = b"".join(map(enclose, sent))
    stream = FragmentStream()
    assert [found for at in range(0, len(data), size) for found in stream.feed(data[at : at + size])] == sent
    assert not stream.incomplete


def test_one_flag_may_stand_for_two() -> None:
    assert FragmentStream().feed(enclose(PING)[:-1] + enclose(PING)) == [PING, PING]


@given(fragments)
def test_no_flag_within(fragment: bytes) -> None:
    assert 0x7E not in enclose(fragment)[1:-1]


@given(st.binary(max_size=60).map(lambda noise: noise.replace(b"\x7e", b"")), fragments)
def test_after_garbage_the_next_fragment_is_whole(noise: bytes, fragment: bytes) -> None:
    *before, last = FragmentStream().feed(noise + enclose(fragment))
    assert last == fragment
    assert len(before) <= 1


@pytest.mark.parametrize("noise", [b"login: ", b"AT\r\n", b"\0", b"\x7e\x7e\x7e", b"~~}~}}~", b"\x7e\x5a"])
def test_noise_that_is_no_frame_says_nothing(noise: bytes) -> None:
    stream = FragmentStream()
    assert stream.feed(noise) == []
    assert not stream.incomplete
    assert stream.feed(enclose(PING)) == [PING]


@pytest.mark.parametrize("at", range(1, 8))
@pytest.mark.parametrize("bit", range(8))
def test_each_changed_bit_is_found(at: int, bit: int) -> None:
    whole = bytearray(enclose(b"\x81\x00\x02\x12\x34"))
    whole[at] ^= 1 << bit
    found = FragmentStream().feed(bytes(whole))
    assert found in ([b""], [], [b"", b""])
    assert bool(found) == (whole[1] >= 0x80)


def test_each_lost_byte_is_found() -> None:
    """But for one that only escaped: then all that was said is still there."""
    piece = enclose(b"\x83\x00\x20" + bytes(range(0x60, 0x80)))
    escapes = [at for at, byte in enumerate(piece) if byte == 0x7D]
    for at in range(2, len(piece) - 1):
        found = FragmentStream().feed(piece[:at] + piece[at + 1 :])
        assert found == [b""] or at - 1 in escapes


def test_the_rest_does_not_come() -> None:
    stream, key = FragmentStream(), KeyEnd(WHOLE)
    assert stream.feed(enclose(PING)[:5]) == []
    begun = stream.incomplete
    stream.drop()
    assert (begun, stream.incomplete) == (True, False)
    assert key.timed_out() == [bytes.fromhex("BF 0001 05")]
    assert stream.feed(enclose(PING)) == [PING]


def test_a_damaged_frame_is_a_bad_length() -> None:
    key, host = KeyEnd(WHOLE), HostEnd(WHOLE)
    host.command(b"\0\x84\0\0")
    damaged = bytearray(enclose(PING))
    damaged[2] ^= 1
    [empty] = FragmentStream().feed(bytes(damaged))
    assert key.feed(empty) == [Reply([bytes.fromhex("BF 0001 03")])]
    failed = host.feed(empty)
    assert failed == (FrameError.INVALID_LENGTH, False)


def test_a_million_bytes_without_a_flag_leave_less_than_a_piece_behind() -> None:
    stream = FragmentStream()
    piece = b"\x83\xff\xff" + bytes(997)
    tracemalloc.start()
    try:
        for _ in range(1000):
            stream.feed(piece)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 2 * 131_080  # a bytearray grows by more than it needs
    assert stream.feed(b"\x7e") == [b""]
    assert stream.feed(enclose(PING)) == [PING]


@pytest.mark.parametrize("byte", [0x00, 0x7D, 0x7E])
def test_the_longest_command_and_answer(byte: int) -> None:
    """A frame is one piece, also where every byte is escaped."""
    host, key = HostEnd(WHOLE, fresh=False), KeyEnd(WHOLE)
    to_key, to_host = FragmentStream(), FragmentStream()
    apdu = bytes((byte,)) * 65532
    line = b"".join(map(enclose, host.command(apdu)))
    heard = []
    for fragment in to_key.feed(line):
        for event in key.feed(fragment):
            assert isinstance(event, Reply | Transmit)
            sent = event.fragments if isinstance(event, Reply) else key.respond(event.apdu)
            assert len(sent) == 1
            heard += [host.feed(answer) for answer in to_host.feed(enclose(sent[0]))]
    assert heard == [None, Response(apdu)]


@given(st.lists(st.binary(max_size=60) | st.just(enclose(PING)), max_size=30))
def test_any_bytes_raise_nothing(pieces: list[bytes]) -> None:
    stream, key = FragmentStream(), KeyEnd(WHOLE)
    for piece in pieces:
        for fragment in stream.feed(piece):
            key.feed(fragment)
    assert stream.feed(b"\x7e" + enclose(PING))[-1] == PING
