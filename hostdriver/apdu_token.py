"""The `Token` over a GM/T 0017 session: PC/SC, USB, sockets, Bluetooth, serial lines."""

from __future__ import annotations

from typing import ClassVar

from hostdriver import token
from hostdriver.errors import ApduFailedError
from hostdriver.gmt import Container, GmtSession
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
from hostdriver.transport import TellsPresence
from protocols.gmt import (
    ApplicationInfo,
    HashAlgorithm,
    KeyUse,
    PinType,
    SignInput,
)
from protocols.sw import SW

_HANDLES = 4
"""Bytes of a signing command before the message."""


class ApduContainer(token.Container):
    """A container that the session has open."""

    def __init__(self, session: GmtSession, held: Container) -> None:
        self._session = session
        self.held = held
        self.name = held.name
        self._algorithm: Algorithm | None = None  # known once asked, so that a signature is one command

    def facts(self) -> ContainerFacts:
        """See `token.Container.facts`."""
        info = self._session.container_info(self.held.application, self.name)
        self._algorithm = ALGORITHMS.get(info.type)
        return ContainerFacts(
            self.name,
            type_name(info.type),
            self._algorithm,
            info.sign_bits,
            info.sign_certificate,
            info.exchange_bits,
            info.exchange_certificate,
        )

    def activation(self) -> tuple[bool, int] | None:
        """See `token.Container.activation`."""
        try:
            return self._session.activation_status(self.held)
        except ApduFailedError as error:
            if error.sw != SW.INS_NOT_SUPPORTED:
                raise
            return None

    def activate(self, code: str) -> None:
        """See `token.Container.activate`."""
        self._session.activate(self.held, code)

    def activate_on_keypad(self) -> None:
        """See `token.Container.activate_on_keypad`."""
        self._session.activate_on_keypad(self.held)

    def certificate(self, use: KeyUse = KeyUse.SIGN) -> bytes:
        """See `token.Container.certificate`."""
        return self._session.export_certificate(self.held, use=use)

    def public_key(self, use: KeyUse = KeyUse.SIGN) -> PublicKey:
        """See `token.Container.public_key`."""
        return self._session.public_key(self.held, use=use)

    def sign(self, data: bytes, source: SignInput, hash_code: HashAlgorithm = HashAlgorithm.SHA256) -> bytes:
        """See `token.Container.sign`."""
        if (self._algorithm or self.facts().algorithm) is Algorithm.RSA:
            return self._session.sign_rsa(self.held, data, source, hash_code)
        return self._session.sign_sm2(self.held, data, source).encode()

    def generate(self, algorithm: Algorithm, bits: int = 0) -> PublicKey:
        """See `token.Container.generate`."""
        self._algorithm = algorithm
        if algorithm is Algorithm.RSA:
            return self._session.generate_rsa(self.held, bits)
        return self._session.generate_sm2(self.held)

    def import_certificate(self, der: bytes, use: KeyUse = KeyUse.SIGN) -> None:
        """See `token.Container.import_certificate`."""
        self._session.import_certificate(self.held, der, use=use)


class ApduApplication(token.Application):
    """An application that the session has open."""

    def __init__(self, session: GmtSession, name: str, opened: ApplicationInfo) -> None:
        self._session = session
        self.name = name
        self.opened = opened

    def containers(self) -> list[str]:
        """See `token.Application.containers`."""
        return self._session.containers(self.opened)

    def container(self, name: str) -> ApduContainer:
        """See `token.Application.container`."""
        return ApduContainer(self._session, self._session.open_container(self.opened, name))

    def pin_facts(self, pin_type: PinType = PinType.USER) -> PinFacts:
        """See `token.Application.pin_facts`."""
        return PinFacts(*self._session.pin_info(self.opened, pin_type))

    def verify_pin(self, pin: str, pin_type: PinType = PinType.USER) -> None:
        """See `token.Application.verify_pin`."""
        self._session.verify_pin(self.opened, pin, pin_type)

    def change_pin(self, old: str, new: str, pin_type: PinType = PinType.USER) -> None:
        """See `token.Application.change_pin`."""
        self._session.change_pin(self.opened, old, new, pin_type)

    def unblock_pin(self, admin_pin: str, new_user_pin: str) -> None:
        """See `token.Application.unblock_pin`."""
        self._session.unblock_pin(self.opened, admin_pin, new_user_pin)

    def log_out(self) -> None:
        """See `token.Application.log_out`."""
        self._session.clear_secure_state(self.opened)

    def verify_pin_on_keypad(self, pin_type: PinType = PinType.USER) -> None:
        """See `token.Application.verify_pin_on_keypad`."""
        self._session.verify_pin_on_keypad(self.opened, pin_type)

    def change_pin_on_keypad(self, pin_type: PinType = PinType.USER) -> None:
        """See `token.Application.change_pin_on_keypad`."""
        self._session.change_pin_on_keypad(self.opened, pin_type)

    def create_container(self, name: str) -> ApduContainer:
        """See `token.Application.create_container`."""
        return ApduContainer(self._session, self._session.create_container(self.opened, name))

    def delete_container(self, name: str) -> None:
        """See `token.Application.delete_container`."""
        self._session.delete_container(self.opened, name)


class ApduToken(token.Token):
    """A key behind a session, which closes with it.

    :param session: open; what this interface lacks is there (activation, session keys, files).
    """

    kind: ClassVar[str] = "apdu"

    def __init__(self, session: GmtSession) -> None:
        self.session = session
        self._is_present = True

    @property
    def name(self) -> str:
        """See `token.Token.name`."""
        return self.session.transport.name

    @property
    def shows_messages(self) -> bool:
        """See `token.Token.shows_messages`."""
        return True

    @property
    def max_message(self) -> int:
        """See `token.Token.max_message`."""
        return self.session.device_info().max_apdu_data - _HANDLES

    def info(self) -> TokenInfo:
        """See `token.Token.info`."""
        device = self.session.device_info()
        return TokenInfo(
            self.name,
            device.serial,
            device.manufacturer,
            device.issuer,
            device.label,
            ".".join(map(str, device.hardware_version)),
            ".".join(map(str, device.firmware_version)),
            device.max_apdu_data,
            device.free_space,
        )

    def applications(self) -> list[str]:
        """See `token.Token.applications`."""
        return self.session.applications()

    def open_application(self, name: str) -> ApduApplication:
        """See `token.Token.open_application`."""
        return ApduApplication(self.session, name, self.session.open_application(name))

    def random(self, size: int) -> bytes:
        """See `token.Token.random`."""
        return self.session.random(size)

    def wait_for_event(self, timeout: float | None = None) -> Event | None:
        """See `token.Token.wait_for_event`: of this key, over PC/SC and on sockets. Once back it is opened anew."""
        transport = self.session.transport
        if not isinstance(transport, TellsPresence):
            return super().wait_for_event(timeout)
        if not transport.wait_until(present=not self._is_present, timeout=timeout):
            return None
        self._is_present = not self._is_present
        return Event.PLUGGED if self._is_present else Event.UNPLUGGED

    def close(self) -> None:
        """See `token.Token.close`."""
        self.session.close()
