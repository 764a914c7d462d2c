"""What FunctionFS is given and gives, byte by byte; the layouts are those of the kernel's linux/usb/functionfs.h."""

from __future__ import annotations

import subprocess
import sys

import pytest

from emulator.links.usb.gadget_functionfs import (
    Event,
    Notice,
    decode_notice,
    encode_descriptors,
    encode_strings,
    read_size,
)
from protocols.usb import Endpoint, Interface, Setup, Transfer

BULK = (Endpoint(0x81, Transfer.BULK), Endpoint(0x02, Transfer.BULK))
SOURCE_SINK = Interface(0, 0xFF, 0, 0, "Source/Sink", b"", BULK)
"""The device of the kernel's tools/usb/ffs-test.c."""
NAMELESS = Interface(0, 0xFF, 0, 0, "", b"", ())
HID = Interface(
    1, 3, 0, 0, "HID", bytes.fromhex("092111010001221d00"), (Endpoint(0x83, Transfer.INTERRUPT, 64),)
)
AS_NOBODY = """
import os
from emulator.links.usb.gadget_configfs import GadgetError, claim_controller
if os.getuid() == 0:
    os.setuid(65534)
try:
    claim_controller(None)
except GadgetError as error:
    print(error)
"""


def test_descriptors_of_both_speeds() -> None:
    assert encode_descriptors([SOURCE_SINK]) == bytes.fromhex(
        "03000000 42000000 03000000"  # magic of version 2, length, flags: full and high speed
        "03000000 03000000"  # descriptors of each
        "09 04 00 00 02 ff 00 00 01  07 05 81 02 4000 00  07 05 02 02 4000 00"
        "09 04 00 00 02 ff 00 00 01  07 05 81 02 0002 00  07 05 02 02 0002 00"
    )


def test_names_are_numbered_from_one_and_the_nameless_have_none() -> None:
    assert encode_descriptors([NAMELESS, HID])[20:47] == bytes.fromhex(
        "09 04 00 00 00 ff 00 00 00  09 04 01 00 01 03 00 00 01  09 21 11 01 00 01 22 1d 00"
    )
    assert encode_descriptors([NAMELESS, HID])[12:16] == bytes.fromhex("04000000")


def test_strings() -> None:
    assert (
        encode_strings([SOURCE_SINK])
        == bytes.fromhex(
            "02000000 1e000000 01000000 01000000 0904"  # magic, length, strings, languages, English (US)
        )
        + b"Source/Sink\0"
    )


def test_no_strings() -> None:
    assert encode_strings([NAMELESS]) == bytes.fromhex("02000000 10000000 00000000 00000000")


def test_a_request() -> None:
    raw = bytes.fromhex(
        "a1 02 0000 0100 0400 04 000000"
    )  # GET_CLOCK_FREQUENCIES (CCID 1.1, 5.3.2), interface 1
    assert decode_notice(raw) == Notice(Event.SETUP, Setup(0xA1, 2, 0, 1, 4))


def test_an_event() -> None:
    assert decode_notice(bytes(8) + b"\2\0\0\0").event is Event.ENABLE


@pytest.mark.parametrize(
    ("missing", "asked"),
    [
        (0, 512),
        (1, 512),
        (512, 512),
        (513, 1024),
        (1024, 1024),
        (16384, 16384),
        (16385, 16384),
        (65554, 16384),
    ],
)
def test_a_read_asks_for_whole_packets_and_none_too_many(missing: int, asked: int) -> None:
    assert read_size(missing, 512) == asked


def test_only_root_may() -> None:
    done = subprocess.run([sys.executable, "-c", AS_NOBODY], capture_output=True, text=True, check=True)
    assert "only root" in done.stdout
