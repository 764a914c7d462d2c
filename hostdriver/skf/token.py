"""The `Token` over an SKF library."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import ClassVar

from hostdriver import token
from hostdriver.errors import KeyNotFoundError, NotFoundError, NotSupportedError
from hostdriver.skf import application, container
from hostdriver.skf.device import Device
from hostdriver.skf.errors import FunctionMissingError, SkfFailedError
from hostdriver.skf.events import EventWatch
from hostdriver.token import (
    ALGORITHMS,
    Algorithm,
    ContainerFacts,
    Event,
    PinFacts,
    PublicKey,
    TokenInfo,
    type_name,
)
from protocols import sm2
from protocols.digest_info import digest_info
from protocols.errors import VukeyError
from protocols.gmt import ContainerType, HashAlgorithm, KeyUse, PinType, SignInput
from protocols.hashing import digest_of
from protocols.sw import SW

_HANDLES = 4
"""Bytes before the message in the command that our library's V_SignMessage sends."""
_ABSENT = (KeyNotFoundError, NotFoundError, NotSupportedError, SkfFailedError)
"""What libraries answer when a container does not hold what is asked for."""


class SkfContainer(token.Container):
    """A container that the library has open."""

    def __init__(self, held: container.Container) -> None:
        self.held = held
        self.name = held.name
        self._type: int | None = None  # known once asked, as is the key: a signature is one call
        self._public: PublicKey | None = None

    def facts(self) -> ContainerFacts:
        """See `token.Container.facts`."""
        kind = self._type = self.held.type()
        return ContainerFacts(
            self.name,
            type_name(kind),
            ALGORITHMS.get(kind),
            self._bits(KeyUse.SIGN),
            self._has_certificate(KeyUse.SIGN),
            self._bits(KeyUse.EXCHANGE),
            self._has_certificate(KeyUse.EXCHANGE),
        )

    def _bits(self, use: KeyUse) -> int:
        try:
            key = self.held.public_key(use)
        except _ABSENT:
            return 0
        return sm2.BITS if isinstance(key, sm2.PublicKey) else key.bits

    def _has_certificate(self, use: KeyUse) -> bool:
        try:
            return bool(self.held.export_certificate(use))
        except _ABSENT:
            return False

    def activation(self) -> tuple[bool, int] | None:
        """See `token.Container.activation`."""
        try:
            return self.held.activation()
        except FunctionMissingError:  # of the library, or of the key behind ours
            return None

    def activate(self, code: str) -> None:
        """See `token.Container.activate`."""
        self.held.activate(code)

    def activate_on_keypad(self) -> None:
        """See `token.Container.activate_on_keypad`."""
        self.held.activate(None)

    def certificate(self, use: KeyUse = KeyUse.SIGN) -> bytes:
        """See `token.Container.certificate`."""
        return self.held.export_certificate(use)

    def public_key(self, use: KeyUse = KeyUse.SIGN) -> PublicKey:
        """See `token.Container.public_key`."""
        return self.held.public_key(use)

    def sign(self, data: bytes, source: SignInput, hash_code: HashAlgorithm = HashAlgorithm.SHA256) -> bytes:
        """See `token.Container.sign`."""
        if self._type is None:
            self._type = self.held.type()
        is_rsa = self._type == ContainerType.RSA
        if source is SignInput.MESSAGE and self.held.library.has("V_SignMessage"):
            kind = ContainerType.RSA if is_rsa else ContainerType.ECC
            return self.held.sign_message(kind, data, hash_code if is_rsa else HashAlgorithm.SM3)
        if is_rsa:
            digest = data if source is SignInput.DIGEST else digest_of(hash_code, data)
            bare = self.held.library.habits.rsa_input == "digest"
            return self.held.sign_rsa(digest if bare else digest_info(hash_code, digest))
        return self.held.sign_sm2(data if source is SignInput.DIGEST else self._sm2_digest(data))

    def _sm2_digest(self, message: bytes) -> bytes:
        if self._public is None:
            self._public = self.held.public_key()
        if not isinstance(self._public, sm2.PublicKey):
            raise KeyNotFoundError(SW.KEY_NOT_FOUND)
        return sm2.message_digest(self._public, message)

    def generate(self, algorithm: Algorithm, bits: int = 0) -> PublicKey:
        """See `token.Container.generate`."""
        self._type = self._public = None
        return self.held.generate_rsa(bits) if algorithm is Algorithm.RSA else self.held.generate_sm2()

    def import_certificate(self, der: bytes, use: KeyUse = KeyUse.SIGN) -> None:
        """See `token.Container.import_certificate`."""
        self.held.import_certificate(der, use)


class SkfApplication(token.Application):
    """An application that the library has open."""

    def __init__(self, opened: application.Application) -> None:
        self.opened = opened
        self.name = opened.name
        self._containers: dict[str, SkfContainer] = {}

    def containers(self) -> list[str]:
        """See `token.Application.containers`."""
        return self.opened.containers()

    def container(self, name: str) -> SkfContainer:
        """See `token.Application.container`."""
        if name not in self._containers:
            self._containers[name] = SkfContainer(self.opened.open_container(name))
        return self._containers[name]

    def pin_facts(self, pin_type: PinType = PinType.USER) -> PinFacts:
        """See `token.Application.pin_facts`."""
        return PinFacts(*self.opened.pin_info(pin_type))

    def verify_pin(self, pin: str, pin_type: PinType = PinType.USER) -> None:
        """See `token.Application.verify_pin`."""
        self.opened.verify_pin(pin, pin_type)

    def change_pin(self, old: str, new: str, pin_type: PinType = PinType.USER) -> None:
        """See `token.Application.change_pin`."""
        self.opened.change_pin(old, new, pin_type)

    def unblock_pin(self, admin_pin: str, new_user_pin: str) -> None:
        """See `token.Application.unblock_pin`."""
        self.opened.unblock_pin(admin_pin, new_user_pin)

    def log_out(self) -> None:
        """See `token.Application.log_out`."""
        self.opened.clear_secure_state()

    def create_container(self, name: str) -> SkfContainer:
        """See `token.Application.create_container`."""
        self._containers[name] = SkfContainer(self.opened.create_container(name))
        return self._containers[name]

    def delete_container(self, name: str) -> None:
        """See `token.Application.delete_container`."""
        held = self._containers.pop(name, None)
        if held:
            held.held.close()
        self.opened.delete_container(name)

    def close(self) -> None:
        """Log out; give every handle back."""
        closers: list[Callable[[], None]] = [held.held.close for held in self._containers.values()]
        for close in (self.opened.clear_secure_state, *closers, self.opened.close):
            with suppress(VukeyError):  # the key may be gone
                close()
        self._containers.clear()


class SkfToken(token.Token):
    """A device that the library has connected; disconnecting is its business.

    :param name: as ``--token`` takes it.
    """

    kind: ClassVar[str] = "skf"

    def __init__(self, device: Device, name: str) -> None:
        self.device = device
        self._name = name
        self._applications: dict[str, SkfApplication] = {}
        self._events = EventWatch(device.library)
        self._is_open = True

    @property
    def name(self) -> str:
        """See `token.Token.name`."""
        return self._name

    @property
    def shows_messages(self) -> bool:
        """See `token.Token.shows_messages`."""
        return self.device.library.has("V_SignMessage")

    @property
    def max_message(self) -> int | None:
        """See `token.Token.max_message`: a digest is made here of a message of any length."""
        return self.device.info().max_buffer - _HANDLES if self.shows_messages else None

    def info(self) -> TokenInfo:
        """See `token.Token.info`."""
        device = self.device.info()
        return TokenInfo(
            self._name,
            device.serial,
            device.manufacturer,
            device.issuer,
            device.label,
            ".".join(map(str, device.hardware_version)),
            ".".join(map(str, device.firmware_version)),
            device.max_buffer,
            device.free_space,
        )

    def applications(self) -> list[str]:
        """See `token.Token.applications`."""
        return self.device.applications()

    def open_application(self, name: str) -> SkfApplication:
        """See `token.Token.open_application`."""
        if name not in self._applications:
            self._applications[name] = SkfApplication(self.device.open_application(name))
        return self._applications[name]

    def random(self, size: int) -> bytes:
        """See `token.Token.random`."""
        return self.device.random(size)

    def wait_for_event(self, timeout: float | None = None) -> Event | None:
        """See `token.Token.wait_for_event`: of any key that the library reaches."""
        happened = self._events.wait(timeout)
        return happened[0] if happened else None

    def close(self) -> None:
        """See `token.Token.close`."""
        if not self._is_open:
            return
        self._is_open = False
        self._events.close()
        for opened in self._applications.values():
            opened.close()
        with suppress(VukeyError):
            self.device.disconnect()
