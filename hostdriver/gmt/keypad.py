"""PINs that are typed on the key's own keypad, so that they never cross the wire.

No public text says what a bank's key takes here. *Assumed*: the command with the application's handle and nothing
else; challenge, cryptogram and MAC stay inside the key.
"""

from __future__ import annotations

from hostdriver.errors import NoPinPadError, error_for
from hostdriver.gmt.applications import ApplicationCommands, refusing_new_pin
from hostdriver.gmt.wire import decoded
from hostdriver.transport import PinPad
from protocols.apdu import Command, encode_command, parse_response
from protocols.ccid import PinBlock, PinModify, PinVerify
from protocols.gmt import CLA_MAC, CLA_PLAIN, PIN_FIELD, ApplicationInfo, Ins, PinType
from protocols.sw import SW

_DIGITS = PinBlock(min_digits=4, max_digits=PIN_FIELD)
"""How long a PIN may be for the keypad; the key has limits of its own."""


class KeypadCommands(ApplicationCommands):
    """VerifyPIN and ChangePIN through a transport that is a `PinPad`."""

    def verify_pin_on_keypad(self, application: ApplicationInfo, pin_type: PinType = PinType.USER) -> None:
        """VerifyPIN; returns when the person has typed the PIN and pressed OK.

        :raises NoPinPadError: neither the key nor its reader has a keypad.
        :raises PinIncorrectError: with the tries left.
        :raises CancelledError: the person has broken it off.
        :raises ConfirmTimeoutError: nobody has typed it in time.
        """
        apdu = self._command(Ins.VERIFY_PIN, CLA_PLAIN, application, pin_type)
        self._check(self._answered(self._pin_pad.verify_pin, PinVerify(apdu, pin=_DIGITS)))
        self._logins.add(application.handle)

    def change_pin_on_keypad(self, application: ApplicationInfo, pin_type: PinType = PinType.USER) -> None:
        """ChangePIN; the person types the old PIN, and the new one twice.

        :raises NoPinPadError: neither the key nor its reader has a keypad.
        :raises PinIncorrectError: the old one is wrong.
        :raises NewPinsDifferError: the new one was typed in two ways.
        :raises NewPinRefusedError: the new one breaks the key's rules.
        :raises CancelledError: the person has broken it off.
        :raises ConfirmTimeoutError: nobody has typed them in time.
        """
        apdu = self._command(Ins.CHANGE_PIN, CLA_MAC, application, pin_type)
        with refusing_new_pin():
            self._check(self._answered(self._pin_pad.modify_pin, PinModify(apdu, pin=_DIGITS)))

    @property
    def _pin_pad(self) -> PinPad:
        if not isinstance(self.transport, PinPad):
            raise NoPinPadError
        return self.transport

    def _command(self, ins: Ins, cla: int, application: ApplicationInfo, pin_type: PinType) -> bytes:
        return encode_command(Command(cla, self.number(ins), 0, pin_type, application.handle))

    def _check(self, answer: bytes) -> None:
        _, sw = decoded(parse_response, answer)
        if sw != SW.OK:
            raise error_for(self.dialect.meaning(sw))
