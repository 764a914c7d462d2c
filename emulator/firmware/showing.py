"""What a key shows before it signs: the transaction it parsed, a plain text, or that a digest is wanted."""

from __future__ import annotations

import re

from emulator.firmware.confirm import Ask, Waiting
from emulator.firmware.core import Core
from emulator.firmware.decisions import require_press
from emulator.firmware.refused import Refused
from emulator.hardware.display import drawable
from protocols.sw import SW
from protocols.transaction import TransactionError, looks_like_transaction, parse_transaction

_SHOWN_DIGEST_BYTES = 8
_LINE_END = re.compile(r"\r?\n")
_MAX_PLAIN_BYTES = 1024
"""A longer text has more pages than a person reads (assumed)."""


def show_message(core: Core, message: bytes) -> Waiting:
    """Show a message that is about to be signed and wait for OK (E1, E2).

    A key without a screen signs what it is handed, at most after a press: that is what the second generation mended.

    :raises Refused: 6FF4 when it can be neither parsed nor shown, cancelled, timed out.
    """
    if core.profile.display is None:
        return (yield from _press_without_screen(core))
    ask = _describe(core, message)
    if any(drawable(text, core.charset) is not None for item in ask.items for text in item):
        raise Refused(SW.MESSAGE_REFUSED)  # E12: never a box in place of a character
    return (yield from require_press(ask))


def _press_without_screen(core: Core) -> Waiting:
    if core.has_confirm:
        yield from require_press(Ask(core.texts.confirm_message, presses=core.profile.confirm.presses))
    return b""


def _describe(core: Core, message: bytes) -> Ask:
    presses = core.profile.confirm.presses
    try:
        transaction = parse_transaction(message, ccb_charset=core.profile.ccb_charset)
    except TransactionError:
        if core.profile.plain_message == "refuse" or looks_like_transaction(message):
            raise Refused(SW.MESSAGE_REFUSED) from None
        return Ask(core.texts.confirm_message, _plain_items(core, message), presses=presses)
    items = tuple((item.label, item.value) for item in transaction.shown)
    return Ask(core.texts.confirm_transfer, items, presses=presses)


def _plain_items(core: Core, message: bytes) -> tuple[tuple[str, str], ...]:
    """A login challenge or another text, line by line (A7)."""
    if len(message) > _MAX_PLAIN_BYTES:
        raise Refused(SW.MESSAGE_REFUSED)
    for charset in ("utf-8", core.profile.ccb_charset):
        try:
            return tuple(("", line) for line in _LINE_END.split(_visible(message.decode(charset))))
        except UnicodeDecodeError:
            continue
    raise Refused(SW.MESSAGE_REFUSED)


def _visible(text: str) -> str:
    if not text.strip():
        raise Refused(SW.MESSAGE_REFUSED)
    return text


def show_digest(core: Core, digest: bytes) -> Waiting:
    """A ready digest: nothing to read, so a generic screen and a press, unless the profile says else (E9).

    :raises Refused: 6FF5 where the profile refuses digests, cancelled, timed out.
    """
    if core.profile.ready_digest == "refuse":
        raise Refused(SW.DIGEST_REFUSED)
    if not core.frees_digests:
        shown = digest[-_SHOWN_DIGEST_BYTES:].hex().upper()  # a DigestInfo begins alike for every message
        ask = Ask(
            core.texts.confirm_digest, ((core.texts.digest, shown),), presses=core.profile.confirm.presses
        )
        yield from require_press(ask)
    return b""
