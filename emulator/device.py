"""The device: a profile, its hardware and its firmware behind one lock. Links and controls hold it, nothing else."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from emulator.exchange import Exchange, PowerLostError
from emulator.firmware.card import Answer, Card
from emulator.firmware.confirm import Ask, Decision, Prompt
from emulator.firmware.core import Core
from emulator.firmware.facts import ApplicationFacts, CommandFacts, inspect
from emulator.firmware.pairing import MAX_NUMBER, REFUSED, BluetoothMemory, can_compare, compare_numbers
from emulator.firmware.pin_entry import PinEntry
from emulator.hardware.battery import Battery
from emulator.hardware.buttons import DIGITS, Button
from emulator.hardware.clock import Clock, SystemClock, Timer
from emulator.hardware.display import Screen, ScreenKind
from emulator.hardware.entropy import Entropy, OsEntropy
from emulator.hardware.storage import MemoryStorage, Storage
from emulator.hardware.supply import Supply
from emulator.listeners import Listeners
from emulator.profiles import Profile
from protocols.errors import VukeyError
from protocols.i18n import N_
from protocols.sw import SW

__all__ = ["Device", "Exchange", "NoSuchButtonError", "NotPoweredError", "PowerLostError"]

_OFF = Screen(ScreenKind.OFF, "", ())


class NotPoweredError(VukeyError):
    """An APDU reached a key without power."""


class NoSuchButtonError(VukeyError):
    """The model has no such button."""


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
        self._screen_listeners = Listeners[[Screen]](self.lock)
        self._apdu_listeners = Listeners[[bytes, Exchange]](self.lock)
        self._switch_listeners = Listeners[[bool]](self.lock)
        self._untold: deque[Screen] = deque()
        self.battery = (
            Battery(clock, profile.auto_off_s, self._nobody_there)
            if Button.POWER in profile.buttons
            else None
        )
        self._storage = storage or MemoryStorage()
        self._core = Core(profile, self.serial, self._storage, entropy, self._show)
        self._card = Card(self._core)
        self._bluetooth = BluetoothMemory(self._storage, entropy)
        self._powered = False
        self._supply = Supply(self.battery)
        self._told_on = False
        self._pending: tuple[Exchange, Answer] | None = None
        self._prompt: Prompt | None = None
        self._timer: Timer | None = None

    # Power

    @property
    def powered(self) -> bool:
        """Whether the card has power: a host's, or the key's own (`power_on_battery`)."""
        return self._powered

    @property
    def is_on(self) -> bool:
        """Whether the key has power at all: a host's, the bus's that it is plugged into, or its battery's."""
        return self._supply.is_on

    @property
    def battery_low(self) -> bool:
        """Whether it runs on its battery and that is low: no command should be begun."""
        return self._supply.is_low

    def power_on(self) -> bytes:
        """Power, or a warm reset when there is power already; the ATR."""
        with self.lock:
            self._supply.set_host(on=True)
            self._start_card()
        return self.profile.atr

    reset = power_on

    def power_on_battery(self) -> None:
        """As `power_on` without a host's power: what the key itself runs on is the card's too, and it stays so.

        Once the key is switched off, by a person or by itself, it is as after `power_off`.

        :raises NotPoweredError: it is switched off.
        """
        with self.lock:
            if not self.is_on:
                raise NotPoweredError(N_("the key is switched off: press its power button"))
            self._supply.touch()
            self._start_card()

    def host_power(self, *, on: bool) -> None:
        """A host gives power to a card that runs on the key's own, or no longer does: no reset while any is left."""
        with self.lock:
            if on is not self._supply.host:
                self._supply.set_host(on=on)
                self._power_changed()

    def power_off(self) -> None:
        """Power-off, eject, removal, loss of the link: nothing volatile survives (E11)."""
        with self.lock:
            if self._powered:
                self._stop_card()
                self._supply.set_host(on=False)
                self._power_changed()

    def bus_power(self, *, on: bool) -> None:
        """Plugged into a bus, the key has light for its idle screen also while no host gives the card power (E10)."""
        with self.lock:
            self._supply.set_bus(on=on)
            self._power_changed()

    def on_switched(self, listener: Callable[[bool], None]) -> Callable[[], None]:
        """Call `listener` whenever `is_on` has changed, with what it is now; returns what ends that.

        It is called under the device's lock, when the card has lost its power already: it must not block.
        """
        return self._switch_listeners.add(listener)

    def close(self) -> None:
        """Power off and let go of the memory."""
        with self.lock:
            if self.is_on:
                self._supply.cut()
                self._power_changed()
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
        self._apdu_listeners.tell(apdu, exchange)
        return exchange

    def transmit(self, apdu: bytes) -> bytes:
        """Hand over an APDU and wait for its answer.

        :raises NotPoweredError: no power.
        :raises PowerLostError: power was lost meanwhile.
        """
        with self.lock:
            if self._powered and self._pending is None and not self._apdu_listeners and self.battery is None:
                result = self._card.run(apdu)
                if isinstance(result, bytes):
                    return result  # nobody waits, looks on or saves power: no exchange is needed
                exchange = self._wait_for_person(result)
            else:
                exchange = self.begin(apdu)
        return exchange.wait()

    def abandon(self, exchange: Exchange) -> None:
        """Stop waiting on behalf of an exchange whose link is gone."""
        with self.lock:
            if self._pending is not None and self._pending[0] is exchange:
                self._interrupt()
                self._show_idle()

    # Bluetooth

    def begin_pairing(self, number: int) -> Exchange:
        """Have a person compare a pairing's number; the response is ACCEPTED or REFUSED (`firmware.pairing`).

        Refused at once while the key waits for a person already, where it is switched off, and where the model has
        no screen or no button for it. The card needs no power. What interrupts a command interrupts this.

        :raises ValueError: not six digits.
        """
        if not 0 <= number <= MAX_NUMBER:
            raise ValueError("a pairing's number has six digits")
        with self.lock:
            if self._pending is not None or not self.is_on or not can_compare(self._core):
                return self.refuse_pairing()
            self._supply.touch()
            return self._wait_for_person(compare_numbers(self._core, number))

    def refuse_pairing(self) -> Exchange:
        """What a pairing gets while the key is somebody else's."""
        return Exchange(self, REFUSED)

    def bonds(self) -> dict[str, bytes]:
        """What was agreed on with each address that the key is paired with; the oldest first. Keep it secret."""
        with self.lock:
            return self._bluetooth.bonds()

    def put_bond(self, address: str, data: bytes) -> None:
        """Keep a bond in place of that address' older one; of more than eight the oldest goes.

        :raises ValueError: no address as in AA:BB:CC:DD:EE:FF or AA:BB:CC:DD:EE:FF/P, or more than 1024 bytes.
        :raises StateError: it cannot be kept.
        """
        with self.lock, self._core.change() as transaction:
            self._bluetooth.put_bond(transaction, address, data)

    def forget_bond(self, address: str) -> None:
        """Forget a bond; harmless where there is none.

        :raises StateError: it cannot be forgotten.
        """
        with self.lock, self._core.change() as transaction:
            self._bluetooth.forget_bond(transaction, address)

    def bluetooth_identity(self) -> bytes:
        """Identity resolving key (16 bytes) and static random address (6, as it is written): made once, and kept.

        :raises StateError: it cannot be kept.
        """
        with self.lock:
            identity = self._bluetooth.identity
            if identity is None:
                with self._core.change() as transaction:
                    identity = self._bluetooth.put_identity(transaction)
            return identity

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
        """Press a button. With nothing asked, nothing happens; the power button switches a key on its battery always.

        :raises NoSuchButtonError: the model has none of that name.
        """
        if button not in self.buttons:
            known = ", ".join(self.buttons) or "-"
            raise NoSuchButtonError(
                N_("this model has no button {button}; it has: {known}"), button=str(button), known=known
            )
        with self.lock:
            self._supply.touch()
            prompt = self._prompt
            if button == Button.POWER and self._supply.press_power():
                self._power_changed()
            if button == Button.POWER or prompt is None:
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
        return self._screen_listeners.add(listener)

    # Whoever looks on

    def on_apdu(self, listener: Callable[[bytes, Exchange], None]) -> Callable[[], None]:
        """Call `listener` with every APDU from now on and its exchange; returns what ends that.

        It is called under the device's lock once the APDU was answered or waits for a person: it must not block.
        """
        return self._apdu_listeners.add(listener)

    def command_facts(self, apdu: bytes) -> CommandFacts:
        """What an APDU is called, and whether its data are nobody's business."""
        return self._card.command_facts(apdu)

    def inspect(self) -> tuple[ApplicationFacts, ...]:
        """What the key's memory holds, secrets apart; costs no try and changes nothing."""
        with self.lock:
            return inspect(self._core)

    # Inside, under the lock

    def _busy(self, apdu: bytes) -> Exchange | None:
        """The refusal of whatever comes while the key waits for a person.

        :raises NotPoweredError: no power.
        """
        if not self._powered:
            raise NotPoweredError(N_("the key has no power: reset it first"))
        if self.battery is not None:
            self.battery.touch()
        return self.refuse_busy(apdu) if self._pending is not None else None

    def _exchange(self, apdu: bytes, result: bytes | Answer) -> Exchange:
        exchange = Exchange(self, result) if isinstance(result, bytes) else self._wait_for_person(result)
        if self._apdu_listeners:
            self._apdu_listeners.tell(apdu, exchange)
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
                self._screen_listeners.tell(self._untold[0])
                self._untold.popleft()
        finally:
            self._untold.clear()

    def _start_card(self) -> None:
        self._interrupt()
        self._powered = True
        self._card.reset()
        self._core.show_idle()
        self._tell_switched()

    def _stop_card(self) -> None:
        self._interrupt()
        self._card.reset()
        self._powered = False

    def _power_changed(self) -> None:
        """Without any the card stops, and so does a pairing."""
        if not self.is_on and (self._powered or self._pending is not None):
            self._stop_card()
        if not self._powered and self._pending is None:
            self._show_idle()
        self._tell_switched()

    def _tell_switched(self) -> None:
        if self.is_on is not self._told_on:
            self._told_on = self.is_on
            self._switch_listeners.tell(self._told_on)

    def _show_idle(self) -> None:
        """The screen while nothing is asked: dark without any power."""
        if self.is_on:
            self._core.show_idle(connected=self._powered)
        else:
            self._show(_OFF)

    def _nobody_there(self) -> None:
        with self.lock:
            if self._supply.is_left():
                self._power_changed()

    def _ask(self, ask: Ask) -> None:
        core = self._core
        prompt = Prompt(ask, self.profile.confirm, core.geometry, core.texts, self.clock.now())
        self._timer = self.clock.call_at(prompt.deadline, lambda: self._expire(prompt))
        self._prompt = prompt  # from now on anybody sees that it asks, and may move the clock to the deadline
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
            self._show_idle()
            exchange.end(done.value)
        except BaseException:  # the power was cut: nobody may wait for an answer that will not come
            self._pending = None
            exchange.end(None)
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
        exchange.end(None)
