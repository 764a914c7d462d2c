"""The key as a HID, without a bus: what the host's reports and requests do to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from emulator.links.usb.hid import HidFunction
from protocols.hid import HidDecoder, HidMessage, Way, reports
from protocols.usb import Setup, Speed
from tests.rig.usb_functions import FunctionHost, shared_key

GET_DEV_INFO = bytes.fromhex("80040000000000")
OUT, IN = 3, 0x83


class HidHost(FunctionHost):
    """Numbers its questions and waits for the answers."""

    def __init__(self) -> None:
        super().__init__(shared_key())
        self.function = HidFunction(self.shared, 1, OUT)
        self.function.start(self.bus)
        self.sequence = 0

    def ask(self, apdu: bytes) -> None:
        """Send reports in one transfer each."""
        self.sequence += 1
        for report in reports(Way.TO_KEY, self.sequence, apdu):
            self.function.receive(OUT, report)

    def answer(self) -> HidMessage:
        """The next message, from reports of which none may be followed by an empty packet."""
        decoder = HidDecoder(Way.FROM_KEY)
        while True:
            endpoint, report, ended = self.bus.next()
            assert (endpoint, len(report), ended) == (IN, 64, False)
            message = decoder.feed(report)
            if message:
                return message

    def exchange(self, apdu: bytes) -> bytes:
        self.ask(apdu)
        return self.answer().apdu


@pytest.fixture
def host() -> Iterator[HidHost]:
    host = HidHost()
    yield host
    host.function.stop()
    host.close()


def test_a_question_and_its_answer(host: HidHost) -> None:
    answer = host.exchange(GET_DEV_INFO)
    assert (len(answer), answer[-2:]) == (290, b"\x90\x00")


def test_the_answer_comes_when_the_person_has_decided(host: HidHost) -> None:
    host.ask(host.signing())
    assert host.bus.is_empty
    host.device.press("ok")
    sequence, answer = host.answer()
    assert (sequence, len(answer), answer[-2:]) == (host.sequence, 70, b"\x90\x00")


def test_another_question_meanwhile_is_answered_busy(host: HidHost) -> None:
    host.ask(host.signing())
    host.ask(GET_DEV_INFO)
    assert host.answer() == (host.sequence, bytes.fromhex("6FF6"))
    host.device.press("cancel")
    assert host.answer() == (host.sequence - 1, bytes.fromhex("6FF0"))


@pytest.mark.parametrize("how", ["stop", "start"])
def test_a_host_that_leaves_takes_its_question_along(host: HidHost, how: str) -> None:
    """Also a bus reset: E11."""
    signing = host.signing()
    host.ask(signing)
    if how == "stop":
        host.function.stop()
        assert host.device.waiting is None
    host.function.start(host.bus)
    assert host.device.waiting is None
    assert host.exchange(signing)[-2:] != b"\x90\x00"  # the login is gone as well
    assert host.bus.is_empty


def test_what_is_no_message_is_dropped(host: HidHost) -> None:
    host.function.receive(OUT, b"\x7f" + bytes(63))
    host.function.receive(OUT, b"\xff" * 100)
    assert host.bus.is_empty
    assert host.exchange(GET_DEV_INFO)[-2:] == b"\x90\x00"


def test_reports_may_come_over_endpoint_0(host: HidHost) -> None:
    (report,) = reports(Way.TO_KEY, 1, GET_DEV_INFO)
    assert host.function.control(Setup(0x21, 9, 0x0200, 1, 64), report) == b""
    assert host.answer().sequence == 1


@pytest.mark.parametrize(
    ("setup", "answer"),
    [
        ((0x81, 6, 0x2200, 1, 25), "0600FF0901A101150026FF00750895400901810209019102C0"),
        ((0x81, 6, 0x2100, 1, 9), "092111010001221900"),
        ((0x81, 6, 0x2300, 1, 9), None),
        ((0x81, 0, 0, 1, 2), None),
        ((0x21, 10, 0, 1, 0), ""),
        ((0xA1, 2, 0, 1, 1), "00"),
        ((0xA1, 1, 0x0100, 1, 64), "00" * 64),
        ((0x21, 11, 1, 1, 0), None),
        ((0x41, 9, 0, 1, 0), None),
    ],
)  # fmt: skip
def test_requests(host: HidHost, setup: tuple[int, ...], answer: str | None) -> None:
    """As Linux's usbhid asks at the start, and further ones of HID 1.11, 7.2."""
    given = host.function.control(Setup(*setup), b"")
    assert given == (None if answer is None else bytes.fromhex(answer))


def test_the_interface() -> None:
    interface = HidFunction(shared_key(), 1, OUT).interface
    assert (interface.usb_class, interface.subclass, interface.protocol) == (3, 0, 0)
    assert [endpoint.address for endpoint in interface.endpoints] == [IN, OUT]
    assert {endpoint.interval(Speed.FULL) for endpoint in interface.endpoints} == {1}
    assert {endpoint.interval(Speed.HIGH) for endpoint in interface.endpoints} == {4}  # 8 microframes: 1 ms
