"""An open key, by whatever way it was reached: APDUs, a maker's SKF library or its PKCS#11 module.

A `Token` holds applications, an `Application` its PINs and containers, a `Container` key pairs and certificates. What
a key answers means the same by every way, and so do the errors (docs/errors.md); what a way cannot do at all is a
`NotSupportedError`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import ClassVar, Self

from hostdriver.errors import (
    BlankKeyError,
    KeyNotFoundError,
    NotFoundError,
    NotSupportedError,
    SeveralKeysError,
)
from hostdriver.printable import printable
from protocols import sm2
from protocols.gmt import ContainerType, HashAlgorithm, KeyUse, PinType, RsaPublicKey, SignInput
from protocols.i18n import N_
from protocols.sw import SW

PublicKey = RsaPublicKey | sm2.PublicKey


class Algorithm(StrEnum):
    """What a key pair is of."""

    RSA = "rsa"
    SM2 = "sm2"


ALGORITHMS: Mapping[int, Algorithm] = {ContainerType.RSA: Algorithm.RSA, ContainerType.ECC: Algorithm.SM2}
"""By a container's type, which is a number for APDUs and SKF alike."""


def type_name(code: int) -> str:
    """What a container holds, by its number, for a person: unknown ones stay numbers."""
    names = {kind.value: kind.name.replace("ECC", "SM2") for kind in ContainerType}
    return names.get(code, str(code))


class Event(StrEnum):
    """What may happen to a key."""

    PLUGGED = "plugged"
    UNPLUGGED = "unplugged"


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """What a key says of itself.

    :param token: as ``--token`` takes it.
    :param serial: as are the other texts, empty where the way does not tell it. Versions are `major.minor`.
    :param max_apdu_data: bytes of one command, None where the way does not tell it.
    :param free_space: bytes, None where the way does not tell it.
    """

    token: str
    serial: str
    manufacturer: str
    issuer: str
    label: str
    hardware_version: str
    firmware_version: str
    max_apdu_data: int | None = None
    free_space: int | None = None


@dataclass(frozen=True, slots=True)
class PinFacts:
    """A PIN's tries, and whether it is still the initial one; None where the way does not tell it.

    :param left: 0: the PIN is locked.
    """

    tries: int | None
    left: int | None
    initial: bool | None


@dataclass(frozen=True, slots=True)
class ContainerFacts:
    """What is in a container.

    :param type: `RSA`, `SM2`, `EMPTY`, or whatever else it holds, for a person.
    :param algorithm: of its pairs; None: none, or one that we do not know.
    :param bits: of the signature pair; 0: there is none.
    :param certificate: whether there is one for the signature pair.
    :param exchange_bits: of the encryption pair; 0: there is none.
    """

    name: str
    type: str
    algorithm: Algorithm | None
    bits: int
    certificate: bool
    exchange_bits: int
    exchange_certificate: bool

    def has_certificate(self, use: KeyUse) -> bool:
        """Whether there is one for this pair."""
        return self.certificate if use is KeyUse.SIGN else self.exchange_certificate


class Container(ABC):
    """An open container."""

    name: str

    @abstractmethod
    def facts(self) -> ContainerFacts:
        """What is in it."""

    def activation(self) -> tuple[bool, int] | None:
        """Whether its certificate is activated, and the tries left; None where key or way know of no activation."""
        return None

    def activate(self, code: str) -> None:
        """Hand an activation code over from the host.

        :raises NotSupportedError: the way cannot.
        :raises CodeIncorrectError: with the tries left.
        """
        raise NotSupportedError(N_("{name}: by this way nothing is activated"), name=printable(self.name))

    def activate_on_keypad(self) -> None:
        """Have the code typed on the key; blocks until it is.

        :raises NotSupportedError: the way cannot.
        :raises CodeIncorrectError: with the tries left.
        """
        raise NotSupportedError(N_("{name}: by this way nothing is activated"), name=printable(self.name))

    @abstractmethod
    def certificate(self, use: KeyUse = KeyUse.SIGN) -> bytes:
        """The certificate of one of its pairs, DER.

        :raises KeyNotFoundError: there is none.
        """

    @abstractmethod
    def public_key(self, use: KeyUse = KeyUse.SIGN) -> PublicKey:
        """The public half of one of its pairs.

        :raises KeyNotFoundError: there is none.
        """

    @abstractmethod
    def sign(self, data: bytes, source: SignInput, hash_code: HashAlgorithm = HashAlgorithm.SHA256) -> bytes:
        """A signature of the signature pair; blocks while a key waits for a person. Needs the user PIN.

        :param data: the message, or the ready digest (SM2: e, 32 bytes, with Z in it).
        :param source: which of them. A message goes to the key whole if `Token.shows_messages`, else the host hashes
            it (SM2: SM3 with Z of the container's key and the default ID).
        :param hash_code: for RSA.
        :returns: RSA: PKCS#1 v1.5. SM2: r ‖ s, 64 bytes.
        :raises NotLoggedInError: no PIN was verified.
        :raises CancelledError, ConfirmTimeoutError: the person refused, or nobody answered.
        :raises MessageRefusedError, DigestRefusedError: the key does not sign such a thing.
        """

    def generate(self, algorithm: Algorithm, bits: int = 0) -> PublicKey:
        """Make a new signature pair on the key, in place of one that is there. Needs the user PIN.

        :param bits: of an RSA modulus; SM2 has 256 whatever is said.
        :raises NotSupportedError: the way cannot.
        """
        raise NotSupportedError(N_("{name}: key pairs cannot be made by this way"), name=printable(self.name))

    def import_certificate(self, der: bytes, use: KeyUse = KeyUse.SIGN) -> None:
        """Put a certificate to one of its pairs. Needs the user PIN.

        :raises NotSupportedError: the way cannot.
        """
        raise NotSupportedError(
            N_("{name}: certificates cannot be imported by this way"), name=printable(self.name)
        )


class Application(ABC):
    """An open application: PINs and containers. By PKCS#11 a token is one application."""

    name: str

    @abstractmethod
    def containers(self) -> list[str]:
        """Their names."""

    @abstractmethod
    def container(self, name: str) -> Container:
        """Open one.

        :raises NotFoundError: none of that name.
        """

    def find_container(self, name: str | None = None, algorithm: Algorithm | None = None) -> Container:
        """The named container, or the only one with a signature pair (of that algorithm).

        :raises KeyNotFoundError: none fits; also the named one may not.
        :raises SeveralKeysError: several fit.
        """
        fitting = []
        for candidate in self.containers() if name is None else [name]:
            facts = self.container(candidate).facts()
            if facts.algorithm is algorithm if algorithm else facts.bits > 0:
                fitting.append(candidate)
        if not fitting:
            raise KeyNotFoundError(SW.KEY_NOT_FOUND)
        return self.container(only(fitting, name, "--alg / --container"))

    @abstractmethod
    def pin_facts(self, pin_type: PinType = PinType.USER) -> PinFacts:
        """What the key tells of a PIN."""

    @abstractmethod
    def verify_pin(self, pin: str, pin_type: PinType = PinType.USER) -> None:
        """Log in.

        :raises PinIncorrectError: with the tries left, where the way tells them.
        :raises PinLockedError: no tries are left.
        """

    @abstractmethod
    def change_pin(self, old: str, new: str, pin_type: PinType = PinType.USER) -> None:
        """Change a PIN.

        :raises PinIncorrectError: the old one is wrong.
        :raises NewPinRefusedError: the new one breaks the key's rules.
        """

    @abstractmethod
    def unblock_pin(self, admin_pin: str, new_user_pin: str) -> None:
        """A new user PIN under the administrator's.

        :raises PinIncorrectError: the administrator's is wrong.
        """

    @abstractmethod
    def log_out(self) -> None:
        """End every login to this application."""

    def verify_pin_on_keypad(self, pin_type: PinType = PinType.USER) -> None:
        """Log in with a PIN typed on the key or its reader; blocks until it is.

        :raises NotSupportedError: the way cannot.
        :raises NoPinPadError: neither has a keypad.
        """
        raise NotSupportedError(N_("by this way no PIN can be typed on the key: leave out --keypad"))

    def change_pin_on_keypad(self, pin_type: PinType = PinType.USER) -> None:
        """Change a PIN, old and new typed on the key or its reader.

        :raises NotSupportedError: the way cannot.
        :raises NoPinPadError: neither has a keypad.
        """
        raise NotSupportedError(N_("by this way no PIN can be typed on the key: leave out --keypad"))

    def create_container(self, name: str) -> Container:
        """A new, empty one. Needs the user PIN.

        :raises AlreadyExistsError: there is one of that name.
        :raises NotSupportedError: the way cannot.
        """
        raise NotSupportedError(N_("{name}: containers cannot be made by this way"), name=printable(name))

    def delete_container(self, name: str) -> None:
        """Delete one with all that is in it. Needs the user PIN.

        :raises NotFoundError: none of that name.
        :raises NotSupportedError: the way cannot.
        """
        raise NotSupportedError(N_("{name}: containers cannot be deleted by this way"), name=printable(name))


class Token(ABC):
    """An open key. As a context manager it closes itself."""

    kind: ClassVar[str]
    """`apdu`, `skf` or `pkcs11`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    @abstractmethod
    def name(self) -> str:
        """As ``--token`` takes it."""

    @property
    @abstractmethod
    def shows_messages(self) -> bool:
        """Whether a message to be signed goes to the key whole, which then may show it."""

    @property
    def max_message(self) -> int | None:
        """Bytes of the longest message that it takes; None: any."""
        return None

    @abstractmethod
    def info(self) -> TokenInfo:
        """What it says of itself."""

    @abstractmethod
    def applications(self) -> list[str]:
        """Their names."""

    @abstractmethod
    def open_application(self, name: str) -> Application:
        """Open one.

        :raises NotFoundError: none of that name.
        """

    def application(self, name: str | None = None) -> Application:
        """Open the named application, else the only one.

        :raises BlankKeyError: there is none at all.
        :raises SeveralKeysError: there are several and none was named.
        """
        names = self.applications()
        if not names:
            raise BlankKeyError(N_("this key is blank: it has no application yet; issue it: vukey issue"))
        return self.open_application(only(names, name, "--application"))

    @abstractmethod
    def random(self, size: int) -> bytes:
        """So many random bytes of the key's own."""

    def wait_for_event(self, timeout: float | None = None) -> Event | None:
        """Wait until a key comes or goes by this way.

        :param timeout: seconds; None: however long it takes.
        :returns: None: nothing happened in time.
        :raises NotSupportedError: the way does not tell.
        """
        raise NotSupportedError(N_("{token} does not tell when a key comes or goes"), token=self.name)

    @abstractmethod
    def close(self) -> None:
        """Log out and let the key go; harmless when repeated."""


def only(names: list[str], wanted: str | None, option: str) -> str:
    """The wanted name, else the only one.

    :param option: of the command line, with which one is wanted.
    :raises NotFoundError: there is none.
    :raises SeveralKeysError: there are several.
    """
    if wanted is not None:
        return wanted
    if not names:
        raise NotFoundError(SW.NOT_FOUND)
    if len(names) > 1:
        joined = printable(", ".join(names))
        raise SeveralKeysError(
            N_("several fit; choose one with {option}: {names}"), option=option, names=joined
        )
    return names[0]
