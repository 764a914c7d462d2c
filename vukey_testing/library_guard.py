"""Between a test and a real key behind a maker's library: no try spent, nothing changed, that was not allowed."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from hostdriver import token
from hostdriver.errors import PinIncorrectError, PinLockedError
from hostdriver.token import Algorithm, ContainerFacts, Event, PinFacts, PublicKey, TokenInfo
from protocols.gmt import HashAlgorithm, KeyUse, PinType, SignInput
from protocols.i18n import N_
from vukey_testing.errors import GuardError
from vukey_testing.guard import Allowance


class GuardedContainer(token.Container):
    """Lets everything through but what changes the key."""

    def __init__(self, held: token.Container, allowance: Allowance) -> None:
        self._held = held
        self._allowance = allowance
        self.name = held.name

    def facts(self) -> ContainerFacts:
        """See `token.Container.facts`."""
        return self._held.facts()

    def activation(self) -> tuple[bool, int] | None:
        """See `token.Container.activation`."""
        return self._held.activation()

    def activate(self, code: str) -> None:
        """See `token.Container.activate`: nobody hands a real key's code over."""
        _refuse_try(self._allowance)

    def activate_on_keypad(self) -> None:
        """See `token.Container.activate_on_keypad`: as `activate`."""
        _refuse_try(self._allowance)

    def certificate(self, use: KeyUse = KeyUse.SIGN) -> bytes:
        """See `token.Container.certificate`."""
        return self._held.certificate(use)

    def public_key(self, use: KeyUse = KeyUse.SIGN) -> PublicKey:
        """See `token.Container.public_key`."""
        return self._held.public_key(use)

    def sign(self, data: bytes, source: SignInput, hash_code: HashAlgorithm = HashAlgorithm.SHA256) -> bytes:
        """See `token.Container.sign`."""
        return self._held.sign(data, source, hash_code)

    def generate(self, algorithm: Algorithm, bits: int = 0) -> PublicKey:
        """See `token.Container.generate`."""
        _want_wipe(self._allowance, "generate")
        return self._held.generate(algorithm, bits)

    def import_certificate(self, der: bytes, use: KeyUse = KeyUse.SIGN) -> None:
        """See `token.Container.import_certificate`."""
        _want_wipe(self._allowance, "import_certificate")
        self._held.import_certificate(der, use)


class GuardedApplication(token.Application):
    """Lets the PIN through that was handed over; any other use of one counts as a try until the key has taken it."""

    def __init__(self, held: token.Application, allowance: Allowance) -> None:
        self._held = held
        self._allowance = allowance
        self.name = held.name

    def containers(self) -> list[str]:
        """See `token.Application.containers`."""
        return self._held.containers()

    def container(self, name: str) -> token.Container:
        """See `token.Application.container`."""
        return GuardedContainer(self._held.container(name), self._allowance)

    def create_container(self, name: str) -> token.Container:
        """See `token.Application.create_container`."""
        _want_wipe(self._allowance, "create_container")
        return GuardedContainer(self._held.create_container(name), self._allowance)

    def delete_container(self, name: str) -> None:
        """See `token.Application.delete_container`."""
        _want_wipe(self._allowance, "delete_container")
        self._held.delete_container(name)

    def pin_facts(self, pin_type: PinType = PinType.USER) -> PinFacts:
        """See `token.Application.pin_facts`."""
        return self._held.pin_facts(pin_type)

    def verify_pin(self, pin: str, pin_type: PinType = PinType.USER) -> None:
        """See `token.Application.verify_pin`."""
        with self._trying(pin_type, is_right=self._is_right(pin, pin_type)):
            self._held.verify_pin(pin, pin_type)

    def change_pin(self, old: str, new: str, pin_type: PinType = PinType.USER) -> None:
        """See `token.Application.change_pin`."""
        is_right = self._is_right(old, pin_type)
        if not is_right:
            _want_wipe(self._allowance, "change_pin")
        with self._trying(pin_type, is_right=is_right):
            self._held.change_pin(old, new, pin_type)
        if is_right:
            self._allowance.user_pin = new

    def unblock_pin(self, admin_pin: str, new_user_pin: str) -> None:
        """See `token.Application.unblock_pin`."""
        _want_wipe(self._allowance, "unblock_pin")
        with self._trying(PinType.ADMIN, is_right=False):
            self._held.unblock_pin(admin_pin, new_user_pin)

    def verify_pin_on_keypad(self, pin_type: PinType = PinType.USER) -> None:
        """See `token.Application.verify_pin_on_keypad`: who types it may err."""
        with self._trying(pin_type, is_right=False):
            self._held.verify_pin_on_keypad(pin_type)

    def change_pin_on_keypad(self, pin_type: PinType = PinType.USER) -> None:
        """See `token.Application.change_pin_on_keypad`: nobody would know the new one."""
        _want_wipe(self._allowance, "change_pin_on_keypad")
        with self._trying(pin_type, is_right=False):
            self._held.change_pin_on_keypad(pin_type)

    def log_out(self) -> None:
        """See `token.Application.log_out`."""
        self._held.log_out()

    def _is_right(self, pin: str, pin_type: PinType) -> bool:
        known = self._allowance.user_pin
        return (
            known is not None
            and pin_type is PinType.USER
            and self.name == self._allowance.application
            and hmac.compare_digest(known.encode(), pin.encode())
        )

    @contextmanager
    def _trying(self, pin_type: PinType, *, is_right: bool) -> Iterator[None]:
        """Refuses a try too many; counts one that the key did not take.

        :raises GuardError: the key was not asked.
        """
        allowance = self._allowance
        if not is_right and allowance.spent >= allowance.tries:
            _refuse_try(allowance)
        left = self._held.pin_facts(pin_type).left
        least = allowance.tries - allowance.spent + 1
        if (left is None and not is_right) or (left is not None and left <= least):
            raise GuardError(
                N_("too few tries are left on the real key ({left}) for a test that may spend {tries}"),
                left="?" if left is None else left, tries=allowance.tries,
            )  # fmt: skip
        allowance.spent += not is_right  # also of a key that is pulled out before it answers
        try:
            yield
        except (PinIncorrectError, PinLockedError):
            if is_right:
                allowance.refuse()
            raise
        allowance.spent -= not is_right


class GuardedToken(token.Token):
    """A real key's token in the hands of a test."""

    def __init__(self, held: token.Token, allowance: Allowance) -> None:
        self._held = held
        self._allowance = allowance
        self.kind = held.kind  # type: ignore[misc]  # the kind of what it guards

    @property
    def name(self) -> str:
        """See `token.Token.name`."""
        return self._held.name

    @property
    def shows_messages(self) -> bool:
        """See `token.Token.shows_messages`."""
        return self._held.shows_messages

    @property
    def max_message(self) -> int | None:
        """See `token.Token.max_message`."""
        return self._held.max_message

    def info(self) -> TokenInfo:
        """See `token.Token.info`."""
        return self._held.info()

    def applications(self) -> list[str]:
        """See `token.Token.applications`."""
        return self._held.applications()

    def open_application(self, name: str) -> token.Application:
        """See `token.Token.open_application`."""
        return GuardedApplication(self._held.open_application(name), self._allowance)

    def random(self, size: int) -> bytes:
        """See `token.Token.random`."""
        return self._held.random(size)

    def wait_for_event(self, timeout: float | None = None) -> Event | None:
        """See `token.Token.wait_for_event`."""
        return self._held.wait_for_event(timeout)

    def close(self) -> None:
        """See `token.Token.close`."""
        self._held.close()


def _want_wipe(allowance: Allowance, name: str) -> None:
    if not allowance.may_wipe:
        raise GuardError(
            N_("a test may not change what is on a real key without --allow-wipe: {name} was not sent"),
            name=name,
        )


def _refuse_try(allowance: Allowance) -> NoReturn:
    raise GuardError(
        N_(
            "this could cost a try of a real key's PIN or code, and the test may spend {tries}: "
            "@pytest.mark.vukey_spends_tries(n) allows more"
        ),
        tries=allowance.tries,
    )
