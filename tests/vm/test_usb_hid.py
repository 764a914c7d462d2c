"""APDUs over HID reports in a real kernel: its own HID drivers, hidraw, and our transport over libusb."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from protocols.gmt import SignInput
from tests.rig.key import REMOVED
from tests.rig.messages import TRANSFER
from tests.vm.bus_keys import BUSES, BusRig, interrupted_when_it_asks, is_signed, key_on

pytestmark = pytest.mark.slow

GET_DEV_INFO = bytes.fromhex("DE FE01 0000000000000000000000000000 0A0000 07 12 0007 80040000000000").ljust(
    64, b"\0"
)
"""One report as a published macOS driver for Longmai's GM3000 builds it: tag D4 + (3 + 7), 3 + 7, sequence 7."""


@pytest.fixture(params=BUSES)
def rig(request: pytest.FixtureRequest) -> Iterator[BusRig]:
    with key_on(request.param, "hid") as rig:
        yield rig


def test_the_kernels_hid_driver_takes_reports(rig: BusRig) -> None:
    rig.session.transport.close()  # gives the interface back to usbhid
    node = rig.wire.find("hidraw/hidraw*")
    descriptor = os.open(node, os.O_RDWR)
    try:
        os.write(descriptor, b"\0" + GET_DEV_INFO)  # report number 0, which does not go over the wire
        reports = [os.read(descriptor, 64) for _ in range(5)]
    finally:
        os.close(descriptor)
    assert reports[0][:3] == b"\xbf\xaa\xaa"
    assert reports[0][20:24] == bytes.fromhex("07 12 0122")  # 290 bytes: 288 and the status word
    assert [report[0] for report in reports] == [0xBF, 0x3F, 0x3F, 0x3F, 0x40 | 290 - 40 - 3 * 63]
    answer = reports[0][24:] + b"".join(report[1:] for report in reports[1:])
    assert answer[288:290] == b"\x90\x00"
    assert rig.device.serial.encode() in answer


@pytest.mark.parametrize("size", [1, 38, 39, 101, 102, 510, 4094])
def test_answers_of_every_length(rig: BusRig, size: int) -> None:
    answer = rig.raw(bytes.fromhex("8050000000") + size.to_bytes(2))
    assert (len(answer), answer[-2:]) == (size + 2, b"\x90\x00")


def test_an_apdu_in_more_than_a_thousand_reports(rig: BusRig) -> None:
    apdu = bytes.fromhex("8004000000FFF8") + bytes(0xFFF8)  # 65,535 bytes in all: the longest there is
    assert rig.raw(apdu) == b"\x67\x00"


def test_a_transfer_is_confirmed_on_the_key(rig: BusRig) -> None:
    rig.log_in()
    container = rig.container()
    with rig.pending(rig.session.sign_sm2, container, TRANSFER, SignInput.MESSAGE) as signature:
        rig.clock.advance(20)
        rig.page_and_press_ok()
    assert is_signed(rig, container, signature.result())


def test_pulled_out_while_it_asks(rig: BusRig) -> None:
    rig.log_in()
    container = rig.container()
    with rig.ending_in(REMOVED, lambda: rig.session.sign_sm2(container, TRANSFER, SignInput.MESSAGE)):
        rig.pull_out()
    rig.plug_in()
    assert rig.status("80040000000000") == 0x9000


def test_interrupted_it_asks_no_longer(rig: BusRig) -> None:
    rig.log_in()
    container = rig.container()
    with interrupted_when_it_asks(rig), pytest.raises(KeyboardInterrupt):
        rig.session.sign_sm2(container, TRANSFER, SignInput.MESSAGE)
    assert not rig.asks
    assert rig.status("80040000000000") == 0x9000
