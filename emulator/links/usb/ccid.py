"""The key as a CCID reader with its card in it: what a host's messages do to the key (CCID 1.1)."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from functools import partial

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


class _Outbox:
    """Answers on their way to the host's bulk IN, in order, in one configuration.

    Whoever is sending already sends what others queue meanwhile, so that nobody waits for a host that does not read,
    unless that host goes on and on asking.
    """

    def __init__(self, bus: Bus, endpoint: int) -> None:
        self._bus = bus
        self._endpoint = endpoint
        self._messages: deque[bytes] = deque()
        self.sending = threading.Lock()
        self.append = self._messages.append

    def __bool__(self) -> bool:
        return bool(self._messages)

    def flush(self) -> None:
        """Send what is queued."""
        messages, send, endpoint = self._messages, self._bus.send, self._endpoint
        while messages and self.sending.acquire(blocking=len(messages) > _MOST_UNREAD):
            try:
                while messages:
                    send(endpoint, messages.popleft())
            finally:
                self.sending.release()

    def send_first(self, message: Callable[[], bytes]) -> None:
        """Send this next, if it is anything by now; an answer that comes meanwhile waits for it."""
        with self.sending:
            while self._messages:
                self._bus.send(self._endpoint, self._messages.popleft())
            data = message()
            if data:
                self._bus.send(self._endpoint, data)
        self.flush()

    @property
    def is_taken(self) -> bool:
        """Whether the host has taken all that was queued."""
        return not self._messages and self._bus.is_taken(self._endpoint)


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
        self._outbox: _Outbox | None = None
        self._wait: _Wait | None = None
        self._computing: bytes | None = None
        self._gone = threading.Event()
        self._forget_faults: Callable[[], None]

    def start(self, bus: Bus) -> None:
        """The host has configured the device: a fresh slot, with a card in it."""
        self.stop()
        with self._guard:
            self._slot.reset()
            self._outbox = outbox = _Outbox(bus, self._in)
            self._gone = gone = threading.Event()
            self._forget_faults = self._shared.on_fault(self.inject)
            notice = self._slot.slot_change(present=True)
        bus.send(self._interrupt, notice)
        threading.Thread(target=self._watch, args=(outbox, gone), name="vukey-ccid-time", daemon=True).start()

    def stop(self) -> None:
        """The host has gone: whatever waits ends, and the key is free for others."""
        with self._guard:
            if self._outbox is None:
                return
            self._outbox = None
            self._gone.set()
            self._forget_faults()
            wait, self._wait = self._wait, None
        self._shared.leave(self, wait.exchange if wait else None)

    def receive(self, endpoint: int, data: bytes) -> None:
        """A piece of the host's messages. None goes on after a short packet, which ends a transfer."""
        with self._guard:
            outbox = self._outbox
            if outbox is None:
                return
            self._do(self._slot.feed(data), outbox)
            if (len(data) % _SMALLEST_PACKET or not data) and self._slot.missing:
                self._do(self._slot.cut(), outbox)
        outbox.flush()

    def missing(self, endpoint: int) -> int:
        """How many bytes of a begun message are still to come."""
        return self._slot.missing

    def control(self, setup: Setup, data: bytes) -> bytes | None:
        """Abort, and what a host may ask of the card's clock (5.3)."""
        with self._guard:
            outbox = self._outbox
            if outbox is None:
                return None
            answer = self._slot.control(setup, data)
            self._do(self._slot.due(), outbox)
        if outbox:  # by another thread: a host may read bulk IN only when it has the answer to its request
            threading.Thread(target=outbox.flush, name="vukey-ccid-abort", daemon=True).start()
        return answer

    def clear_halt(self, endpoint: int) -> None:
        """No endpoint of ours halts by itself: there is nothing to clear."""

    def inject(self, error: SlotError) -> None:
        """Let the next command that the error fits fail with it, once."""
        with self._guard:
            self._slot.inject(error)

    def _do(self, events: list[Event], outbox: _Outbox) -> None:
        """Do what messages ask for and queue the answers, unless a person decides."""
        shared, slot = self._shared, self._slot
        for event in events:
            match event:
                case Transmit():
                    self._computing = apdu = event.apdu
                    try:
                        exchange = shared.begin(self, apdu)
                    finally:
                        self._computing = None
                    self._begin(exchange, outbox)
                case Reply():
                    outbox.append(event.data)
                case PowerOn():
                    shared.reset(self)
                    outbox.append(slot.powered())
                case PowerOff():
                    shared.power_off(self)
                    outbox.append(slot.unpowered())
                case EnterPin():
                    self._begin(shared.begin_pin_entry(self, _pin_entry(event.entry)), outbox, typing=True)
                case Cancel():
                    self._cancel()

    def _begin(self, exchange: Exchange, outbox: _Outbox, *, typing: bool = False) -> None:
        response = exchange.response
        if response is not None:
            outbox.append(self._slot.respond(response))
            return
        wait = self._wait = _Wait(exchange, typing)
        threading.Thread(
            target=self._keep_waiting, args=(wait, outbox), name="vukey-ccid", daemon=True
        ).start()

    def _cancel(self) -> None:
        wait, self._wait = self._wait, None
        if wait is not None:
            wait.exchange.abandon()

    def _keep_waiting(self, wait: _Wait, outbox: _Outbox) -> None:
        """Ask the host for more time until the person has decided; a wait that is no longer ours just ends."""
        ended = False
        while not ended:
            ended = wait.ended.wait(self._extension_s)
            with self._guard:
                if self._wait is not wait:
                    return
                if ended:
                    outbox.append(self._answer(wait))
                elif outbox.is_taken:  # a host that does not read is not asked again
                    outbox.append(self._slot.extension())
            outbox.flush()

    def _watch(self, outbox: _Outbox, gone: threading.Event) -> None:
        """Ask the host for more time while the card computes long: an RSA key pair takes a small board seconds."""
        seen = None
        while not gone.wait(self._extension_s):
            apdu = self._computing
            if apdu is not None and apdu is seen:
                outbox.send_first(partial(self._extension, apdu))
            seen = apdu

    def _extension(self, apdu: bytes) -> bytes:
        """The request for more time, if the card is still computing this; else nothing."""
        extension = self._slot.extension()
        return extension if self._computing is apdu else b""

    def _answer(self, wait: _Wait) -> bytes:
        self._wait = None
        response = wait.exchange.response
        if response is None:  # reset by another hand
            return self._slot.fail(SlotError.ICC_MUTE)
        if wait.typing and response in self._unanswered:
            return self._slot.fail(self._unanswered[response])
        return self._slot.respond(response)


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
