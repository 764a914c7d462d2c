"""Key pairs of a container, GM/T 0017 §9.5 and §9.6: made on the key, imported, exported, and used as they are.

The signature pair is made on the key and never leaves it. The encryption pair is made by the issuer and comes wrapped
under the signature pair's public key; together they are a double certificate's two pairs.
"""

from __future__ import annotations

from dataclasses import replace

from emulator.firmware import rsa_numbers
from emulator.firmware.applets.gmt.containers import MANAGE_KEYS
from emulator.firmware.applets.gmt.decoding import decoded
from emulator.firmware.applets.gmt.session_keys import supported
from emulator.firmware.applets.gmt.table import HANDLE, Call, Need, Table
from emulator.firmware.catalogue import Container
from emulator.firmware.confirm import Waiting
from emulator.firmware.core import Core
from emulator.firmware.refused import Refused
from emulator.firmware.showing import show_digest
from protocols import sm2
from protocols.fields import Fields, u32
from protocols.gmt import (
    RSA_BITS,
    RSA_OPERATION_P1,
    SM4_ECB,
    ContainerType,
    Ins,
    KeyUse,
    PinType,
    RsaKeyOperation,
    WrappedRsaPair,
)
from protocols.gmt.ecc import decode_envelope, encode_point
from protocols.sw import SW

TABLE = Table()

_USE_KEYS = (Need.APPLICATION, Need.CONTAINER, Need.USER_PIN, Need.PIN_CHANGED)
_NOT_MADE = (SW.WRONG_DATA, SW.ALREADY_EXISTS, SW.CONDITIONS_NOT_SATISFIED)
_NOT_IMPORTED = (
    SW.WRONG_LENGTH,
    SW.WRONG_DATA,
    SW.FUNCTION_NOT_SUPPORTED,
    SW.KEY_NOT_FOUND,
    SW.ALREADY_EXISTS,
    SW.SECRET_ALGORITHM,
)
_OPERATION_PAIRS = {p1: use for use, p1 in RSA_OPERATION_P1.items()}


@TABLE.command(Ins.GENERATE_RSA_KEY_PAIR, *MANAGE_KEYS, p1=(0, 1), lc=2 * HANDLE + 2, answers=_NOT_MADE)
def generate_rsa_key_pair(core: Core, call: Call) -> bytes:
    """GenerateRSAKeyPair: the signature pair; a pair that is there is never overwritten (C9). Hosts differ on P1."""
    bits = Fields(call.body, core.dialect).number(2)
    if bits not in RSA_BITS:
        raise Refused(SW.WRONG_DATA)
    _check_free(call.container, ContainerType.RSA)
    made = replace(call.container, type=ContainerType.RSA, sign_bits=bits)
    with core.change() as transaction:
        public = core.secure_element.generate_rsa(transaction, made.sign_key, bits)
        core.catalogue.put_container(transaction, made)
    return public.encode_modulus() + u32(public.e, core.dialect)


@TABLE.command(Ins.GEN_ECC_KEY_PAIR, *MANAGE_KEYS, lc=2 * HANDLE + 4, answers=_NOT_MADE)
def gen_ecc_key_pair(core: Core, call: Call) -> bytes:
    """GenECCKeyPair: the SM2 signature pair; answers X ‖ Y."""
    if Fields(call.body, core.dialect).number(4) != sm2.BITS:
        raise Refused(SW.WRONG_DATA)
    _check_free(call.container, ContainerType.ECC)
    made = replace(call.container, type=ContainerType.ECC, sign_bits=sm2.BITS)
    with core.change() as transaction:
        public = core.secure_element.generate_sm2(transaction, made.sign_key)
        core.catalogue.put_container(transaction, made)
    return public.encode()


def _check_free(container: Container, wanted: ContainerType) -> None:
    if container.type not in (ContainerType.EMPTY, wanted):
        raise Refused(SW.CONDITIONS_NOT_SATISFIED)
    if container.sign_bits:
        raise Refused(SW.ALREADY_EXISTS)


@TABLE.command(
    Ins.IMPORT_RSA_KEY_PAIR, *MANAGE_KEYS, lc=(2 * HANDLE + 1, None), answers=_NOT_IMPORTED, secret=True
)
def import_rsa_key_pair(core: Core, call: Call) -> bytes:
    """ImportRSAKeyPair: the encryption pair, wrapped under the signature pair; one that is there stays (C9)."""
    pair = decoded(core, WrappedRsaPair.decode, call.body)
    _check_import(core, call.container, ContainerType.RSA, pair.algorithm)
    slot, wrapping = call.container.exchange_key, call.container.sign_key
    with core.change() as transaction:
        bits = core.secure_element.import_rsa(transaction, slot, wrapping, pair).bits
        if core.dialect.rsa_import_bits and pair.bits != bits:
            raise Refused(SW.WRONG_DATA)
        core.catalogue.put_container(transaction, replace(call.container, exchange_bits=bits))
    return b""


@TABLE.command(
    Ins.IMPORT_ECC_KEY_PAIR, *MANAGE_KEYS, lc=(2 * HANDLE + 1, None), answers=_NOT_IMPORTED, secret=True
)
def import_ecc_key_pair(core: Core, call: Call) -> bytes:
    """ImportECCKeyPair: the SM2 encryption pair, enveloped for the signature pair; one that is there stays (C9)."""
    enveloped = decoded(core, decode_envelope, call.body)
    _check_import(core, call.container, ContainerType.ECC, enveloped.algorithm)
    slot, wrapping = call.container.exchange_key, call.container.sign_key
    with core.change() as transaction:
        core.secure_element.import_sm2(transaction, slot, wrapping, enveloped)
        core.catalogue.put_container(transaction, replace(call.container, exchange_bits=sm2.BITS))
    return b""


def _check_import(core: Core, container: Container, kind: ContainerType, algorithm: int) -> None:
    """Whether the pair may come, and comes under SM4-ECB."""
    if supported(core, algorithm).code != SM4_ECB:
        raise Refused(SW.WRONG_DATA)
    if container.type is not kind:
        raise Refused(SW.KEY_NOT_FOUND)
    if container.exchange_bits:
        raise Refused(SW.ALREADY_EXISTS)


@TABLE.command(
    Ins.EXPORT_PUBLIC_KEY,
    Need.APPLICATION,
    Need.CONTAINER,
    p1=tuple(KeyUse),
    lc=2 * HANDLE,
    answers=(SW.KEY_NOT_FOUND,),
)
def export_public_key(core: Core, call: Call) -> bytes:
    """ExportPublicKey: RSA as bits(2) ‖ e(4) ‖ n, SM2 as u32 bits ‖ X ‖ Y."""
    container, use = call.container, KeyUse(call.command.p1)
    if not container.bits(use):
        raise Refused(SW.KEY_NOT_FOUND)
    if container.type is ContainerType.ECC:
        return encode_point(core.secure_element.sm2_public(container.key(use)), core.dialect)
    return core.secure_element.rsa_public(container.key(use)).encode_exported(core.dialect)


@TABLE.command(
    Ins.RSA_KEY_OPERATION,
    *_USE_KEYS,
    p1=tuple(_OPERATION_PAIRS),
    p2=tuple(RsaKeyOperation),
    lc=(2 * HANDLE + 1, None),
    answers=(
        SW.WRONG_LENGTH,
        SW.WRONG_DATA,
        SW.KEY_NOT_FOUND,
        SW.NOT_ACTIVATED,
        SW.DIGEST_REFUSED,
        SW.CANCELLED,
        SW.TIMED_OUT,
    ),
    secret=True,
)
def rsa_key_operation(core: Core, call: Call) -> bytes | Waiting:
    """RSAKeyOperation: bare RSA of the signature pair (P1=00) or the encryption pair (P1=01), private or public (P2).

    The signature pair's private operation is a blind signature: it takes what RSASignData takes (E8, E9).
    """
    use = _OPERATION_PAIRS[call.command.p1]
    if call.container.type is not ContainerType.RSA or not call.container.bits(use):
        raise Refused(SW.KEY_NOT_FOUND)
    if call.command.p2 == RsaKeyOperation.PUBLIC:
        return rsa_numbers.public_power(core.secure_element.rsa_public(call.container.key(use)), call.body)
    if use is KeyUse.EXCHANGE:
        return core.secure_element.power_rsa(call.container.exchange_key, call.body)
    return _sign_block(core, call)


def _sign_block(core: Core, call: Call) -> Waiting:
    if not core.is_activated(call.container):
        raise Refused(SW.NOT_ACTIVATED)
    if not core.login_lasts:
        core.session.log_out(call.application, PinType.USER)
    slot = call.container.sign_key
    rsa_numbers.check_block(call.body, core.secure_element.rsa_public(slot).n)
    yield from show_digest(core, call.body)
    if core.blinks:
        return core.while_blinking(lambda: core.secure_element.power_rsa(slot, call.body))
    return core.secure_element.power_rsa(slot, call.body)
