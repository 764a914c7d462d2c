"""FunctionFS and configfs of a real kernel, with dummy_hcd as the cable; the host's end is libusb."""

from __future__ import annotations

import errno
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
import usb.core
import usb.util

from emulator.links.states import LinkState
from emulator.links.usb.function import Bus
from emulator.links.usb.gadget import GadgetLink
from emulator.links.usb.gadget_configfs import GadgetError
from emulator.links.usb.gadget_functionfs import FunctionFs
from protocols.usb import DeviceModel, Endpoint, Interface, Setup, Transfer
from tests.rig.patience import PATIENCE_S
from vukey_testing.usb_news import DeviceNews

pytestmark = pytest.mark.slow

CONTROLLERS = Path("/sys/class/udc")
GADGETS = Path("/sys/kernel/config/usb_gadget")
VENDOR_SPECIFIC = 0xFF
VID, PID = 0x1209, 0x0001
HEADER_SIZE = 4
PATIENCE_MS = int(PATIENCE_S * 1000)
TO_KEY, TO_HOST = 0x41, 0xC1
"""bmRequestType of a vendor's request to an interface."""
HALT_AFTER_THIS = b"\4\0\0\0halt"


class Echo:
    """Sends every message back: four bytes of length, little-endian, and so many bytes. It says hello at the start."""

    def __init__(self, number: int, endpoint: int) -> None:
        self._in, out, self._interrupt = 0x80 | endpoint, endpoint, 0x80 | endpoint + 1
        self.interface = Interface(
            number, VENDOR_SPECIFIC, 0, 0, f"Echo {number}", b"",
            (
                Endpoint(self._in, Transfer.BULK),
                Endpoint(out, Transfer.BULK),
                Endpoint(self._interrupt, Transfer.INTERRUPT, 8),
            ),
        )  # fmt: skip
        self._held = b""
        self._bus: Bus | None = None
        self.requests: list[tuple[Setup, bytes]] = []
        self.stopped = threading.Event()

    def start(self, bus: Bus) -> None:
        self._held = b""
        self._bus = bus
        self.stopped.clear()
        bus.send(self._interrupt, b"hello")

    def stop(self) -> None:
        self.stopped.set()

    def missing(self, endpoint: int) -> int:
        size = int.from_bytes(self._held[:HEADER_SIZE], "little") + HEADER_SIZE
        return size - len(self._held) if self._held else 0

    def receive(self, endpoint: int, data: bytes) -> None:
        assert self._bus
        self._held += data
        if not self.missing(endpoint):
            message, self._held = self._held, b""
            self._bus.send(self._in, message)
            if message == HALT_AFTER_THIS:
                self._bus.halt(self._in)

    def control(self, setup: Setup, data: bytes) -> bytes | None:
        self.requests.append((setup, data))
        return {1: b"", 2: bytes(range(200))}.get(setup.request)

    def clear_halt(self, endpoint: int) -> None:
        raise AssertionError("a controller does that by itself")


class States:
    """What a link says of itself."""

    def __init__(self) -> None:
        self._told: list[LinkState] = []
        self._changed = threading.Condition()

    def __call__(self, state: LinkState) -> None:
        with self._changed:
            self._told.append(state)
            self._changed.notify_all()

    def wait_for(self, state: LinkState, times: int = 1) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._told.count(state) >= times, PATIENCE_S), self._told


@contextmanager
def dummy_hcd(*parameters: str) -> Iterator[None]:
    subprocess.run(["modprobe", "-r", "dummy_hcd"], check=True)
    subprocess.run(["modprobe", "dummy_hcd", "num=4", *parameters], check=True)
    yield


@pytest.fixture(scope="module", autouse=True)
def _controllers() -> Iterator[None]:
    with dummy_hcd():
        yield


@pytest.fixture
def full_speed() -> Iterator[None]:
    with dummy_hcd("is_high_speed=0"):
        yield
    with dummy_hcd():
        pass


class Plugged:
    """A key of echoes on a controller, and its host."""

    def __init__(self, functions: int = 1, udc: str | None = None, serial: str = "E1") -> None:
        self.functions = tuple(Echo(number, 1 + 2 * number) for number in range(functions))
        interfaces = tuple(echo.interface for echo in self.functions)
        model = DeviceModel(VID, PID, 0x0100, "Maker", "Key", serial, interfaces)
        self.states = States()
        key = SimpleNamespace(model=model, functions=self.functions)
        self.link = GadgetLink(key, udc, self.states)  # type: ignore[arg-type]
        self._serial = serial

    def __enter__(self) -> Plugged:
        with DeviceNews() as news:
            self.link.start()
            self.states.wait_for(LinkState.CONFIGURED)
            assert news.wait_until(self._find, PATIENCE_S)
        return self

    def __exit__(self, *_: object) -> None:
        usb.util.dispose_resources(self.host)
        self.link.close()

    def exchange(self, message: bytes, number: int = 0) -> bytes:
        """Send and receive, asking for more than can come, as libccid does."""
        self.send(message, number)
        return self.receive(number)

    def send(self, message: bytes, number: int = 0) -> None:
        address = self._endpoints(number)[1].bEndpointAddress
        assert self.host.write(address, message, PATIENCE_MS) == len(message)

    def receive(self, number: int = 0, timeout: int = PATIENCE_MS) -> bytes:
        return bytes(self.host.read(self._endpoints(number)[0].bEndpointAddress, 0x20000, timeout))

    def clear_halt(self) -> None:
        self.host.clear_halt(self._endpoints(0)[0].bEndpointAddress)

    def hello(self, number: int = 0) -> bytes:
        return bytes(self.host.read(self._endpoints(number)[2].bEndpointAddress, 8, PATIENCE_MS))

    def _find(self) -> bool:
        """Look for it as libusb sees it: udevd has to have told libusb."""
        for device in usb.core.find(find_all=True, idVendor=VID, idProduct=PID):
            with suppress(ValueError, usb.core.USBError):  # one that has just gone
                if device.serial_number == self._serial:
                    self.host = device
                    return True
        return False

    def _endpoints(self, number: int) -> list[usb.core.Endpoint]:
        interface = self.host.get_active_configuration()[(number, 0)]
        return list(interface.endpoints())


def message_of(size: int) -> bytes:
    return (size - HEADER_SIZE).to_bytes(HEADER_SIZE, "little") + bytes(
        (n * 7 + (n >> 8)) & 0xFF for n in range(size - HEADER_SIZE)
    )


def left_behind() -> list[str]:
    mounts = [line for line in Path("/proc/mounts").read_text().splitlines() if "functionfs" in line]
    points = [str(path) for path in Path("/run").glob("vukey-gadget-*")]
    return [*mounts, *points, *(path.name for path in GADGETS.glob("vukey-*"))]


def around(*sizes: int) -> list[int]:
    return [size + change for size in sizes for change in (-1, 0, 1)]


@pytest.mark.parametrize("size", [HEADER_SIZE, *around(64, 512, 1024, 512 * 32, 512 * 64, 65024), 65554])
def test_messages_of_every_size_both_ways(size: int) -> None:
    with Plugged() as key:
        for _ in range(3):
            assert key.exchange(message_of(size)) == message_of(size)


@pytest.mark.usefixtures("full_speed")
def test_full_speed() -> None:
    with Plugged() as key:
        assert key.host.speed == usb.util.SPEED_FULL
        for size in (HEADER_SIZE, *around(64, 128, 512, 16384), 65554):
            assert key.exchange(message_of(size)) == message_of(size)


def test_several_functions_each_with_its_endpoints() -> None:
    with Plugged(functions=3) as key:
        for number in (2, 0, 1):
            assert key.hello(number) == b"hello"
            assert key.exchange(message_of(512), number) == message_of(512)


def test_requests_reach_their_function() -> None:
    with Plugged(functions=2) as key:
        request = key.host.ctrl_transfer
        assert bytes(request(TO_HOST, 2, 0x1234, 1, 300)) == bytes(range(200))
        assert bytes(request(TO_HOST, 2, 0, 1, 64)) == bytes(range(64))
        assert request(TO_KEY, 1, 7, 0, b"data") == 4
        assert request(TO_KEY, 1, 8, 0) == 0
        first, second = (echo.requests for echo in key.functions)
        assert [(setup.value, data) for setup, data in first] == [(7, b"data"), (8, b"")]
        assert [(setup.value, setup.length) for setup, _ in second] == [(0x1234, 300), (0, 64)]


@pytest.mark.parametrize("kind", [TO_KEY, TO_HOST, 0x42, 0xC2])
def test_an_unknown_request_is_stalled(kind: int) -> None:
    with Plugged() as key:
        with pytest.raises(usb.core.USBError) as caught:
            key.host.ctrl_transfer(kind, 99, 0, 0, 0 if kind < TO_HOST else 8)
        assert caught.value.errno == errno.EPIPE
        assert key.exchange(message_of(100)) == message_of(100)


@pytest.mark.parametrize("overtaken", [False, True])
def test_a_request_whose_answer_did_not_go_out_stops_nobody(
    monkeypatch: pytest.MonkeyPatch, overtaken: bool
) -> None:
    """The next read stalls it (EL2HLT), or is told that others have come (EIDRM)."""
    go_on = threading.Event()
    with Plugged() as key:
        with monkeypatch.context() as patched:
            patched.setattr(FunctionFs, "reply", lambda *_: go_on.wait(PATIENCE_S))
            if not overtaken:
                go_on.set()
            with pytest.raises(usb.core.USBError):
                key.host.ctrl_transfer(TO_HOST, 2, 0, 0, 200, 500)
            usb.util.release_interface(key.host, 0)
            key.host.reset()
        go_on.set()
        key.states.wait_for(LinkState.CONFIGURED, times=2)
        assert bytes(key.host.ctrl_transfer(TO_HOST, 2, 0, 0, 200)) == bytes(range(200))
        assert key.exchange(message_of(700)) == message_of(700)


def test_a_halt_lasts_until_the_host_clears_it() -> None:
    with Plugged() as key:
        key.send(HALT_AFTER_THIS)
        assert key.receive() == HALT_AFTER_THIS
        with pytest.raises(usb.core.USBError) as caught:
            key.receive()
        assert caught.value.errno == errno.EPIPE
        key.clear_halt()
        assert key.exchange(message_of(100)) == message_of(100)


@pytest.mark.parametrize("again", ["reset", "set_configuration"])
def test_begins_afresh_when_the_host_does(again: str) -> None:
    with Plugged() as key:
        key.send(message_of(1000)[:512])  # and never the rest
        usb.util.release_interface(key.host, 0)
        getattr(key.host, again)()
        key.states.wait_for(LinkState.CONFIGURED, times=2)
        assert key.exchange(message_of(700)) == message_of(700)


def test_a_host_that_takes_nothing_stops_nobody() -> None:
    with Plugged() as key:
        key.send(message_of(65554))
        usb.util.release_interface(key.host, 0)
        key.host.reset()
        key.states.wait_for(LinkState.CONFIGURED, times=2)
        assert key.exchange(message_of(10)) == message_of(10)
        key.send(message_of(65554))
    assert key.functions[0].stopped.is_set()


def test_twenty_times_plugged_and_pulled_out() -> None:
    for _ in range(20):
        with Plugged() as key:
            assert key.exchange(message_of(600)) == message_of(600)
            assert left_behind()
        assert key.functions[0].stopped.is_set()
        assert left_behind() == []


def test_four_keys_at_once() -> None:
    with ExitStack() as plugged:
        keys = [plugged.enter_context(Plugged(serial=f"E{number}")) for number in range(4)]
        with ThreadPoolExecutor(4) as hosts:
            for size in around(512, 1024):
                answers = hosts.map(Plugged.exchange, keys, [message_of(size)] * 4)
                assert list(answers) == [message_of(size)] * 4
        with pytest.raises(GadgetError, match=r"in use: dummy_udc\.0, .*, dummy_udc\.3"):
            Plugged().link.start()
        with pytest.raises(GadgetError, match=r"in use: dummy_udc\.2"):
            Plugged(udc="dummy_udc.2").link.start()
        assert keys[2].exchange(message_of(10)) == message_of(10)


def test_no_such_controller() -> None:
    with pytest.raises(GadgetError, match=r"no USB device controller fe980000\.usb; there is dummy_udc\.0, "):
        Plugged(udc="fe980000.usb").link.start()


def test_no_controller_at_all() -> None:
    subprocess.run(["modprobe", "-r", "dummy_hcd"], check=True)
    with pytest.raises(GadgetError, match="modprobe dummy_hcd"):
        Plugged().link.start()
    with dummy_hcd():
        pass


def test_leaves_a_controller_alone_that_others_use() -> None:
    with serial_port_on("dummy_udc.0"):
        with Plugged():
            assert (CONTROLLERS / "dummy_udc.1/function").read_text().strip()
        with pytest.raises(GadgetError, match=r"in use: dummy_udc\.0"):
            Plugged(udc="dummy_udc.0").link.start()
        assert (GADGETS / "other/UDC").read_text() == "dummy_udc.0\n"
    assert left_behind() == []


def test_a_device_that_the_kernel_refuses_leaves_nothing_behind() -> None:
    with pytest.raises(GadgetError, match="the kernel refuses this USB device"):
        Plugged(functions=15).link.start()  # more endpoints than the controller has
    assert left_behind() == []
    with Plugged(udc="dummy_udc.0") as key:
        assert key.exchange(message_of(10)) == message_of(10)


def test_the_controller_goes_away() -> None:
    with Plugged() as key:
        usb.util.dispose_resources(key.host)
        subprocess.run(["modprobe", "-r", "dummy_hcd"], check=True)
        key.states.wait_for(LinkState.WAITING, times=2)
        assert key.functions[0].stopped.is_set()
    assert left_behind() == []
    with dummy_hcd():
        pass


@contextmanager
def serial_port_on(udc: str) -> Iterator[None]:
    """Somebody else's gadget."""
    gadget = GADGETS / "other"
    function, configuration = gadget / "functions/acm.0", gadget / "configs/c.1"
    for directory in (gadget, function, configuration):
        directory.mkdir()
    (configuration / "acm.0").symlink_to(function)
    (gadget / "idVendor").write_text("0x1d6b")
    (gadget / "UDC").write_text(udc)
    try:
        yield
    finally:
        (gadget / "UDC").write_text("\n")
        (configuration / "acm.0").unlink()
        for directory in (configuration, function, gadget):
            directory.rmdir()
