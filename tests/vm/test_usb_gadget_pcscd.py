"""Keys on gadgets of a real kernel, with udevd, pcscd and libccid as the host: enumeration, plugging, deaths."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest

from emulator.device import Device
from hostdriver.apdu_token import ApduToken
from hostdriver.errors import KeyRemovedError
from hostdriver.gmt import GmtSession
from hostdriver.token import Event
from hostdriver.transport.pcsc import PcscTransport
from protocols.gmt import SignInput
from protocols.sm2 import Signature
from tests.rig.key import KeyRig, user_pin
from tests.rig.messages import TRANSFER
from tests.rig.patience import PATIENCE_S
from tests.vm.keys import GET_DEV_INFO, key_on, open_reader, readers_of, small_profile
from tests.vm.test_usb_gadget import left_behind
from vukey_testing.usb_targets import on_gadget

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("usb_stack")]

UDC = "dummy_udc.0"
KEY_OF_ITS_OWN_PROCESS = """
import sys
from emulator.device import Device
from emulator.links.usb.gadget import GadgetLink
from emulator.links.usb.key import UsbKey
from emulator.sharing import SharedKey
from tests.rig.key import stored
from tests.vm.keys import small_profile

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


def test_answers_around_whole_packets() -> None:
    """A message has 10 bytes before the answer and its status word: 500 bytes make one of 512."""
    with key_on(on_gadget) as rig:
        for size in (1, 254, 500, 501, 502, 503, 1014, 1022, 4094):
            answer = rig.raw(bytes.fromhex("8050000000") + size.to_bytes(2))
            assert (len(answer), answer[-2:]) == (size + 2, b"\x90\x00")


def test_pcscd_sees_it_come_and_go_twenty_times() -> None:
    with key_on(on_gadget) as rig:
        for _ in range(20):
            rig.pull_out()
            assert left_behind() == []
            rig.plug_in()
            assert rig.status(GET_DEV_INFO) == 0x9000


def test_four_keys_at_once() -> None:
    with ExitStack() as plugged, ThreadPoolExecutor(4) as hosts:
        keys = [plugged.enter_context(key_on(on_gadget)) for _ in range(4)]
        for answer, rig in zip(hosts.map(device_information, keys), keys, strict=True):
            assert rig.device.serial.encode() in answer


def test_it_comes_back_to_a_reader_of_another_number() -> None:
    """pcscd gives a reader the first number that is free, and others have come and gone meanwhile."""
    with ExitStack() as plugged, key_on(on_gadget) as first, key_on(on_gadget) as rig:
        token, other = ApduToken(rig.session), ApduToken(first.session)
        names = [token.name, other.name]
        first.pull_out()
        rig.pull_out()
        assert [each.wait_for_event(PATIENCE_S) for each in (token, other)] == [Event.UNPLUGGED] * 2
        rig.wire.plug()
        assert token.wait_for_event(PATIENCE_S) is Event.PLUGGED
        assert other.wait_for_event(0) is None
        plugged.enter_context(key_on(on_gadget))
        first.wire.plug()
        assert other.wait_for_event(PATIENCE_S) is Event.PLUGGED
        assert names != [token.name, other.name]
        for each, device in ((token, rig.device), (other, first.device)):
            with GmtSession(PcscTransport.open(each.name.removeprefix("pcsc:"))) as session:
                assert session.device_info().serial == device.serial


def device_information(rig: KeyRig) -> bytes:
    return rig.raw(GET_DEV_INFO)


def test_killed_while_it_asks_and_started_again() -> None:
    serial = Device(small_profile()).serial
    with ThreadPoolExecutor(1) as host, key_process(serial) as key:
        signature = host.submit(sign, serial)
        wait_for_line(key, "CONFIRM")
        key.kill()
        with pytest.raises(KeyRemovedError):
            signature.result(PATIENCE_S)
    assert left_behind()
    assert readers_of(serial, present=False) == []
    with key_process(serial) as key:
        with open_reader(serial) as session:
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


def sign(serial: str) -> Signature:
    profile = small_profile()
    with open_reader(serial) as session:
        application = session.open_application(profile.application)
        session.verify_pin(application, user_pin(profile, "ready"))
        name, *_ = session.containers(application)
        container = session.open_container(application, name)
        return session.sign_sm2(container, TRANSFER, SignInput.MESSAGE)
