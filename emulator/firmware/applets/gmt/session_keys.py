"""Session keys of GM/T 0017 §9.6: made and exported wrapped, imported, set in clear, destroyed."""

from __future__ import annotations

from typing import TypeVar, cast

from emulator.firmware.applets.gmt.decoding import decoded, taken
from emulator.firmware.applets.gmt.table import HANDLE, Call, Need, Table
from emulator.firmware.core import Core
from emulator.firmware.refused import Refused
from emulator.firmware.session_keys import SessionKey
from protocols.fields import FieldValueError
from protocols.gmt import BlockCipher, ContainerType, Ins, KeyUse, RsaPublicKey, SymmetricAlgorithm
from protocols.gmt.ecc import ExportedKey, encode_counted_cipher, take_counted_cipher, take_point
from protocols.gmt.session_keys import PlainKey, WrappedKey
from protocols.sw import SW

Value = TypeVar("Value")

TABLE = Table()

PLACE = (Need.APPLICATION, Need.CONTAINER)
"""What begins every command's data: where the session key is, or is to be."""
HANDLES = 3 * HANDLE
"""Bytes of the handles before a held key's data."""
ALGORITHM_ANSWERS = (SW.FUNCTION_NOT_SUPPORTED, SW.SECRET_ALGORITHM)
"""What a command answers that names an algorithm which this key has not."""
_SECRET = (BlockCipher.SM1, BlockCipher.SSF33)
_LAYOUT_ANSWERS = (SW.WRONG_LENGTH, SW.WRONG_DATA)
_NEW_KEY_ANSWERS = (*_LAYOUT_ANSWERS, *ALGORITHM_ANSWERS, SW.NO_ROOM)


def supported(core: Core, code: int) -> SymmetricAlgorithm:
    """The algorithm of a code.

    :raises Refused: 6A80 none, 6FF8 a secret one, 6A81 one that this key has not.
    """
    try:
        algorithm = SymmetricAlgorithm.parse(code)
    except FieldValueError:
        raise Refused(SW.WRONG_DATA) from None
    if algorithm.cipher in _SECRET:
        raise Refused(SW.SECRET_ALGORITHM)
    if ("sm4" if algorithm.cipher is BlockCipher.SM4 else "aes") not in core.profile.ciphers:
        raise Refused(SW.FUNCTION_NOT_SUPPORTED)
    return algorithm


def exchange_slot(call: Call, kind: ContainerType | None = None) -> str:
    """The slot of the container's encryption pair.

    :param kind: the pair that will do; None: either.
    :raises Refused: 6A88, there is none.
    """
    container = call.container
    if not container.bits(KeyUse.EXCHANGE) or kind not in (None, container.type):
        raise Refused(SW.KEY_NOT_FOUND)
    return container.key(KeyUse.EXCHANGE)


def key_of(call: Call) -> SessionKey:
    """The session key of a command whose row needs one."""
    return cast(SessionKey, call.key)


def _add(core: Core, call: Call, algorithm: SymmetricAlgorithm, value: bytes) -> bytes:
    if len(value) != algorithm.cipher.key_size:
        raise Refused(SW.WRONG_DATA)
    return core.session.keys.add(call.container.place, algorithm, value)


@TABLE.command(
    Ins.RSA_EXPORT_SESSION_KEY, *PLACE, Need.USER_PIN, lc=(2 * HANDLE + 1, None), answers=_NEW_KEY_ANSWERS
)
def rsa_export_session_key(core: Core, call: Call) -> bytes:
    """RSAExportSessionKey: a new session key; its KeyID, and the key under an RSA key of the data (PKCS#1 v1.5)."""
    code, public = taken(core, lambda fields: (fields.number(4), RsaPublicKey.take(fields)), call.body)
    algorithm = supported(core, code)
    value = core.secure_element.random(algorithm.cipher.key_size)
    wrapped = core.secure_element.encrypt_rsa(public, value)
    return _add(core, call, algorithm, value) + wrapped


@TABLE.command(
    Ins.ECC_EXPORT_SESSION_KEY, *PLACE, Need.USER_PIN, lc=(2 * HANDLE + 1, None), answers=_NEW_KEY_ANSWERS
)
def ecc_export_session_key(core: Core, call: Call) -> bytes:
    """ECCExportSessionKey: a new session key; its KeyID, and the key under an SM2 key of the data."""
    public, code = taken(core, lambda fields: (take_point(fields), fields.number(4)), call.body)
    algorithm = supported(core, code)
    value = core.secure_element.random(algorithm.cipher.key_size)
    cipher = core.secure_element.encrypt_sm2(public, value)
    return ExportedKey(_add(core, call, algorithm, value), cipher).encode(core.dialect)


@TABLE.command(
    Ins.RSA_EXPORT_HELD_KEY,
    *PLACE,
    Need.SESSION_KEY,
    Need.USER_PIN,
    lc=(HANDLES + 1, None),
    answers=_LAYOUT_ANSWERS,
)
def rsa_export_held_key(core: Core, call: Call) -> bytes:
    """RSAExportHeldKey: a session key that is there, under an RSA key of the data (PKCS#1 v1.5)."""
    public = taken(core, RsaPublicKey.take, call.body)
    return core.secure_element.encrypt_rsa(public, key_of(call).value)


@TABLE.command(
    Ins.ECC_EXPORT_HELD_KEY,
    *PLACE,
    Need.SESSION_KEY,
    Need.USER_PIN,
    lc=(HANDLES + 1, None),
    answers=_LAYOUT_ANSWERS,
)
def ecc_export_held_key(core: Core, call: Call) -> bytes:
    """ECCExportHeldKey: a session key that is there, under an SM2 key of the data."""
    public = taken(core, take_point, call.body)
    return encode_counted_cipher(core.secure_element.encrypt_sm2(public, key_of(call).value), core.dialect)


@TABLE.command(
    Ins.IMPORT_SESSION_KEY,
    *PLACE,
    Need.USER_PIN,
    Need.PIN_CHANGED,
    lc=(2 * HANDLE + 1, None),
    answers=(*_NEW_KEY_ANSWERS, SW.KEY_NOT_FOUND),
    secret=True,
)
def import_session_key(core: Core, call: Call) -> bytes:
    """ImportSessionKey: a key wrapped for the container's encryption pair, by RSA (PKCS#1 v1.5) or SM2; its KeyID."""
    wrapped = decoded(core, WrappedKey.decode, call.body)
    algorithm, slot = supported(core, wrapped.algorithm), exchange_slot(call)
    if call.container.type is ContainerType.RSA:
        value = core.secure_element.decrypt_rsa(slot, wrapped.wrapped)
    else:
        value = core.secure_element.decrypt_sm2(slot, taken(core, take_counted_cipher, wrapped.wrapped))
    return _add(core, call, algorithm, value)


@TABLE.command(
    Ins.SET_SYMM_KEY,
    *PLACE,
    lc=(2 * HANDLE + 1, None),
    answers=_NEW_KEY_ANSWERS,
    secret=True,
    at_device=True,
)
def set_symm_key(core: Core, call: Call) -> bytes:
    """SetSymmKey: a key in clear, for a container, or for the device where both handles are zero; its KeyID."""
    plain = decoded(core, PlainKey.decode, call.body)
    return _add(core, call, supported(core, plain.algorithm), plain.key)


@TABLE.command(Ins.DESTROY_SESSION_KEY, *PLACE, Need.SESSION_KEY, lc=HANDLES, at_device=True)
def destroy_session_key(core: Core, call: Call) -> bytes:
    """DestroySessionKey: with whatever it was at."""
    core.session.keys.destroy(key_of(call))
    return b""
