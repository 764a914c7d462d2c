"""Operations with keys that come with the command, GM/T 0017 §9.6: the key lends its processor and its random numbers.

Nothing of them stays on the key. ECCVerify and RSAVerify, which take a public key too, stand with the signatures.
"""

from __future__ import annotations

from emulator.firmware import rsa_numbers
from emulator.firmware.applets.gmt.decoding import taken
from emulator.firmware.applets.gmt.signing import ecc_verify
from emulator.firmware.applets.gmt.table import Call, Table
from emulator.firmware.confirm import Waiting
from emulator.firmware.core import Core
from emulator.firmware.refused import Refused
from protocols import sm2
from protocols.fields import Fields, counted
from protocols.gmt import RSA_BITS, Ins, RsaPrivateKey, RsaPublicKey
from protocols.gmt.ecc import encode_encrypted, encode_signed, take_cipher, take_point, take_private
from protocols.sw import SW

TABLE = Table()

_NOT_VALID = (SW.WRONG_LENGTH, SW.WRONG_DATA)


@TABLE.command(Ins.GEN_EXT_RSA_KEY, lc=2, answers=(SW.WRONG_DATA,), secret=True)
def gen_ext_rsa_key(core: Core, call: Call) -> bytes:
    """GenExtRSAKey: a pair for the host, its private half in the answer; the key keeps nothing of it."""
    bits = Fields(call.body, core.dialect).number(2)
    if bits not in RSA_BITS:
        raise Refused(SW.WRONG_DATA)
    return core.secure_element.temporary_rsa(bits).encode(core.dialect)


@TABLE.command(Ins.EXT_RSA_PUB_KEY_OPERATION, lc=(1, None), answers=_NOT_VALID)
def ext_rsa_pub_key_operation(core: Core, call: Call) -> bytes:
    """ExtRSAPubKeyOperation: bare RSA, on a block as long as the modulus (private number; layout assumed)."""
    key, block = taken(core, lambda fields: (RsaPublicKey.take(fields), fields.counted()), call.body)
    rsa_numbers.check_public(key)
    return rsa_numbers.public_power(key, block)


@TABLE.command(Ins.EXT_RSA_PRI_KEY_OPERATION, lc=(1, None), answers=_NOT_VALID, secret=True)
def ext_rsa_pri_key_operation(core: Core, call: Call) -> bytes:
    """ExtRSAPriKeyOperation: bare RSA, on a block as long as the modulus (private number; layout assumed)."""
    key, block = taken(core, _take_private_block, call.body)
    return core.secure_element.power_with(key, block)


def _take_private_block(fields: Fields) -> tuple[RsaPrivateKey, bytes]:
    return RsaPrivateKey.take(fields, fields.number(4)), fields.counted()


@TABLE.command(Ins.EXT_ECC_ENCRYPT, lc=(1, None), answers=_NOT_VALID)
def ext_ecc_encrypt(core: Core, call: Call) -> bytes:
    """ExtECCEncrypt: SM2 encryption (GB/T 32918.4) under the public key in the data."""
    public, plain = taken(core, lambda fields: (take_point(fields), fields.counted()), call.body)
    return encode_encrypted(core.secure_element.encrypt_sm2(public, plain), core.dialect)


@TABLE.command(Ins.EXT_ECC_DECRYPT, lc=(1, None), answers=_NOT_VALID, secret=True)
def ext_ecc_decrypt(core: Core, call: Call) -> bytes:
    """ExtECCDecrypt: with the private key in the data; answers length and plaintext."""
    private, cipher = taken(core, lambda fields: (take_private(fields), take_cipher(fields)), call.body)
    try:
        return counted(sm2.decrypt(private, cipher), core.dialect)
    except sm2.Sm2Error:
        raise Refused(SW.WRONG_DATA) from None


@TABLE.command(Ins.EXT_ECC_SIGN, lc=(1, None), answers=_NOT_VALID, secret=True)
def ext_ecc_sign(core: Core, call: Call) -> bytes:
    """ExtECCSign: a digest e of 32 bytes with the private key in the data."""
    private, digest = taken(core, lambda fields: (take_private(fields), fields.counted()), call.body)
    if len(digest) != sm2.SIZE:
        raise Refused(SW.WRONG_DATA)
    return encode_signed(core.secure_element.sign_with(private, digest), core.dialect)


@TABLE.command(
    Ins.EXT_ECC_VERIFY, lc=(1, None), answers=(SW.WRONG_LENGTH, SW.WRONG_DATA, SW.VERIFICATION_FAILED)
)
def ext_ecc_verify(core: Core, call: Call) -> bytes | Waiting:
    """ExtECCVerify: the same as ECCVerify."""
    return ecc_verify(core, call)
