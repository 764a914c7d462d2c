"""A bus of a test's own: what a function sends is taken from a queue."""

from __future__ import annotations

import queue
from array import array

from emulator.device import Device
from emulator.hardware.clock import ManualClock
from emulator.links.usb.function import Function
from emulator.profiles import load_profile
from emulator.sharing import SharedKey
from hostdriver.gmt import GmtSession
from hostdriver.transport.usb_interface import UsbSilenceError, UsbStallError
from protocols.apdu import Command, encode_command
from protocols.gmt import CLA_PLAIN, Ins, SignInput
from protocols.usb import Setup, Transfer
from tests.rig.key import changed, stored, user_pin
from tests.rig.messages import TRANSFER
from tests.rig.patience import PATIENCE_S

HALTED = b"halt"
"""Stands in the queue for a halt of the endpoint."""


class QueueBus:
    """Keeps what is sent, with its endpoint and whether the host must see the end of the message."""

    def __init__(self) -> None:
        self._sent: queue.Queue[tuple[int, bytes, bool]] = queue.Queue()

    def send(self, endpoint: int, data: bytes, *, message: bool = True) -> None:
        """See `Bus.send`."""
        self._sent.put((endpoint, data, message))

    def is_taken(self, endpoint: int) -> bool:
        """See `Bus.is_taken`."""
        return self._sent.empty()

    def halt(self, endpoint: int) -> None:
        """See `Bus.halt`."""
        self._sent.put((endpoint, HALTED, True))

    @property
    def is_empty(self) -> bool:
        """Whether nothing was sent."""
        return self._sent.empty()

    def next(self, seconds: float = PATIENCE_S) -> tuple[int, bytes, bool]:
        """What was sent next; waited for, as some of it comes from a thread."""
        return self._sent.get(timeout=seconds)


class FunctionHost:
    """A host at the end of a bus of the test's own: it keeps to the protocol under test by hand."""

    def __init__(self, shared: SharedKey) -> None:
        self.shared = shared
        self.device = shared.device
        self.bus = QueueBus()

    @property
    def name(self) -> str:
        """See `Transport.name`."""
        return "function"

    def exchange(self, apdu: bytes) -> bytes:
        """See `Transport.exchange`."""
        raise NotImplementedError

    def reset(self) -> bytes:
        """See `Transport.reset`."""
        raise NotImplementedError

    def close(self) -> None:
        """See `Transport.close`."""
        self.device.close()

    def signing(self) -> bytes:
        """Log in; the command that signs a transfer, over which the key asks its person."""
        session = GmtSession(self)
        profile = self.device.profile
        session.verify_pin(session.open_application(profile.application), user_pin(profile, "ready"))
        assert profile.containers.sm2 is not None
        container = session.open_container(
            session.open_application(profile.application), profile.containers.sm2.name
        )
        data = container.handles + TRANSFER
        return encode_command(Command(CLA_PLAIN, Ins.ECC_SIGN_DATA, SignInput.MESSAGE, 0, data, 68))


def shared_key() -> SharedKey:
    """A bank's key whose person need only press OK."""
    profile = changed(
        load_profile("bocom-2g-tendyron"),
        containers__rsa=None, confirm__ok_dead_ms=0, confirm__must_page_to_end=False, confirm__presses=1,
    )  # fmt: skip
    return SharedKey(Device(profile, storage=stored(profile, "ready"), clock=ManualClock()))


class FunctionInterface:
    """What `UsbInterface` is to a transport: a function without a bus.

    :param sent: the class requests and the ends of halts, in their order.
    """

    number, interrupt_in, interrupt_out, bulk_in, bulk_out = 0, 0, 0, 0, 0

    def __init__(self, function: Function, bus: QueueBus) -> None:
        self._function = function
        self._bus = bus
        self.sent: list[int] = []
        self.is_open = True
        for end in function.interface.endpoints:
            kind = "bulk" if end.transfer is Transfer.BULK else "interrupt"
            setattr(self, f"{kind}_{'in' if end.is_in else 'out'}", end.address)

    def write(self, endpoint: int, data: bytes) -> None:
        """See `UsbInterface.write`."""
        self._function.receive(endpoint, data)

    def read(self, endpoint: int, buffer: array[int], milliseconds: int) -> int:
        """See `UsbInterface.read`."""
        try:
            _, data, _ = self._bus.next(milliseconds / 1000)
        except queue.Empty:
            raise UsbSilenceError("silence") from None
        if data == HALTED:
            raise UsbStallError("stall")
        buffer[: len(data)] = array("B", data)
        return len(data)

    def request(self, code: int) -> None:
        """See `UsbInterface.request`."""
        self.sent.append(code)
        if self._function.control(Setup(0x21, code, 0, self.number, 0), b"") is None:
            raise UsbStallError("stall")

    def clear_halt(self, endpoint: int) -> None:
        """See `UsbInterface.clear_halt`."""
        self.sent.append(endpoint)
        self._function.clear_halt(endpoint)

    def close(self) -> None:
        """See `UsbInterface.close`."""
        self.is_open = False
