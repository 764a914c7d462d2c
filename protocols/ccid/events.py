"""What bytes from the host make a reader do."""

from __future__ import annotations

from typing import NamedTuple

from protocols.ccid.pin import PinModify, PinVerify


class Reply(NamedTuple):
    """To be sent on bulk IN now."""

    data: bytes


class PowerOn(NamedTuple):
    """Power or reset the card; then `powered` or `fail`."""


class PowerOff(NamedTuple):
    """Cut the card's power; then `unpowered` or `fail`."""


class Transmit(NamedTuple):
    """Give the card a command; then `respond` or `fail`, after any number of `extension`."""

    apdu: bytes


class EnterPin(NamedTuple):
    """Let the person type on the keypad; then `respond` or `fail`, after any number of `extension`."""

    entry: PinVerify | PinModify


class Cancel(NamedTuple):
    """The host has aborted what was to be done: end it. It is answered already; do not answer it again."""


Event = Reply | PowerOn | PowerOff | Transmit | EnterPin | Cancel
