"""USB/IP's messages, against the kernel's protocol text and what the usbip tool takes."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import ProtocolError
from protocols.usb.model import DeviceModel, Interface, Speed
from protocols.usbip import (
    MAX_OUT,
    Error,
    ExportedDevice,
    OpCode,
    Status,
    Submit,
    Unlink,
    import_reply,
    list_reply,
    parse_bus_id,
    parse_command,
    parse_operation,
    submitted,
    unlinked,
)

# The example at the end of Linux's Documentation/usb/usbip_protocol.rst, captured from a HID device.
CMD_INTERRUPT_IN = bytes.fromhex(
    "00000001 00000d05 0001000f 00000001 00000001 00000200 00000040 ffffffff 00000000 00000004 00000000 00000000"
)
CMD_INTERRUPT_OUT = bytes.fromhex(
    "00000001 00000d06 0001000f 00000000 00000001 00000000 00000040 ffffffff 00000000 00000004 00000000 00000000"
)
RET_INTERRUPT_OUT = bytes.fromhex(
    "00000003 00000d06 00000000 00000000 00000000 00000000 00000040 ffffffff 00000000 00000000 00000000 00000000"
)
RET_INTERRUPT_IN = bytes.fromhex(
    "00000003 00000d05 00000000 00000000 00000000 00000000 00000040 ffffffff 00000000 00000000 00000000 00000000"
    "ffffffff860011a784ce5ae2123763612891b1020100000400000000000000000000000000000000000000000000000000000000000000000000000000000000"
)
SETUP = bytes.fromhex("80 06 00 01 00 00 12 00")  # GET_DESCRIPTOR, device, 18 bytes


def command(
    code: int = 1, number: int = 7, is_in: int = 1, endpoint: int = 1, flags: int = 0, length: int = 64,
    packets: int = 0, setup: bytes = bytes(8),
) -> bytes:  # fmt: skip
    return struct.pack(
        ">IIIIIIiiiI8s", code, number, 0x10002, is_in, endpoint, flags, length, 0, packets, 0, setup
    )


def submit(header: bytes) -> Submit:
    parsed = parse_command(header)
    assert isinstance(parsed, Submit)
    return parsed


def test_the_kernels_example_of_requests() -> None:
    taking, giving = submit(CMD_INTERRUPT_IN), submit(CMD_INTERRUPT_OUT)
    assert (taking.number, taking.endpoint, taking.length, taking.is_in) == (0xD05, 0x81, 64, True)
    assert (giving.number, giving.endpoint, giving.length, giving.is_in) == (0xD06, 0x01, 64, False)
    assert not taking.short_not_ok


def test_the_kernels_example_of_answers() -> None:
    assert submitted(submit(CMD_INTERRUPT_OUT), 64) == RET_INTERRUPT_OUT
    assert submitted(submit(CMD_INTERRUPT_IN), RET_INTERRUPT_IN[48:]) == RET_INTERRUPT_IN


def test_a_control_request_carries_its_setup_packet() -> None:
    request = submit(command(endpoint=0, length=18, setup=SETUP))
    assert request.endpoint == 0x80
    assert request.setup == SETUP


def test_urb_short_not_ok_is_the_lowest_flag() -> None:
    assert submit(command(flags=1)).short_not_ok


def test_not_isochronous_as_linux_and_as_the_text_say_it() -> None:
    for packets in (0, -1):
        assert submit(command(packets=packets)).endpoint == 0x81


def test_a_stall_is_minus_epipe() -> None:
    assert submitted(submit(command()), b"", Error.STALL)[20:28] == bytes.fromhex("ffffffe0 00000000")


def test_unlink() -> None:
    parsed = parse_command(bytes.fromhex("00000002 00000009 00010002 00000000 00000000 00000005") + bytes(24))
    assert parsed == Unlink(number=9, unwanted=5)
    answer = bytes.fromhex("00000004 00000009 00000000 00000000 00000000")
    assert unlinked(parsed, was_waiting=True) == answer + bytes.fromhex("ffffff98") + bytes(24)
    assert unlinked(parsed, was_waiting=False) == answer + bytes(28)


@pytest.mark.parametrize(
    "header",
    [
        command(code=0),
        command(code=3),
        command(endpoint=16),
        command(is_in=2),
        command(packets=1),
        command(length=-1),
        command(is_in=0, length=MAX_OUT + 1),
        command(is_in=0, length=-(1 << 31)),
    ],
    ids=[
        "no command",
        "an answer",
        "endpoint 16",
        "direction 2",
        "isochronous",
        "-1",
        "too long",
        "negative",
    ],
)
def test_commands_that_cannot_be(header: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_command(header)


@given(st.binary(min_size=48, max_size=48))
def test_any_header_is_a_bounded_command_or_refused(header: bytes) -> None:
    try:
        parsed = parse_command(header)
    except ProtocolError:
        return
    if isinstance(parsed, Submit):
        assert parsed.length <= MAX_OUT or parsed.is_in
        assert len(submitted(parsed, b"")) == 48


KEY = DeviceModel(
    vid=0x23A0, pid=0x0003, release=0x0100, manufacturer="m", product="p", serial="s",
    interfaces=(Interface(0, 0x0B, 0, 0, "", b"", ()), Interface(1, 8, 6, 0x50, "", b"", ())),
)  # fmt: skip
DEVICE = ExportedDevice(KEY, "1-1", Speed.HIGH)


def test_what_a_client_asks() -> None:
    assert parse_operation(bytes.fromhex("0111 8005 00000000")) is OpCode.LIST
    assert parse_operation(bytes.fromhex("0111 8003 00000000")) is OpCode.IMPORT
    assert parse_bus_id(b"1-1" + bytes(29)) == "1-1"


@pytest.mark.parametrize("header", ["0211 8005 00000000", "0111 0005 00000000", "4745 5420 2f204854"])
def test_what_no_client_asks(header: str) -> None:
    with pytest.raises(ProtocolError):
        parse_operation(bytes.fromhex(header))


@given(st.binary(min_size=32, max_size=32))
def test_any_bus_id_is_text(body: bytes) -> None:
    assert len(parse_bus_id(body)) <= 32


def test_the_list_follows_the_protocols_table() -> None:
    reply = list_reply([DEVICE])
    assert reply[:12] == bytes.fromhex("0111 0005 00000000 00000001")
    assert len(reply) == 12 + 312 + 2 * 4
    assert reply[0x0C:0x10C].rstrip(b"\0").startswith(b"/sys/devices/")
    assert reply[0x10C:0x12C] == b"1-1".ljust(32, b"\0")
    assert reply[0x12C:0x138] == bytes.fromhex("00000001 00000002 00000003")
    assert reply[0x138:0x13E] == bytes.fromhex("23a0 0003 0100")
    assert reply[0x13E:0x144] == bytes.fromhex("00 00 00 00 01 02")
    assert reply[0x144:] == bytes.fromhex("0b000000 08065000")


def test_an_empty_list() -> None:
    assert list_reply([]) == bytes.fromhex("0111 0005 00000000 00000000")


def test_an_import_follows_the_protocols_table() -> None:
    reply = import_reply(Status.OK, DEVICE)
    assert reply[:8] == bytes.fromhex("0111 0003 00000000")
    assert len(reply) == 0x140
    assert reply[0x130:0x140] == bytes.fromhex("00000003 23a0 0003 0100 00 00 00 00 01 02")


def test_a_refused_import_ends_with_the_status() -> None:
    assert import_reply(Status.BUSY) == bytes.fromhex("0111 0003 00000002")
    assert import_reply(Status.NO_DEVICE) == bytes.fromhex("0111 0003 00000004")


def test_a_full_speed_device_says_so() -> None:
    reply = import_reply(Status.OK, DEVICE._replace(speed=Speed.FULL))
    assert reply[0x130:0x134] == bytes.fromhex("00000002")
