"""The private activation command (A5, A6; assumed): a code that the bank sent, asked for by the key itself.

Mode `keypad`: typed on the key. Mode `host`: handed over by a program. Mode `bank`: the key does not know the
command. The record belongs to the container's certificate: importing another one drops it.
"""

from __future__ import annotations

import hmac
import json
from dataclasses import asdict, dataclass

from emulator.firmware.applets.gmt.table import HANDLE, Call, Need, Table
from emulator.firmware.catalogue import Container
from emulator.firmware.confirm import Ask, Waiting
from emulator.firmware.core import Core
from emulator.firmware.decisions import require_press
from emulator.firmware.refused import Refused
from protocols.fields import LayoutError
from protocols.gmt import ActivationAction, ActivationVerifier, Ins, KeyUse
from protocols.sm2 import sm3
from protocols.sw import SW

TABLE = Table()

_MAX_TRIES = 15


@dataclass(frozen=True, slots=True)
class _Record:
    salt: str
    digest: str
    left: int

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode()


@TABLE.command(
    Ins.ACTIVATION,
    Need.APPLICATION,
    Need.CONTAINER,
    p1=tuple(ActivationAction),
    lc=(2 * HANDLE, None),
    answers=(
        SW.WRONG_LENGTH,
        SW.WRONG_DATA,
        SW.NOT_LOGGED_IN,
        SW.KEY_NOT_FOUND,
        SW.CONDITIONS_NOT_SATISFIED,
        SW.PIN_WRONG,
        SW.ACTIVATION_USED_UP,
        SW.CANCELLED,
        SW.TIMED_OUT,
        SW.INS_NOT_SUPPORTED,
    ),
    secret=True,
)
def activation(core: Core, call: Call) -> Waiting:
    """Activation: P1=00 state and tries left, 01 a code, 02 the keypad's code, 03 a new verifier (after DevAuth)."""
    mode = core.profile.activation
    if mode == "bank":
        raise Refused(SW.INS_NOT_SUPPORTED)
    action = ActivationAction(call.command.p1)
    if action is ActivationAction.STATUS:
        return _status(core, call)
    if action is ActivationAction.INSTALL:
        return _install(core, call)
    if (action is ActivationAction.KEYPAD) != (mode == "keypad"):
        raise Refused(SW.CONDITIONS_NOT_SATISFIED)
    _tries_left(core, call.container)
    code = call.body
    if mode == "keypad":
        code = yield from _from_keypad(core, call)
    _submit(core, call.container, code)
    return b""


def _status(core: Core, call: Call) -> bytes:
    if call.body:
        raise Refused(SW.WRONG_LENGTH)
    record = _read(core, call.container)
    return bytes((core.is_activated(call.container), record.left if record else 0))


def _install(core: Core, call: Call) -> bytes:
    if not core.session.device_authenticated:
        raise Refused(SW.NOT_LOGGED_IN)
    if not core.catalogue.has(call.container.certificate(KeyUse.SIGN)):
        raise Refused(SW.KEY_NOT_FOUND)
    try:
        verifier = ActivationVerifier.decode(call.body)
    except LayoutError:
        raise Refused(SW.WRONG_LENGTH) from None
    if not 1 <= verifier.tries <= _MAX_TRIES:
        raise Refused(SW.WRONG_DATA)
    record = _Record(verifier.salt.hex(), verifier.digest.hex(), verifier.tries)
    with core.change() as transaction:
        transaction.put(call.container.activation, record.encode())
        transaction.delete(call.container.activated_mark)
    return b""


def _from_keypad(core: Core, call: Call) -> Waiting:
    if call.body:
        raise Refused(SW.WRONG_LENGTH)
    ask = Ask(core.texts.enter_code, digits=core.profile.activation_code.length)
    return (yield from require_press(ask))


def _read(core: Core, container: Container) -> _Record | None:
    raw = core.catalogue.read(container.activation)
    return _Record(**json.loads(raw)) if raw else None


def _tries_left(core: Core, container: Container) -> _Record:
    """The record of a code that is waited for.

    :raises Refused: nothing to activate, or no tries left.
    """
    record = _read(core, container)
    if record is None:
        raise Refused(SW.CONDITIONS_NOT_SATISFIED)
    if not record.left:
        raise Refused(SW.ACTIVATION_USED_UP)
    return record


def _submit(core: Core, container: Container, code: bytes) -> None:
    """One try: counted down durably before the comparison, as with PINs (E4)."""
    record = _tries_left(core, container)
    left = record.left - 1
    with core.change() as transaction:
        transaction.put(container.activation, _Record(record.salt, record.digest, left).encode())
    if not hmac.compare_digest(sm3(bytes.fromhex(record.salt), code), bytes.fromhex(record.digest)):
        raise Refused(SW.PIN_WRONG | left)
    with core.change() as transaction:
        transaction.delete(container.activation)
        transaction.put(container.activated_mark, b"")
