"""Keys on gadgets of a real kernel, with udevd, pcscd and libccid as the host: enumeration, plugging, deaths."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest

from emulator.device import Device
from emulator.hardware.clock import ManualClock
from emulator.profiles import Profile, load_profile
from hostdriver.errors import KeyRemovedError
from hostdriver.gmt import GmtSession
from hostdriver.transport.pcsc import PcscTransport, wait_for_cards
from protocols.dialect import dialect_named
from protocols.gmt import SignInput
from protocols.sm2 import PublicKey, Signature
from tests.rig.key import PATIENCE_S, KeyRig, changed, stored, user_pin
from tests.rig.messages import TRANSFER
from tests.rig.verifiers import sm2_verifies
from tests.vm.stack import UsbPcscd, enter_our_keys, load_modules
from tests.vm.test_usb_gadget import left_behind
from vukey_testing.usb_targets import on_gadget

pytestmark = pytest.mark.slow

UDC = "dummy_udc.0"
LONGER_THAN_LIBCCID_WAITS_S = 8
"""libccid gives a bulk transfer 3 s (DEFAULT_COM_READ_TIMEOUT of its ccid.h), unless the reader asks for more."""
KEY_OF_ITS_OWN_PROCESS = """
import sys, threading
from emulator.device import Device
from emulator.hardware.display import ScreenKind
from emulator.links.usb.gadget import GadgetLink
from emulator.links.usb.key import UsbKey
from emulator.sharing import SharedKey
from tests.rig.key import stored
from tests.vm.test_usb_gadget_pcscd import small_profile

serial, udc = sys.argv[1:]
device = Device(small_profile(), serial, storage=stored(small_profile(), "ready"))
device.on_screen(lambda screen: print(screen.kind.name, flush=True))
device.bus_power(on=True)
link = GadgetLink(UsbKey(SharedKey(device)), udc)
link.start()
print("PLUGGED", flush=True)
sys.stdin.read()
link.close()
"""


def small_profile() -> Profile:
    return changed(load_profile("bocom-2g-tendyron"), containers__rsa=None)


@pytest.fixture(scope="module", autouse=True)
def _pcscd() -> Iterator[None]:
    load_modules()
    enter_our_keys()
    with UsbPcscd():
        yield


@contextmanager
def key_in_a_reader() -> Iterator[KeyRig]:
    profile = small_profile()
    clock = ManualClock()
    device = Device(profile, storage=stored(profile, "ready"), clock=clock)
    rig = KeyRig(device, clock, on_gadget, user_pin(profile, "ready"))
    try:
        yield rig
    finally:
        rig.close()
        device.close()


def run(*command: str) -> str:
    return subprocess.run(command, check=True, text=True, capture_output=True, timeout=PATIENCE_S).stdout


def test_opensc_finds_and_asks_it() -> None:
    with key_in_a_reader() as rig:
        rig.session.transport.close()
        assert f"({rig.device.serial})" in run("opensc-tool", "--list-readers")
        reader = rig.wire.token.removeprefix("pcsc:")
        assert (
            bytes.fromhex(run("opensc-tool", "--reader", reader, "--atr").replace(":", "")) == rig.profile.atr
        )
        assert "SW1=0x90, SW2=0x00" in run("opensc-tool", "--reader", reader, "--send-apdu", "8050000008")


def test_lsusb_decodes_it_without_a_complaint() -> None:
    with key_in_a_reader() as rig:
        usb = rig.profile.usb
        told = run("lsusb", "-v", "-d", f"{usb.vid:04x}:{usb.pid:04x}")
        assert "Short and extended APDU level exchange" in told
        assert rig.device.serial in told
        assert not re.search("warning|invalid|unrecognized|junk|error", told, re.IGNORECASE)


@pytest.mark.parametrize("size", [1, 254, 500, 501, 502, 503, 1014, 1022, 4094])
def test_answers_around_whole_packets(size: int) -> None:
    """A message has 10 bytes before the answer and its status word: 500 bytes make one of 512."""
    with key_in_a_reader() as rig:
        answer = rig.raw(bytes.fromhex("8050000000") + size.to_bytes(2))
        assert (len(answer), answer[-2:]) == (size + 2, b"\x90\x00")


def test_a_transfer_waits_for_its_person() -> None:
    with key_in_a_reader() as rig:
        rig.log_in()
        container = rig.container()
        with rig.pending(rig.session.sign_sm2, container, TRANSFER, SignInput.MESSAGE) as signature:
            with pytest.raises(TimeoutError):
                signature.result(LONGER_THAN_LIBCCID_WAITS_S)
            rig.page_and_press_ok()
        public = rig.session.public_key(container)
        assert isinstance(public, PublicKey)
        assert sm2_verifies(public, TRANSFER, signature.result())


def test_pcscd_sees_it_come_and_go_twenty_times() -> None:
    with key_in_a_reader() as rig:
        for _ in range(20):
            rig.pull_out()
            assert left_behind() == []
            rig.plug_in()
            assert rig.status("80040000000000") == 0x9000


def test_four_keys_at_once() -> None:
    with ExitStack() as plugged, ThreadPoolExecutor(4) as hosts:
        keys = [plugged.enter_context(key_in_a_reader()) for _ in range(4)]
        for answer, rig in zip(hosts.map(device_information, keys), keys, strict=True):
            assert rig.device.serial.encode() in answer


def device_information(rig: KeyRig) -> bytes:
    return rig.raw("80040000000000")


def test_killed_while_it_asks_and_started_again() -> None:
    serial = Device(small_profile()).serial
    with ThreadPoolExecutor(1) as host, key_process(serial) as key:
        signature = host.submit(sign, serial)
        wait_for_line(key, "CONFIRM")
        key.kill()
        with pytest.raises(KeyRemovedError):
            signature.result(PATIENCE_S)
    assert left_behind()
    wait_for_cards(lambda names: not any(serial in name for name in names), PATIENCE_S)
    with key_process(serial) as key:
        with opened(serial) as session:
            assert session.transport.exchange(bytes.fromhex("8050000008"))[-2:] == b"\x90\x00"
        assert key.stdin
        key.stdin.close()
        assert key.wait(PATIENCE_S) == 0
    assert left_behind() == []


@contextmanager
def key_process(serial: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", KEY_OF_ITS_OWN_PROCESS, serial, UDC]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as key:
        try:
            wait_for_line(key, "PLUGGED")
            yield key
        finally:
            key.kill()


def wait_for_line(key: subprocess.Popen[str], wanted: str) -> None:
    assert key.stdout
    assert wanted in map(str.strip, key.stdout)


@contextmanager
def opened(serial: str) -> Iterator[GmtSession]:
    """The key of that number, once pcscd has a reader for it."""
    names = wait_for_cards(lambda names: any(serial in name for name in names), PATIENCE_S)
    transport = PcscTransport.open(next(name for name in names if serial in name))
    try:
        yield GmtSession(transport, dialect_named(small_profile().dialect))
    finally:
        transport.close()


def sign(serial: str) -> Signature:
    profile = small_profile()
    with opened(serial) as session:
        application = session.open_application(profile.application)
        session.verify_pin(application, user_pin(profile, "ready"))
        name, *_ = session.containers(application)
        container = session.open_container(application, name)
        return session.sign_sm2(container, TRANSFER, SignInput.MESSAGE)
