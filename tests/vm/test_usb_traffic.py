"""Many APDUs, long ones, long waits, many plugs: over pcscd and libccid on both buses, and over pyusb."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import pytest

from emulator.sharing import SharedKey
from protocols.gmt import HashAlgorithm, SignInput
from tests.rig.key import KeyRig
from tests.rig.messages import TRANSFER
from tests.vm.keys import UNLISTED_PID, attach_and_detach, key_on, served, small_key
from vukey_testing.targets import Wire
from vukey_testing.usb_targets import direct, on_gadget, on_vhci

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("usb_stack", "content_kernel")]

APDUS = 10_000
"""In a row."""
PLUGS = 20
WAIT_S = 20
"""libccid gives a bulk transfer 3 s (DEFAULT_COM_READ_TIMEOUT of its ccid.h), unless the reader asks for more."""
LONGEST = 0xFFFF
LONGEST_ANSWER = LONGEST - 2
"""A status word follows, and readers count both in 16 bits."""
WIRES: dict[str, Callable[[SharedKey], Wire]] = {"gadget": on_gadget, "vhci": on_vhci, "pyusb": direct}


@pytest.fixture(params=WIRES)
def rig(request: pytest.FixtureRequest) -> Iterator[KeyRig]:
    """A key that takes the longest APDUs there are."""
    values = {"usb__pid": UNLISTED_PID} if request.param == "pyusb" else {}
    with key_on(WIRES[request.param], max_apdu_data=LONGEST, **values) as rig:
        yield rig


def test_thousands_of_apdus(rig: KeyRig) -> None:
    answers = {rig.raw("8050000008") for _ in range(APDUS)}
    assert {(len(answer), answer[-2:]) for answer in answers} == {(10, b"\x90\x00")}
    assert len(answers) == APDUS  # eight random bytes do not come twice


@pytest.mark.parametrize("size", [1, 256, 1024, 16384, LONGEST_ANSWER])
def test_answers_of_every_size(rig: KeyRig, size: int) -> None:
    answer = rig.raw(bytes.fromhex("8050000000") + size.to_bytes(2))
    assert (len(answer), answer[-2:]) == (size + 2, b"\x90\x00")


@pytest.mark.parametrize("size", [1, 256, 1024, 16384, LONGEST])
def test_commands_of_every_size(rig: KeyRig, size: int) -> None:
    data = bytes(number * 7 % 251 for number in range(size))
    assert rig.session.digest(HashAlgorithm.SHA256, data) == hashlib.sha256(data).digest()


def test_the_person_takes_twenty_seconds(rig: KeyRig) -> None:
    rig.log_in()
    container = rig.container()
    with rig.pending(rig.session.sign_sm2, container, TRANSFER, SignInput.MESSAGE) as signature:
        with pytest.raises(TimeoutError):
            signature.result(WAIT_S)
        rig.page_and_press_ok()
    assert signature.result()


def test_in_and_out_twenty_times(rig: KeyRig) -> None:
    for _ in range(PLUGS):
        rig.pull_out()
        rig.plug_in()
        assert rig.session.device_info().serial == rig.device.serial


def test_the_usbip_tool_attaches_and_detaches_it_twenty_times() -> None:
    with small_key() as key, served(key) as port:
        for _ in range(PLUGS):
            attach_and_detach(key, port)
