"""FunctionFS: the files through which a process is the functions of a USB device (linux/usb/functionfs.h)."""

from __future__ import annotations

import errno
import logging
import os
import select
import struct
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from enum import IntEnum, unique
from pathlib import Path
from typing import NamedTuple

from protocols.usb import SETUP_SIZE, Endpoint, Interface, Setup, Speed, interface_descriptors

_log = logging.getLogger(__name__)

_DESCRIPTORS_MAGIC_V2 = 3
_STRINGS_MAGIC = 2
_HAS_FULL_SPEED = 1
_HAS_HIGH_SPEED = 2
_ENGLISH_US = 0x0409
_EVENT_SIZE = 12
_EVENT_TYPE = 8
_PIECE = 16384
"""Bytes of one read or write: the kernel takes them from memory in one block, which a small board may not have."""
_BUSY_S = 0.001
"""How soon to try to halt an endpoint again that still holds a packet for the host: the kernel does not tell."""


@unique
class Event(IntEnum):
    """What endpoint 0 tells (enum usb_functionfs_event_type)."""

    BIND = 0
    UNBIND = 1
    ENABLE = 2
    DISABLE = 3
    SETUP = 4
    SUSPEND = 5
    RESUME = 6


class Notice(NamedTuple):
    """One event; `setup` is the request of a SETUP."""

    event: Event
    setup: Setup


def decode_notice(raw: bytes) -> Notice:
    """One struct usb_functionfs_event."""
    return Notice(Event(raw[_EVENT_TYPE]), Setup.decode(raw[:SETUP_SIZE]))


def encode_descriptors(interfaces: Sequence[Interface]) -> bytes:
    """What is written first: the descriptors for full and high speed (struct usb_functionfs_descs_head_v2)."""
    full, high = (_descriptors(interfaces, speed) for speed in (Speed.FULL, Speed.HIGH))
    flags = _HAS_FULL_SPEED | _HAS_HIGH_SPEED
    body = struct.pack("<II", _count(full), _count(high)) + full + high
    return struct.pack("<III", _DESCRIPTORS_MAGIC_V2, 12 + len(body), flags) + body


def encode_strings(interfaces: Sequence[Interface]) -> bytes:
    """What is written next: the interfaces' names (struct usb_functionfs_strings_head)."""
    names = [interface.name.encode() + b"\0" for interface in interfaces if interface.name]
    languages = struct.pack("<H", _ENGLISH_US) + b"".join(names) if names else b""
    return (
        struct.pack("<IIII", _STRINGS_MAGIC, 16 + len(languages), len(names), 1 if names else 0) + languages
    )


def _descriptors(interfaces: Sequence[Interface], speed: Speed) -> bytes:
    """Their descriptors; the kernel makes the numbers of the names, from 1, those of the whole device."""
    encoded = b""
    name_index = 1
    for interface in interfaces:
        encoded += interface_descriptors(interface, speed, name_index=name_index)
        name_index += bool(interface.name)
    return encoded


def _count(descriptors: bytes) -> int:
    count = position = 0
    while position < len(descriptors):
        count += 1
        position += descriptors[position]
    return count


_UNANSWERED = (errno.EIDRM, errno.EL2HLT, errno.ESHUTDOWN)
"""What a read says of a request before it whose answer could not go out, since the host was going: others have come
meanwhile; it is stalled now; the host's going is still to be told (ffs_ep0_read of the kernel's f_fs.c).
"""


class FunctionFs:
    """The files of one mounted FunctionFS: endpoint 0, which speaks for all, and one for each endpoint.

    :raises OSError: the kernel refuses the descriptors or the strings.
    """

    def __init__(self, directory: Path, interfaces: Sequence[Interface]) -> None:
        with ExitStack() as opened:
            self._wake = os.eventfd(0, os.EFD_CLOEXEC)
            opened.callback(os.close, self._wake)
            self._control = os.open(directory / "ep0", os.O_RDWR)
            opened.callback(os.close, self._control)
            os.write(self._control, encode_descriptors(interfaces))
            os.write(self._control, encode_strings(interfaces))
            self._endpoints: dict[int, int] = {}
            addresses = [endpoint.address for each in interfaces for endpoint in each.endpoints]
            for number, address in enumerate(addresses, start=1):
                self._endpoints[address] = os.open(directory / f"ep{number}", os.O_RDWR | os.O_NONBLOCK)
                opened.callback(os.close, self._endpoints[address])
            self._opened = opened.pop_all()
        self._events = select.poll()
        self._events.register(self._control, select.POLLIN)
        self._events.register(self._wake, select.POLLIN)

    def next_notice(self) -> Notice | None:
        """Wait for the next event; None once `end` was called."""
        while self._wake not in [descriptor for descriptor, _ in self._events.poll()]:
            try:
                return decode_notice(os.read(self._control, _EVENT_SIZE))
            except OSError as error:
                if error.errno not in _UNANSWERED:
                    raise
        return None

    def end(self) -> None:
        """Make `next_notice` return None, from another thread."""
        os.eventfd_write(self._wake, 1)

    def take(self, setup: Setup) -> bytes:
        """The data of a request from the host; its status stage goes with them.

        :raises OSError: another request has come meanwhile, or the host has gone.
        """
        return os.read(self._control, setup.length)

    def reply(self, setup: Setup, answer: bytes | None) -> None:
        """Answer a request whose data, if it had any, were not taken; None stalls it.

        :raises OSError: it was stalled (EL2HLT), another request has come meanwhile, or the host has gone.
        """
        if (answer is None) == setup.to_host:
            os.read(self._control, 0)  # the end of a request from the host; to one to the host it is a stall
        else:
            os.write(self._control, answer or b"")

    def descriptor(self, address: int) -> int:
        """The open file of an endpoint, whose address the controller may have changed towards the host.

        It blocks for as long as the host takes, but not while the host has not enabled the endpoint: EAGAIN.
        """
        return self._endpoints[address]

    def close(self) -> None:
        """Close the files: to the host, the device is unplugged. No other thread may be in any of them."""
        self._opened.close()


class InEndpoint:
    """Writes whole transfers, one after the other, from any thread."""

    def __init__(self, endpoint: Endpoint, descriptor: int) -> None:
        self._endpoint = endpoint
        self._descriptor = descriptor
        self._turn = threading.Lock()

    def write(self, data: bytes, speed: Speed, *, message: bool) -> None:
        """Wait until the host has taken the data; drop them if it goes away before."""
        with self._turn:
            try:
                for start in range(0, len(data), _PIECE):
                    os.write(self._descriptor, data[start : start + _PIECE])
                if message and not len(data) % self._endpoint.packet_size(speed):
                    os.write(self._descriptor, b"")
            except OSError as error:
                _log.debug("endpoint %02x: %s", self._endpoint.address, error)

    def halt(self, gone: Callable[[], bool]) -> None:
        """Stall it once the host has taken what was written; the host clears that without telling.

        :param gone: whether the host has gone, so that there is nothing to stall.
        """
        with self._turn:
            while not gone():
                try:
                    os.read(self._descriptor, 1)  # the wrong way: a stall
                except OSError as error:
                    if error.errno != errno.EAGAIN:  # EBADMSG: it is stalled
                        return
                    time.sleep(_BUSY_S)


def read_size(missing: int, packet_size: int) -> int:
    """How many bytes to ask an OUT endpoint for: whole packets, and no packet that may not come.

    A message of whole packets has no short one at its end, so a read that asks for more would never return.
    """
    if not missing:
        return packet_size
    packets = -(-missing // packet_size)
    return min(packets * packet_size, _PIECE)
