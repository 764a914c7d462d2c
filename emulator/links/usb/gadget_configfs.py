"""A USB device of configfs, on a controller (UDC) that no other key has (Linux, gadget_configfs.rst)."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from emulator.links.errors import LinkError
from protocols.i18n import N_
from protocols.usb import DeviceModel, Speed

_CONTROLLERS = Path("/sys/class/udc")
_CONFIGFS = Path("/sys/kernel/config")
_GADGETS = _CONFIGFS / "usb_gadget"
_MOUNT_POINTS = Path("/run")
_ENGLISH_US = "0x409"
_MODPROBE_S = 30.0

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = (
    ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p,
)  # fmt: skip
_libc.umount.argtypes = (ctypes.c_char_p,)


class GadgetError(LinkError):
    """``--link gadget`` cannot be set up."""


class Controller:
    """A USB device controller that is ours until `release`, or until the process ends, however it ends."""

    def __init__(self, name: str, descriptor: int) -> None:
        self.name = name
        self._descriptor = descriptor

    @property
    def in_use(self) -> bool:
        """Whether a gadget is bound to it."""
        return bool((_CONTROLLERS / self.name / "function").read_text().strip())

    @property
    def speed(self) -> Speed:
        """What it has agreed on with the host."""
        high = (_CONTROLLERS / self.name / "current_speed").read_text().strip() == "high-speed"
        return Speed.HIGH if high else Speed.FULL

    def release(self) -> None:
        """Let others have it."""
        os.close(self._descriptor)


def claim_controller(wanted: str | None) -> Controller:
    """The controller of that name, or the first that is free; what a killed key has left on it is removed.

    :raises GadgetError: not root, there is none, or it is in use.
    """
    if os.geteuid() != 0:
        raise GadgetError(N_("--link gadget sets a USB device up in the kernel: only root can do that"))
    present = sorted(os.listdir(_CONTROLLERS)) if _CONTROLLERS.is_dir() else []
    if not present:
        raise GadgetError(
            N_("this computer has no USB device controller: use a board that has one, or modprobe dummy_hcd")
        )
    if wanted is not None and wanted not in present:
        raise GadgetError(
            N_("there is no USB device controller {udc}; there is {present}"),
            udc=wanted, present=", ".join(present),
        )  # fmt: skip
    for name in present if wanted is None else [wanted]:
        controller = _claim(name)
        if controller is not None:
            return controller
    raise _in_use([wanted] if wanted else present)


def _claim(name: str) -> Controller | None:
    descriptor = os.open(_CONTROLLERS / name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    controller = Controller(name, descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        Gadget(name).remove()
        if not controller.in_use:
            return controller
    except BlockingIOError:
        pass
    except BaseException:
        controller.release()
        raise
    controller.release()
    return None


def _in_use(names: Iterable[str]) -> GadgetError:
    return GadgetError(N_("the USB device controller is in use: {udcs}"), udcs=", ".join(names))


class Gadget:
    """The device as a directory of configfs, with its FunctionFS mounted. All of it is named after the controller.

    :param controller: claimed already.
    """

    def __init__(self, controller: str) -> None:
        self._controller = controller
        self._directory = _GADGETS / f"vukey-{controller}"
        self._function = self._directory / "functions" / f"ffs.{controller}"
        self._configuration = self._directory / "configs" / "c.1"
        self._link = self._configuration / self._function.name
        self.mount_point = _MOUNT_POINTS / f"vukey-gadget-{controller}"

    def create(self, model: DeviceModel) -> None:
        """Make it and mount its FunctionFS.

        :raises GadgetError: the kernel has no gadgets.
        :raises OSError: the kernel refuses a part of it.
        """
        _open_configfs()
        for directory in self._directories:
            directory.mkdir()
        values = {
            "bcdUSB": "0x0200",
            "idVendor": f"{model.vid:#06x}",
            "idProduct": f"{model.pid:#06x}",
            "bcdDevice": f"{model.release:#06x}",
            "max_speed": "high-speed",
            f"strings/{_ENGLISH_US}/manufacturer": model.manufacturer,
            f"strings/{_ENGLISH_US}/product": model.product,
            f"strings/{_ENGLISH_US}/serialnumber": model.serial,
            "configs/c.1/MaxPower": "100",
        }
        for name, value in values.items():
            (self._directory / name).write_text(value, encoding="utf-8")
        self._link.symlink_to(self._function)
        self.mount_point.mkdir(mode=0o700)
        _mount(self._controller, self.mount_point, "functionfs")

    def bind(self) -> None:
        """Plug it in; its FunctionFS must have its descriptors.

        :raises GadgetError: the controller is in use.
        :raises OSError: the controller cannot be such a device.
        """
        try:
            (self._directory / "UDC").write_text(self._controller)
        except OSError as error:
            if error.errno == errno.EBUSY:
                raise _in_use([self._controller]) from None
            raise

    def unbind(self) -> None:
        """Pull it out; harmless when it is out."""
        with suppress(OSError):
            (self._directory / "UDC").write_text("\n")

    def remove(self) -> None:
        """Undo what `create` has made, or a part of it; harmless when there is nothing.

        :raises OSError: somebody else still uses it.
        """
        self.unbind()
        if self.mount_point.is_mount():
            _unmount(self.mount_point)
        if self.mount_point.exists():
            self.mount_point.rmdir()
        if self._link.is_symlink():
            self._link.unlink()
        for directory in reversed(self._directories):
            if directory.exists():
                directory.rmdir()

    @property
    def _directories(self) -> tuple[Path, ...]:
        return (
            self._directory,
            self._directory / "strings" / _ENGLISH_US,
            self._configuration,
            self._function,
        )


def _open_configfs() -> None:
    """Have gadgets in configfs, and configfs mounted.

    :raises GadgetError: the kernel has none.
    """
    if _GADGETS.is_dir():
        return
    with suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(
            ["modprobe", "libcomposite"],  # noqa: S607
            capture_output=True, check=False, timeout=_MODPROBE_S,
        )  # fmt: skip
    if _CONFIGFS.is_dir() and not _CONFIGFS.is_mount():
        _mount("none", _CONFIGFS, "configfs")
    if not _GADGETS.is_dir():
        raise GadgetError(
            N_("this kernel has no USB gadgets in {directory}: modprobe libcomposite"), directory=_GADGETS
        )


def _mount(source: str, target: Path, kind: str) -> None:
    if _libc.mount(source.encode(), os.fsencode(target), kind.encode(), 0, None):
        raise _os_error(target)


def _unmount(target: Path) -> None:
    if _libc.umount(os.fsencode(target)):
        raise _os_error(target)


def _os_error(target: Path) -> OSError:
    code = ctypes.get_errno()
    return OSError(code, os.strerror(code), str(target))
