"""VerifyPIN and ChangePIN with the PIN typed on the key's own keypad.

Everything is asked before the comparison: who cancels half-way loses no try.
"""

from __future__ import annotations

from emulator.firmware.applets.gmt import pins
from emulator.firmware.applets.gmt.table import HANDLE, Call
from emulator.firmware.catalogue import Application
from emulator.firmware.confirm import Ask, Waiting
from emulator.firmware.core import Core
from emulator.firmware.decisions import require_press
from emulator.firmware.pin_entry import PinEntry
from emulator.firmware.refused import Refused
from protocols.apdu import Command
from protocols.gmt import PIN_FIELD, Ins, PinType
from protocols.sw import SW


def command_of(entry: PinEntry) -> Ins:
    """Which command an entry's APDU has to be."""
    return Ins.CHANGE_PIN if entry.change else Ins.VERIFY_PIN


def blank(command: Command, size: int) -> Command:
    """The command as long as its checks want it, with nothing after the handle."""
    return command._replace(data=command.data[:HANDLE].ljust(size, b"\0"))


def enter(core: Core, call: Call, entry: PinEntry) -> Waiting:
    """Ask for what the entry wants, and carry it out.

    :raises Refused: 63Cx and 6983 as the command itself; 6FF0, 6FF1, 6982, 6A80; 6402: the new PINs differ.
    """
    pin_type = PinType(call.command.p2)
    slot = call.application.pin_slots[pin_type]
    _, left = core.secure_element.tries(slot)
    if not left:
        raise Refused(SW.PIN_LOCKED)
    if entry.change:
        return _change(core, call.application, pin_type, slot, entry)
    return _verify(core, call.application, pin_type, slot, entry)


def _verify(core: Core, application: Application, pin_type: PinType, slot: str, entry: PinEntry) -> Waiting:
    core.session.log_out(application, pin_type)
    yield from pins.press_when_few_tries_are_left(core, slot, pin_type)
    typed = yield from _typed(core, core.texts.enter_pin, entry)
    core.secure_element.check_pin(slot, typed)
    core.secure_element.restore_tries(slot)
    core.session.log_in(application, pin_type)
    return b""


def _change(core: Core, application: Application, pin_type: PinType, slot: str, entry: PinEntry) -> Waiting:
    logged_in = core.session.logged_in(application, pin_type)
    if not (entry.ask_old or logged_in):
        raise Refused(SW.NOT_LOGGED_IN)
    old = b""
    if entry.ask_old:
        yield from pins.press_when_few_tries_are_left(core, slot, pin_type)
        old = yield from _typed(core, core.texts.present_pin, entry)
    new = yield from _new_pin(core, entry)
    if entry.ask_old:
        core.session.log_out(application, pin_type)
        core.secure_element.check_pin(slot, old)
    pins.accept(core, application, pin_type, new, slot)
    if logged_in:
        core.session.log_in(application, pin_type)
    return b""


def _new_pin(core: Core, entry: PinEntry) -> Waiting:
    new = yield from _typed(core, core.texts.new_pin, entry)
    if entry.confirm:
        again = yield from _typed(core, core.texts.new_pin_again, entry)
        if again != new:
            yield Ask(core.texts.pins_differ)
            raise Refused(SW.NEW_PINS_DIFFER)
    return new


def _typed(core: Core, title: str, entry: PinEntry) -> Waiting:
    most = min(entry.most, max(core.profile.pin.user.max, PIN_FIELD))
    fewest = min(max(entry.fewest, 1), most)
    return (yield from require_press(Ask(title, digits=most, least=fewest, within_s=entry.within_s)))
