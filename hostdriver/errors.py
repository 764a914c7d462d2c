"""What can go wrong on the host's side: a status word becomes a typed error, an error an exit code.

The exit codes are a contract (docs/exit-codes.md).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum, unique
from typing import Any

from hostdriver.printable import printable
from protocols.errors import VukeyError
from protocols.i18n import N_, _
from protocols.sw import SW, describe


@unique
class Exit(IntEnum):
    """Exit codes of ``vukey``."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NO_KEY = 3
    SEVERAL_KEYS = 4
    PIN_WRONG = 5
    PIN_LOCKED = 6
    INITIAL_PIN = 7
    NOT_LOGGED_IN = 8
    CANCELLED = 9
    TIMED_OUT = 10
    NOT_ACTIVATED = 11
    MESSAGE_REFUSED = 12
    DIGEST_REFUSED = 13
    BUSY = 14
    REMOVED = 15
    NOT_FOUND = 16
    ALREADY_EXISTS = 17
    SIGNATURE_INVALID = 18
    NOT_UNDERSTOOD = 19
    NO_ROOM = 20
    CODE_WRONG = 21
    STATE_FILE = 22
    MISSING_COMPONENT = 23


class HostError(VukeyError):
    """The base of the host's errors."""

    exit_code = Exit.FAILED


class ApduFailedError(HostError):
    """The key answered a status word that has no type of its own."""

    def __init__(self, sw: int) -> None:
        super().__init__(N_("the key answered {sw}: {meaning}"), sw=f"{sw:04X}", meaning=describe(sw))
        self.sw = sw

    def localized(self, translate: Callable[[str], str] = _) -> str:
        """Its meaning is a message of the catalogue too."""
        return translate(self.message).format(sw=f"{self.sw:04X}", meaning=translate(describe(self.sw)))


class UnknownCommandError(ApduFailedError):
    """6D00: the key does not know the command, or the library behind it does not have the function."""

    exit_code = Exit.NOT_UNDERSTOOD


class StatusError(HostError):
    """A status word with a type: the message says what to do next."""

    text = ""

    def __init__(self, sw: int) -> None:
        super().__init__(self.text)
        self.sw = sw


class NotLoggedInError(StatusError):
    """6982."""

    text = N_("the key wants its PIN (or device authentication) first")
    exit_code = Exit.NOT_LOGGED_IN


class PinLockedError(StatusError):
    """6983."""

    text = N_("the PIN is locked; unblock it with the administrator PIN: vukey host pin unblock")
    exit_code = Exit.PIN_LOCKED


class InitialPinError(StatusError):
    """6FF3."""

    text = N_("the key still has its initial PIN; change it first: vukey host pin change")
    exit_code = Exit.INITIAL_PIN


class CancelledError(StatusError):
    """6FF0."""

    text = N_("cancelled on the key")
    exit_code = Exit.CANCELLED


class ConfirmTimeoutError(StatusError):
    """6FF1."""

    text = N_("timed out: nobody pressed OK on the key in time; try again and press it")
    exit_code = Exit.TIMED_OUT


class NotActivatedError(StatusError):
    """6FF2."""

    text = N_("the key is not activated; enter its activation code: vukey host activate")
    exit_code = Exit.NOT_ACTIVATED


class ActivationUsedUpError(StatusError):
    """6FF7."""

    text = N_("no tries are left for the activation code; ask the bank for a new one")
    exit_code = Exit.CODE_WRONG


class MessageRefusedError(StatusError):
    """6FF4."""

    text = N_("the key cannot show this message, so it does not sign it")
    exit_code = Exit.MESSAGE_REFUSED


class DigestRefusedError(StatusError):
    """6FF5."""

    text = N_("this key signs no ready digests; hand it the message: --message")
    exit_code = Exit.DIGEST_REFUSED


class KeyBusyError(StatusError):
    """6FF6."""

    text = N_("the key is busy with another request; answer that one on the key, then try again")
    exit_code = Exit.BUSY


class NewPinsDifferError(StatusError):
    """6402, from the key's own keypad."""

    text = N_("the new PIN was typed in two ways; the old one stays")


class SecretAlgorithmError(StatusError):
    """6FF8."""

    text = N_("SM1 and SSF33 are secret algorithms, which only a maker's chip has; use SM4")


class NotFoundError(StatusError):
    """6A82."""

    text = N_("the key has no such application, container or file; see: vukey host info")
    exit_code = Exit.NOT_FOUND


class KeyNotFoundError(StatusError):
    """6A88."""

    text = N_("the container has no such key or certificate; see: vukey host info")
    exit_code = Exit.NOT_FOUND


class AlreadyExistsError(StatusError):
    """6A89."""

    text = N_("the key has that already")
    exit_code = Exit.ALREADY_EXISTS


class NoRoomError(StatusError):
    """6A84."""

    text = N_("the key has no room for it")
    exit_code = Exit.NO_ROOM


class VerificationFailedError(StatusError):
    """6300."""

    text = N_("the signature or cryptogram does not fit")
    exit_code = Exit.SIGNATURE_INVALID


class PinIncorrectError(HostError):
    """63Cx; `left` tries remain, None where the way to the key does not tell."""

    exit_code = Exit.PIN_WRONG

    def __init__(self, left: int | None) -> None:
        if left is None:
            super().__init__(N_("wrong PIN"))
        else:
            super().__init__(
                N_("wrong PIN, {left} tries left")
                if left
                else N_("wrong PIN, no tries left: it is locked now"),
                left=left,
            )
        self.left = left


class NewPinRefusedError(ApduFailedError):
    """6A80 or 6700 of ChangePIN and UnblockPIN: the old PIN was right, the new one breaks the key's rules."""

    def __init__(self, sw: int) -> None:
        HostError.__init__(
            self,
            N_(
                "the key refuses the new PIN: too short, too long, all the same, or a run such as 123456; "
                "the old one stays"
            ),
        )
        self.sw = sw

    def localized(self, translate: Callable[[str], str] = _) -> str:
        """The line in another language."""
        return HostError.localized(self, translate)


class BlankKeyError(HostError):
    """The key has no application yet."""

    exit_code = Exit.NOT_FOUND


class CodeIncorrectError(HostError):
    """63Cx of the activation command; `left` tries remain."""

    exit_code = Exit.CODE_WRONG

    def __init__(self, left: int) -> None:
        super().__init__(
            N_("wrong activation code, {left} tries left")
            if left
            else N_("wrong activation code, and no tries are left; ask the bank for a new one"),
            left=left,
        )
        self.left = left


class KeyRemovedError(HostError):
    """The key, or the way to it, is gone."""

    exit_code = Exit.REMOVED


class NoKeyError(HostError):
    """No key was found, or none of that name."""

    exit_code = Exit.NO_KEY


class SeveralKeysError(HostError):
    """More than one key was found and none was named."""

    exit_code = Exit.SEVERAL_KEYS


class AnswerError(HostError):
    """The key's answer does not have the layout that GM/T 0017 gives it."""

    exit_code = Exit.NOT_UNDERSTOOD


class NoSuchCommandError(HostError):
    """Keys of this dialect have no such command."""

    exit_code = Exit.NOT_UNDERSTOOD

    def __init__(self, command: str, dialect: str) -> None:
        super().__init__(
            N_("keys of dialect {dialect} have no command {command}"), dialect=dialect, command=command
        )


class NotSupportedError(HostError):
    """The key can perhaps, but not by the way that it was reached: through APDUs, SKF or PKCS#11."""

    exit_code = Exit.NOT_UNDERSTOOD


class LowBatteryError(HostError):
    """The key's battery does not last for the command."""

    def __init__(self) -> None:
        super().__init__(N_("the key's battery is low; charge it"))


class TransmissionError(HostError):
    """A command or its answer did not come over whole; on Bluetooth and serial lines.

    :param name: of the trouble, as its FrameError is called, or its number.
    """

    exit_code = Exit.NOT_UNDERSTOOD

    def __init__(self, name: str) -> None:
        super().__init__(
            N_("the command was lost on the way to the key or back ({name}); try again"), name=name
        )
        self.name = name


class MissingComponentError(HostError):
    """An optional component is not installed."""

    exit_code = Exit.MISSING_COMPONENT


class NoPinPadError(HostError):
    """Neither the key nor its reader takes a PIN on keys of its own."""

    exit_code = Exit.NOT_FOUND

    def __init__(self) -> None:
        super().__init__(N_("neither the key nor its reader takes a PIN on a keypad: leave out --keypad"))


_CONTROL_EXITS = {
    "bad-request": Exit.USAGE,
    "bad-rules": Exit.USAGE,
    "bad-regexp": Exit.USAGE,
    "no-such-button": Exit.USAGE,
    "not-plugged": Exit.REMOVED,
    "power-lost": Exit.REMOVED,
    "no-screen": Exit.NOT_FOUND,
    "no-keypad": Exit.NOT_FOUND,
    "no-battery": Exit.NOT_FOUND,
    "no-reader": Exit.NOT_FOUND,
    "too-many-streams": Exit.BUSY,
}


class ControlError(HostError):
    """The control API refused a request; the line is its own.

    :param code: what it calls the reason, such as `no-such-button`.
    :param screen: what the key shows, where it was told.
    """

    def __init__(self, line: str, code: str, screen: dict[str, Any] | None = None) -> None:
        super().__init__(line.replace("{", "{{").replace("}", "}}"))
        self.code = code
        self.screen = screen
        self.exit_code = _CONTROL_EXITS.get(code, Exit.FAILED)


class NotShownError(HostError):
    """The key did not show in time what was waited for.

    :param screen: what it shows instead, as the API describes a screen.
    """

    exit_code = Exit.TIMED_OUT

    def __init__(self, what: str, seconds: float, screen: dict[str, Any]) -> None:
        super().__init__(
            N_("the key did not show “{what}” within {seconds:g} s; it shows: {text}"),
            what=what, seconds=seconds, text=printable(" / ".join(screen["lines"])),
        )  # fmt: skip
        self.screen = screen


_TYPES: dict[int, type[StatusError]] = {
    SW.NOT_LOGGED_IN: NotLoggedInError,
    SW.PIN_LOCKED: PinLockedError,
    SW.INITIAL_PIN: InitialPinError,
    SW.CANCELLED: CancelledError,
    SW.TIMED_OUT: ConfirmTimeoutError,
    SW.NOT_ACTIVATED: NotActivatedError,
    SW.ACTIVATION_USED_UP: ActivationUsedUpError,
    SW.MESSAGE_REFUSED: MessageRefusedError,
    SW.DIGEST_REFUSED: DigestRefusedError,
    SW.BUSY: KeyBusyError,
    SW.NEW_PINS_DIFFER: NewPinsDifferError,
    SW.SECRET_ALGORITHM: SecretAlgorithmError,
    SW.NOT_FOUND: NotFoundError,
    SW.KEY_NOT_FOUND: KeyNotFoundError,
    SW.ALREADY_EXISTS: AlreadyExistsError,
    SW.NO_ROOM: NoRoomError,
    SW.VERIFICATION_FAILED: VerificationFailedError,
}


def error_for(sw: int) -> HostError:
    """The typed error of a status word other than 9000."""
    if sw & 0xFFF0 == SW.PIN_WRONG:
        return PinIncorrectError(sw & 0xF)
    if sw == SW.INS_NOT_SUPPORTED:
        return UnknownCommandError(sw)
    kind = _TYPES.get(sw)
    return kind(sw) if kind else ApduFailedError(sw)
