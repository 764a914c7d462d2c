"""Which keys there are, and opening the one that ``--token`` means."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from hostdriver.errors import HostError, KeyBusyError, MissingComponentError, NoKeyError, SeveralKeysError
from hostdriver.gmt import GmtSession
from hostdriver.transport import Transport, pcsc
from hostdriver.transport.unix_socket import SocketTransport, running_keys
from protocols.errors import VukeyError
from protocols.gmt import DeviceInfo
from protocols.i18n import N_


class TokenError(HostError):
    """``--token`` says something that we do not know."""


@dataclass(frozen=True, slots=True)
class Token:
    """A way to a key.

    :param name: as ``--token`` takes it.
    :param serial: empty where a busy key in a reader does not say it.
    :param info: what the key says of itself; None while another program has it.
    """

    name: str
    serial: str
    info: DeviceInfo | None
    open: Callable[[], Transport]


def find_tokens() -> list[Token]:
    """Every key found, virtual ones on their sockets first; a key may be reachable in two ways."""
    found = _sockets()
    with suppress(MissingComponentError, NoKeyError):  # no pyscard, or no pcscd: then there are no readers
        found += _readers()
    return found


def open_session(spec: str | None) -> GmtSession:
    """A session with the key that ``--token`` names; without a name, with the one key found.

    :raises NoKeyError: none found, or none of that name.
    :raises SeveralKeysError: several; the message lists them.
    :raises TokenError: no such kind of token.
    """
    kind, _, name = (spec or "").partition(":")
    if kind == "socket" and "/" in name:
        return GmtSession(SocketTransport.open(name))
    finders = {"": find_tokens, "pcsc": _readers, "socket": _sockets}
    if kind not in finders:
        raise TokenError(
            N_("--token {spec}: expected pcsc, pcsc:READER, socket, socket:SERIAL or socket:PATH"), spec=spec
        )
    matching = [token for token in finders[kind]() if name in token.name.partition(":")[2]]
    exact = [token for token in matching if token.name == spec]
    return GmtSession(_the_one(exact or matching, spec).open())


def _the_one(tokens: list[Token], spec: str | None) -> Token:
    """The only key among these; two ways to one key count as one."""
    if not tokens:
        if spec:
            raise NoKeyError(N_("no key at {spec}; see: vukey host list"), spec=spec)
        raise NoKeyError(
            N_("no key found: plug one in, or start a virtual one: vukey up --profile bocom-2g-tendyron")
        )
    if len({token.serial for token in tokens if token.serial}) > 1:
        names = ", ".join(token.name for token in tokens)
        raise SeveralKeysError(N_("several keys found; choose one with --token: {names}"), names=names)
    return tokens[0]


def _sockets() -> list[Token]:
    tokens = []
    for key in running_keys():
        name = f"socket:{key.serial}"
        opener = partial(SocketTransport.open, str(key.socket), name)
        try:
            tokens.append(Token(name, key.serial, _ask(opener), opener))
        except KeyBusyError:
            tokens.append(Token(name, key.serial, None, opener))
        except VukeyError:  # it has just gone, or something else listens there
            continue
    return tokens


def _readers() -> list[Token]:
    """Cards in readers that answer GetDevInfo; others are no keys of ours."""
    tokens = []
    for reader in pcsc.readers_with_a_card():
        opener = partial(pcsc.PcscTransport.open, reader)
        name = f"pcsc:{reader}"
        try:
            info = _ask(opener)
            tokens.append(Token(name, info.serial, info, opener))
        except KeyBusyError:
            tokens.append(Token(name, "", None, opener))
        except VukeyError:
            continue
    return tokens


def _ask(opener: Callable[[], Transport]) -> DeviceInfo:
    with GmtSession(opener()) as session:
        return session.device_info()
