"""Application commands of GM/T 0017 §9.3."""

from __future__ import annotations

from emulator.firmware.applets.gmt.pins import acceptable, is_initial
from emulator.firmware.applets.gmt.table import HANDLE, Call, Need, Table
from emulator.firmware.catalogue import Application
from emulator.firmware.core import Core
from emulator.firmware.refused import Refused
from protocols.fields import LayoutError, NameLayoutError, encode_names, parse_name
from protocols.gmt import ApplicationInfo, Ins, NewApplication, PinType
from protocols.sw import SW

TABLE = Table()

_MAX_TRIES = 15  # a status word 63Cx has one nibble for them
_MAX_APPLICATIONS = 16
"""How many applications a key holds (assumed)."""


@TABLE.command(
    Ins.CREATE_APPLICATION,
    Need.DEVICE_AUTH,
    lc=(1, None),
    answers=(SW.WRONG_LENGTH, SW.WRONG_DATA, SW.ALREADY_EXISTS, SW.NO_ROOM),
    secret=True,
)
def create_application(core: Core, call: Call) -> bytes:
    """CreateApplication: names, PINs and limits; it answers nothing and opens nothing."""
    try:
        new = NewApplication.decode(call.body, core.dialect)
    except NameLayoutError:
        raise Refused(SW.WRONG_DATA) from None
    except LayoutError:
        raise Refused(SW.WRONG_LENGTH) from None
    _check_new_application(core, new)
    application = Application(
        core.catalogue.free_application_id(),
        new.name,
        new.create_file_rights,
        min(new.max_containers, core.profile.max_containers),
        min(new.max_certificates, core.profile.max_certificates),
        min(new.max_files, core.profile.max_files),
    )
    with core.change() as transaction:
        core.catalogue.put_application(transaction, application)
        for pin_type, pin, tries in (
            (PinType.ADMIN, new.admin_pin, new.admin_tries),
            (PinType.USER, new.user_pin, new.user_tries),
        ):
            slot = application.pin_slots[pin_type]
            initial = is_initial(core, pin_type, pin)
            core.secure_element.set_pin(transaction, slot, pin, tries, initial=initial)
    return b""


def _check_new_application(core: Core, new: NewApplication) -> None:
    user_pin_ok = is_initial(core, PinType.USER, new.user_pin) or acceptable(core, PinType.USER, new.user_pin)
    pins_ok = user_pin_ok and acceptable(core, PinType.ADMIN, new.admin_pin)
    tries_ok = all(1 <= tries <= _MAX_TRIES for tries in (new.admin_tries, new.user_tries))
    if not (new.name and pins_ok and tries_ok):
        raise Refused(SW.WRONG_DATA)
    if new.name in core.catalogue.applications:
        raise Refused(SW.ALREADY_EXISTS)
    if len(core.catalogue.applications) >= _MAX_APPLICATIONS:
        raise Refused(SW.NO_ROOM)


def _by_name(core: Core, call: Call) -> Application:
    try:
        return core.catalogue.applications[parse_name(call.body)]
    except (KeyError, LayoutError):
        raise Refused(SW.NOT_FOUND) from None


@TABLE.command(Ins.ENUM_APPLICATION)
def enum_application(core: Core, call: Call) -> bytes:
    """EnumApplication: the names."""
    return encode_names(core.catalogue.applications)


@TABLE.command(Ins.DELETE_APPLICATION, Need.DEVICE_AUTH, lc=(1, None), answers=(SW.NOT_FOUND,))
def delete_application(core: Core, call: Call) -> bytes:
    """DeleteApplication: with all its containers, keys, certificates and PINs."""
    application = _by_name(core, call)
    with core.change() as transaction:
        core.catalogue.delete_tree(transaction, application.path)
    core.session.log_out(application)
    core.session.close_application(application)
    return b""


@TABLE.command(Ins.OPEN_APPLICATION, lc=(1, None), answers=(SW.NOT_FOUND,))
def open_application(core: Core, call: Call) -> bytes:
    """OpenApplication: limits and a handle."""
    application = _by_name(core, call)
    return ApplicationInfo(
        application.create_file_rights,
        application.max_containers,
        application.max_certificates,
        application.max_files,
        core.session.open_application(application),
    ).encode(core.dialect)


@TABLE.command(Ins.CLOSE_APPLICATION, Need.APPLICATION, lc=HANDLE)
def close_application(core: Core, call: Call) -> bytes:
    """CloseApplication: its handles die, and its login unless the profile keeps it until removal (E8)."""
    core.session.close_application(call.application)
    if core.profile.pin.user.cache != "until-removal":
        core.session.log_out(call.application)
    return b""
