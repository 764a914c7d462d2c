"""What one more key costs in a process that has one: ``python -m bench.memory KEYS`` prints it, in bytes.

Each is a key of its own in every part: storage, clock, and logs of screens and APDUs that are full. It has shown a
transfer, paged to and fro, and signed it.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

from emulator.control.keycontrol import KeyControl
from emulator.control.operator import Operator, read_and_press_ok
from emulator.device import Device
from emulator.firmware.confirm import Ask
from emulator.hardware.buttons import Button
from emulator.hardware.clock import ManualClock
from emulator.hardware.storage import MemoryStorage
from emulator.links.inproc import InProcessLink
from emulator.profiles import load_profile
from emulator.sharing import SharedKey
from hostdriver.gmt import GmtSession
from protocols.gmt import SignInput
from tests.rig.key import stored
from vukey_demo import MESSAGE

_ROOT = Path(__file__).parents[1]
_PROFILE = load_profile("bocom-2g-tendyron")
_GET_DEVICE_INFO = bytes.fromhex("80040000000000")
"""The longest answer of all that a host asks for every time: 288 bytes."""
_SCREENS_KEPT, _APDUS_KEPT = 200, 1000


def of_process(number: int) -> int:
    """Bytes of a process and of its children; what they share with others counts in proportion (PSS)."""
    rollup = Path(f"/proc/{number}/smaps_rollup").read_text()
    (kilobytes,) = (line.split()[1] for line in rollup.splitlines() if line.startswith("Pss:"))
    children = (
        int(child)
        for listed in Path(f"/proc/{number}/task").glob("*/children")
        for child in listed.read_text().split()
    )
    return int(kilobytes) * 1024 + sum(map(of_process, children))


def of_further_key(keys: int = 64) -> float:
    """Bytes for each of so many further keys in a process of their own."""
    command = [sys.executable, "-m", "bench.memory", str(keys)]
    return float(subprocess.run(command, cwd=_ROOT, capture_output=True, check=True).stdout)


class _AlwaysPlugged:
    """A key in a test's hand."""

    plugged = True

    def plug(self) -> None: ...

    def unplug(self) -> None: ...


class _Key:
    """A key as a test has it, after work."""

    def __init__(self) -> None:
        made_once = stored(_PROFILE, "ready")
        names = made_once.keys()
        own = {name: bytes(bytearray(made_once.read(name) or b"")) for name in names}
        self._clock = ManualClock()
        self._device = Device(_PROFILE, storage=MemoryStorage(own), clock=self._clock)
        self._control = KeyControl(SharedKey(self._device), _AlwaysPlugged())
        self._session = GmtSession(InProcessLink(self._device))
        self._sign()
        for _ in range(_APDUS_KEPT):
            self._device.transmit(_GET_DEVICE_INFO)

    def _sign(self) -> None:
        session, container = self._session, _PROFILE.containers.rsa
        session.transport.reset()
        application = session.open_application(_PROFILE.application)
        session.verify_pin(application, _PROFILE.ready_user_pin)
        assert container
        with Operator(self._device, self._read_and_confirm):
            session.sign_rsa(session.open_container(application, container.name), MESSAGE, SignInput.MESSAGE)

    def _read_and_confirm(self, ask: Ask) -> None:
        for _ in range(_SCREENS_KEPT // 2):
            self._device.press(Button.DOWN)
            self._device.press(Button.UP)
        self._clock.advance(_PROFILE.confirm.ok_dead_ms / 1000)
        read_and_press_ok(self._device, ask)


def _main(count: int) -> None:
    first = _Key()
    gc.collect()
    before = of_process(os.getpid())
    others = [_Key() for _ in range(count)]
    gc.collect()
    print((of_process(os.getpid()) - before) / len(others))
    del first


if __name__ == "__main__":
    _main(int(sys.argv[1]))
