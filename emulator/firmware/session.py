"""What the key remembers between commands and forgets at reset: challenge, logins, open handles, session keys."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.hashes import Hash

from emulator.firmware.catalogue import Application, Catalogue, Container
from emulator.firmware.handles import Handles
from emulator.firmware.refused import Refused
from emulator.firmware.session_keys import SessionKeys
from protocols.gmt import PinType
from protocols.sw import SW

_FIRST_APPLICATION = 0x1001
_FIRST_CONTAINER = 0x3001
_HANDLES = 0x2000
"""More than containers can be open at once."""


@dataclass(slots=True)
class Session:
    """The volatile state. Handles are two opaque bytes; they die at reset (ours: docs/facts.md G2).

    Their numbers go on after it: what a program lost by another's reset is nothing else under the same number.

    :param digest: the one that DigestInit began.
    """

    challenge: bytes | None = None
    device_authenticated: bool = False
    logins: set[tuple[int, PinType]] = field(default_factory=set)
    applications: dict[bytes, str] = field(default_factory=dict)
    containers: dict[bytes, tuple[str, str]] = field(default_factory=dict)
    keys: SessionKeys = field(default_factory=SessionKeys)
    digest: Hash | None = None
    _application_handles: Handles = field(default_factory=lambda: Handles(_FIRST_APPLICATION, _HANDLES))
    _container_handles: Handles = field(default_factory=lambda: Handles(_FIRST_CONTAINER, _HANDLES))

    def renewed(self) -> Session:
        """What a reset leaves: which numbers were given out."""
        return Session(
            keys=self.keys.renewed(),
            _application_handles=self._application_handles,
            _container_handles=self._container_handles,
        )

    def take_challenge(self, *lengths: int) -> bytes | None:
        """The challenge, used up by being taken; None when there is none of these lengths."""
        challenge, self.challenge = self.challenge, None
        return challenge if challenge is not None and len(challenge) in lengths else None

    def open_application(self, application: Application) -> bytes:
        """Its handle; the same one while it stays open."""
        for handle, name in self.applications.items():
            if name == application.name:
                return handle
        handle = self._application_handles.new(self.applications)
        self.applications[handle] = application.name
        return handle

    def open_container(self, container: Container, application: Application) -> bytes:
        """Its handle; the same one while it stays open."""
        for handle, place in self.containers.items():
            if place == (application.name, container.name):
                return handle
        handle = self._container_handles.new(self.containers)
        self.containers[handle] = (application.name, container.name)
        return handle

    def application(self, catalogue: Catalogue, handle: bytes) -> Application:
        """The open application behind a handle.

        :raises Refused: there is none.
        """
        found = catalogue.applications.get(self.applications.get(handle, ""))
        if found is None:
            raise Refused(SW.NOT_FOUND)
        return found

    def container(self, application: Application, handle: bytes) -> Container:
        """The open container behind a handle.

        :raises Refused: there is none, or it belongs to another application.
        """
        owner, name = self.containers.get(handle, ("", ""))
        found = application.containers.get(name) if owner == application.name else None
        if found is None:
            raise Refused(SW.NOT_FOUND)
        return found

    def close_application(self, application: Application) -> None:
        """Forget its handles, and the session keys of its containers."""
        self.keys.forget_application(application.id)
        self.applications = {h: name for h, name in self.applications.items() if name != application.name}
        self.containers = {h: place for h, place in self.containers.items() if place[0] != application.name}

    def close_container(self, application: Application, name: str) -> None:
        """Forget a container's handle and its session keys."""
        self.keys.forget_container(application.containers[name].place)
        self.containers = {h: p for h, p in self.containers.items() if p != (application.name, name)}

    def logged_in(self, application: Application, pin_type: PinType) -> bool:
        """Whether a PIN of the application is verified."""
        return (application.id, pin_type) in self.logins

    def log_in(self, application: Application, pin_type: PinType) -> None:
        """Remember a verified PIN."""
        self.logins.add((application.id, pin_type))

    def log_out(self, application: Application, *pin_types: PinType) -> None:
        """Forget verified PINs; all of the application's when none is named."""
        self.logins -= {(application.id, pin_type) for pin_type in pin_types or PinType}
