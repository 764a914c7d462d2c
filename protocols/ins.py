"""Instruction numbers of GM/T 0017 §9 (docs/facts.md G3, G4, G23)."""

from __future__ import annotations

from enum import IntEnum, unique


@unique
class Ins(IntEnum):
    """A command, by the number that it has in the default dialect.

    Values above FF have no number there: some other dialect gives them one.
    """

    SET_LABEL = 0x02
    GET_DEV_INFO = 0x04
    DEV_AUTH = 0x10
    CHANGE_DEV_AUTH_KEY = 0x12
    GET_PIN_INFO = 0x14
    CHANGE_PIN = 0x16
    VERIFY_PIN = 0x18
    UNBLOCK_PIN = 0x1A
    CLEAR_SECURE_STATE = 0x1C
    CREATE_APPLICATION = 0x20
    ENUM_APPLICATION = 0x22
    DELETE_APPLICATION = 0x24
    OPEN_APPLICATION = 0x26
    CLOSE_APPLICATION = 0x28
    CREATE_FILE = 0x30
    DELETE_FILE = 0x32
    ENUM_FILES = 0x34
    GET_FILE_INFO = 0x36
    READ_FILE = 0x38
    WRITE_FILE = 0x3A
    CREATE_CONTAINER = 0x40
    OPEN_CONTAINER = 0x42
    CLOSE_CONTAINER = 0x44
    ENUM_CONTAINER = 0x46
    DELETE_CONTAINER = 0x48
    GET_CONTAINER_INFO = 0x4A
    IMPORT_CERTIFICATE = 0x4C
    EXPORT_CERTIFICATE = 0x4E
    GEN_RANDOM = 0x50
    GEN_EXT_RSA_KEY = 0x52
    GENERATE_RSA_KEY_PAIR = 0x54
    IMPORT_RSA_KEY_PAIR = 0x56
    RSA_SIGN_DATA = 0x58
    RSA_EXPORT_SESSION_KEY = 0x5A
    RSA_KEY_OPERATION = 0x5C
    RSA_VERIFY = 0x5E
    GEN_ECC_KEY_PAIR = 0x70
    IMPORT_ECC_KEY_PAIR = 0x72
    ECC_SIGN_DATA = 0x74
    ECC_VERIFY = 0x76
    ECC_EXPORT_SESSION_KEY = 0x78
    EXT_ECC_ENCRYPT = 0x7A
    EXT_ECC_DECRYPT = 0x7C
    EXT_ECC_SIGN = 0x7E
    EXT_ECC_VERIFY = 0x80
    GENERATE_AGREEMENT_DATA = 0x82
    GENERATE_AGREEMENT_DATA_AND_KEY = 0x84
    GENERATE_KEY = 0x86
    EXPORT_PUBLIC_KEY = 0x88
    IMPORT_SESSION_KEY = 0xA0
    SET_SYMM_KEY = 0xA2
    ENCRYPT_INIT = 0xA4
    ENCRYPT = 0xA6
    ENCRYPT_UPDATE = 0xA8
    ENCRYPT_FINAL = 0xAA
    DECRYPT_INIT = 0xAC
    DECRYPT = 0xAE
    DECRYPT_UPDATE = 0xB0
    DECRYPT_FINAL = 0xB2
    DIGEST_INIT = 0xB4
    DIGEST = 0xB6
    DIGEST_UPDATE = 0xB8
    DIGEST_FINAL = 0xBA
    MAC_INIT = 0xBC
    MAC = 0xBE
    MAC_UPDATE = 0xC0
    MAC_FINAL = 0xC2
    DESTROY_SESSION_KEY = 0xC4
    EXT_RSA_PRI_KEY_OPERATION = 0xE8
    EXT_RSA_PUB_KEY_OPERATION = 0xEA
    ACTIVATION = 0xF6
    RSA_EXPORT_HELD_KEY = 0x15C
    ECC_EXPORT_HELD_KEY = 0x180


RSA_COMMANDS = frozenset(ins for ins in Ins if "RSA" in ins.name)
"""What a key without RSA has not."""
SM2_COMMANDS = frozenset(ins for ins in Ins if "ECC" in ins.name) | {
    Ins.GENERATE_AGREEMENT_DATA,
    Ins.GENERATE_AGREEMENT_DATA_AND_KEY,
    Ins.GENERATE_KEY,
}
"""What a key without SM2 has not."""
