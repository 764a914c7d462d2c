"""Frames in fragments: bytes by hand after CTAP 2.1, 11.4 (G40)."""

from __future__ import annotations

import tracemalloc
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.ble import (
    FEITIAN,
    GATT_PROFILES,
    MAX_FRAGMENT,
    VUKEY,
    FrameCommand,
    FrameError,
    decode_length,
    encode_length,
    fragment_size,
    fragments,
)
from protocols.ble.frames import Assembler, Frame
from protocols.errors import ProtocolError

LIMITS = {0x81: 0xFFFF, 0x83: 0xFFFF, 0xBE: 0}
HUNDRED = bytes(range(100))
THREE = [  # 100 bytes in fragments of 40: 37, 39 and 24 of them
    bytes.fromhex("83 0064") + HUNDRED[:37],
    b"\x00" + HUNDRED[37:76],
    b"\x01" + HUNDRED[76:],
]


def assembler() -> Assembler:
    return Assembler(LIMITS, urgent=FrameCommand.CANCEL)


def fed(machine: Assembler, pieces: list[bytes]) -> list[Frame | FrameError | None]:
    return [machine.feed(piece) for piece in pieces]


@pytest.mark.parametrize(
    ("command", "data", "expected"),
    [
        (FrameCommand.PING, b"", "81 0000"),
        (FrameCommand.KEEPALIVE, b"\x02", "82 0001 02"),
        (FrameCommand.CANCEL, b"", "BE 0000"),
        (FrameCommand.ERROR, b"\x04", "BF 0001 04"),
        (FrameCommand.MESSAGE, bytes.fromhex("12 0004 00840000"), "83 0007 12 0004 00840000"),
    ],
)
def test_a_frame_of_one_fragment(command: FrameCommand, data: bytes, expected: str) -> None:
    assert fragments(command, data, 20) == [bytes.fromhex(expected)]


def test_a_frame_of_three_fragments() -> None:
    assert fragments(FrameCommand.MESSAGE, HUNDRED, 40) == THREE
    assert fed(assembler(), THREE) == [None, None, (0x83, HUNDRED)]


@pytest.mark.parametrize(("size", "sizes"), [(17, [20]), (18, [20, 2]), (36, [20, 20]), (37, [20, 20, 2])])
def test_where_a_fragment_ends(size: int, sizes: list[int]) -> None:
    """With the smallest MTU: 3 bytes of header and 17 of data, then 1 and 19."""
    assert [len(piece) for piece in fragments(FrameCommand.PING, bytes(size), 20)] == sizes


def test_sequence_numbers_begin_again_after_7f() -> None:
    pieces = fragments(FrameCommand.MESSAGE, bytes(17 + 19 * 130), 20)
    assert [piece[0] for piece in pieces] == [0x83, *range(0x80), 0, 1]
    assert fed(assembler(), pieces)[-1] == (0x83, bytes(17 + 19 * 130))


def test_the_longest_frame() -> None:
    pieces = fragments(FrameCommand.MESSAGE, bytes(0xFFFF), 20)
    assert pieces[0][:3] == bytes.fromhex("83 FFFF")
    assert len(pieces) == 1 + 3449  # 65,535 - 17 = 3448 * 19 + 6
    assert fed(assembler(), pieces)[-1] == (0x83, bytes(0xFFFF))
    with pytest.raises(ProtocolError, match="65536"):
        fragments(FrameCommand.MESSAGE, bytes(0x10000), 20)


def test_what_was_cut_comes_back_at_every_size() -> None:
    for size in range(20, 513):
        for length in (0, 1, size - 4, size - 3, size - 2, 2 * size - 4, 2 * size - 3, 1500):
            data = bytes(n % 251 for n in range(length))
            pieces = fragments(FrameCommand.PING, data, size)
            assert max(map(len, pieces)) <= size
            assert fed(assembler(), pieces) == [None] * (len(pieces) - 1) + [(0x81, data)]


@given(st.binary(max_size=3000), st.integers(20, 512))
def test_any_data_come_back(data: bytes, size: int) -> None:
    assert fed(assembler(), fragments(FrameCommand.MESSAGE, data, size))[-1] == (0x83, data)


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        ([b""], FrameError.INVALID_LENGTH),
        ([b"\x83"], FrameError.INVALID_LENGTH),
        ([bytes.fromhex("8300")], FrameError.INVALID_LENGTH),
        ([bytes.fromhex("83 0001 0102")], FrameError.INVALID_LENGTH),  # more than it says
        ([bytes.fromhex("BE 0001 00")], FrameError.INVALID_LENGTH),
        ([bytes.fromhex("80 0000")], FrameError.INVALID_COMMAND),
        ([bytes.fromhex("82 0001 01")], FrameError.INVALID_COMMAND),  # the other way only
        ([bytes.fromhex("FF")], FrameError.INVALID_COMMAND),
        ([THREE[1]], FrameError.INVALID_SEQUENCE),  # the first is lost
        (
            [THREE[0], THREE[2]],
            FrameError.INVALID_SEQUENCE,
        ),  # one between is lost, or two have changed places
        ([THREE[0], THREE[0]], FrameError.INVALID_SEQUENCE),  # the first twice, or the others lost
        ([*THREE[:2], THREE[1]], FrameError.INVALID_SEQUENCE),  # twice
        ([*THREE[:2], THREE[2] + b"\0"], FrameError.INVALID_LENGTH),
        ([*THREE[:2], b"\x01"], FrameError.INVALID_LENGTH),  # brings nothing
        ([*THREE[:2], b""], FrameError.INVALID_LENGTH),
    ],
)
def test_wrong_fragments(sent: list[bytes], error: FrameError) -> None:
    machine = assembler()
    found = fed(machine, sent)
    assert found == [None] * (len(sent) - 1) + [error]
    assert not machine.incomplete
    assert fed(machine, [THREE[1], THREE[2], b"\x7f"]) == [None, None, None]  # the rest of it
    assert fed(machine, THREE) == [None, None, (0x83, HUNDRED)]


def test_a_repeated_last_fragment_is_passed_over() -> None:
    machine = assembler()
    assert fed(machine, [*THREE, THREE[2]]) == [None, None, (0x83, HUNDRED), None]
    assert fed(machine, [THREE[1], THREE[2]]) == [FrameError.INVALID_SEQUENCE, None]


def test_cancel_comes_in_the_middle() -> None:
    machine = assembler()
    assert fed(machine, [THREE[0], bytes.fromhex("BE 0000")]) == [None, (0xBE, b"")]
    assert fed(machine, THREE) == [None, None, (0x83, HUNDRED)]


def test_whether_more_is_to_come() -> None:
    machine = assembler()
    told = []
    for piece in THREE:
        told.append(machine.incomplete)
        machine.feed(piece)
    assert [*told, machine.incomplete] == [False, True, True, False]


hostile = st.binary(max_size=40) | st.sampled_from(
    [*THREE, bytes.fromhex("BE 0000"), bytes.fromhex("83FFFF00")]
)


@given(st.lists(hostile, max_size=40))
def test_any_fragments_raise_nothing(sent: list[bytes]) -> None:
    machine = assembler()
    for piece in sent:
        found = machine.feed(piece)
        assert found is None or isinstance(found, FrameError) or len(found.data) <= LIMITS[found.command]
    machine.pass_over()
    assert fed(machine, THREE)[-1] == (0x83, HUNDRED)


def test_a_million_bytes_leave_less_than_a_frame_behind() -> None:
    machine = assembler()
    pieces = [bytes.fromhex("83FFFF") + bytes(500), *(bytes((n & 0x7F,)) + bytes(500) for n in range(140))]
    tracemalloc.start()
    try:
        for _ in range(15):
            fed(machine, pieces)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 2 * 0xFFFF  # a bytearray grows by more than it needs


@pytest.mark.parametrize(
    ("mtu", "length", "size"),
    [
        (23, 512, 20),
        (247, 512, 244),
        (517, 512, 512),
        (247, 100, 100),
        (185, 182, 182),
        (0, 512, 20),
        (247, 20, 20),
    ],
)
def test_how_long_a_fragment_may_be(mtu: int, length: int, size: int) -> None:
    assert fragment_size(mtu, length) == size


def test_the_length_characteristic() -> None:
    assert encode_length(MAX_FRAGMENT) == bytes.fromhex("0200")
    assert decode_length(bytes.fromhex("00F4")) == 244
    assert [decode_length(encode_length(size)) for size in (20, 512)] == [20, 512]


@pytest.mark.parametrize("value", ["", "14", "0013", "0201", "000014", "FFFF"])
def test_a_length_that_is_none(value: str) -> None:
    with pytest.raises(ProtocolError):
        decode_length(bytes.fromhex(value))


def test_our_numbers_follow_their_rule() -> None:
    base = uuid.uuid5(uuid.NAMESPACE_URL, "urn:vukey:gatt").bytes
    made = [str(uuid.UUID(bytes=base[:2] + bytes((0, n)) + base[4:])) for n in range(1, 5)]
    assert [VUKEY.service, VUKEY.write, VUKEY.notify, VUKEY.length] == made
    assert GATT_PROFILES == {"vukey": VUKEY, "feitian": FEITIAN}


def test_feitians_numbers_spell_its_name() -> None:
    service = uuid.UUID(FEITIAN.service).bytes
    assert (service[:2], service[10:]) == (b"FT", b"FTSAFE")
    assert {FEITIAN.service[8:], FEITIAN.write[8:], FEITIAN.notify[8:]} == {"-0001-00c3-0000-465453414645"}
