"""Container commands of GM/T 0017 §9.5, certificates among them."""

from __future__ import annotations

from emulator.firmware.applets.gmt.decoding import taken
from emulator.firmware.applets.gmt.table import HANDLE, Call, Need, Table
from emulator.firmware.catalogue import Application, Container
from emulator.firmware.core import Core
from emulator.firmware.refused import Refused
from protocols.fields import LayoutError, counted, encode_names, parse_name
from protocols.gmt import ContainerInfo, Ins, KeyUse
from protocols.sw import SW

TABLE = Table()

_MANAGE = (Need.APPLICATION, Need.USER_PIN, Need.ISSUER_OR_PIN_CHANGED)
MANAGE_KEYS = (Need.APPLICATION, Need.CONTAINER, Need.USER_PIN, Need.ISSUER_OR_PIN_CHANGED)
"""What whoever fills a container has to have."""


def _name(call: Call) -> str:
    try:
        return parse_name(call.body)
    except LayoutError:
        raise Refused(SW.WRONG_DATA) from None


def _by_name(call: Call) -> Container:
    try:
        return call.application.containers[_name(call)]
    except KeyError:
        raise Refused(SW.NOT_FOUND) from None


@TABLE.command(
    Ins.CREATE_CONTAINER,
    *_MANAGE,
    lc=(HANDLE + 1, None),
    answers=(SW.WRONG_LENGTH, SW.WRONG_DATA, SW.ALREADY_EXISTS, SW.NO_ROOM),
)
def create_container(core: Core, call: Call) -> bytes:
    """CreateContainer: an empty container, opened."""
    name = _name(call)
    if len(call.body) > core.dialect.container_name:
        raise Refused(SW.WRONG_LENGTH)
    if not name:
        raise Refused(SW.WRONG_DATA)
    if name in call.application.containers:
        raise Refused(SW.ALREADY_EXISTS)
    if len(call.application.containers) >= call.application.max_containers:
        raise Refused(SW.NO_ROOM)
    container = core.catalogue.new_container(call.application, name)
    with core.change() as transaction:
        core.catalogue.put_container(transaction, container)
    return core.session.open_container(container, call.application)


@TABLE.command(
    Ins.OPEN_CONTAINER, Need.APPLICATION, lc=(HANDLE + 1, None), answers=(SW.WRONG_DATA, SW.NOT_FOUND)
)
def open_container(core: Core, call: Call) -> bytes:
    """OpenContainer: its handle."""
    return core.session.open_container(_by_name(call), call.application)


@TABLE.command(Ins.CLOSE_CONTAINER, Need.APPLICATION, Need.CONTAINER, lc=2 * HANDLE)
def close_container(core: Core, call: Call) -> bytes:
    """CloseContainer: its handle dies."""
    core.session.close_container(call.application, call.container.name)
    return b""


@TABLE.command(Ins.ENUM_CONTAINER, Need.APPLICATION, lc=HANDLE)
def enum_container(core: Core, call: Call) -> bytes:
    """EnumContainer: the names."""
    return encode_names(call.application.containers)


@TABLE.command(Ins.DELETE_CONTAINER, *_MANAGE, lc=(HANDLE + 1, None), answers=(SW.WRONG_DATA, SW.NOT_FOUND))
def delete_container(core: Core, call: Call) -> bytes:
    """DeleteContainer: with its keys and certificates."""
    container = _by_name(call)
    with core.change() as transaction:
        core.catalogue.delete_tree(transaction, container.path)
    core.session.close_container(call.application, container.name)
    return b""


@TABLE.command(
    Ins.GET_CONTAINER_INFO, Need.APPLICATION, lc=(HANDLE + 1, None), answers=(SW.WRONG_DATA, SW.NOT_FOUND)
)
def get_container_info(core: Core, call: Call) -> bytes:
    """GetContainerInfo: what it holds, by name."""
    container = _by_name(call)
    has = core.catalogue.has
    return ContainerInfo(
        container.type,
        container.sign_bits,
        container.exchange_bits,
        has(container.certificate(KeyUse.SIGN)),
        has(container.certificate(KeyUse.EXCHANGE)),
    ).encode(core.dialect)


@TABLE.command(
    Ins.IMPORT_CERTIFICATE,
    *MANAGE_KEYS,
    lc=(2 * HANDLE + 5, None),
    answers=(SW.WRONG_LENGTH, SW.WRONG_DATA, SW.KEY_NOT_FOUND, SW.NO_ROOM),
)
def import_certificate(core: Core, call: Call) -> bytes:
    """ImportCertificate: replaces the old one in one step (C9); the activation belonged to the old one for signing."""
    number, certificate = taken(core, lambda fields: (fields.number(1), fields.counted()), call.body)
    if number not in tuple(KeyUse) or not _is_one_der_sequence(certificate):
        raise Refused(SW.WRONG_DATA)
    use = KeyUse(number)
    if not call.container.bits(use):
        raise Refused(SW.KEY_NOT_FOUND)
    path = call.container.certificate(use)
    _check_room(core, call.application, path, len(certificate))
    with core.change() as transaction:
        transaction.put(path, certificate)
        if use is KeyUse.SIGN:
            transaction.delete(call.container.activation)
            transaction.delete(call.container.activated_mark)
    return b""


def _check_room(core: Core, application: Application, path: str, size: int) -> None:
    old = core.catalogue.read(path)
    stored = core.catalogue.certificate_count.get(application.id, 0)
    if old is None and stored >= application.max_certificates:
        raise Refused(SW.NO_ROOM)
    if size > core.catalogue.free_space() + len(old or b""):
        raise Refused(SW.NO_ROOM)


def _is_one_der_sequence(raw: bytes) -> bool:
    """Whether the bytes are one SEQUENCE in DER, nothing before or after (X.690 §8.1, §10.1)."""
    if len(raw) < 2 or raw[0] != 0x30:
        return False
    if raw[1] < 0x80:
        return len(raw) == 2 + raw[1]
    size = raw[1] & 0x7F
    length = int.from_bytes(raw[2 : 2 + size])
    return size in (1, 2, 3) and len(raw) == 2 + size + length


@TABLE.command(
    Ins.EXPORT_CERTIFICATE,
    Need.APPLICATION,
    Need.CONTAINER,
    p1=tuple(KeyUse),
    lc=2 * HANDLE,
    answers=(SW.KEY_NOT_FOUND,),
)
def export_certificate(core: Core, call: Call) -> bytes:
    """ExportCertificate: length and DER."""
    certificate = core.catalogue.read(call.container.certificate(KeyUse(call.command.p1)))
    if certificate is None:
        raise Refused(SW.KEY_NOT_FOUND)
    return counted(certificate, core.dialect)
