"""What lies on a key, told to whoever looks on from beside the wire: names, counters, marks; never a secret."""

from __future__ import annotations

import json
from dataclasses import dataclass

from emulator.firmware.catalogue import Application, Container
from emulator.firmware.core import Core
from protocols.gmt import ContainerType, KeyUse, PinType

_TYPES = {ContainerType.EMPTY: "empty", ContainerType.RSA: "rsa", ContainerType.ECC: "sm2"}


@dataclass(frozen=True, slots=True)
class CommandFacts:
    """A command's name in GM/T 0017, and whether its data carry a PIN, a code or a key."""

    name: str
    secret: bool


@dataclass(frozen=True, slots=True)
class PinFacts:
    """A PIN: tries at most, tries left, whether it is the initial one (E3), whether it was verified."""

    tries: int
    left: int
    initial: bool
    verified: bool


@dataclass(frozen=True, slots=True)
class ContainerFacts:
    """A container; `bits` and `certificate` are the signature pair's, bits are 0 without a pair.

    `activation_tries_left` is None where no code is waited for (A5).
    """

    name: str
    type: str
    bits: int
    certificate: bool
    exchange_bits: int
    exchange_certificate: bool
    activated: bool
    activation_tries_left: int | None


@dataclass(frozen=True, slots=True)
class ApplicationFacts:
    """An application with its PINs and containers."""

    name: str
    user_pin: PinFacts
    admin_pin: PinFacts
    containers: tuple[ContainerFacts, ...]


def inspect(core: Core) -> tuple[ApplicationFacts, ...]:
    """Every application on the key."""
    return tuple(_application(core, application) for application in core.catalogue.applications.values())


def _application(core: Core, application: Application) -> ApplicationFacts:
    containers = tuple(_container(core, container) for container in application.containers.values())
    user, admin = (_pin(core, application, kind) for kind in (PinType.USER, PinType.ADMIN))
    return ApplicationFacts(application.name, user, admin, containers)


def _pin(core: Core, application: Application, pin_type: PinType) -> PinFacts:
    tries, left = core.secure_element.tries(application.pin_slots[pin_type])
    verified = core.session.logged_in(application, pin_type)
    return PinFacts(tries, left, core.pin_is_initial(application, pin_type), verified)


def _container(core: Core, container: Container) -> ContainerFacts:
    record = core.catalogue.read(container.activation)
    return ContainerFacts(
        container.name,
        _TYPES[container.type],
        container.sign_bits,
        core.catalogue.has(container.certificate(KeyUse.SIGN)),
        container.exchange_bits,
        core.catalogue.has(container.certificate(KeyUse.EXCHANGE)),
        core.is_activated(container),
        json.loads(record)["left"] if record else None,
    )
