"""What can be measured of a key, by whatever way it was reached."""

from __future__ import annotations

import hashlib
import math
import secrets
from abc import ABC, abstractmethod
from contextlib import suppress
from types import TracebackType
from typing import Self

from hostdriver.errors import AlreadyExistsError, Exit, HostError
from hostdriver.measuring.series import Subject
from hostdriver.token import Algorithm, Application, Container, ContainerFacts, Token
from protocols.gmt import SignInput
from protocols.i18n import N_

CONTAINER = "VUKEY-BENCH"
"""In which key pairs are made; it is deleted afterwards."""
RANDOM_BYTES = 32
LEAST_MESSAGE = 128
"""Bytes of the shortest message, which is a text that every display key can show."""

_SIZE_OF_DIGEST = 32
_MESSAGE = (
    '<?xml version="1.0" encoding="utf-8"?><T><D><M><k>Test</k><v>vukey bench</v></M></D><E>{hidden}</E></T>'
)
_HIDDEN = "<M><k>{number:02}</k><v>{filler}</v></M>"
_LONGEST_ITEM = 600


class LastTryError(HostError):
    """A PIN that is wrong would lock the key."""

    exit_code = Exit.PIN_LOCKED


class ContainerTakenError(HostError):
    """The container for key pairs is there already, with what somebody else keeps in it."""

    exit_code = Exit.ALREADY_EXISTS


class Login:
    """The right PIN, once or before each operation.

    :param each_time: the key forgets the login after each signature.
    """

    def __init__(self, application: Application, pin: str) -> None:
        self._application = application
        self._pin = pin
        self.each_time = False

    def verify(self) -> None:
        """Verify it."""
        self._application.verify_pin(self._pin)

    def end(self) -> None:
        """Log out."""
        self._application.log_out()


def log_in(application: Application, pin: str) -> Login:
    """The first login: if the PIN is wrong, the only try that is lost.

    :raises LastTryError: it would be the last one.
    """
    left = application.pin_facts().left
    if left == 1:
        raise LastTryError(
            N_("one try is left for the PIN, and this does not risk it; try it with: vukey host pin verify")
        )
    login = Login(application, pin)
    login.verify()
    return login


class Job(ABC):
    """One operation. As a context manager it leaves the key as it was.

    :param may_ask: whether a key may have a person press OK for it.
    """

    usual_count = 100
    may_ask = False

    def __init__(self, subject: Subject, login: Login | None = None) -> None:
        self.subject = subject
        self.login = login

    def __enter__(self) -> Self:
        return self

    def __exit__(  # noqa: B027  # nothing to do, unless it has made something
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def prepare(self) -> None:
        """What comes before each time and is not measured."""
        if self.login and self.login.each_time:
            self.login.verify()

    @abstractmethod
    def act(self) -> None:
        """What is measured."""


class Signing(Job):
    """Signatures of something new each time.

    :param size: bytes of the message; 0: a ready digest.
    """

    may_ask = True

    def __init__(self, container: Container, facts: ContainerFacts, login: Login | None, size: int) -> None:
        source, bytes_ = ("message", size) if size else ("digest", _SIZE_OF_DIGEST)
        super().__init__(Subject("sign", algorithm_name(facts), facts.name, source, bytes_), login)
        self._container, self._facts = container, facts
        self._source = SignInput.MESSAGE if size else SignInput.DIGEST
        self._size = size
        self._data = b""

    def with_message(self, size: int) -> Signing:
        """The same of a message of so many bytes."""
        return Signing(self._container, self._facts, self.login, size)

    def prepare(self) -> None:
        """See `Job.prepare`."""
        super().prepare()
        self._data = message(self._size) if self._size else digest()

    def act(self) -> None:
        """See `Job.act`."""
        self._container.sign(self._data, self._source)


class VerifyingPin(Job):
    """Logins with the right PIN. Each writes to the key's memory, so there are not many."""

    usual_count = 20
    may_ask = True

    def __init__(self, login: Login) -> None:
        super().__init__(Subject("verify-pin"))
        self._login = login

    def prepare(self) -> None:
        """See `Job.prepare`."""
        self._login.end()

    def act(self) -> None:
        """See `Job.act`."""
        self._login.verify()


class Drawing(Job):
    """Random bytes of the key's own."""

    def __init__(self, token: Token) -> None:
        super().__init__(Subject("random", size=RANDOM_BYTES))
        self._token = token

    def act(self) -> None:
        """See `Job.act`."""
        self._token.random(RANDOM_BYTES)


class Generating(Job):
    """New key pairs, each in a container of its own that is deleted afterwards."""

    usual_count = 5

    def __init__(self, application: Application, algorithm: Algorithm, bits: int, login: Login) -> None:
        name = "SM2" if algorithm is Algorithm.SM2 else f"RSA-{bits}"
        super().__init__(Subject("generate", name), login)
        self._application = application
        self._algorithm, self._bits = algorithm, bits
        self._made: list[Container] = []

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._delete()
            return
        with suppress(HostError):  # what broke it off is said, and may be that the key is gone
            self._delete()

    def prepare(self) -> None:
        """See `Job.prepare`.

        :raises ContainerTakenError: there is one of that name, which is not ours.
        """
        super().prepare()
        self._delete()
        try:
            self._made.append(self._application.create_container(CONTAINER))
        except AlreadyExistsError:
            raise ContainerTakenError(
                N_("the key has a container {name} already, and nothing is deleted that was there before"),
                name=CONTAINER,
            ) from None

    def act(self) -> None:
        """See `Job.act`."""
        self._made[-1].generate(self._algorithm, self._bits)

    def _delete(self) -> None:
        while self._made:
            self._made.pop()
            self._application.delete_container(CONTAINER)


def algorithm_name(facts: ContainerFacts) -> str:
    """Such as RSA-2048, or SM2."""
    return "SM2" if facts.algorithm is Algorithm.SM2 else f"{facts.type}-{facts.bits}"


def digest() -> bytes:
    """A ready digest of nothing that anybody has a use for."""
    return hashlib.sha256(b"vukey bench" + secrets.token_bytes(16)).digest()


def message(size: int) -> bytes:
    """A text that display keys show, and that pays nobody: what fills it up is signed and not shown (E part).

    :param size: bytes, `LEAST_MESSAGE` or more.
    """
    room = size - len(_MESSAGE.format(hidden=""))
    items = math.ceil(room / _LONGEST_ITEM)
    pieces = (_hidden(number, (room + number) // items) for number in range(items))
    return _MESSAGE.format(hidden="".join(pieces)).encode()


def _hidden(number: int, size: int) -> str:
    filler = size - len(_HIDDEN.format(number=number, filler=""))
    return _HIDDEN.format(number=number, filler=secrets.token_hex(filler)[:filler])
