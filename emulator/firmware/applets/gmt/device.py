"""Device commands of GM/T 0017 §9.1 and §9.2: information, label, random numbers, device authentication."""

from __future__ import annotations

import hmac

from emulator.firmware.applets.gmt.table import Call, Need, Table
from emulator.firmware.core import Core
from emulator.firmware.refused import Refused
from protocols import pin
from protocols.fields import LayoutError, parse_name
from protocols.gmt import DEV_AUTH_SM4, SM4_ECB, AsymmetricAlgorithm, DeviceInfo, HashAlgorithm, Ins
from protocols.sw import SW

TABLE = Table()

_LABEL_WIDTH = 32
_TOTAL_SPACE = 64 * 1024
"""Memory that GetDevInfo reports: 64 KB, a bank's tender for such keys (assumed elsewhere)."""
_VERSION = (1, 0)
_DEV_AUTH_ALGORITHMS = range(3)  # SM1, SSF33 and SM4; the first two are secret
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
    ecc = AsymmetricAlgorithm.SM2_SIGN if profile.containers.sm2 else 0
    return DeviceInfo(
        manufacturer=profile.maker,
        issuer=profile.issuer,
        label=core.catalogue.label,
        serial=core.serial,
        hardware_version=_VERSION,
        firmware_version=_VERSION,
        symmetric=0,
        asymmetric=rsa | ecc,
        hashes=_HASHES,
        dev_auth_algorithm=SM4_ECB,
        total_space=_TOTAL_SPACE,
        free_space=max(0, _TOTAL_SPACE - core.catalogue.used_space()),
        max_apdu_data=profile.max_apdu_data,
        max_containers=profile.max_containers,
        max_certificates=profile.max_containers,
        max_files=0,
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
    answers=(SW.NO_CHALLENGE, SW.FUNCTION_NOT_SUPPORTED, SW.VERIFICATION_FAILED),
    secret=True,
)
def dev_auth(core: Core, call: Call) -> bytes:
    """DevAuth: the challenge of 8 or 16 bytes under the device's key; lasts until reset."""
    challenge = core.session.take_challenge(8, 16)
    if challenge is None:
        raise Refused(SW.NO_CHALLENGE)
    if call.command.p2 != DEV_AUTH_SM4:
        raise Refused(SW.FUNCTION_NOT_SUPPORTED)
    expected = pin.device_cryptogram(core.profile.device_auth_key, challenge)
    core.session.device_authenticated = hmac.compare_digest(expected, call.body)
    if not core.session.device_authenticated:
        raise Refused(SW.VERIFICATION_FAILED)
    return b""
