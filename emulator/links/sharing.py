"""One key in several links: each powers and resets it as if alone, and none spoils what another is doing."""

from __future__ import annotations

from emulator.device import Device, Exchange

User = object
"""One connection: a slot of a reader, or a client of the socket."""


class SharedKey:
    """The key has power while any user gives it some; power and reset do not reach past another's request or lock.

    PC/SC's daemon takes an idle key's power away after some seconds: a person who reads a transaction of another
    program must not lose it to that.
    """

    def __init__(self, device: Device) -> None:
        self.device = device
        self._powering: set[User] = set()
        self._holder: User | None = None
        self._asker: User | None = None
        self._last: User | None = None

    def lock(self, user: User) -> bool:
        """Keep the others out; whether that was granted."""
        with self.device.lock:
            if self._holder is None:
                self._holder = user
            return self._holder is user

    def unlock(self, user: User) -> None:
        """Let the others in again."""
        with self.device.lock:
            if self._holder is user:
                self._holder = None

    def is_free_for(self, user: User) -> bool:
        """Whether nobody else holds the key or waits for a person."""
        waits_for_other = self.device.waiting is not None and self._asker is not user
        return self._holder in (None, user) and not waits_for_other

    def power_on(self, user: User) -> None:
        """Give it power; no reset if it has some already."""
        with self.device.lock:
            self._powering.add(user)
            if not self.device.powered:
                self.device.power_on()

    def reset(self, user: User) -> None:
        """Reset it, giving it power."""
        with self.device.lock:
            self._powering.add(user)
            if self.is_free_for(user):
                self.device.reset()

    def power_off(self, user: User) -> None:
        """Take one's power away: the end for the key if nobody else gives it any, else a reset (E11)."""
        with self.device.lock:
            self._powering.discard(user)
            if not self._powering:
                self.device.power_off()
            elif self.is_free_for(user):
                self.device.reset()

    def leave(self, user: User) -> None:
        """The connection has ended: its lock and its power end with it, and its logins are nobody else's (E8)."""
        with self.device.lock:
            self.unlock(user)
            self._powering.discard(user)
            if not self._powering:
                self.device.power_off()
            elif self._last is user and self.is_free_for(user):
                self.device.reset()

    def begin(self, user: User, apdu: bytes) -> Exchange:
        """Hand an APDU over, with power; *busy* while another user holds the key."""
        device = self.device
        with device.lock:
            holder = self._holder
            if holder is not None and holder is not user:
                return device.refuse_busy()
            if user not in self._powering or not device.powered:
                self.power_on(user)
            self._last = user
            exchange = device.begin(apdu)
            if exchange.response is None:
                self._asker = user
            return exchange
