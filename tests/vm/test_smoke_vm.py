"""A key on a real USB stack, as far as every run of the tests goes: each bus, each way of the host to it, once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from emulator.sharing import SharedKey
from protocols.gmt import SignInput
from tests.rig.messages import TRANSFER
from tests.vm.keys import UNLISTED_PID, attach_and_detach, is_signed, key_on, run, served, small_key, usbip
from vukey_testing.targets import Wire
from vukey_testing.usb_targets import direct, on_gadget, on_vhci

COMPLAINTS = ("warning", "unrecognized", "invalid", "can't", "cannot", "couldn't", "too short", "junk")
"""Words of lsusb's about descriptors that it does not like."""

pytestmark = pytest.mark.usefixtures("usb_stack", "content_kernel")


@pytest.mark.parametrize("wire", [on_gadget, on_vhci])
def test_lsusb_decodes_it(wire: Callable[[SharedKey], Wire]) -> None:
    with key_on(wire) as rig:
        usb = rig.profile.usb
        lines = [
            line.strip() for line in run("lsusb", "-v", "-d", f"{usb.vid:04x}:{usb.pid:04x}").splitlines()
        ]
        for said in ("Short and extended APDU level exchange", "bInterfaceClass        11 Chip/SmartCard"):
            assert said in lines
        assert [line.split()[-1] for line in lines if line.startswith("iSerial")] == [rig.device.serial]
        assert [line for line in lines if any(word in line.lower() for word in COMPLAINTS)] == []


@pytest.mark.parametrize(
    ("wire", "values"),
    [
        pytest.param(on_gadget, {}, id="gadget-pcscd"),
        pytest.param(on_vhci, {}, id="vhci-pcscd"),
        pytest.param(direct, {"usb__pid": UNLISTED_PID}, id="vhci-pyusb"),
    ],
)
def test_a_transfer_is_confirmed_on_the_key(
    wire: Callable[[SharedKey], Wire], values: dict[str, object]
) -> None:
    with key_on(wire, **values) as rig:
        rig.log_in()
        container = rig.container()
        signature = rig.confirmed(rig.session.sign_sm2, container, TRANSFER, SignInput.MESSAGE)
        assert is_signed(rig, container, signature)


def test_the_usbip_tool_attaches_and_detaches_it() -> None:
    with small_key() as key, served(key) as port:
        assert "Chip/SmartCard" in usbip(port, "list", "--remote", "127.0.0.1")
        attach_and_detach(key, port)


def test_opensc_talks_to_it() -> None:
    with key_on(on_gadget) as rig:
        rig.session.transport.close()
        reader = rig.wire.token.removeprefix("pcsc:")
        assert rig.device.serial in run("opensc-tool", "--list-readers")
        atr = run("opensc-tool", "--reader", reader, "--atr").replace(":", "")
        assert bytes.fromhex(atr) == rig.profile.atr
        said = run("opensc-tool", "--reader", reader, "--send-apdu", "8050000008")
        assert "SW1=0x90, SW2=0x00" in said
