"""A key that is up: its memory, its links and the file that says where it is."""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

from emulator.control.keycontrol import KeyControl
from emulator.control.server import PanelServer, PanelSpec, start_panel
from emulator.device import Device
from emulator.hardware.buttons import Button
from emulator.hardware.storage import MemoryStorage, StateError, Storage
from emulator.hardware.storage_sqlite import SqliteStorage
from emulator.links.errors import LinkError
from emulator.links.states import LinkState, OnState
from emulator.links.unix_socket import SocketLink
from emulator.links.vpcd import DEFAULT_HOST, DEFAULT_PORT, VpcdLink, tcp_slots
from emulator.profiles import Profile, load_profile, load_profile_file
from emulator.sharing import SharedKey
from protocols.errors import MissingPackageError
from protocols.i18n import N_
from protocols.runfile import RunFile, is_private, run_directory

_IDENTITY = "identity"
_DEFAULT_PROFILE = "bocom-2g-tendyron"
_READY_WHEN = {
    "socket": LinkState.LISTENING,
    "vpcd": LinkState.PLUGGED,
    "usbip": LinkState.LISTENING,
    "vhci": LinkState.CONFIGURED,
    "gadget": LinkState.CONFIGURED,
    "serial": LinkState.LISTENING,
    "ble": LinkState.LISTENING,
}
"""Each kind of link, and when the key can be used through it, as far as that is up to us."""
_FIRST_ADAPTER = "usb:0"
"""The first USB adapter, as bumble names it: not one that the system has in use (`hci-socket:0`)."""
_CORDLESS = "ble"
"""The kind that is no cable: it gives no power, and no plug is pulled out of it."""


@dataclass(frozen=True, slots=True)
class LinkSpec:
    """One ``--link``: its kind, for vpcd and usbip where it listens, for gadget and ble the controller, for serial the
    line.

    :param port: 0: the first free one from usbip's on.
    :param controller: None: for gadget the first free one, for ble bumble's ``usb:0``, the first USB adapter.
    :param path: None: a pseudo-terminal; of a running key, where the host finds it.
    """

    kind: str
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    controller: str | None = None
    path: Path | None = None

    def __str__(self) -> str:
        if self.kind in ("vpcd", "usbip"):
            return f"{self.kind}:{self.host}:{self.port}"
        if self.path:
            return f"{self.kind}:{self.path}"
        return f"{self.kind}:{self.controller}" if self.controller else self.kind


def parse_link(text: str) -> LinkSpec:
    """``vpcd[:HOST:PORT]``, ``socket``, ``usbip[:[HOST:]PORT]``, ``vhci``, ``gadget[:UDC]``, ``serial[:PATH]`` or
    ``ble[:ADAPTER]``.

    :raises LinkError: anything else.
    """
    kind, _, where = text.partition(":")
    if not where and kind in _READY_WHEN:
        return LinkSpec(kind, port=0 if kind == "usbip" else DEFAULT_PORT)
    if kind in ("gadget", "ble"):
        return LinkSpec(kind, controller=where)
    if kind == "serial":
        return LinkSpec(kind, path=Path(where))
    host, _, port = where.rpartition(":")
    last = 0xFFFE if kind == "vpcd" else 0xFFFF  # vpcd's second reader is at the next port
    is_number = port.isascii() and port.isdecimal() and 0 < int(port) <= last
    if is_number and (kind == "usbip" or (kind == "vpcd" and host)):
        return LinkSpec(kind, host.strip("[]") or DEFAULT_HOST, int(port))
    raise LinkError(
        N_(
            "--link {text}: expected vpcd[:HOST:PORT], socket, usbip[:[HOST:]PORT], vhci, gadget[:UDC], "
            "serial[:PATH] or ble[:ADAPTER]"
        ),
        text=text,
    )


class Link(Protocol):
    """What a key is plugged into."""

    def start(self) -> None:
        """Plug it in."""
        ...

    def close(self) -> None:
        """Pull it out."""
        ...


@runtime_checkable
class _Listener(Protocol):
    """A link that may have chosen its port itself."""

    @property
    def port(self) -> int:
        """Where it listens."""
        ...


class Opened(NamedTuple):
    """A key, and what ``--profile`` takes for its model."""

    device: Device
    model: str


def open_device(profile_name: str | None, state: Path | None, serial: str | None) -> Opened:
    """The key of a state file, or a new one.

    :param profile_name: an id, or the path of a TOML file; None takes the state file's, else the usual model.
    :raises StateError: the file is damaged, foreign, in use, or belongs to another model or number.
    :raises ProfileError: no such model, or the serial number does not follow its scheme.
    """
    existed = state is not None and state.exists() and state.stat().st_size > 0
    storage: Storage = SqliteStorage(state) if state else MemoryStorage()
    try:
        kept = json.loads(storage.read(_IDENTITY) or b"{}")
        if existed and not kept:
            raise StateError(
                N_("{file} holds no key: was it copied without its -wal file? Delete it to make a new one"),
                file=state,
            )
        name = profile_name or kept.get("source") or _DEFAULT_PROFILE
        profile = load_model(name)
        for wanted, key in ((profile.id, "profile"), (serial, "serial")):
            if wanted and wanted != kept.get(key, wanted):
                raise StateError(
                    N_("{file} holds a key of {kept}, not of {wanted}"),
                    file=state, kept=kept[key], wanted=wanted,
                )  # fmt: skip
        device = Device(profile, kept.get("serial") or serial, storage=storage)
        model = name if name == profile.id else str(Path(name).resolve())
        if not kept:
            identity = {"profile": profile.id, "source": model, "serial": device.serial}
            with storage.transaction() as transaction:
                transaction.put(_IDENTITY, json.dumps(identity).encode())
    except BaseException:
        storage.close()
        raise
    return Opened(device, model)


def load_model(name: str) -> Profile:
    """A shipped model by its id, or a user's own by the path of its TOML file.

    :raises ProfileError: neither.
    """
    return load_profile_file(name) if "/" in name or name.endswith(".toml") else load_profile(name)


class RunningKey:
    """A device with its links, and its panel if one is wanted.

    Plugged in and pulled out is what has a plug; by Bluetooth the key is found while it is switched on. One that has
    no plug at all is switched on and off instead.

    :param on_status: told of every change of a link, in the link's thread.
    """

    def __init__(
        self,
        key: Opened,
        links: list[LinkSpec],
        on_status: Callable[[LinkSpec, LinkState, int], None],
        panel: PanelSpec | None = None,
    ) -> None:
        self.device, self._model = key
        self._directory = run_directory(os.environ, Path.home())
        self._pty_path = self._directory / f"{self.device.serial}.tty"
        self.specs = [
            replace(spec, path=self._pty_path) if spec == LinkSpec("serial") else spec for spec in links
        ]
        self._on_status = on_status
        self._unready = set(range(len(links)))
        self._changed = threading.Condition()
        self._links: list[Link] = []
        self._radios: list[Link] = []
        self._plugging = threading.RLock()
        self._shared = SharedKey(self.device)
        self._panel_spec = panel
        self.panel: PanelServer | None = None
        self._run_path = self._directory / f"{self.device.serial}.json"
        self._run_descriptor: int | None = None

    @property
    def socket_path(self) -> Path | None:
        """Where the unix socket is, None without that link."""
        wanted = any(spec.kind == "socket" for spec in self.specs)
        return self._directory / f"{self.device.serial}.sock" if wanted else None

    @property
    def host_token(self) -> str | None:
        """What ``--token`` takes for it on this computer; None where the host has to look for it.

        A reader's name is pcscd's affair, and a key in one is pcscd's: no CCID key is named as one on USB.
        """
        if self.socket_path:
            return f"socket:{self.device.serial}"
        if any(spec.path == self._pty_path for spec in self.specs):
            return f"serial:{self._pty_path}"
        usb = self.device.profile.usb
        if "ccid" in usb.interfaces or all(spec.kind != "vhci" for spec in self.specs):
            return None
        return f"usb:{usb.vid:04x}:{usb.pid:04x}:{self.device.serial}"

    @property
    def run_file(self) -> RunFile:
        """What others are told of this key."""
        links = tuple(str(spec) for spec in self.specs)
        socket = str(self.socket_path) if self.socket_path else None
        panel, token = (self.panel.url, self.panel.token) if self.panel else (None, None)
        profile = self.device.profile
        return RunFile(
            os.getpid(),
            self.device.serial,
            profile.id,
            self._model,
            links,
            socket,
            panel,
            token,
            profile.dialect,
        )

    def start(self) -> None:
        """Start the links and write the run file.

        :raises LinkError: the run directory is not ours alone, a key of this serial number is running already, or
            a USB link, serial line or Bluetooth adapter cannot be had.
        :raises SocketLinkError: the socket cannot be made.
        :raises PanelError: the panel's address cannot be had.
        :raises MissingPackageError: the packages for the panel, for USB, serial ports or Bluetooth are not
            installed.
        """
        _private_directory(self._directory)
        self._run_descriptor = _claim(self._run_path)
        self._pty_path.unlink(missing_ok=True)  # of a key that was killed
        for number in self._numbers(cordless=True):
            self._radios.append(self._started(number))
        self.plug()
        if self._panel_spec is not None:
            self.panel = start_panel(KeyControl(self._shared, self), self._panel_spec)
        os.write(self._run_descriptor, self.run_file.encode())

    @property
    def plugged(self) -> bool:
        """Whether the key is plugged into its links; without a plug, whether it is switched on."""
        return bool(self._links) if self._numbers(cordless=False) else self.device.is_on

    def plug(self) -> None:
        """Plug the key in; harmless when it is.

        :raises LinkError: a USB link or serial line cannot be had.
        :raises SocketLinkError: the socket cannot be made.
        :raises MissingPackageError: a package for USB or for serial ports is not installed.
        """
        with self._plugging:
            if self.plugged:
                return
            cables = self._numbers(cordless=False)
            if not cables:
                self.device.press(Button.POWER)
                return
            self.device.bus_power(on=True)
            try:
                for number in cables:
                    self._plug_into(number)
            except BaseException:
                self._pull_out()
                raise

    def unplug(self) -> None:
        """Pull the key out of everything, with the panel still there; harmless when it is out."""
        with self._plugging:
            if not self.plugged:
                return
            self._pull_out()
            for number in self._numbers(cordless=False):
                self._on_status(self.specs[number], LinkState.UNPLUGGED, -1)

    def wait_until_ready(self, seconds: float | None) -> bool:
        """Whether every link can be used, within a time; None waits for ever."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._unready, seconds)

    def stop(self) -> None:
        """Pull the key out of everything and remove the run file."""
        if self.panel:
            self.panel.close()
        with self._plugging:
            self._pull_out()
        while self._radios:
            self._radios.pop().close()
        if self._run_descriptor is not None:
            self._run_path.unlink(missing_ok=True)
            os.close(self._run_descriptor)
            self._run_descriptor = None
        self.device.close()

    def _numbers(self, *, cordless: bool) -> list[int]:
        """The links without a plug, or those with one."""
        return [number for number, spec in enumerate(self.specs) if (spec.kind == _CORDLESS) is cordless]

    def _started(self, number: int) -> Link:
        link = self._make(number)
        link.start()
        return link

    def _plug_into(self, number: int) -> None:
        link = self._started(number)
        self._links.append(link)
        if isinstance(link, _Listener):
            self.specs[number] = replace(self.specs[number], port=link.port)
        if self.specs[number].kind in ("socket", "usbip"):
            self._hear(number, LinkState.LISTENING)

    def _pull_out(self) -> None:
        self.device.bus_power(on=False)
        while self._links:
            self._links.pop().close()

    def _make(self, number: int) -> Link:
        spec, hear = self.specs[number], partial(self._hear, number)
        if spec.kind == "socket":
            return SocketLink(self.device, self._directory / f"{self.device.serial}.sock", self._shared)
        if spec.path:
            return _serial_link(spec.path, self._pty_path, self._shared, hear)
        if spec.kind == "vpcd":
            return VpcdLink(self.device, tcp_slots(spec.host, spec.port), hear, self._shared)
        if spec.kind == "ble":
            return _ble_link(spec.controller or _FIRST_ADAPTER, self._shared, hear)
        return _usb_link(spec, self._shared, hear)

    def _hear(self, number: int, state: LinkState, slot: int = -1) -> None:
        """A link has changed its state."""
        spec = self.specs[number]
        self._on_status(spec, state, slot)
        if state is _READY_WHEN[spec.kind]:
            with self._changed:
                self._unready.discard(number)
                self._changed.notify_all()


def _usb_link(spec: LinkSpec, shared: SharedKey, on_state: OnState) -> Link:
    """Only who wants USB loads what it takes.

    :raises MissingPackageError: construct is not installed.
    """
    try:
        from emulator.links.usb.gadget import GadgetLink
        from emulator.links.usb.key import UsbKey
        from emulator.links.usb.usbip import UsbIpLink
        from emulator.links.usb.vhci import VhciLink
    except ModuleNotFoundError as error:
        if error.name != "construct":
            raise
        raise MissingPackageError(N_("a USB key needs construct: pip install 'vukey[usb]'")) from None
    key = UsbKey(shared)
    if spec.kind == "usbip":
        return UsbIpLink(key, spec.host, spec.port or None, on_state)
    if spec.kind == "vhci":
        return VhciLink(key, on_state)
    return GadgetLink(key, spec.controller, on_state)


def _serial_link(path: Path, own: Path, shared: SharedKey, on_state: OnState) -> Link:
    """Only who wants a serial line loads what Linux alone has.

    :param own: where the key's own pseudo-terminal goes; any other path is a port of this machine.
    :raises MissingPackageError: a port takes pyserial, which is not installed.
    """
    from emulator.links.serial import Pty, SerialLink, SerialPort

    return SerialLink(shared, Pty(path) if path == own else SerialPort(path), on_state)


def _ble_link(adapter: str, shared: SharedKey, on_state: OnState) -> Link:
    """Only who wants Bluetooth loads what it takes.

    :raises MissingPackageError: bumble is not installed.
    """
    try:
        from emulator.links.ble.link import BleLink
    except ModuleNotFoundError as error:
        if error.name != "bumble":
            raise
        raise MissingPackageError(N_("a Bluetooth key needs bumble: pip install 'vukey[ble]'")) from None
    return BleLink(shared, adapter, on_state)


def _private_directory(path: Path) -> None:
    """Make the run directory, 0700 and ours.

    :raises LinkError: somebody else could reach into it.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not is_private(path.lstat(), os.getuid()):
        raise LinkError(
            N_("{path} must be a directory of yours that nobody else can enter: chmod 700 {path}"), path=path
        )


def _claim(path: Path) -> int:
    """The run file, empty and locked for as long as the key runs; the lock ends with the process, however it ends.

    :raises LinkError: a key of this serial number has it.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise LinkError(
                N_("key {serial} is running already; give this one another number with --serial"),
                serial=path.stem,
            ) from None
        if _is_still_at(path, descriptor):
            os.ftruncate(descriptor, 0)
            return descriptor
        os.close(descriptor)


def _is_still_at(path: Path, descriptor: int) -> bool:
    """Whether the open file has not been removed meanwhile by the key that had it before."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False
