"""APDUs over HID reports, in a real kernel: its own HID drivers and hidraw."""

from __future__ import annotations

import os

import pytest

from tests.vm.keys import LINKS, function_on, node_of

pytestmark = pytest.mark.slow

REPORT = bytes.fromhex("DE FE01 0000000000000000000000000000 0A0000 07 12 0007 80040000000000").ljust(
    64, b"\0"
)
"""One report as a published macOS driver for Longmai's GM3000 builds it: tag D4 + (3 + 7), 3 + 7, sequence 7."""


@pytest.mark.parametrize("link", LINKS)
def test_the_kernels_hid_driver_takes_reports(link: str) -> None:
    with function_on(link, "hid") as rig:
        rig.session.transport.close()  # gives the interface back to usbhid
        descriptor = os.open(node_of(rig.device, "hidraw/hidraw*"), os.O_RDWR)
        try:
            os.write(descriptor, b"\0" + REPORT)  # report number 0, which does not go over the wire
            reports = [os.read(descriptor, 64) for _ in range(5)]
        finally:
            os.close(descriptor)
        assert reports[0][:3] == b"\xbf\xaa\xaa"
        assert reports[0][20:24] == bytes.fromhex("07 12 0122")  # 290 bytes: 288 and the status word
        assert [report[0] for report in reports] == [0xBF, 0x3F, 0x3F, 0x3F, 0x40 | 290 - 40 - 3 * 63]
        answer = reports[0][24:] + b"".join(report[1:] for report in reports[1:])
        assert answer[288:290] == b"\x90\x00"
        assert rig.device.serial.encode() in answer
