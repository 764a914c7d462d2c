"""The key as a CCID reader with its card in it: what a host's messages do to the key (CCID 1.1)."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from emulator.device import Exchange
from emulator.firmware.pin_entry import PinEntry
from emulator.hardware.display import Geometry
from emulator.links.usb.function import Bus
from emulator.profiles import Profile
from emulator.sharing import SharedKey
from protocols.ccid import (
    Cancel,
    EnterPin,
    Event,
    PinModify,
    PinVerify,
    PowerOff,
    PowerOn,
    Reply,
    Slot,
    SlotError,
    Transmit,
)
from protocols.ccid.descriptor import USB_CLASS, class_descriptor
from protocols.dialect import dialect_named
from protocols.sw import SW
from protocols.usb import Endpoint, Interface, Setup, Transfer

_IN = 0x80
_NOTIFICATION_SIZE = 8
"""wMaxPacketSize of the interrupt endpoint, in bytes: a NotifySlotChange has two."""
_SMALLEST_PACKET = 64
"""Bulk packets have 64 bytes or 512 (USB 2.0, 5.8.3): what is not a multiple ended with a short one at any speed."""
_PIN_VERIFY_AND_MODIFY = 3
"""bPINSupport of a model with a keypad."""
_MOST_UNREAD = 16
"""Answers that are kept for a host that does not read while it goes on asking."""
_UNANSWERED = {SW.CANCELLED: SlotError.PIN_CANCELLED, SW.TIMED_OUT: SlotError.PIN_TIMEOUT}
"""How a PIN entry ends without a PIN: that is the reader's to say, not the card's (6.1.11)."""


class _Wait:
    """A command that waits for a person.

    :param typing: whether a PIN is typed.
    """

    __slots__ = ("ended", "exchange", "typing")

    def __init__(self, exchange: Exchange, typing: bool) -> None:
        self.exchange = exchange
        self.typing = typing
        self.ended = threading.Event()
        exchange.on_end(self.ended.set)


class CcidFunction:
    """A slot that always holds its card.

    An answer leaves in the thread that brought the command. While the key waits for a person, a thread of its own
    asks the host for more time again and again (6.2.6), then sends the answer; another does so while it computes long.

    :param shared: the key as other links have it too.
    :param number: of the interface.
    :param endpoint: the first number that is free; three are taken.
    :param extension_s: seconds between two requests for more time.
    """

    def __init__(self, shared: SharedKey, number: int, endpoint: int, *, extension_s: float = 1.0) -> None:
        profile = shared.device.profile
        self._in, out, self._interrupt = _IN | endpoint, endpoint + 1, _IN | endpoint + 2
        self.interface = Interface(
            number=number,
            usb_class=USB_CLASS,
            subclass=0,
            protocol=0,
            name="CCID",
            class_descriptor=class_descriptor(
                max_message=profile.usb.max_message,
                pin_support=_PIN_VERIFY_AND_MODIFY if profile.keypad else 0,
                lcd_layout=_lcd_layout(profile),
            ),
            endpoints=(
                Endpoint(self._in, Transfer.BULK),
                Endpoint(out, Transfer.BULK),
                Endpoint(self._interrupt, Transfer.INTERRUPT, _NOTIFICATION_SIZE),
            ),
        )
        private_sw = dialect_named(profile.dialect).private_sw
        self._unanswered = {private_sw.get(sw, sw).to_bytes(2): error for sw, error in _UNANSWERED.items()}
        self._shared = shared
        self._extension_s = extension_s
        self._slot = Slot(max_message=profile.usb.max_message, pin_pad=profile.keypad, atr=profile.atr)
        self._guard = threading.Lock()
        self._bus: Bus | None = None
        self._wait: _Wait | None = None
        self._outbox: deque[bytes] = deque()
        self._sending = threading.Lock()
        self._computing: bytes | None = None
        self._gone = threading.Event()
        self._forget_faults: Callable[[], None]

    def start(self, bus: Bus) -> None:
        """The host has configured the device: a fresh slot, with a card in it."""
        self.stop()
        with self._guard:
            self._slot.reset()
            self._bus = bus
            self._gone = gone = threading.Event()
            self._forget_faults = self._shared.on_fault(self.inject)
            notice = self._slot.slot_change(present=True)
        bus.send(self._interrupt, notice)
        threading.Thread(target=self._watch, args=(bus, gone), name="vukey-ccid-time", daemon=True).start()

    def stop(self) -> None:
        """The host has gone: whatever waits ends, and the key is free for others."""
        with self._guard:
            if self._bus is None:
                return
            self._bus = None
            self._gone.set()
            self._forget_faults()
            self._outbox.clear()
            wait, self._wait = self._wait, None
        self._shared.leave(self, wait.exchange if wait else None)

    def receive(self, endpoint: int, data: bytes) -> None:
        """A piece of the host's messages. None goes on after a short packet, which ends a transfer."""
        with self._guard:
            if self._bus is None:
                return
            self._do(self._slot.feed(data))
            if (len(data) % _SMALLEST_PACKET or not data) and self._slot.missing:
                self._do(self._slot.cut())
        self._flush()

    def missing(self, endpoint: int) -> int:
        """How many bytes of a begun message are still to come."""
        return self._slot.missing

    def control(self, setup: Setup, data: bytes) -> bytes | None:
        """Abort, and what a host may ask of the card's clock (5.3)."""
        with self._guard:
            if self._bus is None:
                return None
            answer = self._slot.control(setup, data)
            self._do(self._slot.due())
        if (
            self._outbox
        ):  # by another thread: a host may read bulk IN only when it has the answer to its request
            threading.Thread(target=self._flush, name="vukey-ccid-abort", daemon=True).start()
        return answer

    def clear_halt(self, endpoint: int) -> None:
        """No endpoint of ours halts by itself: there is nothing to clear."""

    def inject(self, error: SlotError) -> None:
        """Let the next command that the error fits fail with it, once."""
        with self._guard:
            self._slot.inject(error)

    def _do(self, events: list[Event]) -> None:
        """Do what messages ask for and queue the answers, unless a person decides."""
        shared, slot, outbox = self._shared, self._slot, self._outbox
        for event in events:
            match event:
                case Transmit():
                    self._computing = event.apdu
                    self._begin(shared.begin(self, event.apdu))
                    self._computing = None
                case Reply():
                    outbox.append(event.data)
                case PowerOn():
                    shared.reset(self)
                    outbox.append(slot.powered())
                case PowerOff():
                    shared.power_off(self)
                    outbox.append(slot.unpowered())
                case EnterPin():
                    self._begin(shared.begin_pin_entry(self, _pin_entry(event.entry)), typing=True)
                case Cancel():
                    self._cancel()

    def _begin(self, exchange: Exchange, *, typing: bool = False) -> None:
        if exchange.response is not None:
            self._outbox.append(self._slot.respond(exchange.response))
            return
        wait = self._wait = _Wait(exchange, typing)
        threading.Thread(target=self._keep_waiting, args=(wait,), name="vukey-ccid", daemon=True).start()

    def _cancel(self) -> None:
        wait, self._wait = self._wait, None
        if wait is not None:
            wait.exchange.abandon()

    def _keep_waiting(self, wait: _Wait) -> None:
        """Ask the host for more time until the person has decided; a wait that is no longer ours just ends."""
        ended = False
        while not ended:
            ended = wait.ended.wait(self._extension_s)
            with self._guard:
                if self._wait is not wait:
                    return
                if ended:
                    self._outbox.append(self._answer(wait))
                elif not self._outbox and self._bus and self._bus.is_taken(self._in):
                    # A host that does not read is not asked again.
                    self._outbox.append(self._slot.extension())
            self._flush()

    def _watch(self, bus: Bus, gone: threading.Event) -> None:
        """Ask the host for more time while the card computes long: an RSA key pair takes a small board seconds."""
        seen = None
        while not gone.wait(self._extension_s):
            apdu = self._computing
            if apdu is not None and apdu is seen:
                with self._sending:
                    extension = self._slot.extension()
                    if extension and self._computing is apdu:  # an answer that comes now waits for us
                        bus.send(self._in, extension)
                self._flush()
            seen = apdu

    def _answer(self, wait: _Wait) -> bytes:
        self._wait = None
        response = wait.exchange.response
        if response is None:  # reset by another hand
            return self._slot.fail(SlotError.ICC_MUTE)
        if wait.typing and response in self._unanswered:
            return self._slot.fail(self._unanswered[response])
        return self._slot.respond(response)

    def _flush(self) -> None:
        """Send what is queued, in order.

        Whoever is sending already sends this too, so that nobody waits for a host that does not read, unless that
        host goes on and on asking.
        """
        while self._outbox and self._sending.acquire(blocking=len(self._outbox) > _MOST_UNREAD):
            try:
                self._send_queued()
            finally:
                self._sending.release()

    def _send_queued(self) -> None:
        with self._guard:
            bus, messages = self._bus, tuple(self._outbox)
            self._outbox.clear()
        if bus is not None:
            for message in messages:
                bus.send(self._in, message)


def _lcd_layout(profile: Profile) -> int:
    """wLcdLayout: the screen's lines in the high byte, the characters of a line in the low one; 0: no screen."""
    display = profile.display
    if display is None:
        return 0
    geometry = Geometry.of_pixels(display.width, display.height)
    return geometry.rows << 8 | geometry.columns


def _pin_entry(entry: PinVerify | PinModify) -> PinEntry:
    """What the key does of an entry.

    The fields that place the PIN in an APDU, the numbers of texts and the language count for nothing: the key knows
    its own commands and has its own screens. OK ends an entry, whatever bEntryValidationCondition says.
    """
    pin, within_s = entry.pin, entry.timeout_s or None
    if isinstance(entry, PinModify):
        return PinEntry(
            entry.apdu,
            pin.min_digits,
            pin.max_digits,
            within_s,
            change=True,
            ask_old=entry.ask_old,
            confirm=entry.confirm,
        )
    return PinEntry(entry.apdu, pin.min_digits, pin.max_digits, within_s)
