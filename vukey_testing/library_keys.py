"""A real key behind its maker's SKF library or PKCS#11 module: the rules of `real` for what takes no APDUs of ours."""

from __future__ import annotations

import time
from typing import NoReturn

from emulator.issuer.personalise import Stage
from hostdriver.printable import printable
from hostdriver.token import Application, Token
from hostdriver.tokens import open_token
from protocols.errors import VukeyError
from protocols.gmt import KeyUse
from protocols.i18n import N_
from vukey_testing.calls import PATIENCE_S
from vukey_testing.errors import SetupError, skip
from vukey_testing.library_guard import GuardedToken
from vukey_testing.library_targets import refuse_apdus
from vukey_testing.operators import Operator
from vukey_testing.real import HeldKey, Lock, RealOptions
from vukey_testing.states import Wanted

_LIBRARIES = ("skf:", "pkcs11:")
_LOOK_S = 0.25


def is_library(target: str) -> bool:
    """Whether a key is named by its maker's library."""
    return target.startswith(_LIBRARIES)


def open_library(options: RealOptions) -> Token:
    """The key, once it has said that it is the one.

    :raises SetupError: another key is there; nothing but its number was asked for.
    """
    token = open_token(options.target)
    try:
        serial = token.info().serial
        if serial != options.serial:
            raise SetupError(
                N_("the key in {reader} says that it is {found}, not --serial {serial}: it was left alone"),
                reader=token.name, found=printable(serial), serial=options.serial,
            )  # fmt: skip
    except BaseException:
        token.close()
        raise
    return token


class LibraryKey(HeldKey):
    """A real key that its maker's library drives."""

    def __init__(
        self, options: RealOptions, wanted: Wanted, tries: int, lock: Lock, operator: Operator
    ) -> None:
        super().__init__(options, wanted, tries, lock, operator)
        self._opened: list[Token] = []
        self._refuse_other_models()
        with open_library(options) as token:
            self.token = token.name
            self._prepare(token)

    def plug(self) -> None:
        """Have it plugged in."""
        if not self.plugged:
            self.operator.plug()
            self._wait(present=True)
            self.plugged = True

    def unplug(self) -> None:
        """Have it pulled out."""
        if self.plugged:
            self.operator.unplug()
            self._wait(present=False)
            self.plugged = False

    def open(self) -> NoReturn:
        """There are no APDUs: the test skips."""
        refuse_apdus(self.target)

    def open_token(self) -> Token:
        """A guarded way to it."""
        token = GuardedToken(open_library(self._options), self._allowance)
        self._opened.append(token)
        return token

    def close(self) -> None:
        """The end of the test: plugged in as before, and no try gone that was not allowed.

        :raises GuardError: there are fewer tries left than there may be, or the PIN is another.
        """
        for token in self._opened:
            token.close()
        self.plug()
        self._check_pin()
        with open_library(self._options) as token:
            application = self._application(token)
            self._check_tries(application.pin_facts().left if application else None)

    def _prepare(self, token: Token) -> None:
        """See that the key is as the test wants it."""
        application = self._application(token)
        if (application is None) != (self.wanted.stage is Stage.BLANK):
            skip(
                N_(
                    "the key is not at the stage that the test wants, and no library of a maker's issues it anew"
                )
            )
        if application is None:
            return
        self._allowance.application = application.name
        left = self._check_state(application)
        if left is None and self._allowance.tries:
            skip(
                N_("--token {target} does not tell how many tries are left, and the test may spend {tries}"),
                target=self.target, tries=self._allowance.tries,
            )  # fmt: skip
        self.certificates = _certificates(application, KeyUse.SIGN)
        self.exchange_certificates = _certificates(application, KeyUse.EXCHANGE)
        self._keep(left)

    def _check_state(self, application: Application) -> int | None:
        """Of what the way does not tell nothing is known, and nothing is wrong; the tries left."""
        wanted, pin = self.wanted, application.pin_facts()
        if wanted.pin_left not in (None, pin.left):
            skip(N_("the real key has another number of tries left than the test wants"))
        if pin.initial not in (None, wanted.initial_pin):
            skip(N_("the real key's PIN is not as the test wants it"))
        activations = (application.container(name).activation() for name in application.containers())
        if any(activation and activation[0] != wanted.activated for activation in activations):
            skip(N_("the real key's activation is not as the test wants it"))
        return pin.left

    def _application(self, token: Token) -> Application | None:
        """The model's own, else the only one; None where there is none."""
        names = token.applications()
        if not names:
            return None
        return token.application(self.profile.application if self.profile.application in names else None)

    def _wait(self, *, present: bool) -> None:
        """Until the key is back, or gone; not for ever."""
        deadline = time.monotonic() + PATIENCE_S
        while self._is_there() != present and time.monotonic() < deadline:
            time.sleep(_LOOK_S)

    def _is_there(self) -> bool:
        try:
            open_library(self._options).close()
        except VukeyError:
            return False
        return True


def _certificates(application: Application, use: KeyUse) -> dict[str, bytes]:
    containers = (application.container(name) for name in application.containers())
    return {
        container.name: container.certificate(use)
        for container in containers
        if container.facts().has_certificate(use)
    }
