"""The seam between a key's USB functions (CCID, HID, disk) and the bus that carries them (USB/IP, gadget)."""

from __future__ import annotations

from typing import Protocol

from protocols.usb import Interface, Setup


class Bus(Protocol):
    """What a function sends through."""

    def send(self, endpoint: int, data: bytes, *, message: bool = True) -> None:
        """Queue a transfer on an IN endpoint; may block until the host has taken earlier ones. Thread-safe, in order.

        What the host does not take before it goes away is dropped in silence.

        :param message: the host knows the end by a short packet: a whole number of packets is followed by an
            empty one.
        """
        ...

    def is_taken(self, endpoint: int) -> bool:
        """Whether the host has taken all that was sent on an IN endpoint, as far as anybody can tell."""
        ...

    def halt(self, endpoint: int) -> None:
        """Stall an IN endpoint until the host clears the halt; what is sent meanwhile goes out after that."""
        ...


class Function(Protocol):
    """One interface of the key. A bus calls all of it from one thread, except `stop`."""

    @property
    def interface(self) -> Interface:
        """Its descriptors."""
        ...

    def start(self, bus: Bus) -> None:
        """The host has configured the device: a fresh beginning; may send from now on, from any thread."""
        ...

    def stop(self) -> None:
        """The host has gone, or has reset or deconfigured the device: whatever waits ends. Harmless when stopped."""
        ...

    def receive(self, endpoint: int, data: bytes) -> None:
        """A transfer that came on an OUT endpoint, or whole packets of one. Must not wait for a person."""
        ...

    def missing(self, endpoint: int) -> int:
        """How many bytes of a begun message are still to come on an OUT endpoint; 0 between two messages.

        A gadget's read must not ask for more packets than come (exact reads).
        """
        ...

    def control(self, setup: Setup, data: bytes) -> bytes | None:
        """A class request, or GET_DESCRIPTOR, to the interface; the answer's data, None: stall."""
        ...

    def clear_halt(self, endpoint: int) -> None:
        """The host has cleared the halt of one of its endpoints."""
        ...
