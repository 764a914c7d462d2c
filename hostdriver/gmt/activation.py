"""Activation: a private command (docs/facts.md G23)."""

from __future__ import annotations

from hostdriver.errors import CodeIncorrectError, PinIncorrectError
from hostdriver.gmt.containers import Container
from hostdriver.gmt.wire import Wire, decoded
from protocols.fields import Fields
from protocols.gmt import ActivationAction, ActivationVerifier, Ins


class ActivationCommands(Wire):
    """The activation code of a container's certificate."""

    def activation_status(self, container: Container) -> tuple[bool, int]:
        """Whether the container is activated, and the tries left for its code."""
        answer = self._activation(ActivationAction.STATUS, container)
        return decoded(lambda raw: (bool(Fields(raw).number(1)), Fields(raw[1:]).number(1)), answer)

    def activate_on_keypad(self, container: Container) -> None:
        """Have the code typed on the key; blocks until it is.

        :raises CodeIncorrectError: with the tries left.
        """
        self._activation(ActivationAction.KEYPAD, container)

    def activate(self, container: Container, code: str) -> None:
        """Hand the code over from the host.

        :raises CodeIncorrectError: with the tries left.
        """
        self._activation(ActivationAction.SUBMIT, container, code.encode())

    def install_activation(self, container: Container, verifier: ActivationVerifier) -> None:
        """Install a code's verifier; needs device authentication."""
        self._activation(ActivationAction.INSTALL, container, verifier.encode())

    def _activation(self, action: ActivationAction, container: Container, data: bytes = b"") -> bytes:
        le = 2 if action is ActivationAction.STATUS else None
        try:
            return self.send(Ins.ACTIVATION, container.handles + data, p1=action, le=le)
        except PinIncorrectError as error:
            raise CodeIncorrectError(error.left or 0) from None
