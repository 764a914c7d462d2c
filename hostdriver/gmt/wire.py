"""One command at a time: what every part of a GM/T 0017 session stands on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from threading import get_ident
from typing import Concatenate, ParamSpec, TypeVar

from hostdriver.errors import AnswerError, NoSuchCommandError, VerificationFailedError, error_for
from hostdriver.transport import LeavesPower, Transport
from protocols.apdu import Command, encode_command, parse_response
from protocols.dialect import DEFAULT, Dialect
from protocols.errors import ProtocolError, VukeyError
from protocols.gmt import CLA_PLAIN, Ins
from protocols.i18n import N_
from protocols.sw import SW

ALL = 0x10000
"""Le for an answer of any length."""
_MAX_CHAIN = 64
"""Pieces of one long answer that we take before calling the key broken."""

Value = TypeVar("Value")
Rest = ParamSpec("Rest")
Asked = TypeVar("Asked")


class Wire:
    """A transport and the dialect that the key at its end speaks.

    :param transport: open already.
    :param dialect: how the key's maker reads the standard.
    """

    def __init__(self, transport: Transport, dialect: Dialect = DEFAULT) -> None:
        self.transport = transport
        self.dialect = dialect
        self._logins: set[bytes] = set()
        self._is_issuer = False
        self._askers: set[int] = set()
        self._unanswered = False

    def log_out(self) -> None:
        """End what this session has unlocked (E8), where the transport leaves the key its power.

        ClearSecureState; after DevAuth a reset, as no command ends that, and also after a command without an answer,
        which may have unlocked something. A key that still has a command, of another thread, is left alone.
        """
        logins, self._logins = self._logins, set()
        must_reset = self._is_issuer or self._unanswered
        self._is_issuer = self._unanswered = False
        if self._askers or not isinstance(self.transport, LeavesPower):
            return
        with suppress(VukeyError):
            if must_reset:
                self.transport.reset()
                return
            for handle in logins:
                command = Command(CLA_PLAIN, self.number(Ins.CLEAR_SECURE_STATE), 0, 0, handle)
                self.transport.last_words(encode_command(command))

    def number(self, ins: Ins) -> int:
        """The INS of a command.

        :raises NoSuchCommandError: keys of this dialect have no such command.
        """
        number = self.dialect.number(ins)
        if number is None:
            raise NoSuchCommandError(ins.name, self.dialect.name)
        return number

    def send(
        self,
        ins: Ins,
        data: bytes = b"",
        *,
        p1: int = 0,
        p2: int = 0,
        le: int | None = None,
        cla: int = CLA_PLAIN,
    ) -> bytes:
        """One command; the whole answer, however many pieces it comes in (6A9E).

        :raises NoSuchCommandError: keys of this dialect have no such command.
        :raises HostError: the typed error of any other status word.
        """
        apdu = encode_command(Command(cla, self.number(ins), p1, p2, data, le))
        answer = b""
        for _ in range(_MAX_CHAIN):
            try:
                piece, sw = parse_response(self._answered(self.transport.exchange, apdu))
            except ProtocolError as error:
                raise AnswerError(error.message, **error.values) from error
            answer += piece
            if sw == SW.OK:
                return answer
            if sw != SW.MORE_DATA:
                raise error_for(self.dialect.meaning(sw))
        raise AnswerError(N_("the key's answer does not end"))

    def _answered(self, ask: Callable[[Asked], bytes], asked: Asked) -> bytes:
        """What the key answers; that it was asked is known until then."""
        asker = get_ident()
        self._askers.add(asker)
        self._unanswered = True
        try:
            answer = ask(asked)
        finally:
            self._askers.discard(asker)
        self._unanswered = False
        return answer

    def finds_good(self, ins: Ins, data: bytes, *, p1: int = 0, p2: int = 0) -> bool:
        """What a command says that checks a signature.

        :raises HostError: as `send`, but for a signature that is wrong.
        """
        try:
            self.send(ins, data, p1=p1, p2=p2)
        except VerificationFailedError:
            return False
        return True


def decoded(
    decode: Callable[Concatenate[bytes, Rest], Value], raw: bytes, *rest: Rest.args, **named: Rest.kwargs
) -> Value:
    """An answer through its decoder; a layout error is the key's fault here.

    :raises AnswerError: the answer has another layout.
    """
    try:
        return decode(raw, *rest, **named)
    except ProtocolError as error:
        raise AnswerError(error.message, **error.values) from error
