"""Device commands of GM/T 0017 §9.1 and §9.2: information, label, random numbers, device authentication."""

from __future__ import annotations

from functools import reduce
from operator import or_

from emulator.firmware.applets.gmt.table import Call, Need, Table
from emulator.firmware.catalogue import TOTAL_SPACE
from emulator.firmware.core import Core
from emulator.firmware.refused import Refused
from protocols import pin
from protocols.fields import LayoutError, parse_name
from protocols.gmt import (
    DEV_AUTH_SM4,
    SM4_ECB,
    AsymmetricAlgorithm,
    BlockCipher,
    DeviceInfo,
    HashAlgorithm,
    Ins,
    Mode,
)
from protocols.sw import SW

TABLE = Table()

_LABEL_WIDTH = 32
_VERSION = (1, 0)
_DEV_AUTH_ALGORITHMS = range(3)  # SM1, SSF33 and SM4; the first two are secret
_SM2 = AsymmetricAlgorithm.SM2_SIGN | AsymmetricAlgorithm.SM2_EXCHANGE | AsymmetricAlgorithm.SM2_ENCRYPT
_MODES = Mode.ECB | Mode.CBC | Mode.CFB | Mode.OFB
_CIPHERS = {"sm4": BlockCipher.SM4 | _MODES | Mode.MAC, "aes": BlockCipher.AES_128 | _MODES}
_HASHES = HashAlgorithm.SM3 | HashAlgorithm.SHA1 | HashAlgorithm.SHA256


@TABLE.command(Ins.SET_LABEL, Need.DEVICE_AUTH, lc=(0, _LABEL_WIDTH), answers=(SW.WRONG_DATA,))
def set_label(core: Core, call: Call) -> bytes:
    """SetLabel: up to 32 bytes of UTF-8."""
    try:
        label = parse_name(call.body)
    except LayoutError:
        raise Refused(SW.WRONG_DATA) from None
    with core.change() as transaction:
        core.catalogue.put_label(transaction, label)
    return b""


@TABLE.command(Ins.GET_DEV_INFO)
def get_dev_info(core: Core, call: Call) -> bytes:
    """GetDevInfo: the block of 288 bytes."""
    profile = core.profile
    rsa = AsymmetricAlgorithm.RSA if profile.containers.rsa else 0
    ecc = _SM2 if profile.containers.sm2 else 0
    return DeviceInfo(
        manufacturer=profile.maker,
        issuer=profile.issuer,
        label=core.catalogue.label,
        serial=core.serial,
        hardware_version=_VERSION,
        firmware_version=_VERSION,
        symmetric=reduce(or_, (_CIPHERS[name] for name in profile.ciphers), 0),
        asymmetric=rsa | ecc,
        hashes=_HASHES,
        dev_auth_algorithm=SM4_ECB,
        total_space=TOTAL_SPACE,
        free_space=core.catalogue.free_space(),
        max_apdu_data=profile.max_apdu_data,
        max_containers=profile.max_containers,
        max_certificates=profile.max_certificates,
        max_files=profile.max_files,
    ).encode(core.dialect)


@TABLE.command(Ins.GEN_RANDOM, answers=(SW.WRONG_LENGTH,))
def gen_random(core: Core, call: Call) -> bytes:
    """GenRandom: Le bytes, at most one APDU's worth; they are the challenge of the next authentication."""
    wanted = call.command.le
    if wanted is None:
        raise Refused(SW.WRONG_LENGTH)
    limit = core.profile.max_apdu_data
    core.session.challenge = challenge = core.entropy.bytes(wanted if wanted < limit else limit)
    return challenge


@TABLE.command(
    Ins.DEV_AUTH,
    p2=_DEV_AUTH_ALGORITHMS,
    lc=pin.BLOCK_LENGTH,
    answers=(SW.NO_CHALLENGE, SW.SECRET_ALGORITHM, SW.VERIFICATION_FAILED),
    secret=True,
)
def dev_auth(core: Core, call: Call) -> bytes:
    """DevAuth: the challenge of 8 or 16 bytes under the device's key; lasts until reset."""
    challenge = _challenge(core, 8, 16)
    _check_algorithm(call)
    core.session.device_authenticated = core.device_key.proves(challenge, call.body)
    if not core.session.device_authenticated:
        raise Refused(SW.VERIFICATION_FAILED)
    return b""


@TABLE.command(
    Ins.CHANGE_DEV_AUTH_KEY,
    Need.DEVICE_AUTH,
    mac=True,
    p2=_DEV_AUTH_ALGORITHMS,
    lc=(pin.BLOCK_LENGTH, pin.BLOCK_LENGTH + pin.MAC_LENGTH),
    answers=(SW.WRONG_LENGTH, SW.NO_CHALLENGE, SW.SECRET_ALGORITHM, SW.MAC_WRONG),
    secret=True,
)
def change_dev_auth_key(core: Core, call: Call) -> bytes:
    """ChangeDevAuthKey: the new key of 16 bytes enciphered and MACed under the old one; it lasts.

    The command carries no padding (assumed: G12).
    """
    if len(call.body) != pin.BLOCK_LENGTH + pin.mac_length(core.dialect):
        raise Refused(SW.WRONG_LENGTH)
    challenge = _challenge(core, pin.CHALLENGE_LENGTH)
    _check_algorithm(call)
    new_key = core.device_key.open_protected(challenge, call.command.header, call.body)
    with core.change() as transaction:
        core.device_key.put(transaction, new_key)
    return b""


def _challenge(core: Core, *lengths: int) -> bytes:
    challenge = core.session.take_challenge(*lengths)
    if challenge is None:
        raise Refused(SW.NO_CHALLENGE)
    return challenge


def _check_algorithm(call: Call) -> None:
    if call.command.p2 != DEV_AUTH_SM4:
        raise Refused(SW.SECRET_ALGORITHM)
