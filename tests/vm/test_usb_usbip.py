"""USB/IP against Linux's vhci_hcd: the real usbip tool over TCP, and sockets handed to the kernel directly."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest
import usb.util

from emulator.device import Device
from emulator.links.states import LinkState
from emulator.links.usb.key import UsbKey
from emulator.links.usb.vhci import VhciLink
from emulator.sharing import SharedKey
from hostdriver.tokens import open_session
from hostdriver.transport.usb import UsbName, find_one
from tests.rig.cli import VUKEY, Lines, environment
from tests.rig.patience import PATIENCE_S
from tests.vm.keys import (
    UNLISTED_PID,
    attach,
    attached_ports,
    detach,
    name_of,
    served,
    small_key,
    usbip,
)
from tests.vm.stack import load_modules
from vukey_testing.usb_news import DeviceNews

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("content_kernel")]


@pytest.fixture(autouse=True, scope="module")
def _bus() -> None:
    load_modules()


@pytest.fixture
def news() -> Iterator[DeviceNews]:
    with DeviceNews() as news:
        yield news


def blank_key() -> AbstractContextManager[Device]:
    """A key without a bank on it, which is quickly made."""
    return small_key("icbc-2g-feitian", "blank", usb__pid=UNLISTED_PID)


@contextmanager
def plugged(key: Device) -> Iterator[list[LinkState]]:
    """A key on the bus, as long as libusb finds it, and what its link tells."""
    states: list[LinkState] = []
    link = VhciLink(UsbKey(SharedKey(key)), states.append)
    with DeviceNews() as news:
        link.start()
        try:
            assert news.wait_for(name_of(key), PATIENCE_S, present=True)
            yield states
        finally:
            link.close()
            assert news.wait_for(name_of(key), PATIENCE_S, present=False)


def answers(key: Device) -> bool:
    with open_session(str(name_of(key))) as session:
        return session.device_info().serial == key.serial


def test_the_tool_lists_attaches_and_detaches(news: DeviceNews) -> None:
    with blank_key() as key, served(key) as port:
        listed = usbip(port, "list", "--remote", "127.0.0.1")
        assert f"096e:{UNLISTED_PID:04x}" in listed
        assert "Chip/SmartCard" in listed
        for _ in range(5):
            attach(port)
            assert news.wait_for(name_of(key), PATIENCE_S, present=True)
            assert answers(key)
            detach()
            assert news.wait_for(name_of(key), PATIENCE_S, present=False)
            assert news.wait_until(lambda: attached_ports() == [], PATIENCE_S)


def second_host(port: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["usbip", "--tcp-port", port, *arguments, "--remote", "127.0.0.1"]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)


def test_a_second_host_is_told_that_the_key_is_in_use(news: DeviceNews) -> None:
    with blank_key() as key:
        with served(key) as port:
            attach(port)
            assert news.wait_for(name_of(key), PATIENCE_S, present=True)
            listed = second_host(port, "list")
            assert "no exportable devices" in listed.stdout + listed.stderr
            refused = second_host(port, "attach", "--busid", "1-1")
            assert refused.returncode != 0
            assert "busy" in refused.stderr.lower()
        assert news.wait_for(name_of(key), PATIENCE_S, present=False)


def test_a_server_that_is_killed_is_a_key_that_is_pulled_out(news: DeviceNews, tmp_path: Path) -> None:
    command = [*VUKEY, "up", "--link", "usbip", "--stage", "blank", "--profile", "icbc-2g-feitian"]
    server = subprocess.Popen(
        command, env=environment(tmp_path), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert server.stderr
    lines = Lines(server.stderr)
    line = lines.wait_for("sudo usbip")
    serial, command = line.split()[1], line.partition("sudo ")[2].split()
    subprocess.run(command, check=True, timeout=PATIENCE_S)
    name = UsbName(0x096E, 0x0001, serial)
    assert news.wait_for(name, PATIENCE_S, present=True)
    server.send_signal(signal.SIGKILL)
    server.wait(PATIENCE_S)
    lines.close()
    assert news.wait_for(name, PATIENCE_S, present=False)
    assert news.wait_until(lambda: attached_ports() == [], PATIENCE_S)


def test_keys_take_the_next_ports() -> None:
    with ExitStack() as stack:
        keys = [stack.enter_context(blank_key()) for _ in range(4)]
        told = [stack.enter_context(plugged(key)) for key in keys]
        assert all(map(answers, keys))
        assert len(attached_ports()) == 4
    assert attached_ports() == []
    assert all(states[:2] == [LinkState.WAITING, LinkState.CONFIGURED] for states in told)


def test_who_detaches_a_port_has_pulled_the_key_out(news: DeviceNews) -> None:
    with blank_key() as key, plugged(key) as states:
        detach()
        assert news.wait_for(name_of(key), PATIENCE_S, present=False)
        assert news.wait_until(lambda: states[-1] is LinkState.UNPLUGGED, PATIENCE_S)
    assert attached_ports() == []


def test_a_reset_by_the_host_leaves_the_key_usable() -> None:
    with blank_key() as key, plugged(key) as states:
        found = find_one(name_of(key)).device
        found.reset()
        usb.util.dispose_resources(found)
        assert answers(key)
    assert states.count(LinkState.CONFIGURED) == 2
