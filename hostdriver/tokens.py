"""Which keys there are, and opening the one that ``--token`` means."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hostdriver.apdu_token import ApduToken
from hostdriver.errors import (
    Exit,
    HostError,
    KeyBusyError,
    MissingComponentError,
    NoKeyError,
    NotSupportedError,
    SeveralKeysError,
)
from hostdriver.gmt import GmtSession
from hostdriver.printable import printable
from hostdriver.token import Token, TokenInfo
from hostdriver.transport import Transport, pcsc, usb
from hostdriver.transport.ble_token import BleName, Nobody, Person
from hostdriver.transport.serial import SerialTransport
from hostdriver.transport.unix_socket import SocketTransport, run_files, running_keys
from protocols.dialect import DEFAULT, Dialect, DialectError, dialect_named
from protocols.errors import VukeyError
from protocols.gmt import DeviceInfo
from protocols.i18n import N_


class TokenError(HostError):
    """``--token`` or ``--dialect`` says something that we do not know."""

    exit_code = Exit.USAGE


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A way to a key.

    :param name: as ``--token`` takes it.
    :param serial: empty where a busy key in a reader does not say it.
    :param info: what the key says of itself; None while another program has it.
    """

    name: str
    serial: str
    info: DeviceInfo | None
    open: Callable[[], Transport]


def find_tokens() -> tuple[list[FoundKey], HostError | None]:
    """Every key found, virtual ones on their sockets first; a key may be reachable in two ways.

    Of those on USB only what nobody else has claimed; without pyusb, none. Of serial lines only the pseudo-terminals
    of virtual keys that have no socket: a port is never asked unless it is named. Without pyserial, none. Nor is a key
    looked for by Bluetooth.

    :returns: the keys, and why PC/SC could not be asked (no pyscard, no pcscd), None where it was.
    """
    found = _sockets()
    with suppress(MissingComponentError):
        found += _lines()
    trouble: HostError | None = None
    try:
        found += _readers()
    except (MissingComponentError, NoKeyError) as error:
        trouble = error
    with suppress(MissingComponentError):
        found += _usb_keys()
    return found, trouble


NOBODY = Nobody()
_LIBRARIES = ("skf", "pkcs11")


def open_session(spec: str | None, dialect: str | None = None, person: Person = NOBODY) -> GmtSession:
    """A session with the key that ``--token`` names; without a name, with the one key found.

    :param dialect: how its maker reads GM/T 0017; None: what a virtual key says, for any other key the default.
    :param person: who compares numbers when a key is paired by Bluetooth.
    :raises NoKeyError: none found, or none of that name.
    :raises SeveralKeysError: several; the message lists them.
    :raises NotSupportedError: a library's key, which has no session of ours.
    :raises TokenError: no such kind of token, no such dialect.
    """
    if spec and spec.partition(":")[0] in _LIBRARIES:
        raise NotSupportedError(
            N_("{spec}: libraries do not pass this on; name the key itself, such as pcsc:READER"), spec=spec
        )
    wanted = _named(dialect) if dialect else None
    session = GmtSession(_open(spec, person))
    try:
        session.dialect = wanted or _dialect_of(session)
    except BaseException:
        session.transport.close()
        raise
    return session


def open_token(spec: str | None, dialect: str | None = None, person: Person = NOBODY) -> Token:
    """The key that ``--token`` names, by whatever way: also ``skf:LIBRARY[:KEY]`` and ``pkcs11:MODULE[:LABEL]``.

    :param dialect: as for `open_session`; of an SKF library, its maker's habits. PKCS#11 modules have none.
    :raises MissingComponentError: what reaches such keys is not installed.
    :raises NoKeyError, SeveralKeysError, TokenError: as `open_session`.
    """
    kind, _, name = (spec or "").partition(":")
    _check_library(kind, name)
    if kind == "skf":
        from hostdriver import skf

        return skf.open_token(name, dialect)
    if kind == "pkcs11":
        from hostdriver import pkcs11

        return pkcs11.open_token(name)
    return ApduToken(open_session(spec, dialect, person))


def library_keys(spec: str, dialect: str | None = None) -> list[TokenInfo]:
    """Every key that a library finds: ``skf:LIBRARY`` or ``pkcs11:MODULE``.

    :raises TokenError: neither.
    """
    kind, _, name = spec.partition(":")
    _check_library(kind, name)
    if kind == "skf":
        from hostdriver import skf

        return skf.list_tokens(name, dialect)
    if kind == "pkcs11":
        from hostdriver import pkcs11

        return pkcs11.list_tokens(name)
    raise TokenError(N_("--token {spec}: expected skf:LIBRARY or pkcs11:MODULE"), spec=spec)


def _check_library(kind: str, name: str) -> None:
    if kind in _LIBRARIES and not name:
        raise TokenError(N_("--token {kind}: names no library: {kind}:/path/to/library.so"), kind=kind)


def _named(dialect: str) -> Dialect:
    try:
        return dialect_named(dialect)
    except DialectError as error:
        raise TokenError(error.message, **error.values) from None


def _dialect_of(session: GmtSession) -> Dialect:
    """A virtual key's, by whatever way it was reached; the key is asked only if one of them has its own."""
    own = {key.serial: key.dialect for key in run_files() if key.dialect != DEFAULT.name}
    return dialect_named(own.get(session.device_info().serial, DEFAULT.name)) if own else DEFAULT


def _open(spec: str | None, person: Person) -> Transport:
    if not spec:
        found, trouble = find_tokens()
        if not found and trouble:
            raise nothing_found(trouble)
        return _the_one(found, None).open()
    kind, _, name = spec.partition(":")
    if kind == "socket" and "/" in name:
        return SocketTransport.open(name)
    if kind == "serial" and name:
        return SerialTransport.open(name)
    if usb_name := usb.UsbName.parse(spec):
        return usb.find_one(usb_name).open()
    if ble_name := BleName.parse(spec):
        return ble_name.open(person)
    finders = {"pcsc": _readers, "serial": _lines, "socket": _sockets, "usb": _usb_keys}
    if kind not in finders or (kind == "usb" and name):
        raise TokenError(
            N_(
                "--token {spec}: expected ble:SERIAL, ble:SERIAL@ADAPTER, pcsc, pcsc:READER, pkcs11:MODULE[:LABEL], "
                "serial, serial:PATH, skf:LIBRARY[:KEY], socket, socket:SERIAL, socket:PATH, usb, usb:VID:PID or "
                "usb:VID:PID:SERIAL"
            ),
            spec=spec,
        )
    if kind == "usb" and len(readers := usb.find_readers()) == 1:
        return readers[0].open()  # unasked, so that it says itself why it cannot be had
    found = finders[kind]()
    exact = [token for token in found if token.name == spec]
    # A part of a reader's long name will do; a serial number is meant whole.
    similar = [token for token in found if not name or (kind == "pcsc" and name in token.name)]
    return _the_one(exact or similar, spec).open()


def nothing_found(trouble: HostError) -> NoKeyError:
    """No key anywhere, and PC/SC could not even be asked."""
    return NoKeyError(
        N_(
            "no key found, and PC/SC cannot be asked: {trouble}. "
            "Without it, start a virtual key: vukey up --profile bocom-2g-tendyron --link socket"
        ),
        trouble=trouble,
    )


def _the_one(tokens: list[FoundKey], spec: str | None) -> FoundKey:
    """The only key among these; two ways to one key count as one."""
    if not tokens:
        if spec:
            raise NoKeyError(N_("no key at {spec}; see: vukey host list"), spec=spec)
        raise NoKeyError(
            N_("no key found: plug one in, or start a virtual one: vukey up --profile bocom-2g-tendyron")
        )
    if len({token.serial or token.name for token in tokens}) > 1:
        names = printable(", ".join(token.name for token in tokens))
        raise SeveralKeysError(N_("several keys found; choose one with --token: {names}"), names=names)
    return tokens[0]


def _sockets() -> list[FoundKey]:
    tokens = []
    for key in running_keys():
        name = f"socket:{key.serial}"
        opener = partial(SocketTransport.open, str(key.socket), name)
        try:
            tokens.append(FoundKey(name, key.serial, _ask(opener), opener))
        except KeyBusyError:
            tokens.append(FoundKey(name, key.serial, None, opener))
        except VukeyError:  # it has just gone, or something else listens there
            continue
    return tokens


def _lines() -> list[FoundKey]:
    """Virtual keys of this user that have a pseudo-terminal and no socket; what has just gone is left out.

    :raises MissingComponentError: pyserial is not installed.
    """
    tokens = []
    for name, serial in _pseudo_terminals():
        opener = partial(SerialTransport.open, name.removeprefix("serial:"))
        try:
            tokens.append(FoundKey(name, serial, _ask(opener), opener))
        except KeyBusyError:
            tokens.append(FoundKey(name, serial, None, opener))
        except MissingComponentError:
            raise
        except VukeyError:
            continue
    return tokens


def _pseudo_terminals() -> Iterator[tuple[str, str]]:
    """Names and serial numbers. A killed key's may be somebody's terminal by now: only a living one's is touched."""
    for key in run_files():
        for link in key.links:
            is_own = link.startswith("serial:") and link.endswith(f"/{key.serial}.tty")
            if is_own and not key.socket and Path("/proc", str(key.pid)).exists():
                yield link, key.serial


def _readers() -> list[FoundKey]:
    """Cards in readers that answer GetDevInfo; others are no keys of ours."""
    tokens = []
    for reader in pcsc.readers_with_a_card():
        opener = partial(pcsc.PcscTransport.open, reader)
        name = f"pcsc:{reader}"
        try:
            info = _ask(opener)
            tokens.append(FoundKey(name, info.serial, info, opener))
        except KeyBusyError:
            tokens.append(FoundKey(name, "", None, opener))
        except VukeyError:
            continue
    return tokens


def _usb_keys() -> list[FoundKey]:
    """Keys on USB that nobody has claimed, not even the kernel, and that answer GetDevInfo."""
    tokens = []
    for key in usb.find_readers():
        try:
            info = _ask(key.open)
        except VukeyError:  # also what another program has: it is there in that one's way
            continue
        tokens.append(FoundKey(str(key.name), info.serial, info, key.open))
    return tokens


def _ask(opener: Callable[[], Transport]) -> DeviceInfo:
    with GmtSession(opener()) as session:
        return session.device_info()
