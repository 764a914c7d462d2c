"""USB/IP's second phase: the host's requests (URBs) to an imported device, and their answers.

Source: the protocol text of the Linux kernel (Documentation/usb/usbip_protocol.rst, USBIP_CMD_* and USBIP_RET_*).
All numbers are big-endian, but the setup packet, which is as on the bus.
"""

from __future__ import annotations

import struct
from enum import IntEnum, unique
from functools import partial
from typing import NamedTuple

from protocols.errors import ProtocolError
from protocols.i18n import N_

_HEADER = struct.Struct(">2I4x3Ii8s4x8s")
_SUBMITTED = struct.Struct(">2I12x2i8s12x")
_UNLINKED = struct.Struct(">5Ii24x")

COMMAND_SIZE = _HEADER.size
"""Bytes of a command's header; the data of an OUT request follow it."""
MAX_OUT = 1 << 20
"""Longest OUT request that is taken, in bytes. Linux's drivers stay far below."""
_NO_SCHEDULE = bytes(8)
_NOT_ISOCHRONOUS = (b"\0\0\0\0", b"\xff\xff\xff\xff")
"""number_of_packets: Linux sends the one, the protocol's text says the other."""

_CMD_SUBMIT, _CMD_UNLINK, _RET_SUBMIT, _RET_UNLINK = 1, 2, 3, 4
_SHORT_NOT_OK = 1
_LAST_ENDPOINT = 15


@unique
class Error(IntEnum):
    """How a request failed: Linux's error numbers, negative."""

    STALL = -32  # EPIPE
    UNLINKED = -104  # ECONNRESET
    SHORT = -121  # EREMOTEIO: less came than the host would take


class Submit(NamedTuple):
    """USBIP_CMD_SUBMIT.

    :param endpoint: bEndpointAddress: bit 7 set for a request that takes data IN.
    :param length: transfer_buffer_length, in bytes: what follows of an OUT request, the most that an IN one takes.
    :param schedule: start_frame and number_of_packets, which the answer repeats.
    :param short_not_ok: less than that is an error to the host.
    :param setup: of a control request, 8 bytes.
    """

    number: int
    endpoint: int
    length: int
    schedule: bytes
    short_not_ok: bool
    setup: bytes

    @property
    def is_in(self) -> bool:
        """Whether data go to the host."""
        return self.endpoint >= 0x80


_new_submit = partial(tuple.__new__, Submit)
"""A request without the generated constructor's call: this is the hot path."""


class Unlink(NamedTuple):
    """USBIP_CMD_UNLINK: the host does not want the answer to an earlier request any more."""

    number: int
    unwanted: int


def parse_command(header: bytes) -> Submit | Unlink:
    """The command of a header of 48 bytes.

    :raises ProtocolError: an unknown command, an endpoint that cannot be, an isochronous request (no key has such
        an endpoint), or more data than any driver sends.
    """
    command, number, is_in, endpoint, flags, length, schedule, setup = _HEADER.unpack(header)
    if command == _CMD_UNLINK:
        return Unlink(number, flags)
    if command != _CMD_SUBMIT:
        raise ProtocolError(N_("{code:#06x} is not a request of USB/IP"), code=command)
    if endpoint > _LAST_ENDPOINT or is_in > 1:
        raise ProtocolError(N_("USB/IP: there can be no endpoint {endpoint}"), endpoint=endpoint)
    if schedule != _NO_SCHEDULE and schedule[4:] not in _NOT_ISOCHRONOUS:
        raise ProtocolError(N_("USB/IP: an isochronous request to a key"))
    if length < 0 or (length > MAX_OUT and not is_in):
        raise ProtocolError(N_("USB/IP: a request of {size} bytes is too long"), size=length & 0xFFFFFFFF)
    return _new_submit((number, is_in << 7 | endpoint, length, schedule, flags & _SHORT_NOT_OK != 0, setup))


def submitted(request: Submit, data: bytes | memoryview | int, status: int = 0) -> bytes:
    """USBIP_RET_SUBMIT.

    :param data: what goes to the host; of an OUT request, how many bytes were taken.
    """
    if isinstance(data, int):
        return _SUBMITTED.pack(_RET_SUBMIT, request.number, status, data, request.schedule)
    return _SUBMITTED.pack(_RET_SUBMIT, request.number, status, len(data), request.schedule) + data


def unlinked(command: Unlink, was_waiting: bool) -> bytes:
    """USBIP_RET_UNLINK: the request was waiting and gets no other answer, or it had been answered before."""
    return _UNLINKED.pack(_RET_UNLINK, command.number, 0, 0, 0, Error.UNLINKED if was_waiting else 0)
