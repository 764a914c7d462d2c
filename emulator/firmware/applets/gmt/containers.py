"""Container commands of GM/T 0017 §9.5, and the making of key pairs."""

from __future__ import annotations

from dataclasses import replace

from emulator.firmware.applets.gmt.table import Call, Need, Table
from emulator.firmware.catalogue import Container
from emulator.firmware.core import Core
from emulator.firmware.refused import Refused
from protocols import sm2
from protocols.fields import Fields, LayoutError, encode_names, parse_name, u16, u32
from protocols.gmt import ContainerInfo, ContainerType, Ins
from protocols.sw import SW

TABLE = Table()

_HANDLE = 2
_TWO_HANDLES = 4
_EXCHANGE, _SIGN = 0, 1
_KEY_USES = (_EXCHANGE, _SIGN)
_RSA_BITS = (1024, 2048, 3072, 4096)
_MANAGE = (Need.APPLICATION, Need.USER_PIN, Need.ISSUER_OR_PIN_CHANGED)
_MANAGE_KEYS = (Need.APPLICATION, Need.CONTAINER, Need.USER_PIN, Need.ISSUER_OR_PIN_CHANGED)


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
    lc=(_HANDLE + 1, None),
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
    Ins.OPEN_CONTAINER, Need.APPLICATION, lc=(_HANDLE + 1, None), answers=(SW.WRONG_DATA, SW.NOT_FOUND)
)
def open_container(core: Core, call: Call) -> bytes:
    """OpenContainer: its handle."""
    return core.session.open_container(_by_name(call), call.application)


@TABLE.command(Ins.CLOSE_CONTAINER, Need.APPLICATION, Need.CONTAINER, lc=_TWO_HANDLES)
def close_container(core: Core, call: Call) -> bytes:
    """CloseContainer: its handle dies."""
    core.session.close_container(call.application, call.container.name)
    return b""


@TABLE.command(Ins.ENUM_CONTAINER, Need.APPLICATION, lc=_HANDLE)
def enum_container(core: Core, call: Call) -> bytes:
    """EnumContainer: the names."""
    return encode_names(call.application.containers)


@TABLE.command(Ins.DELETE_CONTAINER, *_MANAGE, lc=(_HANDLE + 1, None), answers=(SW.WRONG_DATA, SW.NOT_FOUND))
def delete_container(core: Core, call: Call) -> bytes:
    """DeleteContainer: with its keys and certificates."""
    container = _by_name(call)
    with core.change() as transaction:
        core.catalogue.delete_tree(transaction, container.path)
    core.session.close_container(call.application, container.name)
    return b""


@TABLE.command(
    Ins.GET_CONTAINER_INFO, Need.APPLICATION, lc=(_HANDLE + 1, None), answers=(SW.WRONG_DATA, SW.NOT_FOUND)
)
def get_container_info(core: Core, call: Call) -> bytes:
    """GetContainerInfo: what it holds, by name."""
    container = _by_name(call)
    has = core.catalogue.has
    return ContainerInfo(
        container.type,
        container.sign_bits,
        0,
        has(container.certificate(sign=True)),
        has(container.certificate(sign=False)),
    ).encode(core.dialect)


@TABLE.command(
    Ins.IMPORT_CERTIFICATE,
    *_MANAGE_KEYS,
    lc=(_TWO_HANDLES + 5, None),
    answers=(SW.WRONG_LENGTH, SW.WRONG_DATA, SW.KEY_NOT_FOUND, SW.NO_ROOM),
)
def import_certificate(core: Core, call: Call) -> bytes:
    """ImportCertificate: replaces the old one in one step (C9); the activation belonged to the old one."""
    fields = Fields(call.body, core.dialect)
    try:
        use, certificate = fields.number(1), fields.counted()
        fields.end()
    except LayoutError:
        raise Refused(SW.WRONG_LENGTH) from None
    if use not in _KEY_USES or not _is_one_der_sequence(certificate):
        raise Refused(SW.WRONG_DATA)
    if use == _EXCHANGE or not call.container.sign_bits:
        raise Refused(SW.KEY_NOT_FOUND)
    path = call.container.certificate(sign=True)
    stored = core.catalogue.certificate_count.get(call.application.id, 0)
    if not core.catalogue.has(path) and stored >= call.application.max_certificates:
        raise Refused(SW.NO_ROOM)
    with core.change() as transaction:
        transaction.put(path, certificate)
        transaction.delete(call.container.activation)
        transaction.delete(call.container.activated_mark)
    return b""


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
    p1=_KEY_USES,
    lc=_TWO_HANDLES,
    answers=(SW.KEY_NOT_FOUND,),
)
def export_certificate(core: Core, call: Call) -> bytes:
    """ExportCertificate: length and DER."""
    certificate = core.catalogue.read(call.container.certificate(sign=call.command.p1 == _SIGN))
    if certificate is None:
        raise Refused(SW.KEY_NOT_FOUND)
    return u32(len(certificate), core.dialect) + certificate


@TABLE.command(
    Ins.GENERATE_RSA_KEY_PAIR,
    *_MANAGE_KEYS,
    lc=_TWO_HANDLES + 2,
    answers=(SW.WRONG_DATA, SW.FUNCTION_NOT_SUPPORTED, SW.ALREADY_EXISTS, SW.CONDITIONS_NOT_SATISFIED),
)
def generate_rsa_key_pair(core: Core, call: Call) -> bytes:
    """GenerateRSAKeyPair: the signature pair; a pair that is there is never overwritten (C9)."""
    bits = Fields(call.body, core.dialect).number(2)
    if bits not in _RSA_BITS:
        raise Refused(SW.WRONG_DATA)
    _check_free(core, call.container, ContainerType.RSA)
    private, public = core.secure_element.generate_rsa(bits)
    _store_pair(core, call.container, ContainerType.RSA, bits, private)
    return public.encode_modulus() + u32(public.e, core.dialect)


@TABLE.command(
    Ins.GEN_ECC_KEY_PAIR,
    *_MANAGE_KEYS,
    lc=_TWO_HANDLES + 4,
    answers=(SW.WRONG_DATA, SW.FUNCTION_NOT_SUPPORTED, SW.ALREADY_EXISTS, SW.CONDITIONS_NOT_SATISFIED),
)
def gen_ecc_key_pair(core: Core, call: Call) -> bytes:
    """GenECCKeyPair: the SM2 signature pair; answers X ‖ Y."""
    if Fields(call.body, core.dialect).number(4) != sm2.BITS:
        raise Refused(SW.WRONG_DATA)
    _check_free(core, call.container, ContainerType.ECC)
    private, public = core.secure_element.generate_sm2()
    _store_pair(core, call.container, ContainerType.ECC, sm2.BITS, private)
    return public.encode()


def _check_free(core: Core, container: Container, wanted: ContainerType) -> None:
    containers = core.profile.containers
    if not (containers.rsa if wanted is ContainerType.RSA else containers.sm2):
        raise Refused(SW.FUNCTION_NOT_SUPPORTED)
    if container.type not in (ContainerType.EMPTY, wanted):
        raise Refused(SW.CONDITIONS_NOT_SATISFIED)
    if container.sign_bits:
        raise Refused(SW.ALREADY_EXISTS)


def _store_pair(core: Core, container: Container, kind: ContainerType, bits: int, private: bytes) -> None:
    with core.change() as transaction:
        core.secure_element.put_key(transaction, container.sign_key, private)
        core.catalogue.put_container(transaction, replace(container, type=kind, sign_bits=bits))


@TABLE.command(
    Ins.EXPORT_PUBLIC_KEY,
    Need.APPLICATION,
    Need.CONTAINER,
    p1=_KEY_USES,
    lc=_TWO_HANDLES,
    answers=(SW.KEY_NOT_FOUND,),
)
def export_public_key(core: Core, call: Call) -> bytes:
    """ExportPublicKey: RSA as bits(2) ‖ e(4) ‖ n, SM2 as u32 bits ‖ X ‖ Y."""
    container = call.container
    if call.command.p1 == _EXCHANGE or not container.sign_bits:
        raise Refused(SW.KEY_NOT_FOUND)
    if container.type is ContainerType.ECC:
        return u32(sm2.BITS, core.dialect) + core.secure_element.sm2_public(container.sign_key).encode()
    public = core.secure_element.rsa_public(container.sign_key)
    return u16(public.bits, core.dialect) + u32(public.e, core.dialect) + public.encode_modulus()
