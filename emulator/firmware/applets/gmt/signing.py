"""Signing and verifying of GM/T 0017 §9.6: the key shows what it signs (E1, E2, E9) and signs what it showed."""

from __future__ import annotations

from collections.abc import Callable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils

from emulator.firmware.applets.gmt.decoding import taken
from emulator.firmware.applets.gmt.table import HANDLE, Call, Need, Table
from emulator.firmware.confirm import Waiting
from emulator.firmware.core import Core
from emulator.firmware.refused import Refused
from emulator.firmware.showing import show_digest, show_message
from protocols import sm2
from protocols.fields import Fields
from protocols.gmt import ContainerType, HashAlgorithm, Ins, PinType, SignInput
from protocols.gmt.ecc import take_point
from protocols.hashing import HASHES, digest_of
from protocols.sw import SW

TABLE = Table()

_INPUTS = tuple(SignInput)
_PREPADDED = 0
_HASH_CODES = (_PREPADDED, *HashAlgorithm)
_SIGN = (Need.APPLICATION, Need.CONTAINER, Need.USER_PIN, Need.PIN_CHANGED, Need.ACTIVATED)
_ON_SCREEN = (
    SW.KEY_NOT_FOUND,
    SW.CANCELLED,
    SW.TIMED_OUT,
    SW.MESSAGE_REFUSED,
    SW.DIGEST_REFUSED,
)


@TABLE.command(
    Ins.RSA_SIGN_DATA,
    *_SIGN,
    p1=_INPUTS,
    p2=_HASH_CODES,
    lc=(2 * HANDLE + 1, None),
    answers=(SW.WRONG_LENGTH, *_ON_SCREEN),
)
def rsa_sign_data(core: Core, call: Call) -> bytes | Waiting:
    """RSASignData: P1=01 a message (P2 its hash, 00 = SHA-256); P1=02 a digest of P2, or data to pad (P2=00)."""
    _start(core, call, ContainerType.RSA)
    data, code = call.body, call.command.p2
    if call.command.p1 == SignInput.MESSAGE:
        return _show_and_sign_rsa(core, call)
    if code and len(data) != HASHES[code].digest_size:
        raise Refused(SW.WRONG_LENGTH)
    if core.frees_digests:
        return _rsa_signature(core, call, data, code)
    return _show_digest_first(core, data, lambda: _rsa_signature(core, call, data, code))


def _show_and_sign_rsa(core: Core, call: Call) -> Waiting:
    yield from show_message(core, call.body)
    code = call.command.p2 or HashAlgorithm.SHA256
    return _rsa_signature(core, call, digest_of(code, call.body), code)


def _rsa_signature(core: Core, call: Call, data: bytes, code: int) -> bytes:
    slot, hash_code = call.container.sign_key, None if code == _PREPADDED else code
    if core.blinks:
        return core.while_blinking(lambda: core.secure_element.sign_rsa(slot, data, hash_code))
    return core.secure_element.sign_rsa(slot, data, hash_code)


def _sm2_row(core: Core, call: Call) -> Callable[[bytes], bytes] | None:
    """Signs digest after digest where nobody is asked and a login outlasts a signature (E8, E9)."""
    asks = call.command.p1 != SignInput.DIGEST or not core.frees_digests
    if asks or core.blinks or not core.login_lasts:
        return None
    bits, sign = core.sm2_bits, core.secure_element.sm2_signer(call.container.sign_key)
    return lambda digest: bits + sign(digest)


@TABLE.command(
    Ins.ECC_SIGN_DATA,
    *_SIGN,
    p1=_INPUTS,
    lc=(2 * HANDLE + 1, None),
    answers=(SW.WRONG_LENGTH, *_ON_SCREEN),
    row=_sm2_row,
)
def ecc_sign_data(core: Core, call: Call) -> bytes | Waiting:
    """ECCSignData: P1=01 a message, hashed with Z of the default ID; P1=02 a digest e. Answers bits ‖ r ‖ s."""
    _start(core, call, ContainerType.ECC)
    digest = call.body
    if call.command.p1 == SignInput.MESSAGE:
        return _show_and_sign_sm2(core, call)
    if len(digest) != sm2.SIZE:
        raise Refused(SW.WRONG_LENGTH)
    if core.frees_digests:
        return _sm2_signature(core, call, digest)
    return _show_digest_first(core, digest, lambda: _sm2_signature(core, call, digest))


def _show_and_sign_sm2(core: Core, call: Call) -> Waiting:
    yield from show_message(core, call.body)
    return _sm2_signature(core, call, core.secure_element.sm2_digest(call.container.sign_key, call.body))


def _sm2_signature(core: Core, call: Call, digest: bytes) -> bytes:
    slot = call.container.sign_key
    if core.blinks:
        return core.sm2_bits + core.while_blinking(lambda: core.secure_element.sign_sm2(slot, digest))
    return core.sm2_bits + core.secure_element.sign_sm2(slot, digest)


def _show_digest_first(core: Core, digest: bytes, sign: Callable[[], bytes]) -> Waiting:
    yield from show_digest(core, digest)
    return sign()


def _start(core: Core, call: Call, kind: ContainerType) -> None:
    """The container must hold such a pair; a login that lasts for one signature is spent now (E8)."""
    if call.container.type is not kind:
        raise Refused(SW.KEY_NOT_FOUND)
    if not core.login_lasts:
        core.session.log_out(call.application, PinType.USER)


@TABLE.command(
    Ins.RSA_VERIFY,
    p1=_INPUTS,
    p2=_HASH_CODES,
    lc=(1, None),
    answers=(SW.WRONG_LENGTH, SW.VERIFICATION_FAILED),
)
def rsa_verify(core: Core, call: Call) -> bytes:
    """RSAVerify: under the public key in the data; P1 and P2 as in RSASignData."""
    modulus, exponent, data, signature = taken(core, _take_signed, call.body)
    code = call.command.p2
    if call.command.p1 == SignInput.MESSAGE:
        code = code or HashAlgorithm.SHA256
        data = digest_of(code, data)
    _verify_rsa(rsa.RSAPublicNumbers(exponent, int.from_bytes(modulus)), data, signature, code)
    return b""


def _take_signed(fields: Fields) -> tuple[bytes, int, bytes, bytes]:
    """The parts of a key of any length: one that cannot be a key verifies nothing."""
    return fields.take(fields.number(4) // 8), fields.number(4), fields.counted(), fields.counted()


def _verify_rsa(numbers: rsa.RSAPublicNumbers, data: bytes, signature: bytes, code: int) -> None:
    try:
        key = numbers.public_key()
        if code:
            key.verify(signature, data, padding.PKCS1v15(), utils.Prehashed(HASHES[code]))
        elif key.recover_data_from_signature(signature, padding.PKCS1v15(), None) != data:
            raise InvalidSignature
    except (InvalidSignature, ValueError):  # ValueError: no usable public key, or data of another size
        raise Refused(SW.VERIFICATION_FAILED) from None


@TABLE.command(Ins.ECC_VERIFY, lc=(1, None), answers=(SW.WRONG_LENGTH, SW.WRONG_DATA, SW.VERIFICATION_FAILED))
def ecc_verify(core: Core, call: Call) -> bytes:
    """ECCVerify: a digest e of 32 bytes under the public key in the data."""
    key, digest, signature = taken(core, _take_sm2_signed, call.body)
    if len(digest) != sm2.SIZE:
        raise Refused(SW.WRONG_DATA)
    if not sm2.verify(key, digest, sm2.Signature.parse(signature)):
        raise Refused(SW.VERIFICATION_FAILED)
    return b""


def _take_sm2_signed(fields: Fields) -> tuple[sm2.PublicKey, bytes, bytes]:
    return take_point(fields), fields.counted(), fields.take(2 * sm2.SIZE)
