"""One command at a time: what every part of a GM/T 0017 session stands on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Concatenate, ParamSpec, TypeVar

from hostdriver.errors import (
    AnswerError,
    ApduFailedError,
    NoSuchCommandError,
    StatusError,
    VerificationFailedError,
    error_for,
)
from hostdriver.transport import Transport
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


class Wire:
    """A transport and the dialect that the key at its end speaks.

    :param transport: open already.
    :param dialect: how the key's maker reads the standard.
    """

    def __init__(self, transport: Transport, dialect: Dialect = DEFAULT) -> None:
        self.transport = transport
        self.dialect = dialect
        self._is_idle = True
        self._logins: set[bytes] = set()
        self._is_issuer = False

    def log_out(self) -> None:
        """End what this session has unlocked (E8): ClearSecureState; after DevAuth a reset, as no command ends that.

        A key that is gone, is silent or still has a command is not asked; what it refuses is passed over.
        """
        logins, is_issuer = self._logins, self._is_issuer
        self._logins, self._is_issuer = set(), False
        if not self._is_idle:
            return
        with suppress(VukeyError):
            if is_issuer:
                self.transport.reset()
                return
            for handle in logins:
                with suppress(StatusError, ApduFailedError):  # of a handle that has died before its session
                    self.send(Ins.CLEAR_SECURE_STATE, handle)

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
                piece, sw = parse_response(self._exchange(apdu))
            except ProtocolError as error:
                raise AnswerError(error.message, **error.values) from error
            answer += piece
            if sw == SW.OK:
                return answer
            if sw != SW.MORE_DATA:
                raise error_for(self.dialect.meaning(sw))
        raise AnswerError(N_("the key's answer does not end"))

    def _exchange(self, apdu: bytes) -> bytes:
        self._is_idle = False  # and so it stays when no answer comes
        answer = self.transport.exchange(apdu)
        self._is_idle = True
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
