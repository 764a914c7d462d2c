"""Endpoint 0 of a device that answers it itself: the standard requests (USB 2.0, 9.4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from protocols.usb import descriptors
from protocols.usb.descriptors import CONFIGURATION_VALUE, DescriptorType
from protocols.usb.model import DeviceModel, Interface, Speed
from protocols.usb.setup import Kind, Recipient, Request, Setup

_ENDPOINT_HALT = 0
"""The only feature selector that an endpoint has (USB 2.0, table 9-6)."""
_DONE = b""
_STATUS_NONE = b"\0\0"
"""GET_STATUS: bus powered, no remote wake-up; not halted."""
_STATUS_HALTED = b"\1\0"


class ControlledFunction(Protocol):
    """What endpoint 0 asks of a function."""

    @property
    def interface(self) -> Interface:
        """Its descriptors."""
        ...

    def control(self, setup: Setup, data: bytes) -> bytes | None:
        """A class or vendor request, or GET_DESCRIPTOR, to the interface; None: stall."""
        ...

    def clear_halt(self, endpoint: int) -> None:
        """The host has cleared the halt of one of its endpoints."""
        ...


class ControlEndpoint:
    """The default control pipe. Not thread-safe: one bus calls it.

    :param on_configured: called at every SET_CONFIGURATION, also when it sets what was set: a fresh beginning.
    """

    def __init__(
        self,
        model: DeviceModel,
        speed: Speed,
        functions: Sequence[ControlledFunction],
        on_configured: Callable[[bool], None] = lambda configured: None,
    ) -> None:
        self.configuration = 0
        self.halted: set[int] = set()
        self._model = model
        self._speed = speed
        self._on_configured = on_configured
        self._by_number = {each.interface.number: each for each in functions}
        self._by_endpoint = {
            endpoint.address: each for each in functions for endpoint in each.interface.endpoints
        }

    def handle(self, setup: Setup, data: bytes) -> bytes | None:
        """Answer a request.

        :param data: what came with it, if it goes to the device.
        :return: the data for the host, not more than it asked for; None: a stall.
        """
        answer = self._standard(setup, data) if setup.kind is Kind.STANDARD else self._other(setup, data)
        return answer if answer is None else answer[: setup.length]

    def reset(self) -> None:
        """The bus was reset, or the host has gone: not configured, nothing halted."""
        if self.configuration:
            self._configure(0)

    def _standard(self, setup: Setup, data: bytes) -> bytes | None:
        if setup.recipient == Recipient.DEVICE:
            return self._to_device(setup)
        if not self.configuration:
            return self._endpoint_0(setup) if setup.recipient == Recipient.ENDPOINT else None
        if setup.recipient == Recipient.INTERFACE:
            return self._to_interface(setup, data)
        if setup.recipient == Recipient.ENDPOINT:
            return self._endpoint_0(setup) if setup.index & 0x7F == 0 else self._to_endpoint(setup)
        return None

    def _to_device(self, setup: Setup) -> bytes | None:
        match setup.request:
            case Request.GET_STATUS:
                return _STATUS_NONE
            case Request.SET_ADDRESS:
                return _DONE
            case Request.GET_DESCRIPTOR:
                return self._descriptor(setup.value >> 8, setup.value & 0xFF)
            case Request.GET_CONFIGURATION:
                return bytes((self.configuration,))
            case Request.SET_CONFIGURATION if setup.value in (0, CONFIGURATION_VALUE):
                self._configure(setup.value)
                return _DONE
        return None

    def _descriptor(self, kind: int, index: int) -> bytes | None:
        match kind:
            case DescriptorType.DEVICE:
                return descriptors.device_descriptor(self._model, self._speed)
            case DescriptorType.CONFIGURATION if index == 0:
                return descriptors.configuration_descriptor(self._model, self._speed)
            case DescriptorType.DEVICE_QUALIFIER:
                return descriptors.device_qualifier(self._model)
            case DescriptorType.OTHER_SPEED_CONFIGURATION if index == 0:
                return descriptors.other_speed_configuration(self._model, self._speed)
            case DescriptorType.STRING:
                return self._string(index)
        return None

    def _string(self, index: int) -> bytes | None:
        if index == 0:
            return descriptors.language_descriptor()
        texts = descriptors.texts(self._model)
        if index > len(texts) or not texts[index - 1]:
            return None
        return descriptors.string_descriptor(texts[index - 1])

    def _configure(self, value: int) -> None:
        self.configuration = value
        self.halted.clear()
        self._on_configured(bool(value))

    def _to_interface(self, setup: Setup, data: bytes) -> bytes | None:
        function = self._by_number.get(setup.index & 0xFF)
        if function is None:
            return None
        match setup.request:
            case Request.GET_STATUS:
                return _STATUS_NONE
            case Request.GET_DESCRIPTOR:
                return function.control(setup, data)
            case Request.GET_INTERFACE:
                return b"\0"
            case Request.SET_INTERFACE if setup.value == 0:
                for endpoint in function.interface.endpoints:
                    self._clear_halt(endpoint.address)
                return _DONE
        return None

    def _endpoint_0(self, setup: Setup) -> bytes | None:
        """Endpoint 0 is never halted: the next setup packet ends a stall."""
        if setup.index & 0x7F:
            return None
        if setup.request == Request.GET_STATUS:
            return _STATUS_NONE
        return _DONE if setup.request == Request.CLEAR_FEATURE and setup.value == _ENDPOINT_HALT else None

    def _to_endpoint(self, setup: Setup) -> bytes | None:
        address = setup.index & 0xFF
        if address not in self._by_endpoint:
            return None
        match setup.request, setup.value:
            case Request.GET_STATUS, _:
                return _STATUS_HALTED if address in self.halted else _STATUS_NONE
            case Request.SET_FEATURE, 0:
                self.halted.add(address)
                return _DONE
            case Request.CLEAR_FEATURE, 0:
                self._clear_halt(address)
                return _DONE
        return None

    def _clear_halt(self, address: int) -> None:
        self.halted.discard(address)
        self._by_endpoint[address].clear_halt(address)

    def _other(self, setup: Setup, data: bytes) -> bytes | None:
        """A class's or a maker's request: to the interface that it names, or that has the endpoint."""
        if not self.configuration:
            return None
        if setup.recipient == Recipient.INTERFACE:
            function = self._by_number.get(setup.index & 0xFF)
        elif setup.recipient == Recipient.ENDPOINT:
            function = self._by_endpoint.get(setup.index & 0xFF)
        else:
            return None
        return None if function is None else function.control(setup, data)
