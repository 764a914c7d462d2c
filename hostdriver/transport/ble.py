"""A key by Bluetooth Low Energy: frames over a GATT service, whatever Bluetooth stack carries them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from hostdriver.errors import Exit, HostError, KeyRemovedError, NoKeyError
from hostdriver.printable import printable
from hostdriver.transport.failures import error_for
from protocols.ble import (
    FRAGMENT_TIMEOUT_S,
    GATT_PROFILES,
    Failed,
    FrameError,
    GattProfile,
    HostEnd,
    KeepAlive,
    Response,
)
from protocols.errors import ProtocolError
from protocols.i18n import N_

Value = TypeVar("Value")

FIND_WITHIN_S = 20.0
"""How long a key may take to be found and connected to, both together (fact of the makers' interfaces: G44)."""
_SILENCE_S = 5.0
"""How long a key at work may say nothing: ten of its keep-alives."""
_MOST_ARRIVALS = 1 << 14
"""Fragments that nobody has taken yet; with more, the key is not to be trusted. The longest answer has 3,856."""
_GIVE_UP_S = 2.0
"""How long a key may take to end what was cancelled."""

_SERVICES = {profile.service: profile for profile in GATT_PROFILES.values()}

ConfirmNumber = Callable[[str], bool]
"""Asks the person whether the key shows these six digits; in a thread of its own, for as long as that takes."""
Progress = Callable[[int | None], None]
"""Told of each keep-alive, with its KeepAliveStatus, and with None of what ends them, in the transport's thread."""


class Deadline:
    """When `FIND_WITHIN_S` will have passed.

    :param seconds: from now on.
    """

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds until then; never 0, since some take that for no limit."""
        return max(self._at - time.monotonic(), 0.1)


class BleError(HostError):
    """Bluetooth, or what the key says over it, is not as it should be."""


class BluetoothOffError(HostError):
    """This computer has no Bluetooth adapter, or it is off."""

    exit_code = Exit.MISSING_COMPONENT


class PairingError(HostError):
    """Key and computer did not agree."""

    exit_code = Exit.CANCELLED


class KeyLink(Protocol):
    """A connected and paired key. All of it runs in the transport's loop."""

    @property
    def fragment_size(self) -> int:
        """Bytes of a fragment to the key at most."""
        ...

    async def send(self, fragment: bytes) -> None:
        """Write a fragment.

        :raises KeyRemovedError: the connection has ended.
        """
        ...

    async def disconnect(self) -> None:
        """Let the key and the adapter go; harmless when repeated."""
        ...


class Arrivals:
    """What comes from the key, in its order."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()

    def put(self, fragment: bytes) -> None:
        """A notification has come."""
        if self._queue.qsize() < _MOST_ARRIVALS:
            self._queue.put_nowait(fragment)

    def end(self) -> None:
        """The connection has ended."""
        self._queue.put_nowait(None)

    async def next(self, within_s: float) -> bytes:
        """The next one.

        :raises TimeoutError: nothing came.
        :raises KeyRemovedError: the connection has ended.
        """
        fragment = await asyncio.wait_for(self._queue.get(), within_s)
        if fragment is None:
            self.end()  # so it stays
            raise disconnected()
        return fragment

    def stale(self) -> list[bytes]:
        """What has come unasked."""
        fragments = []
        while not self._queue.empty():
            fragment = self._queue.get_nowait()
            if fragment is None:
                self.end()
                break
            fragments.append(fragment)
        return fragments


class Backend(Protocol):
    """A Bluetooth stack."""

    async def connect(self, serial: str, arrivals: Arrivals, confirm: ConfirmNumber) -> KeyLink:
        """Find a key, connect, pair unless that was done before, and listen to it.

        :param serial: the number on its back; empty: the first key found.
        :raises NoKeyError: it is not there.
        :raises BluetoothOffError: no adapter.
        :raises PairingError: the numbers differ, or one side has refused.
        :raises KeyRemovedError: it has gone meanwhile.
        :raises BleError: it is no key as we know them.
        """
        ...


class BleTransport:
    """An open connection. The stack has a loop of its own, in a thread of its own; every method may be called from
    anywhere, one at a time.
    """

    def __init__(
        self,
        backend: Backend,
        serial: str,
        confirm: ConfirmNumber,
        progress: Progress = lambda status: None,
        *,
        name: str = "",
    ) -> None:
        self.name = name or f"ble:{serial}"
        self._backend = backend
        self._serial = serial
        self._confirm = confirm
        self._progress = progress
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="vukey-ble-host", daemon=True)
        self._thread.start()
        self._link: KeyLink | None = None

    @classmethod
    def open(
        cls,
        backend: Backend,
        serial: str,
        confirm: ConfirmNumber,
        progress: Progress = lambda status: None,
        *,
        name: str = "",
    ) -> BleTransport:
        """Find the key and connect.

        :param name: as ``--token`` takes it, if there is more to it than the serial number.
        :raises HostError: as `Backend.connect` says.
        """
        transport = cls(backend, serial, confirm, progress, name=name)
        try:
            transport._run(transport._connect())
        except BaseException:
            transport.close()
            raise
        return transport

    @property
    def closed(self) -> bool:
        """Whether it was closed here; a connection that the key has ended is not."""
        return self._loop.is_closed()

    def exchange(self, apdu: bytes) -> bytes:
        """One APDU; blocks while the key waits for a person. Interrupted, it has the key stop waiting.

        :raises KeyRemovedError: the connection has ended.
        :raises BleError: it says nothing.
        :raises HostError: it has no answer: see `failures.error_for`.
        """
        if self.closed:
            raise disconnected()
        answer = self._submit(self._exchange(apdu))
        try:
            return answer.result()
        except KeyboardInterrupt:
            with suppress(HostError, TimeoutError):
                self._submit(self._cancel()).result(_GIVE_UP_S)
                answer.result(_GIVE_UP_S)
            answer.cancel()
            raise

    def reset(self) -> bytes:
        """Disconnect and connect again, which ends its logins; no ATR comes this way: empty.

        :raises HostError: as `Backend.connect` says.
        """
        self._run(self._reconnect())
        return b""

    def close(self) -> None:
        """Disconnect."""
        if self._loop.is_closed():
            return
        with suppress(HostError):
            self._run(self._disconnect())
        self._run(_end_tasks())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, Value]) -> Value:
        future = self._submit(work)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _submit(self, work: Coroutine[Any, Any, Value]) -> Future[Value]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    # In the loop

    async def _connect(self) -> None:
        self._arrivals = Arrivals()
        self._link = await self._backend.connect(self._serial, self._arrivals, self._confirm)
        self._end = HostEnd(self._link.fragment_size)

    async def _disconnect(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            await link.disconnect()

    async def _reconnect(self) -> None:
        await self._disconnect()
        await self._connect()

    async def _exchange(self, apdu: bytes) -> bytes:
        end = self._end
        for fragment in self._arrivals.stale():
            end.feed(fragment)
        try:
            await self._send(end.command(apdu))
            while True:
                event = await self._next_event()
                match event:
                    case Response(response):
                        return response
                    case KeepAlive(status):
                        self._progress(status)
                    case Failed():
                        raise self._error_for(event)
        finally:
            end.timed_out()  # if it is still under way, by an error, the next one knows
            self._progress(None)

    def _error_for(self, failed: Failed) -> HostError:
        if failed.error == FrameError.TIMEOUT and not failed.from_key:
            return BleError(N_("the key says nothing; switch it off and on, then try again"))
        return error_for(failed)

    async def _next_event(self) -> Response | KeepAlive | Failed | None:
        try:
            within = FRAGMENT_TIMEOUT_S if self._end.incomplete else _SILENCE_S
            return self._end.feed(await self._arrivals.next(within))
        except TimeoutError:
            return self._end.timed_out()

    async def _cancel(self) -> None:
        await self._send(self._end.cancel())

    async def _send(self, fragments: list[bytes]) -> None:
        if self._link is None:
            raise disconnected()
        for fragment in fragments:
            await self._link.send(fragment)


async def _end_tasks() -> None:
    """What a stack leaves behind."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def is_wanted(name: str | None, services: Iterable[str], serial: str) -> bool:
    """Whether an advertisement is the wanted key's; what stands before its number in its name is its maker's affair."""
    is_key = any(service in _SERVICES for service in services)
    return is_key and name is not None and name.endswith(serial)


def profile_of(services: Iterable[str]) -> GattProfile:
    """The first of these services that carries fragments.

    :raises ProtocolError: none.
    """
    for service in services:
        if service in _SERVICES:
            return _SERVICES[service]
    raise ProtocolError(N_("it has no service of a key"))


def check_serial(told: bytes | None, serial: str) -> None:
    """A name may end like the wanted number; the key itself says its number.

    :param told: None: it does not say.
    :raises BleError: it is another key.
    """
    text = None if told is None else printable(told.decode("utf-8", "replace"))
    if serial and text not in (None, serial):
        raise BleError(N_("this is the key {told}, not {serial}"), told=text, serial=printable(serial))


def not_found(serial: str) -> NoKeyError:
    """Nothing was heard of it."""
    return NoKeyError(
        N_(
            "no key {serial} by Bluetooth: switch it on and hold it near; while it is connected to another device it "
            "cannot be found"
        ),
        serial=printable(serial),
    )


def not_connected(serial: str) -> NoKeyError:
    """It was heard, and then nothing came of it."""
    return NoKeyError(N_("the key {serial} was there, and does not connect"), serial=printable(serial))


def _said(error: Exception) -> str:
    return printable(str(error) or type(error).__name__)


def no_adapter(error: Exception) -> BluetoothOffError:
    """The stack has no radio."""
    return BluetoothOffError(N_("no Bluetooth adapter can be had: {error}"), error=_said(error))


def refused_on_key() -> PairingError:
    """The person at the key did not agree."""
    return PairingError(
        N_("not paired: the number was refused on the key, or nobody pressed OK there in time")
    )


def unknown_key(error: Exception) -> BleError:
    """It does not do as keys do."""
    return BleError(N_("this is no key that we know: {error}"), error=_said(error))


def disconnected() -> KeyRemovedError:
    """The connection has ended."""
    return KeyRemovedError(
        N_("the Bluetooth connection has ended: is the key switched on and near? Then try again")
    )
