"""The key as a USB disk, without a bus: bulk-only transport (BOT 1.0), the drive's commands, and APDUs (G38)."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docs.generate_disc import README
from emulator.links.usb.disk import DiskFunction
from protocols.errors import ProtocolError
from protocols.massstorage import DiskCommand, DiskStatus, Status
from protocols.usb import Setup
from tests.rig.usb_functions import HALTED, FunctionHost, shared_key

OUT, IN = 4, 0x84
GET_DEV_INFO = bytes.fromhex("80040000000000")
SEND, FETCH = bytes.fromhex("FE01474D43415049444653 0000000000"), bytes.fromhex("FE02") + bytes(14)
TEST_UNIT_READY = bytes(6)
ENVELOPE = b"\x12\x00\x07" + GET_DEV_INFO
REQUEST_SENSE = bytes.fromhex("030000001200")


class Answer(NamedTuple):
    """A status as BOT 1.0 defines it, and the data before it; None: there was no data phase."""

    data: bytes | None
    residue: int
    status: int


class DiskHost(FunctionHost):
    """Composes its wrappers by hand (BOT 1.0, 5.1 and 5.2)."""

    def __init__(self) -> None:
        super().__init__(shared_key())
        self.function = DiskFunction(self.shared, 0, OUT)
        self.function.start(self.bus)
        self.tag = 0

    def command(self, cdb: bytes, length: int = 0, data: bytes = b"", *, is_in: bool = True) -> Answer:
        """Run one: so many bytes wanted, or these bytes sent."""
        self.tag += 1
        size = len(data) or length
        wrapper = b"USBC" + self.tag.to_bytes(4, "little") + size.to_bytes(4, "little")
        wrapper += bytes((0x80 if is_in and not data else 0, 0, len(cdb))) + cdb.ljust(16, b"\0")
        self.function.receive(OUT, wrapper)
        if data:
            assert self.function.missing(OUT) == size
            self.function.receive(OUT, data)
        assert self.function.missing(OUT) == 0
        came, answer = None, self._next()
        if is_in and length:
            came, answer = answer, self._next()
        assert (len(answer), answer[:8]) == (13, b"USBS" + self.tag.to_bytes(4, "little"))
        return Answer(came, int.from_bytes(answer[8:12], "little"), answer[12])

    def _next(self) -> bytes:
        endpoint, data, _ = self.bus.next()
        assert endpoint == IN
        return data

    def sense(self) -> tuple[int, int]:
        """Key and additional code."""
        data = self.command(REQUEST_SENSE, 18).data
        assert data is not None
        assert (data[0], data[7]) == (0x70, 10)
        return data[2], data[12]

    def send(self, apdu: bytes) -> Answer:
        """Hand an APDU over."""
        return self.command(SEND, data=b"\x12" + len(apdu).to_bytes(2) + apdu)

    def fetch(self, length: int = 4096) -> bytes:
        """What there is of a response."""
        data, residue, status = self.command(FETCH, length)
        assert data is not None
        assert (residue, status) == (length - len(data), 0)
        assert (data[0], data[1] << 8 | data[2]) == (0x12, len(data) - 3)
        return data[3:]

    def exchange(self, apdu: bytes) -> bytes:
        assert self.send(apdu) == Answer(None, 0, 0)
        return self.fetch()


@pytest.fixture
def host() -> Iterator[DiskHost]:
    host = DiskHost()
    assert host.command(TEST_UNIT_READY) == (None, 0, 1)  # a new disc: told once
    assert host.sense() == (6, 0x28)
    yield host
    host.function.stop()
    host.close()


# APDUs


def test_a_question_and_its_answer(host: DiskHost) -> None:
    answer = host.exchange(GET_DEV_INFO)
    assert (len(answer), answer[-2:]) == (290, b"\x90\x00")
    assert host.fetch() == answer


def test_the_host_asks_again_while_the_person_decides(host: DiskHost) -> None:
    assert host.send(host.signing()).status == 0
    assert [host.fetch(), host.fetch()] == [b"", b""]
    host.device.press("ok")
    answer = host.fetch()
    assert (len(answer), answer[-2:]) == (70, b"\x90\x00")


def test_another_question_meanwhile_is_answered_busy(host: DiskHost) -> None:
    host.send(host.signing())
    assert host.exchange(GET_DEV_INFO) == bytes.fromhex("6FF6")
    assert host.fetch() == b""
    host.device.press("cancel")
    assert host.fetch() == bytes.fromhex("6FF0")


def test_nothing_to_fetch(host: DiskHost) -> None:
    assert host.command(FETCH, 512) == (b"", 512, 1)
    assert host.sense() == (5, 0x2C)  # command sequence error


@pytest.mark.parametrize("payload", ["12", "13000780040000000000", "120008 80040000000000"])
def test_what_is_no_apdu_in_its_envelope(host: DiskHost, payload: str) -> None:
    assert host.command(SEND, data=bytes.fromhex(payload)).status == 1
    assert host.sense() == (5, 0x24)


def test_padding_after_the_envelope(host: DiskHost) -> None:
    assert host.command(SEND, data=ENVELOPE.ljust(512, b"\0")) == (None, 0, 0)
    assert len(host.fetch()) == 290


@pytest.mark.parametrize("how", ["stop", "start", "reset"])
def test_a_host_that_gives_up_takes_its_question_along(host: DiskHost, how: str) -> None:
    """Also a bus reset, and a reset of the interface: E11."""
    signing = host.signing()
    host.send(signing)
    if how == "reset":
        assert host.function.control(Setup(0x21, 0xFF, 0, 0, 0), b"") == b""
    if how == "stop":
        host.function.stop()
        assert host.device.waiting is None
    if how != "reset":
        host.function.start(host.bus)
    assert host.device.waiting is None
    assert host.command(FETCH, 512).status == 1
    assert host.exchange(signing)[-2:] != b"\x90\x00"  # the login is gone as well


def test_an_answer_lost_with_the_power(host: DiskHost) -> None:
    host.send(host.signing())
    host.device.power_off()
    assert host.command(FETCH, 512) == (b"", 512, 1)
    assert host.sense() == (6, 0x29)


def test_data_cut_anywhere(host: DiskHost) -> None:
    wrapper = b"USBC\1\0\0\0" + (10).to_bytes(4, "little") + b"\0\0\x10" + SEND
    host.function.receive(OUT, wrapper)
    for byte in ENVELOPE:
        assert host.bus.is_empty
        host.function.receive(OUT, bytes((byte,)))
    assert host.bus.next() == (IN, b"USBS\1\0\0\0" + bytes(5), True)
    assert len(host.fetch()) == 290


def test_data_that_nobody_wants_are_not_kept(host: DiskHost) -> None:
    size = 0x8000_0000
    wrapper = b"USBC\1\0\0\0" + size.to_bytes(4, "little") + b"\0\0\x10" + SEND
    host.function.receive(OUT, wrapper)
    tracemalloc.start()
    try:
        for _ in range(100):
            host.function.receive(OUT, bytes(0x10000))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert host.function.missing(OUT) == size - 100 * 0x10000
    assert held < 0x40000


# The thirteen cases (BOT 1.0, 6.7): what the host expects against what the device means to do

READ_CAPACITY = bytes.fromhex("25000000000000000000")
CAPACITY = bytes.fromhex("00000021 00000800")  # the last block's number and 2048


@pytest.mark.parametrize(
    ("cdb", "length", "data", "answer"),
    [
        pytest.param(TEST_UNIT_READY, 0, b"", (None, 0, 0), id="1: Hn = Dn"),
        pytest.param(READ_CAPACITY, 0, b"", (None, 0, 2), id="2: Hn < Di"),
        pytest.param(SEND, 0, b"", (None, 0, 1), id="3: Hn < Do"),
        pytest.param(TEST_UNIT_READY, 8, b"", (b"", 8, 0), id="4: Hi > Dn"),
        pytest.param(READ_CAPACITY, 64, b"", (CAPACITY, 56, 0), id="5: Hi > Di"),
        pytest.param(READ_CAPACITY, 8, b"", (CAPACITY, 0, 0), id="6: Hi = Di"),
        pytest.param(READ_CAPACITY, 4, b"", (CAPACITY[:4], 0, 2), id="7: Hi < Di"),
        pytest.param(SEND, 64, b"", (b"", 64, 1), id="8: Hi <> Do"),
        pytest.param(TEST_UNIT_READY, 0, bytes(64), (None, 64, 0), id="9: Ho > Dn"),
        pytest.param(READ_CAPACITY, 0, bytes(64), (None, 64, 2), id="10: Ho <> Di"),
        pytest.param(SEND, 0, ENVELOPE.ljust(64), (None, 0, 0), id="11: Ho > Do"),
        pytest.param(SEND, 0, ENVELOPE, (None, 0, 0), id="12: Ho = Do"),
        pytest.param(SEND, 0, ENVELOPE[:9], (None, 9, 1), id="13: Ho < Do"),
    ],
)
def test_the_thirteen_cases(
    host: DiskHost, cdb: bytes, length: int, data: bytes, answer: tuple[bytes | None, int, int]
) -> None:
    assert host.command(cdb, length, data) == answer
    assert host.command(TEST_UNIT_READY) == (None, 0, 0)


def test_a_short_answer_ends_with_a_short_packet(host: DiskHost) -> None:
    host.function.receive(
        OUT, b"USBC\1\0\0\0" + (8).to_bytes(4, "little") + b"\x80\0\x0a" + READ_CAPACITY + bytes(6)
    )
    assert host.bus.next() == (IN, CAPACITY, False)
    host.bus.next()
    host.function.receive(
        OUT, b"USBC\1\0\0\0" + (9).to_bytes(4, "little") + b"\x80\0\x0a" + READ_CAPACITY + bytes(6)
    )
    assert host.bus.next() == (IN, CAPACITY, True)


# Invalid commands and resets

GOOD = b"USBC" + bytes(4) + bytes(4) + b"\0\0\x06" + bytes(16)


@pytest.mark.parametrize(
    "wrong",
    [
        GOOD[:30],
        GOOD + b"\0",
        b"USBX" + GOOD[4:],
        GOOD[:13] + b"\1" + GOOD[14:],  # logical unit 1
        GOOD[:14] + b"\x00" + GOOD[15:],
        GOOD[:14] + b"\x11" + GOOD[15:],
    ],
)
def test_an_invalid_command_halts_until_reset_recovery(host: DiskHost, wrong: bytes) -> None:
    host.function.receive(OUT, wrong)
    assert host.bus.next() == (IN, HALTED, True)
    host.function.clear_halt(IN)
    assert host.bus.next() == (IN, HALTED, True)  # clearing it is not enough (BOT 1.0, 6.6.1)
    host.function.receive(OUT, GOOD)
    assert host.bus.is_empty
    assert host.function.control(Setup(0x21, 0xFF, 0, 0, 0), b"") == b""
    host.function.clear_halt(IN)
    assert host.bus.is_empty
    assert host.command(TEST_UNIT_READY).status == 0


def test_a_reset_of_the_interface_is_nothing_to_other_links(host: DiskHost) -> None:
    """A system's disk driver may reset a disk that it only reads."""
    host.shared.power_on("reader")
    challenge = host.shared.begin("reader", bytes.fromhex("80500000000008")).wait()
    host.function.control(Setup(0x21, 0xFF, 0, 0, 0), b"")
    assert challenge[-2:] == b"\x90\x00"
    verify = bytes.fromhex("8010000200001000000000000000000000000000000000")
    assert host.shared.begin("reader", verify).wait() == bytes.fromhex("6300")  # 6984 without the challenge


@pytest.mark.parametrize(
    ("setup", "answer"),
    [
        ((0xA1, 0xFE, 0, 0, 1), b"\0"),
        ((0x21, 0xFE, 0, 0, 0), None),
        ((0xA1, 0xFF, 0, 0, 1), None),
        ((0x21, 0x00, 0, 0, 0), None),
        ((0x41, 0xFF, 0, 0, 0), None),
        ((0x81, 6, 0x2100, 0, 9), None),
    ],
)
def test_requests(host: DiskHost, setup: tuple[int, ...], answer: bytes | None) -> None:
    assert host.function.control(Setup(*setup), b"") == answer


@given(
    st.lists(
        st.binary(max_size=80)
        | st.builds(
            lambda size, is_in, cdb: DiskCommand(7, size, is_in, cdb).encode(),
            st.integers(0, 5000), st.booleans(), st.binary(min_size=1, max_size=16),
        ),
        max_size=8,
    )
)  # fmt: skip
def test_any_bytes_end_in_an_answer_a_halt_or_silence(transfers: list[bytes]) -> None:
    host = DiskHost()
    for transfer in transfers:
        host.function.receive(OUT, transfer)
    host.function.control(Setup(0x21, 0xFF, 0, 0, 0), b"")
    while not host.bus.is_empty:
        host.bus.next()
    assert host.command(REQUEST_SENSE, 18).status == 0
    host.close()


# The drive

CAPABILITIES = "2A 12 00 00 00 00 29 00 108A 0000 0000 108A 00000000"
CONFIGURATION = (
    "0000002C 0000 0008"
    "0000 03 04 0008 01 00"
    "0001 0B 08 00000008 01 000000"
    "0003 03 04 28 000000"
    "0010 01 08 00000800 0001 00 00"
)


def test_inquiry(host: DiskHost) -> None:
    """SPC-4, 6.4.2: CD-ROM, removable, response format 2; the names are the profile's."""
    names = b"TendyronBank of Communic1.0 "
    inquiry = bytes.fromhex("0580 00 02 1F 000000") + names
    assert host.command(bytes.fromhex("120000002400"), 36) == (inquiry, 0, 0)
    assert host.command(bytes.fromhex("120000000500"), 5) == (inquiry[:5], 0, 0)
    assert host.command(bytes.fromhex("120180002400"), 36).status == 1


def test_the_disc_is_iso_9660_with_a_readme_in_two_languages(host: DiskHost) -> None:
    """ECMA-119, 8.4: the primary volume descriptor is block 16; its bytes 81 to 84 count the blocks."""
    read = bytes.fromhex("2800000000100000 0100")
    block = host.command(read, 2048).data
    assert block is not None
    assert (block[:6], block[40:45]) == (b"\x01CD001", b"VUKEY")
    assert int.from_bytes(block[80:84], "little") == 34
    everything = host.command(bytes.fromhex("A80000000000 00000022 0000"), 34 * 2048).data
    assert everything is not None
    assert README.replace("\n", "\r\n").encode("utf-8-sig") in everything


def test_reading_past_the_end(host: DiskHost) -> None:
    assert host.command(bytes.fromhex("28000000002100000200"), 4096) == (b"", 4096, 1)
    assert host.sense() == (5, 0x21)
    assert host.command(bytes.fromhex("A800FFFFFFFF FFFFFFFF 0000"), 4096).status == 1
    assert host.command(bytes.fromhex("28000000002200000000"), 0).status == 0


def test_nothing_is_written(host: DiskHost) -> None:
    assert host.command(bytes.fromhex("2A000000000000000100"), data=bytes(2048)) == (None, 2048, 1)
    assert host.sense() == (7, 0x27)


def test_unknown_commands(host: DiskHost) -> None:
    assert host.command(bytes.fromhex("A3050000000000001000"), 16).status == 1
    assert host.sense() == (5, 0x20)
    assert host.sense() == (0, 0)


TRACK, LEAD_OUT = "00 14 01 00", "00 14 AA 00"


@pytest.mark.parametrize(
    ("cdb", "answer"),
    [
        ("43000000000000001400", f"0012 01 01 {TRACK} 00000000 {LEAD_OUT} 00000022"),
        (
            "43020000000000001400",
            f"0012 01 01 {TRACK} 00000200 {LEAD_OUT} 00000222",
        ),  # 34 blocks: 2 s, 34 frames
        ("430000000000AA000C00", f"000A 01 01 {LEAD_OUT} 00000022"),
        ("43000000000000000C40", f"000A 01 01 {TRACK} 00000000"),  # multi-session, as SFF-8020i asks
        ("43000100000000000C00", f"000A 01 01 {TRACK} 00000000"),
        ("43000200000000000C00", None),
        ("23000000000000000C00", "000000 08 00000022 02 000800"),
        ("25000000000000000000", "00000021 00000800"),
        ("4A010000100000000800", "0006 04 10 00 02 00 00"),
        ("4A010000020000000800", "0002 80 10"),
        ("4A000000100000000800", None),  # no asynchronous news
        ("51000000000000002200", "0020 0E 01 01 01 01 20" + "00" * 26),
        ("1A002A001800", "17 00 80 00" + CAPABILITIES),
        ("1A003F000400", "17 00 80 00"),
        ("1A0008001800", None),
        ("5A002A00000000001C00", "001A 00 80 00000000" + CAPABILITIES),
        ("46000000000000003000", CONFIGURATION),
        ("2F000000000000000100", ""),
        ("35000000000000000000", ""),
        ("1E0000000100", ""),
    ],
)
def test_small_answers(host: DiskHost, cdb: str, answer: str | None) -> None:
    """Layouts of SPC-4, SBC-3 and MMC-6, composed by hand."""
    size = 64 if answer else 0
    data, _, status = host.command(bytes.fromhex(cdb), size)
    if answer is None:
        assert status == 1
        assert host.sense() == (5, 0x24)
    else:
        assert (data or b"", status) == (bytes.fromhex(answer), 0)


def test_eject_and_load(host: DiskHost) -> None:
    """The lock holds the disc; without it the drive says so in every way it is asked, and tells of the new one."""
    eject, load = bytes.fromhex("1B0000000200"), bytes.fromhex("1B0000000300")
    host.command(bytes.fromhex("1E0000000100"))
    assert host.command(eject).status == 1
    assert host.sense() == (5, 0x53)
    host.command(bytes.fromhex("1E0000000000"))
    assert host.command(eject).status == 0
    for cdb in (
        TEST_UNIT_READY,
        READ_CAPACITY,
        bytes.fromhex("28000000000000000100"),
        bytes.fromhex("5100") + bytes(8),
    ):
        assert host.command(cdb).status == 1
        assert host.sense() == (2, 0x3A)
    assert host.command(bytes.fromhex("4A010000100000000800"), 8).data == bytes.fromhex("0006041000000000")
    assert host.command(load).status == 0
    assert host.command(TEST_UNIT_READY).status == 1
    assert host.sense() == (6, 0x28)
    assert host.command(TEST_UNIT_READY).status == 0


# The host's half


@pytest.mark.parametrize(
    "raw", [b"", b"USBS" + bytes(8), b"USBS" + bytes(10), b"USBC" + bytes(9), b"USBS" + bytes(8) + b"\3"]
)
def test_what_is_no_status(raw: bytes) -> None:
    with pytest.raises(ProtocolError):
        DiskStatus.decode(raw)


def test_a_status() -> None:
    assert DiskStatus.decode(bytes.fromhex("55534253 78563412 0A000000 02")) == (
        0x12345678,
        10,
        Status.PHASE_ERROR,
    )


def test_the_interface() -> None:
    interface = DiskFunction(shared_key(), 0, OUT).interface
    assert (interface.usb_class, interface.subclass, interface.protocol) == (8, 2, 0x50)
    assert [endpoint.address for endpoint in interface.endpoints] == [IN, OUT]
