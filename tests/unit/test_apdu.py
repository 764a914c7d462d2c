"""The seven forms of a command APDU (ISO/IEC 7816-3 §12.1.3, fact G1) and the response."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.apdu import (
    ApduError,
    Command,
    Response,
    encode_command,
    encode_response,
    parse_command,
    parse_response,
)

CAPTURED = json.loads((Path(__file__).parents[1] / "vectors" / "gmt" / "commands.json").read_text("utf-8"))
HEAD = bytes.fromhex("80A41234")

# The table of ISO/IEC 7816-3 (cases 1, 2S, 3S, 4S, 2E, 3E, 4E), bytes set by hand at the smallest and largest sizes.
FORMS = [
    ("1", b"", b"", None),
    ("2S", b"\x01", b"", 1),
    ("2S", b"\xff", b"", 255),
    ("2S", b"\x00", b"", 256),
    ("3S", b"\x01\xaa", b"\xaa", None),
    ("3S", b"\x02\x00\x00", b"\x00\x00", None),
    ("3S", b"\xff" + b"\xaa" * 255, b"\xaa" * 255, None),
    ("4S", b"\x01\xaa\x01", b"\xaa", 1),
    ("4S", b"\x01\xaa\x00", b"\xaa", 256),
    ("4S", b"\xff" + b"\xaa" * 255 + b"\xff", b"\xaa" * 255, 255),
    ("2E", b"\x00\x00\x01", b"", 1),
    ("2E", b"\x00\x01\x00", b"", 256),
    ("2E", b"\x00\xff\xff", b"", 65535),
    ("2E", b"\x00\x00\x00", b"", 65536),
    ("3E", b"\x00\x00\x01\xaa", b"\xaa", None),
    ("3E", b"\x00\x01\x00" + b"\xaa" * 256, b"\xaa" * 256, None),
    ("3E", b"\x00\xff\xff" + b"\xaa" * 65535, b"\xaa" * 65535, None),
    ("4E", b"\x00\x00\x01\xaa\x00\x01", b"\xaa", 1),
    ("4E", b"\x00\x00\x01\xaa\x00\x00", b"\xaa", 65536),
    ("4E", b"\x00\xff\xff" + b"\xaa" * 65535 + b"\xff\xff", b"\xaa" * 65535, 65535),
]
FORM_IDS = [f"{case}-{len(data)}-{le}" for case, _, data, le in FORMS]

octets = st.integers(0, 255)


@pytest.mark.parametrize(("case", "body", "data", "le"), FORMS, ids=FORM_IDS)
def test_every_form_both_ways(case: str, body: bytes, data: bytes, le: int | None) -> None:
    command = Command(0x80, 0xA4, 0x12, 0x34, data, le, case.endswith("E"))
    assert parse_command(HEAD + body) == command
    assert encode_command(command) == HEAD + body
    assert command.header == HEAD


def test_case_1_is_the_same_in_both_forms() -> None:
    assert encode_command(Command(0x80, 0xA4, 0x12, 0x34, extended=True)) == HEAD


@pytest.mark.parametrize("vector", CAPTURED, ids=lambda vector: vector["name"])
def test_commands_of_a_real_host_both_ways(vector: dict[str, object]) -> None:  # G1
    raw = bytes.fromhex(str(vector["hex"]))
    command = parse_command(raw)
    assert command.cla == 0x80
    assert f"{command.ins:02X}" == vector["ins"]
    assert (command.p1, command.p2, command.le) == (vector["p1"], vector["p2"], vector["le"])
    assert command.data.hex().upper() == vector["data"]
    assert command.extended
    assert encode_command(command) == raw


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("00 00", id="an extended length of two bytes"),
        pytest.param("00 0000 01", id="extended Lc 0, then one byte"),
        pytest.param("00 0000 0001", id="extended Lc 0, then Le"),
        pytest.param("00 0001 AA 01", id="extended Lc, then a short Le"),
        pytest.param("00 0001 AA 000001", id="extended Lc, then an Le of three bytes"),
        pytest.param("01 AA 0001", id="short Lc, then an extended Le"),
        pytest.param("02 AA", id="short Lc past the end"),
        pytest.param("00 0002 AA", id="extended Lc past the end"),
    ],
)
def test_what_is_none_of_the_forms_is_refused(body: str) -> None:
    with pytest.raises(ApduError):
        parse_command(HEAD + bytes.fromhex(body))


def lengths_that_parse(raw: bytes) -> list[int]:
    found = []
    for end in range(len(raw) + 1):
        with suppress(ApduError):
            parse_command(raw[:end])
            found.append(end)
    return found


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        # Cut short, a command is another form only where the table says so: header, lone Le, without Le.
        pytest.param("05 1122334455 00", [4, 5, 10, 11], id="4S"),
        pytest.param("00 0005 1122334455 0000", [4, 5, 7, 12, 14], id="4E"),
    ],
)
def test_truncation_at_each_byte(body: str, expected: list[int]) -> None:
    assert lengths_that_parse(HEAD + bytes.fromhex(body)) == expected


@given(raw=st.binary(max_size=600))
def test_any_bytes_parse_or_raise_an_apdu_error(raw: bytes) -> None:
    try:
        command = parse_command(raw)
    except ApduError:
        return
    assert encode_command(command) == raw


@given(
    head=st.binary(min_size=4, max_size=4),
    lc=st.integers(0, 300),
    slack=st.integers(-3, 4),
    long=st.booleans(),
)
def test_only_a_fitting_lc_is_taken(head: bytes, lc: int, slack: int, long: bool) -> None:
    lead = b"\0" + lc.to_bytes(2) if long else bytes((lc % 255 + 1,))
    size = lc if long else lead[0]
    raw = head + lead + bytes(max(0, size + slack))
    fits = slack in ((0, 2) if long else (0, 1)) and size > 0
    lone_le = len(raw) == 5 or (long and len(raw) == 7)
    try:
        command = parse_command(raw)
    except ApduError:
        assert not fits
        assert not lone_le
    else:
        assert fits or lone_le
        assert command.data == (bytes(size) if fits else b"")


@given(st.data())
def test_round_trip(data: st.DataObject) -> None:
    extended = data.draw(st.booleans())
    most = 0x10000 if extended else 0x100
    command = Command(
        *data.draw(st.tuples(octets, octets, octets, octets)),
        data.draw(st.binary(max_size=min(most - 1, 2000))),
        data.draw(st.none() | st.integers(1, most)),
        extended,
    )
    parsed = parse_command(encode_command(command))
    if command.data or command.le:
        assert parsed == command
    else:
        assert parsed == command._replace(extended=False)


@pytest.mark.parametrize(
    "command",
    [
        Command(0, 0, data=bytes(256), extended=False),
        Command(0, 0, data=bytes(65536)),
        Command(0, 0, le=257, extended=False),
        Command(0, 0, le=65537),
        Command(0, 0, le=0),
        Command(0, 0, le=-1),
    ],
    ids=["short data", "extended data", "short Le", "extended Le", "Le 0", "negative Le"],
)
def test_what_does_not_fit_the_form_is_not_encoded(command: Command) -> None:
    with pytest.raises(ApduError):
        encode_command(command)


@pytest.mark.parametrize(
    ("raw", "response"),
    [
        ("9000", Response(b"", 0x9000)),
        ("63C5", Response(b"", 0x63C5)),
        ("01026A9E", Response(b"\1\2", 0x6A9E)),
    ],
)
def test_responses_both_ways(raw: str, response: Response) -> None:
    assert parse_response(bytes.fromhex(raw)) == response
    assert encode_response(*response) == bytes.fromhex(raw)


@pytest.mark.parametrize("raw", [b"", b"\x90"])
def test_a_response_shorter_than_a_status_word_is_refused(raw: bytes) -> None:
    with pytest.raises(ApduError):
        parse_response(raw)


@given(data=st.binary(max_size=300), sw=st.integers(0, 0xFFFF))
def test_response_round_trip(data: bytes, sw: int) -> None:
    assert parse_response(encode_response(data, sw)) == Response(data, sw)
