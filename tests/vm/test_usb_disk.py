"""The key's disk in a real kernel: usb-storage, sr and isofs read its disc, sg carries its vendor commands."""

from __future__ import annotations

import ctypes
import fcntl
import gzip
import os
import subprocess
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from emulator.links.usb import disc
from hostdriver.errors import NotLoggedInError
from hostdriver.gmt import GmtSession
from hostdriver.transport.usb import UsbName, find_one
from hostdriver.transport.usb_disk import DiskTransport
from hostdriver.transport.usb_interface import UsbInterface, UsbSilenceError, UsbStallError
from protocols.gmt import SignInput
from tests.rig.key import REMOVED
from tests.rig.messages import TRANSFER
from tests.vm.bus_keys import BUSES, BusRig, interrupted_when_it_asks, is_signed, key_on

pytestmark = pytest.mark.slow

SG_IO = 0x2285
TO_DEVICE, FROM_DEVICE = -2, -3
"""Of scsi/sg.h."""
SEND = bytes.fromhex("FE01474D43415049444653 0000000000")
FETCH = bytes.fromhex("FE02").ljust(16, b"\0")
GET_DEV_INFO = bytes.fromhex("80040000000000")


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


@pytest.fixture(params=BUSES)
def rig(request: pytest.FixtureRequest) -> Iterator[BusRig]:
    with key_on(request.param, "disk") as rig:
        yield rig


@pytest.fixture
def node(rig: BusRig) -> Path:
    """The sg node, with the interface given back to usb-storage."""
    rig.session.transport.close()
    return rig.wire.find("scsi_generic/sg*")


def test_linux_mounts_the_disc_and_reads_it(rig: BusRig, tmp_path: Path) -> None:
    rig.session.transport.close()
    node = rig.wire.find("block/sr*")
    assert node.read_bytes() == gzip.decompress(Path(disc.__file__).with_name("disc.iso.gz").read_bytes())
    subprocess.run(["mount", "-o", "ro", node, tmp_path], check=True)
    try:
        assert [path.name for path in tmp_path.iterdir()] == ["README.TXT"]
        text = (tmp_path / "README.TXT").read_text(encoding="utf-8-sig")
    finally:
        subprocess.run(["umount", tmp_path], check=True)
    assert "This CD-ROM is simulated." in text
    assert "此光盘为模拟光盘。" in text


def test_apdus_through_sg(rig: BusRig, node: Path) -> None:
    assert scsi(node, FETCH, 512)[1:] == (2, (5, 0x2C))  # nothing was sent
    assert scsi(node, SEND, data=b"\x12\x00\x07" + GET_DEV_INFO).status == 0
    data, status, _ = scsi(node, FETCH, 512)
    assert (status, data[:3], len(data), data[-2:]) == (0, b"\x12\x01\x22", 293, b"\x90\x00")
    assert scsi(node, FETCH, 512).data == data  # as often as the host likes
    assert scsi(node, SEND, data=b"\x13\x00\x07" + GET_DEV_INFO)[1:] == (2, (5, 0x24))


def test_it_is_asked_again_while_the_person_reads(rig: BusRig) -> None:
    rig.log_in()
    container = rig.container()
    with rig.pending(rig.session.sign_sm2, container, TRANSFER, SignInput.MESSAGE) as signature:
        rig.clock.advance(20)
        rig.page_and_press_ok()
    assert is_signed(rig, container, signature.result())


def test_sg_is_told_that_the_key_waits(rig: BusRig) -> None:
    rig.log_in()
    container = rig.container()
    told: list[bytes] = []
    rig.device.on_apdu(lambda apdu, _: told.append(apdu))
    rig.confirmed(rig.session.sign_sm2, container, TRANSFER, SignInput.MESSAGE)
    transport = rig.session.transport
    assert isinstance(transport, DiskTransport)
    transport._interface.close()  # without the goodbye that ends the login
    node = rig.wire.find("scsi_generic/sg*")
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


@pytest.mark.parametrize("size", [1, 507, 508, 1019, 4091])
def test_answers_of_every_length(rig: BusRig, size: int) -> None:
    answer = rig.raw(bytes.fromhex("8050000000") + size.to_bytes(2))
    assert (len(answer), answer[-2:]) == (size + 2, b"\x90\x00")


@pytest.mark.parametrize("size", [502, 1014, 0xFFF8])
def test_apdus_of_every_length(rig: BusRig, size: int) -> None:
    assert rig.raw(bytes.fromhex("8004000000") + size.to_bytes(2) + bytes(size)) == b"\x67\x00"


def test_pulled_out_while_it_asks(rig: BusRig) -> None:
    rig.log_in()
    container = rig.container()
    with rig.ending_in(REMOVED, lambda: rig.session.sign_sm2(container, TRANSFER, SignInput.MESSAGE)):
        rig.pull_out()
    rig.plug_in()
    assert rig.status("80040000000000") == 0x9000


def test_nobody_inherits_a_login(rig: BusRig) -> None:
    """E8."""
    rig.log_in()
    name = rig.container().name
    rig.session.transport.close()
    with GmtSession(rig.wire.open()) as session:
        container = session.open_container(session.open_application(rig.profile.application), name)
        with pytest.raises(NotLoggedInError):
            session.sign_sm2(container, TRANSFER, SignInput.MESSAGE)


def test_interrupted_it_asks_no_longer(rig: BusRig) -> None:
    rig.log_in()
    container = rig.container()
    with interrupted_when_it_asks(rig), pytest.raises(KeyboardInterrupt):
        rig.session.sign_sm2(container, TRANSFER, SignInput.MESSAGE)
    assert not rig.asks
    assert rig.status("80040000000000") == 0x9000


@contextmanager
def bare(rig: BusRig) -> Iterator[UsbInterface]:
    """The interface, for a test to speak bulk-only itself."""
    rig.session.transport.close()
    usb = rig.profile.usb
    interface = UsbInterface.open(find_one(UsbName(usb.vid, usb.pid, rig.device.serial)).device, 0)
    try:
        yield interface
    finally:
        interface.close()


@pytest.mark.parametrize(
    "wrong",
    [
        b"USBX" + bytes(27),
        bytes.fromhex("55534243 01000000 24000000 80 00 00") + bytes(16),  # a command block of no bytes
        bytes.fromhex("55534243 01000000 24000000 80 01 06") + bytes(16),  # a unit that is not there
        b"USBC" + bytes(26),
    ],
)
def test_an_invalid_command_stalls_until_reset_recovery(rig: BusRig, wrong: bytes) -> None:
    inquiry = bytes.fromhex("55534243 02000000 24000000 80 00 06 120000002400").ljust(31, b"\0")
    with bare(rig) as interface:
        buffer = array("B", bytes(512))
        interface.write(interface.bulk_out, wrong)
        with pytest.raises(UsbStallError):
            interface.read(interface.bulk_in, buffer, 5000)
        interface.clear_halt(interface.bulk_in)
        with pytest.raises(
            (UsbStallError, UsbSilenceError)
        ):  # a gadget is not told that its halt was cleared
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
    with key_on("vhci", "disk", "hid", "disk") as rig:
        assert rig.status("80040000000000") == 0x9000
        rig.session.transport.close()
        assert rig.wire.find("hidraw/hidraw*").is_char_device()
        assert rig.wire.find("block/sr*").is_block_device()
