"""The key straight into this computer's virtual USB bus (Linux's vhci_hcd): no network and no usbip tool."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
from pathlib import Path

from emulator.links.errors import LinkError
from emulator.links.states import LinkState, OnState
from emulator.links.usb.usbip import SPEED, UsbDevice, UsbIpSession
from protocols.i18n import N_

CONTROLLER = Path("/sys/devices/platform/vhci_hcd.0")
"""The first controller; its files speak for all of them."""

_FREE = 4
"""VDEV_ST_NULL of the kernel's drivers/usb/usbip/usbip_common.h."""
_DEVICE = 1 << 16 | 2
"""Bus 1, device 2: of no meaning to Linux, which only sends it back."""


class VhciError(LinkError):
    """The key cannot get onto this computer's virtual bus."""


class VhciLink:
    """Attaches the key when started, and detaches it when closed. Needs root."""

    def __init__(self, key: UsbDevice, on_state: OnState = lambda state: None) -> None:
        self._key = key
        self._on_state = on_state
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="vukey-vhci", daemon=True)

    def start(self) -> None:
        """Attach it to a free port of high speed.

        :raises VhciError: vhci_hcd is not loaded, it is not ours to use, or no port is free.
        """
        ours, theirs = socket.socketpair()
        with theirs, contextlib.ExitStack() as failed:
            failed.callback(ours.close)
            self._port = _attach(theirs.fileno())
            failed.pop_all()
        self._session = UsbIpSession(ours, self._key, self._configured)
        self._on_state(LinkState.WAITING)
        self._thread.start()

    def close(self) -> None:
        """Detach it: to the computer, the key is pulled out."""
        self._closed = True
        if self._thread.is_alive() and not _detach(self._port):
            self._session.close()
        self._thread.join()

    def _serve(self) -> None:
        self._session.serve()
        if not self._closed:
            self._on_state(LinkState.UNPLUGGED)

    def _configured(self, configured: bool) -> None:
        self._on_state(LinkState.CONFIGURED if configured else LinkState.WAITING)


def _attach(descriptor: int) -> int:
    """Give the kernel a socket; the number of the port.

    :raises VhciError: it cannot be.
    """
    try:
        for port in _free_ports():
            if _write("attach", f"{port} {descriptor} {_DEVICE} {SPEED:d}", unless=errno.EBUSY):
                return port
    except FileNotFoundError:
        raise VhciError(N_("this computer has no virtual USB bus: sudo modprobe vhci_hcd")) from None
    except PermissionError:
        raise VhciError(N_("only root can plug a key into this computer's virtual USB bus")) from None
    raise VhciError(N_("every port of this computer's virtual USB bus is taken"))


def _free_ports() -> list[int]:
    """The high-speed ports of all controllers that nothing is plugged into.

    Those come last on which Linux has not yet seen the old device off: it may take a new one for that, and let it
    wait for ever (drivers/usb/core/hub.c, hub_port_connect_change).

    Lines of a status file: hub, port, state, speed, device, socket, bus id (drivers/usb/usbip/vhci_sysfs.c).
    """
    left: list[int] = []
    lingering: list[int] = []
    for status in [CONTROLLER / "status", *sorted(CONTROLLER.glob("status.*"))]:
        buses = CONTROLLER.with_suffix(status.suffix or CONTROLLER.suffix)
        lines = (line.split() for line in status.read_text().splitlines() if line.startswith("hs"))
        for place, (_, port, state, *_) in enumerate(lines, 1):
            if int(state) == _FREE:
                (lingering if any(buses.glob(f"usb*/*-{place}")) else left).append(int(port))
    return left + lingering


def _detach(port: int) -> bool:
    """Tell the kernel to close its end of a port; whether it was still open."""
    return _write("detach", str(port), unless=errno.EINVAL)


def _write(name: str, text: str, unless: int) -> bool:
    """Write to a file of the controller; False where that fails as somebody may always have been faster."""
    try:
        (CONTROLLER / name).write_text(text)
    except OSError as error:
        if error.errno == unless:
            return False
        raise
    return True
