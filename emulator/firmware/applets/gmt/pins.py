"""PIN commands of GM/T 0017 §9.2: the counter goes down before every comparison (E4)."""

from __future__ import annotations

from emulator.firmware.applets.gmt.table import HANDLE, Call, Need, Table
from emulator.firmware.catalogue import Application
from emulator.firmware.confirm import Ask, Waiting
from emulator.firmware.core import Core
from emulator.firmware.decisions import require_press
from emulator.firmware.refused import Refused
from emulator.profiles import is_weak_pin
from protocols import pin
from protocols.gmt import LONG_PIN_FIELD, PIN_FIELD, Ins, PinInfo, PinType
from protocols.sw import SW

TABLE = Table()

_TYPES = tuple(PinType)
_NEW_PIN = (HANDLE + PIN_FIELD, HANDLE + LONG_PIN_FIELD + pin.MAC_LENGTH)
_FAILURES = (SW.NO_CHALLENGE, SW.PIN_WRONG, SW.PIN_LOCKED)
_REFUSED_NEW_PIN = (*_FAILURES, SW.NOT_LOGGED_IN, SW.WRONG_LENGTH, SW.WRONG_DATA)


@TABLE.command(Ins.GET_PIN_INFO, Need.APPLICATION, p2=_TYPES, lc=HANDLE)
def get_pin_info(core: Core, call: Call) -> bytes:
    """GetPINInfo: tries at most, tries left, whether it is the initial PIN."""
    pin_type = PinType(call.command.p2)
    tries, left = core.secure_element.tries(call.application.pin_slots[pin_type])
    return PinInfo(tries, left, core.pin_is_initial(call.application, pin_type)).encode()


@TABLE.command(
    Ins.VERIFY_PIN,
    Need.APPLICATION,
    p2=_TYPES,
    lc=HANDLE + pin.BLOCK_LENGTH,
    answers=(*_FAILURES, SW.CANCELLED, SW.TIMED_OUT),
    secret=True,
)
def verify_pin(core: Core, call: Call) -> Waiting:
    """VerifyPIN: with few tries left a press comes first, and a refused press costs no try (E5)."""
    challenge = _challenge(core)
    pin_type = PinType(call.command.p2)
    slot = call.application.pin_slots[pin_type]
    core.session.log_out(call.application, pin_type)
    yield from press_when_few_tries_are_left(core, slot, pin_type)
    core.secure_element.verify_pin(slot, challenge, call.body, core.dialect.pin_block)
    core.session.log_in(call.application, pin_type)
    return b""


def press_when_few_tries_are_left(core: Core, slot: str, pin_type: PinType) -> Waiting:
    """With few tries left a press comes before the next one (E5).

    :raises Refused: cancelled or timed out.
    """
    _, left = core.secure_element.tries(slot)
    limit = core.profile.pin.user.extra_press_at
    if pin_type is PinType.USER and core.has_confirm and 0 < left <= limit:
        text = f"{core.texts.pin_tries}{left}"
        yield from require_press(Ask(text, presses=1))
    return b""


@TABLE.command(
    Ins.CHANGE_PIN,
    Need.APPLICATION,
    mac=True,
    p2=_TYPES,
    lc=_NEW_PIN,
    answers=(*_REFUSED_NEW_PIN, SW.CANCELLED, SW.TIMED_OUT),
    secret=True,
)
def change_pin(core: Core, call: Call) -> Waiting:
    """ChangePIN: the new PIN enciphered and MACed under the old one; a failure ends the login.

    With few tries left a press comes first, as for VerifyPIN: it is a try as well (E5). In a dialect without a MAC
    it is none, for the PIN was verified before (G10), and a failure ends no login.
    """
    _check_new_pin_length(core, call)
    pin_type = PinType(call.command.p2)
    slot = call.application.pin_slots[pin_type]
    logged_in = core.session.logged_in(call.application, pin_type)
    if _has_mac(core):
        challenge = _challenge(core)
        yield from press_when_few_tries_are_left(core, slot, pin_type)
        core.session.log_out(call.application, pin_type)
        _check_mac(core, call, slot, challenge)
    elif not logged_in:
        raise Refused(SW.NOT_LOGGED_IN)
    accept(core, call.application, pin_type, _new_pin(core, call, slot), slot)
    if logged_in:
        core.session.log_in(call.application, pin_type)
    return b""


@TABLE.command(
    Ins.UNBLOCK_PIN,
    Need.APPLICATION,
    mac=True,
    lc=_NEW_PIN,
    answers=_REFUSED_NEW_PIN,
    secret=True,
)
def unblock_pin(core: Core, call: Call) -> bytes:
    """UnblockPIN: a new user PIN under the administrator's; it logs nobody in, and a failure ends that login."""
    _check_new_pin_length(core, call)
    slot = call.application.pin_slots[PinType.ADMIN]
    logged_in = core.session.logged_in(call.application, PinType.ADMIN)
    if _has_mac(core):
        challenge = _challenge(core)
        core.session.log_out(call.application, PinType.ADMIN)
        _check_mac(core, call, slot, challenge)
    elif not logged_in:
        raise Refused(SW.NOT_LOGGED_IN)
    accept(core, call.application, PinType.USER, _new_pin(core, call, slot), slot, by_bank=True)
    core.session.log_out(call.application, PinType.USER)
    if logged_in:
        core.session.log_in(call.application, PinType.ADMIN)
    return b""


@TABLE.command(Ins.CLEAR_SECURE_STATE, Need.APPLICATION, lc=HANDLE)
def clear_secure_state(core: Core, call: Call) -> bytes:
    """ClearSecureState: the application's PINs are verified no longer."""
    core.session.log_out(call.application)
    return b""


def _challenge(core: Core) -> bytes:
    challenge = core.session.take_challenge(pin.CHALLENGE_LENGTH)
    if challenge is None:
        raise Refused(SW.NO_CHALLENGE)
    return challenge


def _check_new_pin_length(core: Core, call: Call) -> None:
    widths = (PIN_FIELD, LONG_PIN_FIELD) if core.profile.pin.user.max > PIN_FIELD else (PIN_FIELD,)
    if len(call.body) - pin.mac_length(core.dialect) not in widths:
        raise Refused(SW.WRONG_LENGTH)


def _has_mac(core: Core) -> bool:
    return pin.mac_length(core.dialect) > 0


def _check_mac(core: Core, call: Call, slot: str, challenge: bytes) -> None:
    """The MAC covers the handle too; its key is the slot's PIN."""
    data, header = call.command.data, call.command.header
    end = len(data) - pin.MAC_LENGTH
    core.secure_element.check_mac(slot, challenge, header, data[:end], data[end:], core.dialect)


def _new_pin(core: Core, call: Call, slot: str) -> bytes:
    """The new PIN out of a command; it is enciphered under the slot's PIN."""
    cipher = call.body[: len(call.body) - pin.mac_length(core.dialect)]
    return core.secure_element.decipher(slot, cipher).rstrip(b"\0")


def accept(
    core: Core,
    application: Application,
    pin_type: PinType,
    new_pin: bytes,
    opened_by: str,
    *,
    by_bank: bool = False,
) -> None:
    """Store a new PIN; the slot that opened the command gets its tries back either way.

    :param by_bank: a branch resets a PIN to the initial one (B2, C6), weak as it is.
    :raises Refused: 6A80, the profile's rules do not take it.
    """
    back_to_initial = by_bank and is_initial(core, pin_type, new_pin)
    if not (back_to_initial or acceptable(core, pin_type, new_pin)):
        core.secure_element.restore_tries(opened_by)
        raise Refused(SW.WRONG_DATA)
    slot = application.pin_slots[pin_type]
    tries, _ = core.secure_element.tries(slot)
    with core.change() as transaction:
        core.secure_element.put_tries_back(transaction, opened_by)
        core.secure_element.set_pin(
            transaction, slot, new_pin, tries, initial=is_initial(core, pin_type, new_pin)
        )


def is_initial(core: Core, pin_type: PinType, new_pin: bytes) -> bool:
    """Whether a PIN is the one that the profile's keys leave the factory with."""
    rules = core.profile.pin
    return new_pin == (rules.user.initial if pin_type is PinType.USER else rules.admin.initial).encode()


def acceptable(core: Core, pin_type: PinType, new_pin: bytes) -> bool:
    """Whether the profile's rules take a new PIN: length (B2, C5, E6), and weakness where the key judges it."""
    rules = core.profile.pin.user
    if b"\0" in new_pin:
        return False  # padding would make it another PIN
    if pin_type is PinType.ADMIN:
        return bool(new_pin)
    return rules.min <= len(new_pin) <= rules.max and not (
        rules.weak == "refuse" and is_weak_pin(new_pin.decode("latin-1"))
    )
