"""Endpoint 0: the requests that a Linux host sends, and those that no device may grant (USB 2.0, 9.4)."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.usb import ControlEndpoint, DeviceModel, Endpoint, Interface, Setup, Speed, Transfer

READER = Interface(0, 0x0B, 0, 0, "CCID", b"", (Endpoint(0x81, Transfer.BULK), Endpoint(0x02, Transfer.BULK)))
REPORTS = Interface(1, 3, 0, 0, "", b"", (Endpoint(0x83, Transfer.INTERRUPT, 64),))
MODEL = DeviceModel(0x23A0, 0x0001, 0x0100, "Maker", "Key", "1", (READER, REPORTS))
CONFIGURE = "00 09 01 00 00 00 00 00"


@dataclass
class Recorder:
    """A function that answers what its interface's number says and keeps what it was asked."""

    interface: Interface
    asked: list[tuple[Setup, bytes]] = field(default_factory=list)
    cleared: list[int] = field(default_factory=list)

    def control(self, setup: Setup, data: bytes) -> bytes | None:
        self.asked.append((setup, data))
        return bytes((self.interface.number,)) * 200

    def clear_halt(self, endpoint: int) -> None:
        self.cleared.append(endpoint)


class Host:
    """Sends requests as hex."""

    def __init__(self, speed: Speed = Speed.HIGH) -> None:
        self.reader, self.reports = Recorder(READER), Recorder(REPORTS)
        self.configured: list[bool] = []
        self.endpoint = ControlEndpoint(MODEL, speed, (self.reader, self.reports), self.configured.append)

    def ask(self, setup: str, data: bytes = b"") -> bytes | None:
        return self.endpoint.handle(Setup.decode(bytes.fromhex(setup)), data)


@pytest.fixture
def host() -> Host:
    made = Host()
    made.ask(CONFIGURE)
    return made


def test_what_linux_asks_when_a_device_is_plugged_in() -> None:
    host = Host()
    device = "12 01 00 02 00 00 00 40 A0 23 01 00 00 01 01 02 03 01"
    assert host.ask("80 06 00 01 00 00 40 00") == bytes.fromhex(device)
    assert host.ask("00 05 07 00 00 00 00 00") == b""
    assert host.ask("80 06 00 01 00 00 12 00") == bytes.fromhex(device)
    assert host.ask("80 06 00 06 00 00 0A 00") == bytes.fromhex("0A 06 00 02 00 00 00 40 01 00")
    assert host.ask("80 06 00 02 00 00 09 00") == bytes.fromhex("09 02 30 00 02 01 00 80 32")
    whole = host.ask("80 06 00 02 00 00 30 00")
    assert whole is not None
    assert len(whole) == 0x30
    assert host.ask("80 06 00 03 00 00 FF 00") == bytes.fromhex("04 03 09 04")
    assert host.ask("80 06 02 03 09 04 FF 00") == bytes.fromhex("08 03 4B 00 65 00 79 00")
    assert host.ask("80 08 00 00 00 00 01 00") == b"\0"
    assert host.ask(CONFIGURE) == b""
    assert host.ask("80 08 00 00 00 00 01 00") == b"\1"
    assert host.configured == [True]


def test_the_interfaces_names_follow_the_devices_texts(host: Host) -> None:
    assert host.ask("80 06 04 03 09 04 FF 00") == bytes.fromhex("0A 03 43 00 43 00 49 00 44 00")
    assert host.ask("80 06 05 03 09 04 FF 00") is None  # interface 1 has no name
    assert host.ask("80 06 06 03 09 04 FF 00") is None


def test_the_other_speed_is_the_other_one() -> None:
    high, full = Host(Speed.HIGH), Host(Speed.FULL)
    assert high.ask("80 06 00 07 00 00 FF 00")[2:] == full.ask("80 06 00 02 00 00 FF 00")[2:]  # type: ignore[index]


def test_configuring_again_begins_anew(host: Host) -> None:
    host.ask("02 03 00 00 81 00 00 00")
    host.ask(CONFIGURE)
    assert host.configured == [True, True]
    assert host.endpoint.halted == set()


def test_deconfiguring(host: Host) -> None:
    assert host.ask("00 09 00 00 00 00 00 00") == b""
    assert host.configured == [True, False]
    assert host.endpoint.configuration == 0


def test_a_reset_deconfigures_once(host: Host) -> None:
    host.endpoint.reset()
    host.endpoint.reset()
    assert host.configured == [True, False]


def test_an_endpoints_halt(host: Host) -> None:
    assert host.ask("82 00 00 00 81 00 02 00") == b"\0\0"
    assert host.ask("02 03 00 00 81 00 00 00") == b""
    assert host.ask("82 00 00 00 81 00 02 00") == b"\1\0"
    assert host.endpoint.halted == {0x81}
    assert host.ask("02 01 00 00 81 00 00 00") == b""
    assert host.ask("82 00 00 00 81 00 02 00") == b"\0\0"
    assert host.reader.cleared == [0x81]
    assert host.reports.cleared == []


def test_endpoint_0_is_never_halted(host: Host) -> None:
    assert host.ask("82 00 00 00 00 00 02 00") == b"\0\0"
    assert host.ask("02 01 00 00 00 00 00 00") == b""
    assert host.ask("02 03 00 00 00 00 00 00") is None


def test_the_only_alternate_setting(host: Host) -> None:
    assert host.ask("81 0A 00 00 01 00 01 00") == b"\0"
    assert host.ask("01 0B 00 00 01 00 00 00") == b""
    assert host.ask("01 0B 01 00 01 00 00 00") is None


def test_setting_the_interface_ends_its_halts_alone(host: Host) -> None:
    for endpoint in (0x81, 0x83):
        host.endpoint.halted.add(endpoint)
    assert host.ask("01 0B 00 00 00 00 00 00") == b""
    assert host.endpoint.halted == {0x83}
    assert host.reader.cleared == [0x81, 0x02]


def test_class_requests_go_to_the_interface_that_they_name(host: Host) -> None:
    assert host.ask("A1 03 00 00 00 00 04 00") == bytes(4)
    assert host.ask("21 09 00 02 01 00 02 00", b"\5\6") == b"\1\1"
    assert host.reader.asked == [(Setup(0xA1, 3, 0, 0, 4), b"")]
    assert host.reports.asked == [(Setup(0x21, 9, 0x200, 1, 2), b"\5\6")]


def test_a_class_request_to_an_endpoint_goes_to_its_interface(host: Host) -> None:
    assert host.ask("A2 01 00 00 83 00 01 00") == b"\1"
    assert host.ask("A2 01 00 00 8F 00 01 00") is None


def test_before_configuring_only_endpoint_0_has_a_status() -> None:
    host = Host()
    assert host.ask("82 00 00 00 00 00 02 00") == b"\0\0"
    assert host.ask("82 00 00 00 81 00 02 00") is None


def test_a_report_descriptor_is_asked_of_the_interface(host: Host) -> None:
    assert host.ask("81 06 00 22 01 00 40 00") == b"\1" * 64


@pytest.mark.parametrize(
    "setup",
    [
        "80 06 01 02 00 00 FF 00",  # a second configuration
        "80 06 00 0F 00 00 05 00",  # BOS, which USB 2.0 has not
        "80 06 EE 03 00 00 12 00",  # Microsoft's string
        "00 09 02 00 00 00 00 00",  # a configuration that is not there
        "00 03 01 00 00 00 00 00",  # remote wake-up
        "00 07 00 01 00 00 12 00",  # SET_DESCRIPTOR
        "82 0C 00 00 81 00 02 00",  # SYNCH_FRAME
        "82 00 00 00 8F 00 02 00",  # an endpoint that is not there
        "02 03 05 00 81 00 00 00",  # a feature that no endpoint has
        "81 00 00 00 02 00 02 00",  # an interface that is not there
        "A1 01 00 00 02 00 02 00",
        "C0 20 00 00 04 00 10 00",  # a maker's request to the device
        "83 00 00 00 00 00 02 00",  # recipient: other
        "A0 03 00 00 00 00 04 00",  # a class's request to the device
    ],
)
def test_what_is_stalled(host: Host, setup: str) -> None:
    assert host.ask(setup) is None


@pytest.mark.parametrize(
    "setup", ["81 0A 00 00 00 00 01 00", "82 00 00 00 81 00 02 00", "A1 03 00 00 00 00 04 00"]
)
def test_interfaces_and_endpoints_are_there_once_configured(setup: str) -> None:
    host = Host()
    assert host.ask(setup) is None
    host.ask(CONFIGURE)
    assert host.ask(setup) is not None


@given(st.lists(st.tuples(st.binary(min_size=8, max_size=8), st.binary(max_size=8)), max_size=20))
def test_no_request_is_answered_with_more_than_it_asks_for(requests: list[tuple[bytes, bytes]]) -> None:
    host = Host()
    for raw, data in requests:
        setup = Setup.decode(raw)
        answer = host.endpoint.handle(setup, data)
        assert answer is None or len(answer) <= setup.length
