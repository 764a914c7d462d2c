"""Layouts of GM/T 0017's data, at the published offsets (G2, G5, G6, G14, G15, G23)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import gmt
from protocols.dialect import DEFAULT, DIALECTS, Dialect, DialectError, dialect_named
from protocols.errors import ProtocolError
from protocols.fields import (
    Fields,
    LayoutError,
    decode_names,
    encode_names,
    fixed_text,
    parse_text,
    u16,
    u32,
)
from protocols.gmt import (
    ActivationVerifier,
    ApplicationInfo,
    ContainerInfo,
    DeviceInfo,
    Ins,
    NewApplication,
    PinInfo,
)

VECTORS = Path(__file__).parents[1] / "vectors" / "gmt"
LITTLE = Dialect(byte_order="little")
WIDE_NAMES = Dialect(application_name=48)

dialects = st.sampled_from([DEFAULT, LITTLE, WIDE_NAMES])
u8s, u16s, u32s = st.integers(0, 0xFF), st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)
scalars = st.integers(1, 0xD7FF) | st.integers(0xE000, 0x10FFFF)
names = st.text(scalars.map(chr), min_size=1, max_size=8)

Order = Literal["big", "little"]


# GetDevInfo. Offsets are the running sums of G5's widths.

DEVICE = DeviceInfo(
    manufacturer="天地融",
    issuer="Bank",
    label="My key",
    serial="5012345678",
    hardware_version=(1, 2),
    firmware_version=(3, 4),
    symmetric=0x0401,
    asymmetric=0x00030100,
    hashes=7,
    dev_auth_algorithm=0x0401,
    total_space=0x00020000,
    free_space=0x0001ABCD,
    max_apdu_data=0x0F80,
    max_containers=16,
    max_certificates=17,
    max_files=0x0102,
    user_auth_method=0x0304,
    device_type=0x0506,
)


def device_block(order: Order) -> bytes:
    block = bytearray(288)
    for at, raw in [
        (0, b"\x01\x00"),
        (2, b"\x01\x00"),
        (4, bytes.fromhex("E5A4A9E59CB0E89E8D")),
        (68, b"Bank"),
        (132, b"My key"),
        (164, b"5012345678"),
        (196, b"\x01\x02"),
        (198, b"\x03\x04"),
    ]:
        block[at : at + len(raw)] = raw
    for at, size, number in [
        (200, 4, 0x0401),
        (204, 4, 0x00030100),
        (208, 4, 7),
        (212, 4, 0x0401),
        (216, 4, 0x00020000),
        (220, 4, 0x0001ABCD),
        (224, 2, 0x0F80),
        (226, 2, 0x0304),
        (228, 2, 0x0506),
        (230, 1, 16),
        (231, 1, 17),
        (232, 2, 0x0102),
    ]:
        block[at : at + size] = number.to_bytes(size, order)
    return bytes(block)


@pytest.mark.parametrize("order", ["big", "little"])
def test_get_dev_info_at_its_offsets(order: Order) -> None:  # G5, G2
    dialect = Dialect(byte_order=order)
    assert DEVICE.encode(dialect) == device_block(order)
    assert DeviceInfo.decode(device_block(order), dialect) == DEVICE


def test_noise_in_the_reserved_bytes_is_ignored() -> None:  # G5
    assert DeviceInfo.decode(device_block("big")[:234] + b"\xff" * 54) == DEVICE


@pytest.mark.parametrize("size", [0, 287, 289, 294])
def test_get_dev_info_has_288_bytes(size: int) -> None:  # G5; 294 is the DEVINFO of the interface
    with pytest.raises(LayoutError):
        DeviceInfo.decode(bytes(size))


@pytest.mark.parametrize("at", [4, 68, 132, 164])
def test_texts_that_are_not_utf8_are_refused(at: int) -> None:
    raw = bytearray(device_block("big"))
    raw[at] = 0xFF
    with pytest.raises(LayoutError):
        DeviceInfo.decode(bytes(raw))


@pytest.mark.parametrize(
    ("field", "width"), [("manufacturer", 64), ("issuer", 64), ("label", 32), ("serial", 32)]
)
def test_texts_fill_their_fields_and_no_more(field: str, width: int) -> None:  # G5
    full: dict[str, Any] = {field: "x" * width}
    assert DeviceInfo.decode(DEVICE._replace(**full).encode()) == DEVICE._replace(**full)
    over: dict[str, Any] = {field: "x" * (width + 1)}
    with pytest.raises(LayoutError):
        DEVICE._replace(**over).encode()


# CreateApplication and OpenApplication

APPLICATION = NewApplication("网银", b"admin", 6, b"12345678", 10, 0xFF, 4, 5, 0x0102)


def application_data(order: Order, width: int) -> bytes:
    big = order == "big"
    return (
        bytes.fromhex("E7BD91E993B6").ljust(width, b"\0")
        + b"admin".ljust(16, b"\0")
        + bytes.fromhex("00000006" if big else "06000000")
        + b"12345678".ljust(16, b"\0")
        + bytes.fromhex("0000000A" if big else "0A000000")
        + bytes.fromhex("000000FF" if big else "FF000000")
        + bytes.fromhex("0405")
        + bytes.fromhex("0102" if big else "0201")
    )


def test_no_repr_tells_a_pin() -> None:
    assert "admin" not in repr(APPLICATION)
    assert "12345678" not in repr(APPLICATION)


@pytest.mark.parametrize("order", ["big", "little"])
@pytest.mark.parametrize(("width", "size"), [(32, 80), (48, 96)])
def test_create_application(order: Order, width: int, size: int) -> None:  # G14, G2
    dialect = Dialect(byte_order=order, application_name=width)
    data = application_data(order, width)
    assert len(data) == size
    assert APPLICATION.encode(dialect) == data
    assert NewApplication.decode(data, dialect) == APPLICATION


def test_create_application_takes_pins_of_a_block_and_no_more() -> None:  # G14
    assert NewApplication.decode(APPLICATION._replace(user_pin=b"9" * 16).encode()).user_pin == b"9" * 16
    for field in ("admin_pin", "user_pin"):
        over: dict[str, Any] = {field: b"9" * 17}
        with pytest.raises(LayoutError) as caught:
            APPLICATION._replace(**over).encode()
        assert "999" not in str(caught.value)


def test_create_application_refuses_a_name_that_does_not_fit() -> None:  # G14
    long = APPLICATION._replace(name="n" * 33)
    with pytest.raises(LayoutError):
        long.encode()
    assert NewApplication.decode(long.encode(WIDE_NAMES), WIDE_NAMES) == long


@pytest.mark.parametrize(
    ("dialect", "raw"), [(DEFAULT, "000000FF 04 05 0102 1000"), (LITTLE, "FF000000 04 05 0201 1000")]
)
def test_open_application_answers_ten_bytes(dialect: Dialect, raw: str) -> None:
    # The width of the answer is the Le of a real host's command (tests/vectors/gmt); handles are opaque (G2).
    info = ApplicationInfo(0xFF, 4, 5, 0x0102, b"\x10\x00")
    assert info.encode(dialect) == bytes.fromhex(raw)
    assert ApplicationInfo.decode(bytes.fromhex(raw), dialect) == info
    assert len(bytes.fromhex(raw)) == 10


# GetPINInfo and GetContainerInfo


@pytest.mark.parametrize(
    ("raw", "info"), [("060501", PinInfo(6, 5, True)), ("0A0A00", PinInfo(10, 10, False))]
)
def test_get_pin_info(raw: str, info: PinInfo) -> None:  # G6
    assert info.encode() == bytes.fromhex(raw)
    assert PinInfo.decode(bytes.fromhex(raw)) == info


def test_a_real_keys_container() -> None:  # G15, tests/vectors/gmt
    vector = json.loads((VECTORS / "container-info.json").read_text("utf-8"))
    raw = bytes.fromhex(vector.pop("hex"))
    info = ContainerInfo.decode(raw)
    assert info == ContainerInfo(**vector)
    assert info.type == gmt.ContainerType.ECC
    assert info.encode() == raw


def test_a_container_in_the_other_byte_order() -> None:  # G2
    raw = bytes.fromhex("01 00080000 00040000 01 00")
    assert ContainerInfo.decode(raw, LITTLE) == ContainerInfo(1, 2048, 1024, True, False)
    assert ContainerInfo(1, 2048, 1024, True, False).encode(LITTLE) == raw


def test_activation_verifier() -> None:  # G23
    raw = b"\xa5" * 16 + b"\x5a" * 32 + b"\x06"
    assert ActivationVerifier.decode(raw) == ActivationVerifier(b"\xa5" * 16, b"\x5a" * 32, 6)
    assert ActivationVerifier(b"\xa5" * 16, b"\x5a" * 32, 6).encode() == raw


def test_an_rsa_modulus_is_as_long_as_it_is() -> None:  # G18
    n = int("C1" + "00" * 126 + "01", 16)
    key = gmt.RsaPublicKey(n, 65537)
    assert key.bits == 1024
    assert key.encode_modulus() == bytes.fromhex("C1" + "00" * 126 + "01")


# Lists of names


@pytest.mark.parametrize(
    ("listed", "raw"),
    [
        ([], "00"),
        (["A"], "4100 00"),
        (["A", "网银"], "4100 E7BD91E993B600 00"),
    ],
)
def test_lists_of_names(listed: list[str], raw: str) -> None:
    assert encode_names(listed) == bytes.fromhex(raw)
    assert decode_names(bytes.fromhex(raw)) == listed


@pytest.mark.parametrize(
    ("raw", "listed"),
    [
        (b"", []),
        (b"\0\0", []),
        (b"A", ["A"]),
        (b"A\0B", ["A", "B"]),
        (b"A\0\0rest\0\0", ["A"]),
        (b"\0rest\0\0", []),
        (b"A\0\0\xff", ["A"]),
    ],
)
def test_a_list_ends_at_the_first_empty_name(raw: bytes, listed: list[str]) -> None:
    assert decode_names(raw) == listed


@given(st.lists(names, max_size=5))
def test_lists_of_names_round_trip(listed: list[str]) -> None:
    assert decode_names(encode_names(listed)) == listed


@pytest.mark.parametrize("decoder", [decode_names, parse_text])
def test_names_that_are_not_utf8_are_refused(decoder: Callable[[bytes], object]) -> None:
    with pytest.raises(LayoutError):
        decoder(b"\xb9\xa4\xc9\xcc\0\0")  # GBK


def test_a_name_that_is_too_long_is_named() -> None:
    assert fixed_text("网银", 6) == bytes.fromhex("E7BD91E993B6")
    with pytest.raises(LayoutError, match="网银"):
        fixed_text("网银", 5)


# Fields


def test_fields_in_order() -> None:
    fields = Fields(bytes.fromhex("01 0203 00000002 AABB CC"))
    assert (fields.number(1), fields.take(2), fields.counted()) == (1, b"\x02\x03", b"\xaa\xbb")
    with pytest.raises(LayoutError):
        fields.end()
    assert fields.rest() == b"\xcc"
    assert fields.rest() == b""
    fields.end()


def test_fields_in_the_other_byte_order() -> None:  # G2
    assert Fields(bytes.fromhex("02000000 AABB"), LITTLE).counted() == b"\xaa\xbb"
    assert Fields(bytes.fromhex("0100"), LITTLE).number(2) == 1


@pytest.mark.parametrize("raw", ["", "000000", "00000003AABB", "FFFFFFFFAABB"])
def test_a_counted_field_that_ends_early(raw: str) -> None:
    with pytest.raises(LayoutError):
        Fields(bytes.fromhex(raw)).counted()


@pytest.mark.parametrize(("encode", "limit"), [(u16, 1 << 16), (u32, 1 << 32)])
def test_an_integer_that_does_not_fit_its_field(encode: Callable[[int], bytes], limit: int) -> None:
    assert encode(limit - 1) == b"\xff" * ((limit - 1).bit_length() // 8)
    for value in (limit, -1):
        with pytest.raises(LayoutError, match=f"{value} does not fit"):
            encode(value)


def test_integer_fields() -> None:  # G2
    assert u32(0x01020304) == bytes.fromhex("01020304")
    assert u32(0x01020304, LITTLE) == bytes.fromhex("04030201")
    assert u16(0x0102) == bytes.fromhex("0102")
    assert u16(0x0102, LITTLE) == bytes.fromhex("0201")


# Every decoder: exact length, any bytes, round trip

Decoder = Callable[[bytes, Dialect], Any]

DECODERS: list[tuple[Decoder, int]] = [
    (DeviceInfo.decode, 288),
    (NewApplication.decode, 80),
    (ApplicationInfo.decode, 10),
    (ContainerInfo.decode, 11),
    (lambda raw, _: PinInfo.decode(raw), 3),
    (lambda raw, _: ActivationVerifier.decode(raw), 49),
]
DECODER_IDS = [
    "DeviceInfo",
    "NewApplication",
    "ApplicationInfo",
    "ContainerInfo",
    "PinInfo",
    "ActivationVerifier",
]


@pytest.mark.parametrize(("decode", "size"), DECODERS, ids=DECODER_IDS)
@pytest.mark.parametrize("dialect", [DEFAULT, LITTLE], ids=["big", "little"])
def test_only_the_exact_length_is_taken(decode: Decoder, size: int, dialect: Dialect) -> None:
    decode(bytes(size), dialect)
    for wrong in [*range(size), size + 1, size + 100]:
        with pytest.raises(LayoutError):
            decode(bytes(wrong), dialect)


@pytest.mark.parametrize(("decode", "size"), DECODERS, ids=DECODER_IDS)
@given(data=st.data())
def test_any_bytes_decode_or_raise_a_protocol_error(decode: Decoder, size: int, data: st.DataObject) -> None:
    raw = data.draw(st.binary(min_size=size, max_size=size) | st.binary(max_size=size + 20))
    try:
        decode(raw, data.draw(dialects))
    except ProtocolError:
        return
    assert len(raw) in {size, 96}


@given(st.binary(max_size=60))
def test_any_bytes_as_names(raw: bytes) -> None:
    try:
        found = decode_names(raw)
    except ProtocolError:
        return
    assert all(found)


@given(
    st.builds(
        DeviceInfo,
        *[names] * 4,
        *[st.tuples(u8s, u8s)] * 2,
        *[u32s] * 6,
        u16s,
        u8s,
        u8s,
        u16s,
        u16s,
        u16s,
    ),
    dialects,
)
def test_device_info_round_trip(info: DeviceInfo, dialect: Dialect) -> None:
    assert DeviceInfo.decode(info.encode(dialect), dialect) == info


pins = st.binary(max_size=16).map(lambda pin: pin.rstrip(b"\0"))


@given(
    st.builds(NewApplication, names.filter(str.isprintable), pins, u32s, pins, u32s, u32s, u8s, u8s, u16s),
    dialects,
)
def test_new_application_round_trip(new: NewApplication, dialect: Dialect) -> None:
    assert NewApplication.decode(new.encode(dialect), dialect) == new


@given(
    st.builds(ApplicationInfo, u32s, u8s, u8s, u16s, st.binary(min_size=2, max_size=2))
    | st.builds(ContainerInfo, u8s, u32s, u32s, st.booleans(), st.booleans()),
    dialects,
)
def test_answers_round_trip(info: ApplicationInfo | ContainerInfo, dialect: Dialect) -> None:
    assert type(info).decode(info.encode(dialect), dialect) == info


# Dialects


def test_dialects_by_name() -> None:
    assert all(dialect_named(name).name == name for name in DIALECTS)
    assert dialect_named("default") == DEFAULT
    with pytest.raises(DialectError, match=r"nobody's.*default"):
        dialect_named("nobody's")


def test_the_default_dialect_is_the_one_of_the_facts() -> None:  # G2, G8, G14, G23
    assert (DEFAULT.byte_order, DEFAULT.pin_block, DEFAULT.application_name) == ("big", 1, 32)
    assert DEFAULT.number(Ins.ACTIVATION) == 0xF6
