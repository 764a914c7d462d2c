"""USB/IP against Linux's vhci_hcd: the real usbip tool over TCP, and sockets handed to the kernel directly."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from emulator.device import Device
from emulator.links.states import LinkState
from emulator.links.usb.key import UsbKey
from emulator.links.usb.usbip import UsbIpLink
from emulator.links.usb.vhci import VhciLink
from emulator.profiles import load_profile
from emulator.sharing import SharedKey
from hostdriver.gmt import GmtSession
from hostdriver.tokens import open_session
from hostdriver.transport.usb import UsbName
from tests.rig.cli import PATIENCE_S, VUKEY, Lines, environment
from tests.rig.key import changed, stored
from vukey_testing.usb_news import DeviceNews

pytestmark = pytest.mark.slow

UNLISTED_PID = 0x5AFE
"""pcscd lets keys alone that libccid has not in its list."""
KERNEL_COMPLAINS = ("error", "failed", "bug", "warn", "not responding", "timed out", "unexpected", "unknown")


class Plugged(NamedTuple):
    """A key for Linux to find, and what its link has told."""

    key: UsbKey
    name: UsbName
    states: list[LinkState]


@pytest.fixture(autouse=True, scope="module")
def _bus() -> None:
    if not Path("/run/udev/control").exists():
        subprocess.run(["/lib/systemd/systemd-udevd", "--daemon"], check=True)
    subprocess.run(["modprobe", "vhci_hcd"], check=True)


@pytest.fixture(autouse=True)
def _quiet_kernel() -> Iterator[None]:
    """Whatever a test does, the kernel has nothing to complain of."""
    before = len(dmesg())
    yield
    said = [line for line in dmesg()[before:] if any(word in line.lower() for word in KERNEL_COMPLAINS)]
    assert said == []


@pytest.fixture
def news() -> Iterator[DeviceNews]:
    with DeviceNews() as news:
        yield news


def dmesg() -> list[str]:
    return subprocess.run(["dmesg"], check=True, capture_output=True, text=True).stdout.splitlines()


def blank_key() -> Plugged:
    """A key without a bank on it, which is quickly made."""
    profile = changed(load_profile("icbc-2g-feitian"), usb__pid=UNLISTED_PID)
    device = Device(profile, storage=stored(profile, "blank"))
    name = UsbName(profile.usb.vid, profile.usb.pid, device.serial)
    return Plugged(UsbKey(SharedKey(device)), name, [])


@contextmanager
def served() -> Iterator[tuple[Plugged, str]]:
    """A key behind a server, and the server's port."""
    plugged = blank_key()
    link = UsbIpLink(plugged.key, on_state=plugged.states.append)
    link.start()
    try:
        yield plugged, str(link.port)
    finally:
        link.close()


def usbip(port: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The usbip tool."""
    command = ["usbip", "--tcp-port", port, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)


def attached_ports() -> list[str]:
    """Ports of vhci_hcd that something is plugged into: state 6, VDEV_ST_USED."""
    status = Path("/sys/devices/platform/vhci_hcd.0/status").read_text().splitlines()[1:]
    return [str(int(line.split()[1])) for line in status if line.split()[2] == "006"]


def serial_of(session: GmtSession) -> str:
    return session.device_info().serial


def test_the_tool_lists_attaches_and_detaches(news: DeviceNews) -> None:
    with served() as (plugged, port):
        listed = usbip(port, "list", "-r", "127.0.0.1")
        assert f"096e:{UNLISTED_PID:04x}" in listed.stdout
        assert "Chip/SmartCard" in listed.stdout
        for _ in range(5):
            attached = usbip(port, "attach", "-r", "127.0.0.1", "-b", "1-1")
            assert attached.returncode == 0, attached.stderr
            assert news.wait_for(plugged.name, PATIENCE_S, present=True)
            (at,) = attached_ports()
            with open_session(str(plugged.name)) as session:
                assert serial_of(session) == plugged.name.serial
            assert usbip(port, "detach", "-p", at).returncode == 0
            assert news.wait_for(plugged.name, PATIENCE_S, present=False)
            assert news.wait_until(lambda: attached_ports() == [], PATIENCE_S)


def test_a_second_host_is_told_that_the_key_is_in_use(news: DeviceNews) -> None:
    with served() as (plugged, port):
        assert usbip(port, "attach", "-r", "127.0.0.1", "-b", "1-1").returncode == 0
        assert news.wait_for(plugged.name, PATIENCE_S, present=True)
        listed = usbip(port, "list", "-r", "127.0.0.1")
        assert "no exportable devices" in listed.stdout + listed.stderr
        refused = usbip(port, "attach", "-r", "127.0.0.1", "-b", "1-1")
        assert refused.returncode != 0
        assert "busy" in refused.stderr.lower()
    assert news.wait_for(plugged.name, PATIENCE_S, present=False)


def test_a_server_that_is_killed_is_a_key_that_is_pulled_out(news: DeviceNews, tmp_path: Path) -> None:
    command = [*VUKEY, "up", "--link", "usbip", "--stage", "blank", "--profile", "icbc-2g-feitian"]
    server = subprocess.Popen(
        command, env=environment(tmp_path), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert server.stderr
    lines = Lines(server.stderr)
    line = lines.wait_for("sudo usbip")
    serial, attach = line.split()[1], line.partition("sudo ")[2].split()
    subprocess.run(attach, check=True, timeout=PATIENCE_S)
    name = UsbName(0x096E, 0x0001, serial)
    assert news.wait_for(name, PATIENCE_S, present=True)
    server.send_signal(signal.SIGKILL)
    server.wait(PATIENCE_S)
    lines.close()
    assert news.wait_for(name, PATIENCE_S, present=False)
    assert news.wait_until(lambda: attached_ports() == [], PATIENCE_S)


def test_keys_take_the_next_ports(news: DeviceNews) -> None:
    keys = [blank_key() for _ in range(4)]
    with ExitStack() as links:
        for plugged in keys:
            link = VhciLink(plugged.key, plugged.states.append)
            link.start()
            links.callback(link.close)
        for plugged in keys:
            assert news.wait_for(plugged.name, PATIENCE_S, present=True)
            with open_session(str(plugged.name)) as session:
                assert serial_of(session) == plugged.name.serial
        assert len(attached_ports()) == 4
    assert news.wait_until(lambda: attached_ports() == [], PATIENCE_S)
    assert all(plugged.states[:2] == [LinkState.WAITING, LinkState.CONFIGURED] for plugged in keys)


def test_who_detaches_a_port_has_pulled_the_key_out(news: DeviceNews) -> None:
    plugged = blank_key()
    link = VhciLink(plugged.key, plugged.states.append)
    link.start()
    assert news.wait_for(plugged.name, PATIENCE_S, present=True)
    (port,) = attached_ports()
    assert usbip("3240", "detach", "-p", port).returncode == 0
    assert news.wait_for(plugged.name, PATIENCE_S, present=False)
    assert news.wait_until(lambda: plugged.states[-1] is LinkState.UNPLUGGED, PATIENCE_S)
    link.close()
    assert attached_ports() == []


def test_a_reset_by_the_host_leaves_the_key_usable(news: DeviceNews) -> None:
    import usb.core

    plugged = blank_key()
    link = VhciLink(plugged.key, plugged.states.append)
    link.start()
    assert news.wait_for(plugged.name, PATIENCE_S, present=True)
    found = usb.core.find(idVendor=plugged.name.vid, idProduct=plugged.name.pid)
    assert found
    found.reset()
    usb.util.dispose_resources(found)
    with open_session(str(plugged.name)) as session:
        assert serial_of(session) == plugged.name.serial
    link.close()
    assert plugged.states.count(LinkState.CONFIGURED) == 2
