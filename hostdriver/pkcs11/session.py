"""A session with a token: its login, its objects, its signatures. One thread at a time."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from ctypes import addressof, byref, c_ulong, create_string_buffer, sizeof
from typing import Any, NamedTuple

from hostdriver.errors import AnswerError, HostError
from hostdriver.outcomes import Ckr
from hostdriver.pkcs11.cryptoki import (
    CKA,
    CKF_RW_SESSION,
    CKF_SERIAL_SESSION,
    CKU,
    UNAVAILABLE,
    Attribute,
    Mechanism,
)
from hostdriver.pkcs11.module import Module
from protocols.i18n import N_

Value = bool | int | str | bytes
"""Of an attribute: CK_BBOOL, CK_ULONG, UTF-8, bytes."""

_LONGEST = 1 << 16
"""Bytes of an attribute that we take."""
_SIGNATURE = 1024
"""Bytes of the longest signature: RSA-8192."""
_AT_ONCE = 32
_MOST = 4096
"""Objects of a token that we take."""
_UNREADABLE = (Ckr.ATTRIBUTE_SENSITIVE, Ckr.ATTRIBUTE_TYPE_INVALID)


class Session:
    """An open session, for reading and writing where the token can be written.

    :raises HostError: it cannot be opened.
    """

    def __init__(self, module: Module, slot: int) -> None:
        self._module = module
        self.lock = threading.RLock()
        """Held over calls that belong together: a session has one search and one signature at a time."""
        self.user: CKU | None = None
        self.logins = 0
        """Counts logins and their ends: handles of private objects do not outlive one (Base §3.4)."""
        self._handle = c_ulong()
        code = self._open(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION)
        if code == Ckr.TOKEN_WRITE_PROTECTED:
            code = self._open(slot, CKF_SERIAL_SESSION)
        if code != Ckr.OK:
            raise module.failed("OpenSession", code)

    def _open(self, slot: int, flags: int) -> int:
        return self._module.ask("OpenSession", slot, flags, None, None, byref(self._handle))

    def close(self) -> None:
        """With a program's last session its login to the token ends."""
        with self.lock, suppress(HostError):
            self._module.call("CloseSession", self._handle)

    # Logins

    def log_in(self, user: CKU, pin: bytes | None) -> None:
        """Who is logged in is logged out first: of them no PIN would be checked.

        :param pin: None: it is typed on the key or its reader.
        """
        with self.lock:
            self.log_out()
            self._module.call("Login", self._handle, user, pin, len(pin or b""))
            self.user = user

    def log_out(self) -> None:
        """Harmless when nobody is logged in."""
        with self.lock:
            self.user = None
            self.logins += 1
            code = self._module.ask("Logout", self._handle)
            if code not in (Ckr.OK, Ckr.USER_NOT_LOGGED_IN):
                raise self._module.failed("Logout", code)

    def set_pin(self, old: bytes | None, new: bytes | None) -> None:
        """Change the PIN of who is logged in, else the user's; None: both are typed on the key or its reader."""
        with self.lock:
            self._module.call("SetPIN", self._handle, old, len(old or b""), new, len(new or b""))

    def init_pin(self, new: bytes) -> None:
        """A new user PIN, by the security officer who is logged in."""
        with self.lock:
            self._module.call("InitPIN", self._handle, new, len(new))

    # Objects

    def find(self, template: Mapping[CKA, Value]) -> list[int]:
        """Handles of the objects that have these values, of those that the login lets us see.

        :raises AnswerError: there is no end to them.
        """
        wanted = encode(template)
        found: list[int] = []
        with self.lock:
            self._module.call("FindObjectsInit", self._handle, wanted.attributes, wanted.size)
            try:
                while (more := self._next_objects()) and len(found) <= _MOST:
                    found += more
            finally:
                self._module.ask("FindObjectsFinal", self._handle)
        if len(found) > _MOST:
            raise AnswerError(
                N_("the PKCS#11 module answers C_{function} with a list that has no end"),
                function="FindObjects",
            )
        return found

    def _next_objects(self) -> list[int]:
        handles, count = (c_ulong * _AT_ONCE)(), c_ulong()
        self._module.call("FindObjects", self._handle, handles, _AT_ONCE, byref(count))
        return handles[: min(count.value, _AT_ONCE)]

    def read(self, handle: int, attribute: CKA) -> bytes | None:
        """An attribute's value; None where the object has none, or does not tell it.

        :raises AnswerError: it is absurdly long.
        """
        asked = Attribute(attribute, None, 0)
        with self.lock:
            if not self._get(handle, asked):
                return None
            if asked.length > _LONGEST:
                raise AnswerError(N_("the PKCS#11 module says that an attribute is longer than 64 KiB"))
            buffer = create_string_buffer(asked.length)
            asked.value = addressof(buffer)
            return buffer.raw[: asked.length] if self._get(handle, asked) else None

    def _get(self, handle: int, asked: Attribute) -> bool:
        code = self._module.ask("GetAttributeValue", self._handle, handle, byref(asked), 1)
        if code in _UNREADABLE or (code == Ckr.OK and asked.length == UNAVAILABLE):
            return False
        if code != Ckr.OK:
            raise self._module.failed("GetAttributeValue", code)
        return True

    def read_number(self, handle: int, attribute: CKA) -> int | None:
        """A CK_ULONG or CK_BBOOL; None as for `read`."""
        value = self.read(handle, attribute)
        if value is None or len(value) not in (1, sizeof(c_ulong)):
            return None
        return value[0] if len(value) == 1 else c_ulong.from_buffer_copy(value).value

    def create(self, template: Mapping[CKA, Value]) -> int:
        """Make an object; its handle."""
        wanted = encode(template)
        made = c_ulong()
        with self.lock:
            self._module.call("CreateObject", self._handle, wanted.attributes, wanted.size, byref(made))
        return made.value

    def destroy(self, handle: int) -> None:
        """Delete an object."""
        with self.lock:
            self._module.call("DestroyObject", self._handle, handle)

    # Keys

    def generate(
        self, mechanism: int, public: Mapping[CKA, Value], private: Mapping[CKA, Value]
    ) -> tuple[int, int]:
        """Make a key pair; handles of the public and of the private key."""
        of_public, of_private = encode(public), encode(private)
        made = c_ulong(), c_ulong()
        with self.lock:
            self._module.call(
                "GenerateKeyPair", self._handle, byref(Mechanism(mechanism)), of_public.attributes, of_public.size,
                of_private.attributes, of_private.size, byref(made[0]), byref(made[1]),
            )  # fmt: skip
        return made[0].value, made[1].value

    def sign(self, mechanism: int, key: int, data: bytes) -> bytes:
        """A signature in one call; blocks while the key waits for a person."""
        signature, length = create_string_buffer(_SIGNATURE), c_ulong(_SIGNATURE)
        with self.lock:
            self._module.call("SignInit", self._handle, byref(Mechanism(mechanism)), key)
            self._module.call("Sign", self._handle, data, len(data), signature, byref(length))
        return signature.raw[: length.value]

    def random(self, size: int) -> bytes:
        """Random bytes of the token's."""
        buffer = create_string_buffer(size)
        with self.lock:
            self._module.call("GenerateRandom", self._handle, buffer, size)
        return buffer.raw


class Template(NamedTuple):
    """CK_ATTRIBUTEs, how many, and the memory of their values."""

    attributes: Any
    size: int
    memory: Sequence[Any]


def encode(values: Mapping[CKA, Value]) -> Template:
    """Attributes as the functions take them."""
    memory = [create_string_buffer(raw := _raw(value), len(raw)) for value in values.values()]
    attributes = (Attribute * (len(values) or 1))()
    for attribute, kind, buffer in zip(attributes, values, memory, strict=False):
        attribute.type, attribute.value, attribute.length = kind, addressof(buffer), len(buffer)
    return Template(attributes, len(values), memory)


def _raw(value: Value) -> bytes:
    if isinstance(value, bool):
        return bytes([value])
    if isinstance(value, int):
        return bytes(c_ulong(value))
    return value.encode() if isinstance(value, str) else value
