"""An imported key over a connected socket: what a host's requests do, and how hostile ones end."""

from __future__ import annotations

import random
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from emulator.device import Device
from emulator.links.usb.function import Bus, Function
from emulator.links.usb.key import UsbKey
from emulator.links.usb.usbip import UsbDevice, UsbIpSession
from emulator.sharing import SharedKey
from protocols.hid import Way, reports
from protocols.usb import DeviceModel, Endpoint, Interface, Setup, Transfer
from tests.rig.key import changed
from tests.rig.patience import PATIENCE_S
from tests.rig.usbip_host import STALL, UNLINKED, CcidOverUsbIp, UsbIpHost

DEVICE_DESCRIPTOR = bytes.fromhex("80 06 00 01 00 00 40 00")
SET_CONFIGURATION_0 = bytes.fromhex("00 09 00 00 00 00 00 00")
HALT_BULK_IN = bytes.fromhex("02 03 00 00 81 00 00 00")
CLEAR_BULK_IN = bytes.fromhex("02 01 00 00 81 00 00 00")
SET_REPORT = bytes.fromhex("21 09 00 02 00 00 40 00")
HALT_BULK_OUT = bytes.fromhex("02 03 00 00 02 00 00 00")
GET_CHALLENGE = bytes.fromhex("8050000008")


class Echo:
    """A function that sends back what it is given; it notes all that happens to it."""

    def __init__(self) -> None:
        ends = (Endpoint(0x81, Transfer.BULK), Endpoint(0x02, Transfer.BULK))
        self.interface = Interface(0, 0xFF, 0, 0, "", b"", ends)
        self.log: list[str] = []
        self.bus: Bus | None = None

    def start(self, bus: Bus) -> None:
        self.bus = bus
        self.log.append("start")

    def stop(self) -> None:
        self.bus = None
        self.log.append("stop")

    def receive(self, endpoint: int, data: bytes) -> None:
        assert self.bus
        assert endpoint == 0x02
        self.log.append(f"{len(data)} bytes")
        self.bus.send(0x81, data)

    def missing(self, endpoint: int) -> int:
        return 0

    def control(self, setup: Setup, data: bytes) -> bytes | None:
        self.log.append(f"control {setup.request} {data.hex()}")
        return bytes(range(10)) if setup.to_host else b""

    def clear_halt(self, endpoint: int) -> None:
        self.log.append(f"clear {endpoint:02x}")


class Plain:
    """A device of one function."""

    def __init__(self, function: Function) -> None:
        self.functions = (function,)
        self.model = DeviceModel(0x1209, 1, 0x0100, "maker", "product", "serial", (function.interface,))


@contextmanager
def imported(key: UsbDevice, told: list[bool] | None = None) -> Iterator[UsbIpHost]:
    """A session with a host at its other end; afterwards it has ended."""
    ours, theirs = socket.socketpair()
    session = UsbIpSession(theirs, key, (told if told is not None else []).append)
    thread = threading.Thread(target=session.serve)
    thread.start()
    with UsbIpHost(ours) as host:
        yield host
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def told() -> list[bool]:
    return []


@pytest.fixture
def host(echo: Echo, told: list[bool]) -> Iterator[UsbIpHost]:
    with imported(Plain(echo), told) as host:
        yield host


@pytest.fixture
def configured(host: UsbIpHost) -> UsbIpHost:
    host.configure()
    return host


def given(host: UsbIpHost, data: bytes) -> None:
    """Data OUT, taken."""
    host.submit(0x02, data)
    answer = host.answer()
    assert (answer.status, answer.size, answer.data) == (0, len(data), b"")


def taken(host: UsbIpHost, room: int = 65_554) -> bytes:
    """Data IN."""
    host.submit(0x81, room=room)
    return host.answer().data


class TestEndpoint0:
    def test_a_descriptor(self, host: UsbIpHost) -> None:
        answer = host.control(DEVICE_DESCRIPTOR)
        assert answer.status == 0
        assert answer.data[:8] == bytes.fromhex("12 01 00 02 00 00 00 40")
        assert answer.data[8:12] == bytes.fromhex("09 12 01 00")

    def test_no_more_than_the_host_has_room_for(self, host: UsbIpHost) -> None:
        number = host.submit(0x80, room=8, setup=DEVICE_DESCRIPTOR)
        answer = host.answer()
        assert (answer.number, answer.data) == (number, bytes.fromhex("12 01 00 02 00 00 00 40"))

    def test_an_unknown_request_is_a_stall_without_data(self, host: UsbIpHost) -> None:
        answer = host.control(bytes.fromhex("80 06 00 0f 00 00 05 00"))  # BOS, which USB 2.0 does not have
        assert (answer.status, answer.size) == (STALL, 0)

    def test_a_class_request_with_data(self, configured: UsbIpHost, echo: Echo) -> None:
        assert configured.control(bytes.fromhex("21 09 00 02 00 00 02 00"), b"\xab\xcd").size == 2
        assert echo.log[-1] == "control 9 abcd"

    def test_a_class_requests_answer(self, configured: UsbIpHost) -> None:
        assert configured.control(bytes.fromhex("a1 01 00 00 00 00 04 00")).data == bytes(range(4))


class TestConfiguration:
    def test_functions_start_when_configured_and_stop_with_the_host(self, echo: Echo) -> None:
        told: list[bool] = []
        with imported(Plain(echo), told) as host:
            assert echo.log == []
            host.configure()
            assert (echo.log, told) == (["start"], [True])
        assert echo.log == ["start", "stop"]

    def test_configured_again_they_start_afresh(self, configured: UsbIpHost, echo: Echo) -> None:
        given(configured, b"stale")
        configured.configure()
        given(configured, b"fresh")
        assert taken(configured) == b"fresh"
        assert echo.log == ["start", "5 bytes", "stop", "start", "5 bytes"]

    def test_what_the_old_configuration_still_sends_is_not_for_the_new_one(
        self, configured: UsbIpHost, echo: Echo
    ) -> None:
        """A thread of a function may hold an answer that was overtaken."""
        old = echo.bus
        assert old
        configured.configure()
        old.send(0x81, b"stale")
        old.halt(0x81)
        given(configured, b"new")
        assert taken(configured) == b"new"

    def test_deconfigured_they_take_nothing(
        self, configured: UsbIpHost, echo: Echo, told: list[bool]
    ) -> None:
        assert configured.control(SET_CONFIGURATION_0).status == 0
        assert (echo.log, told) == (["start", "stop"], [True, False])
        configured.submit(0x02, b"abc")
        assert configured.answer().status == STALL

    def test_before_there_is_a_configuration_nothing_is_taken(self, host: UsbIpHost, echo: Echo) -> None:
        host.submit(0x02, b"abc")
        assert host.answer().status == STALL
        assert echo.log == []


class TestData:
    @pytest.mark.parametrize("size", [1, 511, 512, 513, 1024, 65_554])
    def test_all_sizes(self, configured: UsbIpHost, size: int) -> None:
        data = random.Random(size).randbytes(size)
        given(configured, data)
        assert taken(configured) == data

    def test_a_request_waits_while_others_are_answered(self, configured: UsbIpHost) -> None:
        waiting = configured.submit(0x81, room=64)
        assert configured.control(DEVICE_DESCRIPTOR).status == 0
        configured.submit(0x02, b"abc")
        answers = {answer.number: answer for answer in (configured.answer(), configured.answer())}
        assert answers[waiting].data == b"abc"

    def test_an_unlinked_request_has_no_other_answer(self, configured: UsbIpHost) -> None:
        waiting = configured.submit(0x81, room=64)
        command = configured.unlink(waiting)
        answer = configured.answer()
        assert (answer.kind, answer.number, answer.status) == (4, command, UNLINKED)
        given(configured, b"abc")
        assert taken(configured) == b"abc"

    def test_unlink_of_what_was_answered_is_no_error(self, configured: UsbIpHost) -> None:
        number = configured.submit(0x02, b"abc")
        configured.answer()
        configured.unlink(number)
        answer = configured.answer()
        assert (answer.kind, answer.status) == (4, 0)

    @pytest.mark.parametrize("endpoint", [0x8F, 0x0F, 0x01])
    def test_an_endpoint_that_is_not_there_stalls(self, configured: UsbIpHost, endpoint: int) -> None:
        configured.submit(endpoint, b"abc", room=8)
        assert configured.answer().status == STALL

    def test_a_host_that_takes_nothing_is_made_to_wait(self, configured: UsbIpHost, echo: Echo) -> None:
        """As on a real bus, where a key without room acknowledges nothing; what waits can be taken back."""
        sent = {configured.submit(0x02, bytes((n,))): n for n in range(100)}
        unwanted = max(sent)
        configured.unlink(unwanted)
        accepted = []
        while (answer := configured.answer()).kind == 3:
            accepted.append(answer.number)
        assert answer.status == UNLINKED
        assert accepted == sorted(sent)[: len(accepted)]
        assert 1 < len(accepted) < 99
        wanted = [configured.submit(0x81, room=8) for _ in range(99)]
        answers = {
            answer.number: answer for answer in (configured.answer() for _ in range(198 - len(accepted)))
        }
        assert [answers[number].data for number in wanted] == [bytes((n,)) for n in range(99)]
        assert len(echo.log) == 1 + 99


class TestHalt:
    def test_a_halted_in_endpoint_stalls_until_it_is_cleared(self, configured: UsbIpHost, echo: Echo) -> None:
        given(configured, b"abc")
        assert configured.control(HALT_BULK_IN).status == 0
        configured.submit(0x81, room=8)
        assert configured.answer().status == STALL
        assert configured.control(CLEAR_BULK_IN).status == 0
        assert echo.log[-1] == "clear 81"
        assert taken(configured) == b"abc"

    def test_a_halted_out_endpoint_stalls(self, configured: UsbIpHost, echo: Echo) -> None:
        assert configured.control(HALT_BULK_OUT).status == 0
        configured.submit(0x02, b"abc")
        assert configured.answer().status == STALL
        assert echo.log == ["start"]

    def test_a_function_can_halt_its_endpoint(self, configured: UsbIpHost, echo: Echo) -> None:
        waiting = configured.submit(0x81, room=8)
        assert echo.bus
        echo.bus.halt(0x81)
        answer = configured.answer()
        assert (answer.number, answer.status) == (waiting, STALL)
        assert configured.control(bytes.fromhex("82 00 00 00 81 00 02 00")).data == b"\1\0"


class TestHostileHosts:
    @pytest.mark.parametrize(
        "sent",
        [
            b"GET / HTTP/1.1\r\nHost: key.example\r\nAccept: */*\r\n\r\n",
            struct.pack(">IIIIIIiiiI8s", 1, 1, 0, 0, 2, 0, 0x7FFFFFFF, 0, 0, 0, bytes(8)),
            struct.pack(">IIIIIIiiiI8s", 1, 1, 0, 0, 2, 0, -1, 0, 0, 0, bytes(8)),
            struct.pack(">IIIIIIiiiI8s", 1, 1, 0, 1, 1, 0, 64, 0, 8, 0, bytes(8)),
            bytes(48),
        ],
        ids=["HTTP", "2 GiB", "negative", "isochronous", "zeros"],
    )
    def test_what_is_no_request_ends_the_connection(
        self, configured: UsbIpHost, echo: Echo, sent: bytes
    ) -> None:
        configured.connection.sendall(sent)
        with suppress(ConnectionResetError):  # where it was ended before all was read
            assert configured.connection.recv(1) == b""
        assert echo.log == ["start", "stop"]

    def test_data_that_nobody_takes_are_bounded(self, configured: UsbIpHost, echo: Echo) -> None:
        with pytest.raises((BrokenPipeError, ConnectionResetError)):  # noqa: PT012 - whichever of them it is
            while True:
                configured.submit(0x02, bytes(65_536))
        assert sum(entry.endswith("bytes") for entry in echo.log) < 100

    def test_requests_that_nothing_answers_are_bounded(self, configured: UsbIpHost) -> None:
        with pytest.raises((BrokenPipeError, ConnectionResetError)):  # noqa: PT012 - whichever of them it is
            while True:
                configured.submit(0x81, room=64)

    def test_endpoint_0_is_no_way_round_that(self, device: Device) -> None:
        """HID 1.11, 7.2.2: a report may come as SET_REPORT too; each here is an APDU, and nobody takes the answers."""
        device.profile = changed(device.profile, usb__interfaces=("hid",))
        with imported(UsbKey(SharedKey(device))) as host:
            host.configure()
            (report,) = reports(Way.TO_KEY, 1, GET_CHALLENGE)
            for _ in range(100):
                if host.control(SET_REPORT, report).status == STALL:
                    break
            else:
                pytest.fail("100 answers are kept")
            host.submit(0x81, room=64)
            assert host.answer().size == 64
            assert host.control(SET_REPORT, report).status == 0

    def test_a_host_that_vanishes_within_a_request(self, echo: Echo) -> None:
        with imported(Plain(echo)) as host:
            host.configure()
            host.connection.sendall(
                struct.pack(">IIIIIIiiiI8s", 1, 2, 0, 0, 2, 0, 100, 0, 0, 0, bytes(8)) + b"x"
            )
        assert echo.log == ["start", "stop"]

    def test_random_requests_end_or_are_answered(self, echo: Echo) -> None:
        """Well-formed headers with any numbers in them: never anything but an answer or the end."""
        numbers = random.Random(5)
        for _ in range(60):
            with imported(Plain(echo)) as host:
                host.configure()
                try:
                    for _ in range(20):
                        size = numbers.choice((0, 1, 8, 512))
                        endpoint = numbers.choice((0, 1, 2, 3, 15, 16, 0x80, 0x81, 0x8F))
                        host.submit(endpoint, numbers.randbytes(size), room=size, setup=numbers.randbytes(8))
                        host.unlink(numbers.randrange(25))
                except (BrokenPipeError, ConnectionResetError):
                    continue


class TestKey:
    @pytest.fixture
    def ccid(self, device: Device) -> Iterator[CcidOverUsbIp]:
        with imported(UsbKey(SharedKey(device))) as host:
            host.configure()
            yield CcidOverUsbIp(host)

    def test_the_slot_change_comes_on_the_interrupt_endpoint(self, ccid: CcidOverUsbIp) -> None:
        """CCID 1.1, 6.3.1: a card is there, and that is news."""
        ccid.host.submit(0x83, room=8)
        assert ccid.host.answer().data == bytes.fromhex("50 03")

    def test_the_atr_and_an_apdu(self, ccid: CcidOverUsbIp, device: Device) -> None:
        assert ccid.reset() == device.profile.atr
        answer = ccid.exchange(GET_CHALLENGE)
        assert (len(answer), answer[-2:]) == (10, b"\x90\x00")


def test_a_host_that_vanishes_from_the_network_is_noticed_within_a_minute(echo: Echo) -> None:
    """With data on the way to it, which no keepalive follows, as well as without (tcp(7))."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()),
    ):
        ours, _ = listener.accept()
        with ours:
            UsbIpSession(ours, Plain(echo))
            idle, between, count, unacknowledged_ms = (
                ours.getsockopt(socket.IPPROTO_TCP, option)
                for option in (
                    socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT,
                )
            )  # fmt: skip
            assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert 10 <= idle + between * count <= 60
            assert 10_000 <= unacknowledged_ms <= 60_000
