"""Which port of vhci_hcd a key takes, by the files of a Linux 6.1 with two controllers. The bus itself: tests/vm."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import pytest

from emulator.device import Device
from emulator.links.errors import LinkError
from emulator.links.states import LinkState
from emulator.links.usb import vhci
from emulator.links.usb.key import UsbKey
from emulator.links.usb.vhci import VhciLink
from emulator.sharing import SharedKey
from tests.rig.patience import PATIENCE_S

HEAD = "hub port sta spd dev      sockfd local_busid\n"
FREE = "{hub}  {port:04d} 004 000 00000000 000000 0-0\n"
USED = "{hub}  {port:04d} 006 003 00010002 000003 1-1\n"
STARTING = "{hub}  {port:04d} 005 000 00000000 000000 0-0\n"


def status(*ports: str, first: int = 0) -> str:
    """A status file: ports of high speed, then a free one of super speed, which is not for us."""
    lines = [line.format(hub="hs", port=first + number) for number, line in enumerate(ports)]
    return HEAD + "".join(lines) + FREE.format(hub="ss", port=first + len(ports))


@pytest.fixture
def controller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    controller = tmp_path / "vhci_hcd.0"
    monkeypatch.setattr(vhci, "CONTROLLER", controller)
    controller.mkdir()
    (controller / "status").write_text(status(USED, STARTING))
    (controller / "status.1").write_text(status(USED, FREE, FREE, first=16))
    (controller / "attach").touch()
    return controller


@pytest.fixture
def link(device: Device) -> VhciLink:
    return VhciLink(UsbKey(SharedKey(device)))


def test_the_first_free_port_of_high_speed(controller: Path, link: VhciLink) -> None:
    link.start()
    port, descriptor, device, speed = (controller / "attach").read_text().split()
    assert (port, speed) == ("17", "3")
    assert int(descriptor) > 2
    assert int(device) == 0x10002
    link.close()


def test_not_where_linux_still_has_the_last_device(controller: Path, link: VhciLink) -> None:
    """As in sysfs: usb3 is the second controller's bus of high speed, 3-2 what is on its second port."""
    (controller.with_name("vhci_hcd.1") / "usb3" / "3-2").mkdir(parents=True)
    link.start()
    assert (controller / "attach").read_text().split()[0] == "18"
    link.close()


def test_there_nevertheless_if_no_other_is_free(controller: Path, link: VhciLink) -> None:
    for device in ("3-2", "3-3"):
        (controller.with_name("vhci_hcd.1") / "usb3" / device).mkdir(parents=True)
    link.start()
    assert (controller / "attach").read_text().split()[0] == "17"
    link.close()


def test_no_port_is_free(controller: Path, link: VhciLink) -> None:
    (controller / "status.1").write_text(status(USED, first=16))
    with pytest.raises(LinkError, match="every port"):
        link.start()


def test_the_module_is_not_loaded(controller: Path, link: VhciLink) -> None:
    (controller / "status").unlink()
    with pytest.raises(LinkError, match="sudo modprobe vhci_hcd"):
        link.start()


@pytest.mark.parametrize(
    ("number", "words"), [(errno.EACCES, "only root"), (errno.EBUSY, "every port")], ids=["not root", "taken"]
)
def test_the_kernel_refuses(
    controller: Path, link: VhciLink, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    """EBUSY: somebody was faster at each port (drivers/usb/usbip/vhci_sysfs.c)."""

    def refuse(path: Path, text: str) -> int:
        raise OSError(number, "", str(path))

    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.raises(LinkError, match=words):
        link.start()


def test_a_connection_that_ends_is_a_key_that_is_out(controller: Path, device: Device) -> None:
    """Nobody holds the other end here: the kernel's part is only a file."""
    states: list[LinkState] = []
    out = threading.Event()

    def hear(state: LinkState) -> None:
        states.append(state)
        if state is LinkState.UNPLUGGED:
            out.set()

    link = VhciLink(UsbKey(SharedKey(device)), hear)
    link.start()
    assert out.wait(PATIENCE_S)
    assert states == [LinkState.WAITING, LinkState.UNPLUGGED]
    link.close()
    assert not (controller / "detach").exists()
