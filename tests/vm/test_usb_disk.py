"""The key's disk in a real kernel: usb-storage, sr and isofs read its disc, sg carries its vendor commands."""

from __future__ import annotations

import ctypes
import fcntl
import gzip
import os
import subprocess
from array import array
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from emulator.links.usb import disc
from hostdriver.transport.usb import find_one
from hostdriver.transport.usb_disk import DiskTransport
from hostdriver.transport.usb_hid import HidTransport
from hostdriver.transport.usb_interface import UsbInterface, UsbSilenceError, UsbStallError
from protocols.gmt import SignInput
from tests.rig.key import KeyRig
from tests.rig.messages import TRANSFER
from tests.vm.keys import GET_DEV_INFO, LINKS, function_on, name_of, node_of

pytestmark = pytest.mark.slow

SG_IO = 0x2285
TO_DEVICE, FROM_DEVICE = -2, -3
"""Of scsi/sg.h."""
SEND = bytes.fromhex("FE01474D43415049444653 0000000000")
FETCH = bytes.fromhex("FE02").ljust(16, b"\0")


class SgHeader(ctypes.Structure):
    """sg_io_hdr of scsi/sg.h."""

    _fields_ = (
        ("interface_id", ctypes.c_int), ("direction", ctypes.c_int), ("cdb_size", ctypes.c_ubyte),
        ("max_sense", ctypes.c_ubyte), ("iovec_count", ctypes.c_ushort), ("size", ctypes.c_uint),
        ("data", ctypes.c_void_p), ("cdb", ctypes.c_void_p), ("sense", ctypes.c_void_p),
        ("timeout", ctypes.c_uint), ("flags", ctypes.c_uint), ("pack_id", ctypes.c_int),
        ("user", ctypes.c_void_p), ("status", ctypes.c_ubyte), ("masked_status", ctypes.c_ubyte),
        ("msg_status", ctypes.c_ubyte), ("sense_size", ctypes.c_ubyte), ("host_status", ctypes.c_ushort),
        ("driver_status", ctypes.c_ushort), ("residue", ctypes.c_int), ("duration", ctypes.c_uint),
        ("info", ctypes.c_uint),
    )  # fmt: skip


class Answer(NamedTuple):
    """What a SCSI command gave: its data, SCSI status, and key and code of the sense data."""

    data: bytes
    status: int
    sense: tuple[int, int]


def scsi(node: Path, cdb: bytes, size: int = 0, data: bytes = b"") -> Answer:
    """Run a command through the kernel's sg driver."""
    buffer = ctypes.create_string_buffer(data, max(len(data), size, 1))
    sense = ctypes.create_string_buffer(32)
    header = SgHeader(
        interface_id=ord("S"), direction=TO_DEVICE if data else FROM_DEVICE, cdb_size=len(cdb),
        max_sense=32, size=len(data) or size, data=ctypes.addressof(buffer),
        cdb=ctypes.cast(ctypes.create_string_buffer(cdb, 16), ctypes.c_void_p),
        sense=ctypes.addressof(sense), timeout=20_000,
    )  # fmt: skip
    descriptor = os.open(node, os.O_RDWR | os.O_NONBLOCK)
    try:
        fcntl.ioctl(descriptor, SG_IO, header)
    finally:
        os.close(descriptor)
    assert header.host_status == 0
    return Answer(buffer.raw[: size - header.residue], header.status, (sense.raw[2] & 0xF, sense.raw[12]))


@pytest.fixture(params=LINKS)
def rig(request: pytest.FixtureRequest) -> Iterator[KeyRig]:
    with function_on(request.param, "disk") as rig:
        yield rig


@pytest.fixture
def node(rig: KeyRig) -> Path:
    """The sg node, with the interface given back to usb-storage."""
    rig.session.transport.close()
    return node_of(rig.device, "scsi_generic/sg*")


def test_linux_mounts_the_disc_and_reads_it(rig: KeyRig, tmp_path: Path) -> None:
    rig.session.transport.close()
    node = node_of(rig.device, "block/sr*")
    assert node.read_bytes() == gzip.decompress(Path(disc.__file__).with_name("disc.iso.gz").read_bytes())
    subprocess.run(["mount", "-o", "ro", node, tmp_path], check=True)
    try:
        assert [path.name for path in tmp_path.iterdir()] == ["README.TXT"]
        text = (tmp_path / "README.TXT").read_text(encoding="utf-8-sig")
    finally:
        subprocess.run(["umount", tmp_path], check=True)
    assert "This CD-ROM is simulated." in text
    assert "此光盘为模拟光盘。" in text


def test_apdus_through_sg(rig: KeyRig, node: Path) -> None:
    assert scsi(node, FETCH, 512)[1:] == (2, (5, 0x2C))  # nothing was sent
    assert scsi(node, SEND, data=b"\x12\x00\x07" + GET_DEV_INFO).status == 0
    data, status, _ = scsi(node, FETCH, 512)
    assert (status, data[:3], len(data), data[-2:]) == (0, b"\x12\x01\x22", 293, b"\x90\x00")
    assert scsi(node, FETCH, 512).data == data  # as often as the host likes
    assert scsi(node, SEND, data=b"\x13\x00\x07" + GET_DEV_INFO)[1:] == (2, (5, 0x24))


def test_sg_is_told_that_the_key_waits(rig: KeyRig) -> None:
    rig.log_in()
    container = rig.container()
    told: list[bytes] = []
    rig.device.on_apdu(lambda apdu, _: told.append(apdu))
    rig.confirmed(rig.session.sign_sm2, container, TRANSFER, SignInput.MESSAGE)
    transport = rig.session.transport
    assert isinstance(transport, DiskTransport)
    transport._interface.close()  # without the goodbye that ends the login
    node = node_of(rig.device, "scsi_generic/sg*")
    signing = told[-1]
    assert scsi(node, SEND, data=b"\x12" + len(signing).to_bytes(2) + signing).status == 0
    assert scsi(node, FETCH, 512) == Answer(b"\x12\x00\x00", 0, (0, 0))
    rig.page_and_press_ok()
    data, status, _ = scsi(node, FETCH, 512)
    assert (status, data[:3], data[-2:]) == (0, bytes((0x12, 0, 4 + 64 + 2)), b"\x90\x00")


def test_linux_is_told_what_the_drive_does_not_do(node: Path) -> None:
    assert scsi(node, bytes.fromhex("C20000000000"), 8)[1:] == (2, (5, 0x20))
    assert scsi(node, bytes.fromhex("2A000000000000000100"), data=bytes(2048))[1:] == (2, (7, 0x27))
    assert scsi(node, bytes.fromhex("28000FFFFFFF00000100"), 2048)[1:] == (2, (5, 0x21))


def test_the_disc_can_be_ejected_and_loaded(node: Path) -> None:
    assert scsi(node, bytes.fromhex("1E0000000000")).status == 0
    assert scsi(node, bytes.fromhex("1B0000000200")).status == 0
    assert scsi(node, bytes.fromhex("000000000000"))[1:] == (2, (2, 0x3A))
    assert scsi(node, bytes.fromhex("1B0000000300")).status == 0
    news = scsi(node, bytes.fromhex("000000000000"))
    assert news[1:] in ((2, (6, 0x28)), (0, (0, 0)))  # a new disc, unless Linux has been told already
    assert scsi(node, bytes.fromhex("000000000000")).status == 0


@pytest.mark.parametrize(
    "wrong",
    [
        b"USBX" + bytes(27),
        bytes.fromhex("55534243 01000000 24000000 80 00 00") + bytes(16),  # a command block of no bytes
        bytes.fromhex("55534243 01000000 24000000 80 01 06") + bytes(16),  # a unit that is not there
        b"USBC" + bytes(26),
    ],
)
def test_an_invalid_command_stalls_until_reset_recovery(rig: KeyRig, wrong: bytes) -> None:
    inquiry = bytes.fromhex("55534243 02000000 24000000 80 00 06 120000002400").ljust(31, b"\0")
    rig.session.transport.close()
    with closing(UsbInterface.open(find_one(name_of(rig.device)).device, 0)) as interface:
        buffer = array("B", bytes(512))
        interface.write(interface.bulk_out, wrong)
        with pytest.raises(UsbStallError):
            interface.read(interface.bulk_in, buffer, 5000)
        interface.clear_halt(interface.bulk_in)
        with pytest.raises((UsbStallError, UsbSilenceError)):  # a gadget hears of no halt that is cleared
            interface.read(interface.bulk_in, buffer, 500)
        interface.request(0xFF)
        interface.clear_halt(interface.bulk_in)
        interface.clear_halt(interface.bulk_out)
        interface.write(interface.bulk_out, inquiry)
        assert interface.read(interface.bulk_in, buffer, 5000) == 36
        assert buffer[:2].tobytes() == b"\x05\x80"  # a CD-ROM, removable
        assert interface.read(interface.bulk_in, buffer, 5000) == 13
        assert buffer[:13].tobytes() == bytes.fromhex("55534253 02000000 00000000 00")


def test_both_kinds_on_one_key() -> None:
    with function_on("vhci", "disk", "hid", "disk") as rig:
        assert isinstance(rig.session.transport, HidTransport)
        answer = rig.raw(GET_DEV_INFO)
        rig.session.transport.close()
        with closing(DiskTransport.open(find_one(name_of(rig.device)).device, 0, "the first disk")) as disk:
            assert disk.exchange(GET_DEV_INFO) == answer
        assert node_of(rig.device, "hidraw/hidraw*").is_char_device()
        assert node_of(rig.device, "block/sr*").is_block_device()
