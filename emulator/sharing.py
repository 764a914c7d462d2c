"""One key in several links: each powers and resets it as if alone, and none spoils what another is doing."""

from __future__ import annotations

from collections.abc import Callable

from emulator.device import Device, Exchange
from emulator.firmware.pin_entry import PinEntry
from protocols.ccid import SlotError
from protocols.errors import VukeyError
from protocols.i18n import N_

User = object
"""One connection: a slot of a reader, or a client of the socket."""


class NoReaderError(VukeyError):
    """The key is no reader of its own now."""


class SharedKey:
    """The key has power while any user gives it some; power and reset do not reach past another's request or lock.

    PC/SC's daemon takes an idle key's power away after some seconds: a person who reads a transaction of another
    program must not lose it to that. A reset that cannot be carried out now is owed: it comes before the next user's
    APDU, so that nobody inherits a login (E8, E11). Who holds the key's lock is reset once the lock is given back: what
    it is doing does not end because another program does.
    """

    def __init__(self, device: Device) -> None:
        self.device = device
        self._powering: set[User] = set()
        self._cordless: set[User] = set()
        self._used: set[User] = set()
        self._holder: User | None = None
        self._asker: User | None = None
        self._last: User | None = None
        self._reset_owed = False
        self._faulty: tuple[Callable[[SlotError], None], ...] = ()

    def on_fault(self, inject: Callable[[SlotError], None]) -> Callable[[], None]:
        """Hand a reader of the key's own the faults to come; returns what ends that."""
        with self.device.lock:
            self._faulty += (inject,)

        def remove() -> None:
            with self.device.lock:
                self._faulty = tuple(other for other in self._faulty if other != inject)

        return remove

    def fault(self, error: SlotError) -> None:
        """Let the next command that the error fits fail with it, once in each reader.

        :raises NoReaderError: no host has the key as a CCID device now.
        """
        readers = self._faulty
        if not readers:
            raise NoReaderError(
                N_(
                    "no host uses the key as a USB smart-card reader now; start it with --link usbip, vhci or gadget"
                )
            )
        for inject in readers:
            inject(error)

    def lock(self, user: User) -> bool:
        """Keep the others out; whether that was granted."""
        with self.device.lock:
            if self._holder is None:
                self._holder = user
                if self._last is not user or self._reset_owed:
                    self._last = None
            return self._holder is user

    def unlock(self, user: User) -> None:
        """Let the others in again."""
        with self.device.lock:
            if self._holder is user:
                self._holder = None

    def is_free_for(self, user: User) -> bool:
        """Whether nobody else holds the key or waits for a person."""
        return self._holder in (None, user) and not self._waits_for_other(user)

    def power_on(self, user: User) -> None:
        """Give it power; no reset if it has some already."""
        with self.device.lock:
            self._give_power(user)
            if not self.device.powered and not self._waits_for_other(user):
                self._reset()

    def power_on_battery(self, user: User) -> None:
        """As `power_on` for one who has no power to give, until `leave`: the card runs on what the key itself runs on.

        Once the key is switched off the card has no power, from this user, before somebody switches it on again.

        :raises NotPoweredError: it is switched off.
        """
        with self.device.lock:
            self._cordless.add(user)
            self.power_on(user)

    def reset(self, user: User) -> None:
        """Reset it, giving it power; later, where another one is using it."""
        with self.device.lock:
            self._give_power(user)
            self._reset_or_owe(user)

    def power_off(self, user: User) -> None:
        """Take one's power away: the end for the key if nobody else gives it any, else a reset (E11)."""
        with self.device.lock:
            if self._take_power(user):
                self._reset_or_owe(user)

    def leave(self, user: User, pending: Exchange | None = None) -> None:
        """The connection has ended: its request, its lock and its power with it; its logins are nobody else's (E8)."""
        with self.device.lock:
            if pending is not None:
                pending.abandon()
            self.unlock(user)
            self._cordless.discard(user)
            if self._take_power(user) and user in self._used:
                self._reset_or_owe(user)
            self._used.discard(user)

    def begin_pairing(self, user: User, number: int) -> Exchange:
        """Have a person compare the number of a pairing; refused while another user holds the key or waits for one.

        See `Device.begin_pairing`. Who pairs has no power to give, as after `power_on_battery`.
        """
        device = self.device
        with device.lock:
            self._cordless.add(user)
            if not self.is_free_for(user):
                return device.refuse_pairing()
            exchange = device.begin_pairing(number)
            if exchange.response is None:
                self._asker = user
            return exchange

    def begin(self, user: User, apdu: bytes) -> Exchange:
        """Hand an APDU over, with power; *busy* while another user holds the key or waits for a person.

        :raises NotPoweredError: the user has no power to give, and the key is switched off.
        """
        device = self.device
        with device.lock:
            if (user is not self._last or self._must_reset(user)) and not self._admit(user):
                return device.refuse_busy(apdu)
            exchange = device.begin_locked(apdu)
            if exchange.response is None:
                self._asker = user
            return exchange

    def begin_pin_entry(self, user: User, entry: PinEntry) -> Exchange:
        """Have a PIN typed on the keypad; *busy* as with `begin`."""
        device = self.device
        with device.lock:
            if (user is not self._last or self._must_reset(user)) and not self._admit(user):
                return device.refuse_busy(entry.apdu)
            exchange = device.begin_pin_entry(entry)
            if exchange.response is None:
                self._asker = user
            return exchange

    def _admit(self, user: User) -> bool:
        """Let another user's APDU in: with power, without what the one before left behind."""
        if self._holder not in (None, user) or self.device.waiting is not None:
            return False
        self._give_power(user)
        if self._must_reset(user):
            self._reset()
        self.device.drop_begun()
        self._last = user
        self._used.add(user)
        return True

    def _must_reset(self, user: User) -> bool:
        """Before an APDU of this user. A reset that became owed while the user holds the key waits for `unlock`."""
        is_busy = self._holder is user and self._last is user
        return not self.device.powered or (self._reset_owed and not is_busy)

    def _waits_for_other(self, user: User) -> bool:
        return self.device.waiting is not None and self._asker is not user

    def _give_power(self, user: User) -> None:
        if user not in self._cordless:
            self._powering.add(user)
            if self.device.powered:
                self.device.host_power(on=True)

    def _take_power(self, user: User) -> bool:
        """Whether the card has power without this user."""
        self._powering.discard(user)
        if not (self._powering or self._cordless):
            self.device.power_off()
        elif not self._powering:
            self.device.host_power(on=False)
        return self.device.powered

    def _reset_or_owe(self, user: User) -> None:
        if self.is_free_for(user):
            self._reset()
        elif user in self._used:
            self._reset_owed = True

    def _reset(self) -> None:
        if self._powering:
            self.device.reset()
        else:
            self.device.power_on_battery()
        self._used.clear()
        self._last = None
        self._reset_owed = False
