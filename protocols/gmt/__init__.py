"""GM/T 0017 commands: numbers, and the layouts of what they carry (docs/facts.md, chapter G).

Everything that both sides read or write stands here once. Integers follow the dialect's byte order; identifiers
(application, container, session key) are two opaque bytes.
"""

from protocols.gmt.applications import (
    SALT_LENGTH,
    VERIFIER_LENGTH,
    ActivationVerifier,
    ApplicationInfo,
    ContainerInfo,
    NewApplication,
    PinInfo,
)
from protocols.gmt.device import DEVICE_INFO_SIZE, DeviceInfo
from protocols.gmt.numbers import (
    ANYONE,
    CLA_MAC,
    CLA_PLAIN,
    DEV_AUTH_SM4,
    LONG_PIN_FIELD,
    PIN_FIELD,
    RSA_EXPONENT,
    RSA_OPERATION_P1,
    SM4_ECB,
    ActivationAction,
    AsymmetricAlgorithm,
    BlockCipher,
    ContainerType,
    HashAlgorithm,
    KeyUse,
    Mode,
    Padding,
    PinType,
    Rights,
    RsaKeyOperation,
    SignInput,
    SymmetricAlgorithm,
)
from protocols.gmt.rsa import RSA_BITS, RsaPrivateKey, RsaPublicKey, WrappedRsaPair
from protocols.ins import Ins

__all__ = [
    "ANYONE",
    "CLA_MAC",
    "CLA_PLAIN",
    "DEVICE_INFO_SIZE",
    "DEV_AUTH_SM4",
    "LONG_PIN_FIELD",
    "PIN_FIELD",
    "RSA_BITS",
    "RSA_EXPONENT",
    "RSA_OPERATION_P1",
    "SALT_LENGTH",
    "SM4_ECB",
    "VERIFIER_LENGTH",
    "ActivationAction",
    "ActivationVerifier",
    "ApplicationInfo",
    "AsymmetricAlgorithm",
    "BlockCipher",
    "ContainerInfo",
    "ContainerType",
    "DeviceInfo",
    "HashAlgorithm",
    "Ins",
    "KeyUse",
    "Mode",
    "NewApplication",
    "Padding",
    "PinInfo",
    "PinType",
    "Rights",
    "RsaKeyOperation",
    "RsaPrivateKey",
    "RsaPublicKey",
    "SignInput",
    "SymmetricAlgorithm",
    "WrappedRsaPair",
]
