"""The `Token` over a PKCS#11 token: it is one application, and what has one CKA_ID is a container."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from hostdriver import token
from hostdriver.errors import NoPinPadError, PinIncorrectError, error_for
from hostdriver.pkcs11.container import Held, Pkcs11Container, held_by
from hostdriver.pkcs11.cryptoki import CKM, CKU, TokenFlag
from hostdriver.pkcs11.cryptoki import TokenInfo as CkTokenInfo
from hostdriver.pkcs11.module import Module, text
from hostdriver.pkcs11.session import Session
from hostdriver.token import Event, PinFacts, TokenInfo
from protocols.gmt import PinType
from protocols.sw import SW

_USERS = {PinType.USER: CKU.USER, PinType.ADMIN: CKU.SO}
_LOOK_S = 0.05
"""Between two looks at a module: waiting inside it could not be ended."""
_ID_LENGTH = 8

_FLAGS = {
    CKU.USER: (TokenFlag.USER_PIN_LOCKED, TokenFlag.USER_PIN_FINAL_TRY, TokenFlag.USER_PIN_TO_BE_CHANGED),
    CKU.SO: (TokenFlag.SO_PIN_LOCKED, TokenFlag.SO_PIN_FINAL_TRY, TokenFlag.SO_PIN_TO_BE_CHANGED),
}


def pin_facts(flags: int, user: CKU) -> PinFacts:
    """What CK_TOKEN_INFO tells of a PIN: no tries left, one, or nothing; and whether it must be changed."""
    locked, final, changed = _FLAGS[user]
    left = 0 if flags & locked else 1 if flags & final else None
    return PinFacts(None, left, bool(flags & changed))


class Pkcs11Application(token.Application):
    """All of a token."""

    def __init__(self, module: Module, slot: int, session: Session, name: str) -> None:
        self._module = module
        self._slot = slot
        self._session = session
        self._mechanisms = module.mechanisms(slot)
        self._habits = module.habits(slot)
        self.name = name

    def containers(self) -> list[str]:
        """See `token.Application.containers`: before a login those with a public key or a certificate."""
        return [held.name for held in held_by(self._session)]

    def container(self, name: str) -> Pkcs11Container:
        """See `token.Application.container`: by its name, or its ID in hexadecimal."""
        for held in held_by(self._session):
            if name in (held.name, held.id.hex()):
                return self._open(held)
        raise error_for(SW.NOT_FOUND)

    def create_container(self, name: str) -> Pkcs11Container:
        """See `token.Application.create_container`: the token knows of it once something is in it."""
        if name in self.containers():
            raise error_for(SW.ALREADY_EXISTS)
        return self._open(Held(secrets.token_bytes(_ID_LENGTH), name))

    def delete_container(self, name: str) -> None:
        """See `token.Application.delete_container`."""
        for handle in self.container(name).objects():
            self._session.destroy(handle)

    def pin_facts(self, pin_type: PinType = PinType.USER) -> PinFacts:
        """See `token.Application.pin_facts`."""
        return pin_facts(self._flags, _USERS[pin_type])

    def verify_pin(self, pin: str, pin_type: PinType = PinType.USER) -> None:
        """See `token.Application.verify_pin`."""
        self._log_in(_USERS[pin_type], pin.encode())

    def verify_pin_on_keypad(self, pin_type: PinType = PinType.USER) -> None:
        """See `token.Application.verify_pin_on_keypad`: by the token's protected authentication path."""
        self._want_keypad()
        self._log_in(_USERS[pin_type], None)

    def change_pin(self, old: str, new: str, pin_type: PinType = PinType.USER) -> None:
        """See `token.Application.change_pin`."""
        self._change(_USERS[pin_type], old.encode(), new.encode())

    def change_pin_on_keypad(self, pin_type: PinType = PinType.USER) -> None:
        """See `token.Application.change_pin_on_keypad`."""
        self._want_keypad()
        self._change(_USERS[pin_type], None, None)

    def unblock_pin(self, admin_pin: str, new_user_pin: str) -> None:
        """See `token.Application.unblock_pin`."""
        with self._session.lock:
            self._log_in(CKU.SO, admin_pin.encode())
            try:
                self._session.init_pin(new_user_pin.encode())
            finally:
                self._session.log_out()

    def log_out(self) -> None:
        """See `token.Application.log_out`."""
        self._session.log_out()

    @property
    def _flags(self) -> int:
        return int(self._module.token_info(self._slot).flags)

    def _open(self, held: Held) -> Pkcs11Container:
        return Pkcs11Container(self._session, self._mechanisms, self._habits, held)

    def _log_in(self, user: CKU, pin: bytes | None) -> None:
        with self._counting(user):
            self._session.log_in(user, pin)

    def _change(self, user: CKU, old: bytes | None, new: bytes | None) -> None:
        """C_SetPIN changes the PIN of who is logged in, and the user's where nobody is."""
        with self._session.lock:
            if user is CKU.SO:
                self._log_in(user, old)
            elif self._session.user is CKU.SO:
                self._session.log_out()
            try:
                with self._counting(user):
                    self._session.set_pin(old, new)
            finally:
                if user is CKU.SO:
                    self._session.log_out()

    @contextmanager
    def _counting(self, user: CKU) -> Iterator[None]:
        """A wrong PIN's error says how many tries are left, where the token tells."""
        try:
            yield
        except PinIncorrectError:
            raise PinIncorrectError(pin_facts(self._flags, user).left) from None

    def _want_keypad(self) -> None:
        if not self._flags & TokenFlag.PROTECTED_AUTHENTICATION_PATH:
            raise NoPinPadError


class Pkcs11Token(token.Token):
    """A token of a module, open.

    :param name: as ``--token`` takes it.
    :raises HostError: no session can be opened.
    """

    kind: ClassVar[str] = "pkcs11"

    def __init__(self, module: Module, slot: int, name: str) -> None:
        self._module = module
        self._slot = slot
        self._name = name
        self._session = Session(module, slot)
        self._seen = frozenset(module.slots())
        self._is_open = True

    @property
    def name(self) -> str:
        """See `token.Token.name`."""
        return self._name

    @property
    def shows_messages(self) -> bool:
        """See `token.Token.shows_messages`: where it has a mechanism that takes a message."""
        habits, mechanisms = self._module.habits(self._slot), self._module.mechanisms(self._slot)
        return CKM.SHA256_RSA_PKCS in mechanisms or habits.sm2_message in mechanisms

    def info(self) -> TokenInfo:
        """See `token.Token.info`."""
        return described(self._module.token_info(self._slot), self._name)

    def applications(self) -> list[str]:
        """See `token.Token.applications`: one, of the token's own name."""
        return [self.info().label]

    def open_application(self, name: str) -> Pkcs11Application:
        """See `token.Token.open_application`."""
        if name not in self.applications():
            raise error_for(SW.NOT_FOUND)
        return Pkcs11Application(self._module, self._slot, self._session, name)

    def random(self, size: int) -> bytes:
        """See `token.Token.random`."""
        return self._session.random(size)

    def wait_for_event(self, timeout: float | None = None) -> Event | None:
        """See `token.Token.wait_for_event`: of any token of the module, also what happened since the last time."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            self._module.look()
            before, self._seen = self._seen, frozenset(self._module.slots())
            if before - self._seen:
                return Event.UNPLUGGED
            if self._seen - before:
                return Event.PLUGGED
            if deadline is not None and time.monotonic() >= deadline:
                return None
            time.sleep(_LOOK_S)

    def close(self) -> None:
        """See `token.Token.close`."""
        if self._is_open:
            self._is_open = False
            self._session.close()


def described(info: CkTokenInfo, name: str) -> TokenInfo:
    """CK_TOKEN_INFO, as every way tells of a key. PKCS#11 knows no bank."""
    return TokenInfo(
        token=name,
        serial=text(info.serial),
        manufacturer=text(info.manufacturer),
        issuer="",
        label=text(info.label),
        hardware_version=str(info.hardware_version),
        firmware_version=str(info.firmware_version),
    )
