"""The device: a profile, its hardware and its firmware behind one lock. Links and controls hold it, nothing else."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import ParamSpec

from emulator.firmware.card import Answer, Card
from emulator.firmware.confirm import Ask, Decision, Prompt
from emulator.firmware.core import Core
from emulator.firmware.facts import ApplicationFacts, CommandFacts, inspect
from emulator.firmware.pin_entry import PinEntry
from emulator.hardware.battery import Battery
from emulator.hardware.buttons import DIGITS, Button
from emulator.hardware.clock import Clock, SystemClock, Timer
from emulator.hardware.display import Screen, ScreenKind
from emulator.hardware.entropy import Entropy, OsEntropy
from emulator.hardware.storage import MemoryStorage, Storage
from emulator.profiles import Profile
from protocols.errors import VukeyError
from protocols.i18n import N_
from protocols.sw import SW

_log = logging.getLogger(__name__)

_OFF = Screen(ScreenKind.OFF, "", ())

Told = ParamSpec("Told")
ApduListener = Callable[[bytes, "Exchange"], None]


class NotPoweredError(VukeyError):
    """An APDU reached a key without power."""


class PowerLostError(VukeyError):
    """Reset, power-off or removal ended a command that was waiting for a person (E11)."""


class NoSuchButtonError(VukeyError):
    """The model has no such button."""


def _tell(listener: Callable[Told, None], *args: Told.args, **named: Told.kwargs) -> None:
    """A listener that fails does not stop the key."""
    try:
        listener(*args, **named)
    except Exception as error:
        _log.error("a listener to the key failed: %s", error)
        _log.debug("where it failed", exc_info=True)


class Exchange:
    """One APDU from its arrival to its answer.

    ``response`` is None while the key waits for a person.
    """

    __slots__ = ("_device", "_done", "_listeners", "interrupted", "response")

    def __init__(self, device: Device, response: bytes | None = None) -> None:
        self._device = device
        self._done: threading.Event | None = None if response is not None else threading.Event()
        self._listeners: tuple[Callable[[], None], ...] = ()
        self.response = response
        self.interrupted = False

    @property
    def ended(self) -> bool:
        """Whether it was answered or interrupted."""
        return self.response is not None or self.interrupted

    def wait(self) -> bytes:
        """The response, as soon as there is one. The key's own time-out bounds the wait.

        :raises PowerLostError: power was lost meanwhile.
        """
        if self._done is not None:
            self._done.wait()
        if self.response is None:
            raise PowerLostError(N_("the key was removed or reset before it answered"))
        return self.response

    def on_end(self, listener: Callable[[], None]) -> None:
        """Call `listener` once it has ended, in whatever thread ends it; at once if it has."""
        with self._device.lock:
            if not self.ended:
                self._listeners += (listener,)
                return
        listener()

    def abandon(self) -> None:
        """The link that carried it is gone: stop waiting for the person."""
        self._device.abandon(self)

    def _end(self, response: bytes | None) -> None:
        self.response = response
        self.interrupted = response is None
        if self._done is not None:
            self._done.set()
        for listener in self._listeners:
            listener()


class Device:
    """A key. Everything that reaches it goes through one lock; a wait for a person holds no lock.

    :param profile: which model.
    :param serial: the number printed on its back; made up after the model's scheme if None.
    :raises ProfileError: the serial number does not follow the model's scheme.
    """

    def __init__(
        self,
        profile: Profile,
        serial: str | None = None,
        *,
        storage: Storage | None = None,
        clock: Clock | None = None,
        entropy: Entropy | None = None,
    ) -> None:
        entropy = entropy or OsEntropy()
        self.profile = profile
        self.serial = serial or profile.new_serial(entropy.bytes(32))
        profile.check_serial(self.serial)
        self._own_clock: SystemClock | None = None
        if clock is None:
            clock = self._own_clock = SystemClock()
        self.clock: Clock = clock
        self.lock = threading.RLock()
        self.screen = _OFF
        self._listeners: list[Callable[[Screen], None]] = []
        self._apdu_listeners: tuple[ApduListener, ...] = ()
        self._untold: deque[Screen] = deque()
        self.battery = (
            Battery(clock, profile.auto_off_s, self._nobody_there)
            if Button.POWER in profile.buttons
            else None
        )
        self._storage = storage or MemoryStorage()
        self._core = Core(profile, self.serial, self._storage, entropy, self._show)
        self._card = Card(self._core)
        self._powered = False
        self._bus_power = False
        self._pending: tuple[Exchange, Answer] | None = None
        self._prompt: Prompt | None = None
        self._timer: Timer | None = None

    # Power

    @property
    def powered(self) -> bool:
        """Whether the host has powered the key."""
        return self._powered

    def power_on(self) -> bytes:
        """Power, or a warm reset when there is power already; the ATR."""
        with self.lock:
            self._interrupt()
            self._powered = True
            if self.battery:
                self.battery.switch(on=False)  # the host's power takes its place
            self._card.reset()
            self._core.show_idle()
        return self.profile.atr

    reset = power_on

    def power_off(self) -> None:
        """Power-off, eject, removal, loss of the link: nothing volatile survives (E11)."""
        with self.lock:
            if self._powered:
                self._interrupt()
                self._card.reset()
                self._powered = False
                self._rest()

    def bus_power(self, *, on: bool) -> None:
        """Plugged into a bus, the key has light for its idle screen also while no host gives the card power (E10)."""
        with self.lock:
            self._bus_power = on
            if self.battery:
                self.battery.switch(
                    on=False
                )  # a key that is pulled out is dark until somebody switches it on
            if not self._powered:
                self._rest()

    def close(self) -> None:
        """Power off and let go of the memory."""
        with self.lock:
            self._bus_power = False
            self.power_off()
            if self.battery:
                self.battery.switch(on=False)
            self._storage.close()
        if self._own_clock is not None:
            self._own_clock.close()  # outside the lock: a callback may wait for it

    # The wire

    def begin(self, apdu: bytes) -> Exchange:
        """Hand over an APDU; it runs until it is answered or waits for a person.

        While one waits, every further APDU is answered *busy* (6FF6) at once and disturbs nothing.

        :raises NotPoweredError: no power.
        """
        with self.lock:
            return self.begin_locked(apdu)

    def begin_locked(self, apdu: bytes) -> Exchange:
        """`begin`, for who holds `lock`."""
        return self._busy(apdu) or self._exchange(apdu, self._card.run(apdu))

    def begin_pin_entry(self, entry: PinEntry) -> Exchange:
        """Have a PIN typed on the keypad; listeners are told of the entry's APDU, which holds no PIN.

        :raises NotPoweredError: no power.
        """
        with self.lock:
            return self._busy(entry.apdu) or self._exchange(entry.apdu, self._card.enter_pin(entry))

    def drop_begun(self) -> None:
        """Forget what whoever spoke last has begun: for the next one, the rest of a long answer (6A9E) is not, and
        what is computed from a random number of somebody else's would be a wrong PIN (E4).
        """
        self._card.drop_begun()

    def refuse_busy(self, apdu: bytes) -> Exchange:
        """What an APDU gets while the key is somebody else's: *busy* (6FF6)."""
        exchange = Exchange(self, self._core.dialect.private_sw.get(SW.BUSY, SW.BUSY).to_bytes(2))
        self._tell_apdu(apdu, exchange)
        return exchange

    def transmit(self, apdu: bytes) -> bytes:
        """Hand over an APDU and wait for its answer.

        :raises NotPoweredError: no power.
        :raises PowerLostError: power was lost meanwhile.
        """
        with self.lock:
            if self._powered and self._pending is None and not self._apdu_listeners:
                result = self._card.run(apdu)
                if isinstance(result, bytes):
                    return result  # nobody waits and nobody looks on: no exchange is needed
                exchange = self._wait_for_person(result)
            else:
                exchange = self.begin(apdu)
        return exchange.wait()

    def abandon(self, exchange: Exchange) -> None:
        """Stop waiting on behalf of an exchange whose link is gone."""
        with self.lock:
            if self._pending is not None and self._pending[0] is exchange:
                self._interrupt()
                self._core.show_idle()

    # The person

    @property
    def buttons(self) -> tuple[Button, ...]:
        """The buttons that this model has."""
        named = tuple(Button(name) for name in self.profile.buttons)
        return named + (DIGITS if self.profile.keypad else ())

    @property
    def waiting(self) -> Ask | None:
        """What the key asks a person now."""
        prompt = self._prompt
        return prompt.ask if prompt else None

    @property
    def seconds_left(self) -> float:
        """How long the key still waits for a person; 0 while it asks nothing."""
        prompt = self._prompt
        return max(prompt.deadline - self.clock.now(), 0.0) if prompt else 0.0

    @property
    def ok_in(self) -> float:
        """How long OK still does nothing because the screen has only just come up (E10), in seconds; else 0."""
        prompt = self._prompt
        return max(prompt.ok_from - self.clock.now(), 0.0) if prompt else 0.0

    @property
    def unread(self) -> bool:
        """Whether OK does nothing because the last page has not been up yet (E1)."""
        prompt = self._prompt
        return prompt is not None and not prompt.read

    def press(self, button: Button | str) -> None:
        """Press a button. With nothing asked, nothing happens.

        :raises NoSuchButtonError: the model has none of that name.
        """
        if button not in self.buttons:
            known = ", ".join(self.buttons) or "-"
            raise NoSuchButtonError(
                N_("this model has no button {button}; it has: {known}"), button=str(button), known=known
            )
        with self.lock:
            prompt = self._prompt
            if prompt is None:
                self._press_idle(button)
                return
            decision = prompt.press(Button(button), self.clock.now())
            if decision is None:
                self._show(prompt.screen)
            else:
                self._resume(decision)

    def type(self, digits: str) -> None:
        """Press the keypad's digits one after the other.

        :raises NoSuchButtonError: no keypad, or not a digit.
        """
        for digit in digits:
            self.press(digit)

    def on_screen(self, listener: Callable[[Screen], None]) -> Callable[[], None]:
        """Call `listener` with every screen from now on; returns what ends that.

        It is called in the thread that changed the screen, under the device's lock: it must not block.
        """
        with self.lock:
            self._listeners.append(listener)

        def remove() -> None:
            with self.lock:
                self._listeners.remove(listener)

        return remove

    # Whoever looks on

    def on_apdu(self, listener: ApduListener) -> Callable[[], None]:
        """Call `listener` with every APDU from now on and its exchange; returns what ends that.

        It is called under the device's lock once the APDU was answered or waits for a person: it must not block.
        """
        with self.lock:
            self._apdu_listeners += (listener,)

        def remove() -> None:
            with self.lock:
                self._apdu_listeners = tuple(other for other in self._apdu_listeners if other is not listener)

        return remove

    def command_facts(self, apdu: bytes) -> CommandFacts:
        """What an APDU is called, and whether its data are nobody's business."""
        return self._card.command_facts(apdu)

    def inspect(self) -> tuple[ApplicationFacts, ...]:
        """What the key's memory holds, secrets apart; costs no try and changes nothing."""
        with self.lock:
            return inspect(self._core)

    # Inside, under the lock

    def _tell_apdu(self, apdu: bytes, exchange: Exchange) -> None:
        for listener in self._apdu_listeners:
            _tell(listener, apdu, exchange)

    def _busy(self, apdu: bytes) -> Exchange | None:
        """The refusal of whatever comes while the key waits for a person.

        :raises NotPoweredError: no power.
        """
        if not self._powered:
            raise NotPoweredError(N_("the key has no power: reset it first"))
        return self.refuse_busy(apdu) if self._pending is not None else None

    def _exchange(self, apdu: bytes, result: bytes | Answer) -> Exchange:
        exchange = Exchange(self, result) if isinstance(result, bytes) else self._wait_for_person(result)
        if self._apdu_listeners:
            self._tell_apdu(apdu, exchange)
        return exchange

    def _wait_for_person(self, answer: Answer) -> Exchange:
        exchange = Exchange(self)
        self._pending = (exchange, answer)
        try:
            self._ask(next(answer))
        except BaseException:
            self._interrupt()
            raise
        return exchange

    def _show(self, screen: Screen) -> None:
        """Tell every listener; what a listener itself brings to the screen, by a press, is told after that."""
        self.screen = screen
        self._untold.append(screen)
        if len(self._untold) > 1:
            return
        try:
            while self._untold:
                for listener in tuple(self._listeners):
                    _tell(listener, self._untold[0])
                self._untold.popleft()
        finally:
            self._untold.clear()

    def _press_idle(self, button: Button | str) -> None:
        """Nothing is asked: the power button switches a key that runs on its battery, any other keeps it awake."""
        if self.battery is None or self._powered or self._bus_power:
            return
        if button == Button.POWER:
            self._switch(self.battery, on=not self.battery.on)
        else:
            self.battery.touch()

    def _switch(self, battery: Battery, *, on: bool) -> None:
        battery.switch(on=on)
        self._rest()

    def _rest(self) -> None:
        """The screen without a host's power: idle on the bus's or the battery's, else dark."""
        if self._bus_power or (self.battery and self.battery.on):
            self._core.show_idle(connected=False)
        else:
            self._show(_OFF)

    def _nobody_there(self) -> None:
        with self.lock:
            if self.battery and self.battery.on:
                self._switch(self.battery, on=False)

    def _ask(self, ask: Ask) -> None:
        core = self._core
        prompt = Prompt(ask, self.profile.confirm, core.geometry, core.texts, self.clock.now())
        self._prompt = prompt
        self._timer = self.clock.call_at(prompt.deadline, lambda: self._expire(prompt))
        self._show(prompt.screen)

    def _expire(self, prompt: Prompt) -> None:
        with self.lock:
            if self._prompt is prompt:
                self._resume(prompt.expired)

    def _forget_prompt(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._prompt = self._timer = None

    def _resume(self, decision: Decision) -> None:
        """Give the waiting command its decision; it answers or asks the next thing."""
        if self._pending is None:
            return
        exchange, answer = self._pending
        self._forget_prompt()
        try:
            ask = answer.send(decision)
        except StopIteration as done:
            self._pending = None
            self._core.show_idle()
            exchange._end(done.value)
        except BaseException:  # the power was cut: nobody may wait for an answer that will not come
            self._pending = None
            exchange._end(None)
            raise
        else:
            self._ask(ask)

    def _interrupt(self) -> None:
        """Close the waiting command, which wipes what it held."""
        if self._pending is None:
            return
        exchange, answer = self._pending
        self._pending = None
        self._forget_prompt()
        answer.close()
        exchange._end(None)
