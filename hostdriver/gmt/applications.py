"""Applications of GM/T 0017 §9.3 and their PINs, §9.2."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hostdriver.errors import ApduFailedError, NewPinRefusedError
from hostdriver.gmt.device import DeviceCommands
from hostdriver.gmt.wire import ALL, decoded
from protocols import pin, sm4
from protocols.fields import decode_names
from protocols.gmt import (
    LONG_PIN_FIELD,
    PIN_FIELD,
    ApplicationInfo,
    Ins,
    NewApplication,
    PinInfo,
    PinType,
)
from protocols.sw import SW


class ApplicationCommands(DeviceCommands):
    """Applications, and who is logged in to them."""

    def applications(self) -> list[str]:
        """EnumApplication."""
        return decoded(decode_names, self.send(Ins.ENUM_APPLICATION, le=ALL))

    def create_application(self, new: NewApplication) -> None:
        """CreateApplication; needs device authentication."""
        self.send(Ins.CREATE_APPLICATION, new.encode(self.dialect))

    def delete_application(self, name: str) -> None:
        """DeleteApplication; needs device authentication."""
        self.send(Ins.DELETE_APPLICATION, name.encode())

    def open_application(self, name: str) -> ApplicationInfo:
        """OpenApplication."""
        answer = self.send(Ins.OPEN_APPLICATION, name.encode(), le=10)
        return decoded(ApplicationInfo.decode, answer, self.dialect)

    def close_application(self, application: ApplicationInfo) -> None:
        """CloseApplication."""
        self.send(Ins.CLOSE_APPLICATION, application.handle)

    # PINs

    def pin_info(self, application: ApplicationInfo, pin_type: PinType = PinType.USER) -> PinInfo:
        """GetPINInfo."""
        answer = self.send(Ins.GET_PIN_INFO, application.handle, p2=pin_type, le=3)
        return decoded(PinInfo.decode, answer)

    def verify_pin(self, application: ApplicationInfo, value: str, pin_type: PinType = PinType.USER) -> None:
        """VerifyPIN.

        :raises PinIncorrectError: with the tries left.
        """
        challenge = self.random(pin.CHALLENGE_LENGTH)
        cryptogram = pin.verify_cryptogram(pin.pin_key(value.encode()), challenge, self.dialect.pin_block)
        self.send(Ins.VERIFY_PIN, application.handle + cryptogram, p2=pin_type)
        self._logins.add(application.handle)

    def change_pin(
        self, application: ApplicationInfo, old: str, new: str, pin_type: PinType = PinType.USER
    ) -> None:
        """ChangePIN.

        :raises PinIncorrectError: the old one is wrong.
        :raises NewPinRefusedError: the new one breaks the key's rules.
        """
        self._send_new_pin(Ins.CHANGE_PIN, application, pin_type, old, new)

    def unblock_pin(self, application: ApplicationInfo, admin_pin: str, new_user_pin: str) -> None:
        """UnblockPIN: a new user PIN under the administrator's.

        :raises PinIncorrectError: the administrator's is wrong.
        """
        self._send_new_pin(Ins.UNBLOCK_PIN, application, PinType.ADMIN, admin_pin, new_user_pin)

    def _send_new_pin(
        self, ins: Ins, application: ApplicationInfo, opens: PinType, opener: str, new: str
    ) -> None:
        """A new PIN under the one that opens the command; its type is P2 of ChangePIN, and UnblockPIN's 0 (G6)."""
        key, new_pin = pin.pin_key(opener.encode()), new.encode()
        width = PIN_FIELD if len(new_pin) <= PIN_FIELD else LONG_PIN_FIELD
        body = application.handle + sm4.encrypt_blocks(key, pin.padded_pin(new_pin, width))
        if self.dialect.line_mac == "none":
            self.verify_pin(application, opener, opens)  # without a MAC a wrong one would pass unnoticed
        with refusing_new_pin():
            self.send_protected(ins, key, body, opens)

    def clear_secure_state(self, application: ApplicationInfo) -> None:
        """ClearSecureState."""
        self.send(Ins.CLEAR_SECURE_STATE, application.handle)


@contextmanager
def refusing_new_pin() -> Iterator[None]:
    """What a key answers to a new PIN that breaks its rules has a type of its own.

    :raises NewPinRefusedError: it did.
    """
    try:
        yield
    except ApduFailedError as error:
        if error.sw not in (SW.WRONG_DATA, SW.WRONG_LENGTH):
            raise
        raise NewPinRefusedError(error.sw) from None
