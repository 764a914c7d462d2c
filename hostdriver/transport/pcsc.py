"""A key in a PC/SC reader, through pyscard (extra ``pcsc``): any real CCID key, or a virtual one over vpcd."""

from __future__ import annotations

import contextlib
import math
import re
import time
from collections.abc import Callable, Collection
from types import ModuleType
from typing import Any, Self

from hostdriver.errors import HostError, KeyRemovedError, MissingComponentError, NoKeyError, NoPinPadError
from hostdriver.transport import pcsc_pin_pad as pin_pad
from protocols.ccid import PinModify, PinVerify
from protocols.i18n import N_

_LOOK_MS = 1000
"""Longest uninterrupted wait for PC/SC's news."""
_ANY_READER = r"\\?PnP?\Notification"
"""Stands for all readers in a question about states: its answer is that one has come or gone."""
_NUMBER = re.compile(r" [0-9A-F]{2}(?= [0-9A-F]{2}$)")
"""pcsc-lite's number of a reader, the first that no other of its driver has when it is plugged in, before that of the
slot: "name 01 00" (RFSetReaderName in pcsc-lite's readerfactory.c)."""


class PcscError(HostError):
    """PC/SC failed in a way that no other error names."""


def _scard() -> ModuleType:
    try:
        from smartcard import scard
    except ImportError:
        raise MissingComponentError(
            N_("PC/SC needs pyscard: pip install pyscard (with swig, a C compiler and libpcsclite-dev)")
        ) from None
    return scard  # type: ignore[no-any-return]


def _check(code: int) -> None:
    """Let success pass.

    :raises HostError: the typed error of a PC/SC code.
    """
    scard = _scard()
    if code == scard.SCARD_S_SUCCESS:
        return
    if code in (scard.SCARD_E_NO_SERVICE, scard.SCARD_E_SERVICE_STOPPED):
        raise NoKeyError(N_("the PC/SC service is not running: start pcscd"))
    if code in (scard.SCARD_E_UNKNOWN_READER, scard.SCARD_E_NO_SMARTCARD, scard.SCARD_E_NO_READERS_AVAILABLE):
        raise NoKeyError(N_("there is no key in this reader; see: vukey host list"))
    if code in _gone(scard):
        raise KeyRemovedError(N_("the key was removed, or another program reset it: try again"))
    raise PcscError(N_("PC/SC says: {text}"), text=scard.SCardGetErrorMessage(code))


def _gone(scard: ModuleType) -> tuple[int, ...]:
    return (
        scard.SCARD_W_REMOVED_CARD,
        scard.SCARD_W_RESET_CARD,
        scard.SCARD_W_UNPOWERED_CARD,
        scard.SCARD_W_UNRESPONSIVE_CARD,
        scard.SCARD_E_READER_UNAVAILABLE,
        scard.SCARD_E_NOT_TRANSACTED,
        scard.SCARD_E_INVALID_HANDLE,
        scard.SCARD_F_COMM_ERROR,
    )


def _context() -> Any:
    scard = _scard()
    code, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
    _check(code)
    return context


def readers_with_a_card() -> list[str]:
    """Names of the readers that hold a card, in PC/SC's order; empty when PC/SC has no readers.

    :raises HostError: no pyscard, or PC/SC is not running.
    """
    scard = _scard()
    context = _context()
    try:
        code, names = scard.SCardListReaders(context, [])
        if code == scard.SCARD_E_NO_READERS_AVAILABLE:
            return []
        _check(code)
        states = [(name, scard.SCARD_STATE_UNAWARE) for name in names]
        code, states = scard.SCardGetStatusChange(context, 0, states)
        _check(code)
        return [name for name, state, _ in states if state & scard.SCARD_STATE_PRESENT]
    finally:
        scard.SCardReleaseContext(context)


def wait_for_cards(as_wanted: Callable[[list[str]], bool], seconds: float) -> list[str]:
    """Wait until the readers that hold a card are as wanted, no longer than `seconds`; their names then.

    :raises HostError: no pyscard, or PC/SC is not running.
    """
    scard = _scard()
    context = _context()
    deadline = time.monotonic() + seconds
    known: dict[str, int] = {}
    try:
        while True:
            known = _news(context, known, _LOOK_MS if known else 0)
            holding = [name for name, state in known.items() if state & scard.SCARD_STATE_PRESENT]
            if as_wanted(holding) or time.monotonic() >= deadline:
                return holding
    finally:
        scard.SCardReleaseContext(context)


def _news(context: Any, known: dict[str, int], milliseconds: int) -> dict[str, int]:
    """The state of every reader, once one of them has another than is known, or a reader comes or goes."""
    scard = _scard()
    code, names = scard.SCardListReaders(context, [])
    if code != scard.SCARD_E_NO_READERS_AVAILABLE:
        _check(code)
    watched = [(name, known.get(name, scard.SCARD_STATE_UNAWARE)) for name in (*names, _ANY_READER)]
    code, told = scard.SCardGetStatusChange(context, milliseconds, watched)
    if code == scard.SCARD_E_UNKNOWN_READER:  # one went between the two calls
        return known
    if code != scard.SCARD_E_TIMEOUT:
        _check(code)
    return {name: state for name, state, _ in told}


class KeyReader:
    """The reader that a key is in, told from those that hold a card.

    A key that was pulled out comes back to a reader of another number where another key has taken its own.

    :param name: the reader's.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._others: set[str] = set()

    def is_gone(self, holding: Collection[str]) -> bool:
        """Whether the key is in none of the readers that hold a card."""
        self._others = set(holding) - {self.name}
        return self.name not in holding

    def is_back(self, holding: Collection[str]) -> bool:
        """Whether the key is there; `name` is that of its reader then. Readers that were there without it are not."""
        self._others.intersection_update(holding)
        unnumbered = _NUMBER.sub("", self.name)
        alike = {name for name in holding if _NUMBER.sub("", name) == unnumbered} - self._others
        if alike and self.name not in alike:
            self.name = min(alike)
        return bool(alike)


class PcscTransport:
    """A connected card; a PC/SC transaction keeps other programs out from `open` to `close`."""

    def __init__(self, context: Any, card: Any, protocol: int, reader: str) -> None:
        scard = _scard()
        self._context = context
        self._card = card
        self._request = scard.SCARD_PCI_T0 if protocol == scard.SCARD_PROTOCOL_T0 else scard.SCARD_PCI_T1
        self._reader = KeyReader(reader)
        self._scard = scard

    @classmethod
    def open(cls, reader: str) -> Self:
        """Connect to the card in a reader.

        :raises NoKeyError: no such reader, or no card in it.
        """
        scard = _scard()
        context = _context()
        try:
            protocols = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
            code, card, protocol = scard.SCardConnect(context, reader, scard.SCARD_SHARE_SHARED, protocols)
            _check(code)
            _check(scard.SCardBeginTransaction(card))
        except BaseException:
            scard.SCardReleaseContext(context)
            raise
        return cls(context, card, protocol, reader)

    @property
    def name(self) -> str:
        """As ``--token`` takes it."""
        return f"pcsc:{self._reader.name}"

    def exchange(self, apdu: bytes) -> bytes:
        """One APDU; blocks while the key waits for a person.

        :raises KeyRemovedError: the key is gone.
        """
        code, answer = self._scard.SCardTransmit(self._card, self._request, list(apdu))
        _check(code)  # before any look at the answer: after a failure it is uninitialised memory
        if not answer:  # so vpcd's driver reports a card that left in mid-command
            _check(self._scard.SCARD_W_REMOVED_CARD)
        return bytes(answer)

    def last_words(self, apdu: bytes) -> bytes:
        """See `LeavesPower.last_words`: the reader's driver has its own patience.

        :raises KeyRemovedError: the key is gone.
        """
        return self.exchange(apdu)

    def reset(self) -> bytes:
        """Reset the card; its ATR.

        :raises KeyRemovedError: the key is gone.
        """
        scard = self._scard
        protocols = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
        code, _ = scard.SCardReconnect(
            self._card, scard.SCARD_SHARE_SHARED, protocols, scard.SCARD_RESET_CARD
        )
        _check(code)
        code, _, _, _, atr = scard.SCardStatus(self._card)
        _check(code)
        return bytes(atr)

    def wait_until(self, *, present: bool, timeout: float | None) -> bool:
        """See `TellsPresence.wait_until`: one that has come back is there for a new transport, by its `name` now."""
        seconds = math.inf if timeout is None else timeout
        is_so = self._reader.is_back if present else self._reader.is_gone
        return is_so(wait_for_cards(is_so, seconds))

    def verify_pin(self, entry: PinVerify) -> bytes:
        """See `PinPad.verify_pin`.

        :raises NoPinPadError: the reader has no PIN pad.
        """
        return self._enter_pin(pin_pad.Feature.VERIFY_PIN_DIRECT, pin_pad.encode_verify(entry))

    def modify_pin(self, entry: PinModify) -> bytes:
        """See `PinPad.modify_pin`.

        :raises NoPinPadError: the reader has no PIN pad.
        """
        return self._enter_pin(pin_pad.Feature.MODIFY_PIN_DIRECT, pin_pad.encode_modify(entry))

    def _enter_pin(self, feature: pin_pad.Feature, structure: bytes) -> bytes:
        scard = self._scard
        code, told = scard.SCardControl(self._card, scard.SCARD_CTL_CODE(pin_pad.GET_FEATURE_REQUEST), [])
        has = pin_pad.control_codes(bytes(told)) if code == scard.SCARD_S_SUCCESS else {}
        if feature not in has:
            raise NoPinPadError
        code, answer = scard.SCardControl(self._card, has[feature], list(structure))
        _check(code)
        if refusal := pin_pad.refusal_of(bytes(answer)):
            raise refusal
        return bytes(answer)

    def close(self) -> None:
        """End the transaction and disconnect; the card stays powered for others."""
        scard = self._scard
        with contextlib.suppress(scard.error):
            scard.SCardEndTransaction(self._card, scard.SCARD_LEAVE_CARD)
            scard.SCardDisconnect(self._card, scard.SCARD_LEAVE_CARD)
            scard.SCardReleaseContext(self._context)
