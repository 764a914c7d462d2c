"""The standard descriptors, against bytes that a real kernel enumerated and the layouts of USB 2.0, chapter 9."""

from __future__ import annotations

import dataclasses

import pytest

from protocols.errors import ProtocolError
from protocols.usb import (
    DeviceModel,
    Endpoint,
    Interface,
    Setup,
    Speed,
    Transfer,
    configuration_descriptor,
    device_descriptor,
    device_qualifier,
    interface_descriptors,
    language_descriptor,
    other_speed_configuration,
    string_descriptor,
)

CLASS_DESCRIPTOR = bytes.fromhex("0421AABB")
READER = Interface(
    number=0,
    usb_class=0x0B,
    subclass=0,
    protocol=0,
    name="CCID",
    class_descriptor=CLASS_DESCRIPTOR,
    endpoints=(
        Endpoint(0x81, Transfer.BULK),
        Endpoint(0x02, Transfer.BULK),
        Endpoint(0x83, Transfer.INTERRUPT, 8),
    ),
)
DISK = Interface(1, 8, 6, 0x50, "", b"", (Endpoint(0x84, Transfer.BULK), Endpoint(0x05, Transfer.BULK)))
MODEL = DeviceModel(
    vid=0x23A0,
    pid=0x0001,
    release=0x0100,
    manufacturer="Feas",
    product="CCID Key",
    serial="0002",
    interfaces=(READER, DISK),
)


def test_the_device_descriptor_has_the_layout_of_table_9_8() -> None:
    expected = bytes.fromhex("12 01 00 02 00 00 00 40 A0 23 01 00 00 01 01 02 03 01")
    assert device_descriptor(MODEL, Speed.HIGH) == expected
    assert device_descriptor(MODEL, Speed.FULL) == expected


def test_a_text_that_is_not_there_has_no_index() -> None:
    anonymous = dataclasses.replace(MODEL, manufacturer="", serial="")
    assert device_descriptor(anonymous, Speed.HIGH)[14:17] == bytes((0, 2, 0))


def test_the_configuration_of_a_high_speed_composite_device() -> None:
    # Header, interface 0, its class descriptor, three endpoints, interface 1, two endpoints.
    assert configuration_descriptor(MODEL, Speed.HIGH) == bytes.fromhex(
        "09 02 42 00 02 01 00 80 32"
        "09 04 00 00 03 0B 00 00 04"
        "04 21 AA BB"
        "07 05 81 02 00 02 00"
        "07 05 02 02 00 02 00"
        "07 05 83 03 08 00 07"
        "09 04 01 00 02 08 06 50 00"
        "07 05 84 02 00 02 00"
        "07 05 05 02 00 02 00"
    )


def test_at_full_speed_bulk_packets_have_64_bytes_and_an_interval_counts_frames() -> None:
    assert interface_descriptors(READER, Speed.FULL, name_index=4)[13:] == bytes.fromhex(
        "07 05 81 02 40 00 00 07 05 02 02 40 00 00 07 05 83 03 08 00 08"
    )


def test_the_other_speeds_configuration_is_marked_as_such() -> None:
    other = other_speed_configuration(MODEL, Speed.HIGH)
    assert other[1] == 7
    assert other[2:] == configuration_descriptor(MODEL, Speed.FULL)[2:]


def test_the_qualifier_has_the_layout_of_table_9_9() -> None:
    assert device_qualifier(MODEL) == bytes.fromhex("0A 06 00 02 00 00 00 40 01 00")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Key", "08 03 4B 00 65 00 79 00"), ("盾", "04 03 FE 76"), ("𠀀", "06 03 40 D8 00 DC")],
)
def test_a_string_is_utf_16(text: str, expected: str) -> None:
    assert string_descriptor(text) == bytes.fromhex(expected)


def test_a_string_ends_where_its_length_byte_does() -> None:
    assert len(string_descriptor("x" * 126)) == 254
    with pytest.raises(ProtocolError):
        string_descriptor("x" * 127)


def test_string_0_names_the_one_language() -> None:
    assert language_descriptor() == bytes.fromhex("04 03 09 04")


@pytest.mark.parametrize(
    ("raw", "setup"),
    [
        ("80 06 00 01 00 00 40 00", Setup(0x80, 6, 0x0100, 0, 64)),  # the Linux hub driver's first question
        ("00 09 01 00 00 00 00 00", Setup(0, 9, 1, 0, 0)),
        ("21 01 00 07 02 00 00 00", Setup(0x21, 1, 0x0700, 2, 0)),
    ],
)
def test_a_setup_packet_there_and_back(raw: str, setup: Setup) -> None:
    assert Setup.decode(bytes.fromhex(raw)) == setup
    assert setup.encode() == bytes.fromhex(raw)


@pytest.mark.parametrize("size", [0, 7, 9])
def test_a_setup_packet_has_8_bytes(size: int) -> None:
    with pytest.raises(ProtocolError):
        Setup.decode(bytes(size))
