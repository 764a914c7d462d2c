"""Classes, parameters and algorithm codes of GM/T 0017 and GM/T 0016 (docs/facts.md G1, G6, G16, G17, G35)."""

from __future__ import annotations

from enum import IntEnum, unique
from typing import NamedTuple

from protocols.fields import FieldValueError
from protocols.i18n import N_

CLA_PLAIN = 0x80
CLA_MAC = 0x84
RSA_EXPONENT = 65537


@unique
class PinType(IntEnum):
    """P2 of the PIN commands."""

    ADMIN = 0
    USER = 1


@unique
class SignInput(IntEnum):
    """P1 of the signing commands: a whole message that the key hashes, or a ready digest."""

    MESSAGE = 1
    DIGEST = 2


@unique
class HashAlgorithm(IntEnum):
    """Hash codes (SGD values); 3 is taken as SHA-256 too, as some implementations send it."""

    SM3 = 1
    SHA1 = 2
    SHA256_ALIAS = 3
    SHA256 = 4


@unique
class ContainerType(IntEnum):
    """What a container holds."""

    EMPTY = 0
    RSA = 1
    ECC = 2


@unique
class ActivationAction(IntEnum):
    """P1 of the private activation command."""

    STATUS = 0
    SUBMIT = 1
    KEYPAD = 2
    INSTALL = 3


@unique
class KeyUse(IntEnum):
    """Which pair of a container: P1 of ExportPublicKey and ExportCertificate, and ImportCertificate's first byte."""

    EXCHANGE = 0
    SIGN = 1


RSA_OPERATION_P1 = {KeyUse.SIGN: 0, KeyUse.EXCHANGE: 1}
"""P1 of the internal RSA operation, which counts the pairs the other way round (G29)."""


@unique
class RsaKeyOperation(IntEnum):
    """P2 of the internal RSA operation (G29)."""

    PRIVATE = 0
    PUBLIC = 1


@unique
class Rights(IntEnum):
    """Who may read or write a file, or create one."""

    NEVER = 0x00
    ADMIN = 0x01
    USER = 0x10
    ANYONE = 0xFF


@unique
class AsymmetricAlgorithm(IntEnum):
    """Algorithm identifiers of GM/T 0016."""

    RSA = 0x00010000
    SM2_SIGN = 0x00020100
    SM2_EXCHANGE = 0x00020200
    SM2_ENCRYPT = 0x00020400


@unique
class BlockCipher(IntEnum):
    """The upper part of a symmetric algorithm's code. SM1 and SSF33 are secret; AES' codes are some makers' (B)."""

    SM1 = 0x0100
    SSF33 = 0x0200
    SM4 = 0x0400
    AES_128 = 0x0800
    AES_192 = 0x0810
    AES_256 = 0x0820

    @property
    def key_size(self) -> int:
        """Bytes of a key."""
        return {BlockCipher.AES_192: 24, BlockCipher.AES_256: 32}.get(self, 16)


@unique
class Mode(IntEnum):
    """The lower part of a symmetric algorithm's code."""

    ECB = 0x01
    CBC = 0x02
    CFB = 0x04
    OFB = 0x08
    MAC = 0x10


class SymmetricAlgorithm(NamedTuple):
    """A cipher in a mode, as one code on the wire: SM4-ECB is 0401."""

    cipher: BlockCipher
    mode: Mode

    @property
    def code(self) -> int:
        """The code."""
        return self.cipher | self.mode

    @classmethod
    def parse(cls, code: int) -> SymmetricAlgorithm:
        """From its code.

        :raises FieldValueError: none of GM/T 0016's.
        """
        try:
            return _SYMMETRIC[code]
        except KeyError:
            raise FieldValueError(N_("{code} is no symmetric algorithm"), code=f"{code:08X}") from None


_SYMMETRIC = {
    cipher | mode: SymmetricAlgorithm(cipher, mode)
    for cipher in BlockCipher
    for mode in Mode
    if mode is not Mode.MAC or cipher < BlockCipher.AES_128  # 0810 is AES-192, not a MAC
}


@unique
class Padding(IntEnum):
    """PaddingType of GM/T 0016's BLOCKCIPHERPARAM."""

    NONE = 0
    PKCS5 = 1


SM4_ECB = SymmetricAlgorithm(BlockCipher.SM4, Mode.ECB).code
DEV_AUTH_SM4 = 2
ANYONE = Rights.ANYONE

PIN_FIELD = 16
"""Width of a PIN in CreateApplication, and of a new PIN in ChangePIN and UnblockPIN."""
LONG_PIN_FIELD = 32
"""Width of a new PIN on keys that allow more than 16 bytes."""
