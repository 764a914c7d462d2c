"""File commands of GM/T 0017 §9.4. The application's handle stands in P1 and P2, or begins the data (G27)."""

from __future__ import annotations

from emulator.firmware.applets.gmt.decoding import decoded
from emulator.firmware.applets.gmt.table import HANDLE, Call, Need, Table
from emulator.firmware.catalogue import Application, File
from emulator.firmware.core import Core
from emulator.firmware.refused import Refused
from protocols.fields import LayoutError, encode_names, parse_name
from protocols.gmt import Ins, PinType, Rights
from protocols.gmt.files import FileInfo, FilePiece, FilePlace, NewFile
from protocols.sw import SW

TABLE = Table()

_RIGHTS = (Rights.NEVER, Rights.ADMIN, Rights.USER, Rights.ADMIN | Rights.USER, Rights.ANYONE)
_HOLDERS = {Rights.ADMIN: PinType.ADMIN, Rights.USER: PinType.USER}
_CHANGE = (Need.APPLICATION, Need.ISSUER_OR_PIN_CHANGED)
_NOT_PERMITTED = (SW.NOT_LOGGED_IN, SW.CONDITIONS_NOT_SATISFIED)


def _check_rights(core: Core, application: Application, rights: int) -> None:
    """Who has one of the rights may go on.

    :raises Refused: 6982 while no such PIN is verified, 6985 where nobody has the right.
    """
    if rights == Rights.ANYONE:
        return
    holders = [pin_type for right, pin_type in _HOLDERS.items() if rights & right]
    if not holders:
        raise Refused(SW.CONDITIONS_NOT_SATISFIED)
    if not any(core.session.logged_in(application, pin_type) for pin_type in holders):
        raise Refused(SW.NOT_LOGGED_IN)


def _named(application: Application, name: str) -> File:
    try:
        return application.files[name]
    except KeyError:
        raise Refused(SW.NOT_FOUND) from None


def _by_name(call: Call) -> File:
    try:
        return _named(call.application, parse_name(call.body))
    except LayoutError:
        raise Refused(SW.WRONG_DATA) from None


@TABLE.command(
    Ins.CREATE_FILE,
    *_CHANGE,
    lc=(1, None),
    answers=(SW.WRONG_LENGTH, SW.WRONG_DATA, *_NOT_PERMITTED, SW.ALREADY_EXISTS, SW.NO_ROOM),
    handle_in_parameters=True,
)
def create_file(core: Core, call: Call) -> bytes:
    """CreateFile: zeros, as long as wished; who may depends on the application's right to create files."""
    name, info = decoded(core, NewFile.decode, call.body)
    if not name or not {info.read_rights, info.write_rights} <= set(_RIGHTS):
        raise Refused(SW.WRONG_DATA)
    _check_rights(core, call.application, call.application.create_file_rights)
    _check_room(core, call.application, name, info.size)
    file = core.catalogue.new_file(call.application, name, *info)
    with core.change() as transaction:
        core.catalogue.put_file(transaction, file)
    return b""


def _check_room(core: Core, application: Application, name: str, size: int) -> None:
    if name in application.files:
        raise Refused(SW.ALREADY_EXISTS)
    if len(application.files) >= min(application.max_files, core.profile.max_files):
        raise Refused(SW.NO_ROOM)
    if size > core.catalogue.free_space():
        raise Refused(SW.NO_ROOM)


@TABLE.command(
    Ins.DELETE_FILE,
    *_CHANGE,
    lc=(1, None),
    answers=(SW.WRONG_DATA, SW.NOT_FOUND, *_NOT_PERMITTED),
    handle_in_parameters=True,
)
def delete_file(core: Core, call: Call) -> bytes:
    """DeleteFile: whoever may create files may delete them (assumed)."""
    _check_rights(core, call.application, call.application.create_file_rights)
    file = _by_name(call)
    with core.change() as transaction:
        core.catalogue.delete_tree(transaction, file.path)
    return b""


@TABLE.command(Ins.ENUM_FILES, Need.APPLICATION, handle_in_parameters=True)
def enum_files(core: Core, call: Call) -> bytes:
    """EnumFiles: the names."""
    return encode_names(call.application.files)


@TABLE.command(
    Ins.GET_FILE_INFO,
    Need.APPLICATION,
    lc=(1, None),
    answers=(SW.WRONG_DATA, SW.NOT_FOUND),
    handle_in_parameters=True,
)
def get_file_info(core: Core, call: Call) -> bytes:
    """GetFileInfo: size and rights."""
    file = _by_name(call)
    return FileInfo(file.size, file.read_rights, file.write_rights).encode(core.dialect)


@TABLE.command(
    Ins.READ_FILE,
    Need.APPLICATION,
    lc=(HANDLE + 5, None),
    answers=(SW.WRONG_LENGTH, SW.WRONG_DATA, SW.NOT_FOUND, *_NOT_PERMITTED),
)
def read_file(core: Core, call: Call) -> bytes:
    """ReadFile: Le bytes from the offset on, or what is there up to the end; 6A80 for an offset beyond it."""
    name, offset = decoded(core, FilePlace.decode, call.body)
    if call.command.le is None:
        raise Refused(SW.WRONG_LENGTH)
    file = _named(call.application, name)
    _check_rights(core, call.application, file.read_rights)
    if offset > file.size:
        raise Refused(SW.WRONG_DATA)
    return (core.catalogue.read(file.data) or b"")[offset : offset + call.command.le]


@TABLE.command(
    Ins.WRITE_FILE,
    *_CHANGE,
    lc=(HANDLE + 7, None),
    answers=(SW.WRONG_LENGTH, SW.WRONG_DATA, SW.NOT_FOUND, *_NOT_PERMITTED, SW.NO_ROOM),
)
def write_file(core: Core, call: Call) -> bytes:
    """WriteFile: from the offset on, all or nothing (C9); 6A84 beyond the file's end, which stays where it is."""
    (name, offset), data = decoded(core, FilePiece.decode, call.body)
    file = _named(call.application, name)
    _check_rights(core, call.application, file.write_rights)
    if offset + len(data) > file.size:
        raise Refused(SW.NO_ROOM)
    old = core.catalogue.read(file.data) or b""
    with core.change() as transaction:
        transaction.put(file.data, old[:offset] + data + old[offset + len(data) :])
    return b""
