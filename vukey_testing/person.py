"""A person at the key: prompts on the terminal that pytest was started from, past its capture and its workers."""

from __future__ import annotations

import os

from emulator.control.watch import NotShownError
from emulator.hardware.display import Screen, ScreenKind
from protocols.i18n import N_, _
from vukey_testing.errors import OperatorError, skip
from vukey_testing.operators import RealHands

_TERMINAL = "/dev/tty"
_NAMES = {
    "ok": N_("OK"),
    "cancel": N_("C (cancel)"),
    "up": N_("up"),
    "down": N_("down"),
    "power": N_("power"),
}
_YES = ("y", "yes", "是")


class PersonOperator(RealHands):
    """Asks a person to do things, and what they see. Without a terminal the test skips; nothing passes for done."""

    def press(self, *buttons: str) -> None:
        """See `Operator.press`."""
        named = ", ".join(_(_NAMES[button]) if button in _NAMES else button for button in buttons)
        self._have_done(_("On the key, press: {buttons}").format(buttons=named))

    def type(self, digits: str, *, ok: bool) -> None:
        """See `Operator.type`."""
        line = (
            _("On the key's keypad, type {digits}, then OK")
            if ok
            else _("On the key's keypad, type {digits}")
        )
        self._have_done(line.format(digits=digits))

    def screen(self) -> Screen:
        """See `Operator.screen`: a person cannot spell it out."""
        skip(N_("a person works this key, and its screen cannot be read without a camera"))

    def wait_for(self, text: str, *, regexp: bool, timeout: float) -> Screen:
        """See `Operator.wait_for`; the person is given the time that they need."""
        question = (
            _("Does the key show a text that matches “{text}”?")
            if regexp
            else _("Does the key show “{text}”?")
        )
        if not self.agrees(question.format(text=text)):
            raise NotShownError(N_("the person at the key does not see “{text}”"), text=text)
        return Screen(ScreenKind.CONFIRM, "", (text,))

    def agrees(self, question: str) -> bool:
        """See `Operator.agrees`: anything but a clear yes is a no."""
        self.stand_by()
        return _ask(f"{question} [y/n] ").strip().lower() in _YES

    def stand_by(self) -> None:
        """See `Operator.stand_by`."""
        if not at_hand():
            skip(N_("a person must work this key, and there is no terminal to ask on"))

    def dismiss(self) -> None:
        """See `Operator.dismiss`."""
        self.press("cancel")

    def plug(self) -> None:
        """See `Operator.plug`."""
        self._have_done(_("Plug the key in"))

    def unplug(self) -> None:
        """See `Operator.unplug`."""
        self._have_done(_("Pull the key out"))

    def _have_done(self, what: str) -> None:
        self.stand_by()
        question = _("{what} – then press Enter here (n: it cannot be done):").format(what=what)
        if _ask(question + " ").strip():
            raise OperatorError(N_("the person at the key could not do it: {what}"), what=what)


def at_hand() -> bool:
    """Whether there is a terminal with a person at it: one that we may read from."""
    try:
        with open(_TERMINAL, "rb") as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:
        return False


def _ask(question: str) -> str:
    with open(_TERMINAL, encoding="utf-8") as reads, open(_TERMINAL, "w", encoding="utf-8") as writes:
        writes.write(f"\n>>> {question}")
        writes.flush()
        answer = reads.readline()
    if not answer:
        raise OperatorError(N_("the terminal was closed before the person at the key answered"))
    return answer
