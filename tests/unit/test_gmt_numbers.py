"""Numbers and codes of GM/T 0017 and GM/T 0016, as published (G3, G4, G6, G15-G18, G23, G27, G29, G34, G35)."""

from __future__ import annotations

import pytest

from protocols import gmt
from protocols.dialect import DEFAULT
from protocols.fields import FieldValueError
from protocols.gmt import Ins

# G3, the whole table as it is published, with the default's reading of the numbers that differ between makers (G4).
INSTRUCTIONS = {
    "SET_LABEL": 0x02,
    "GET_DEV_INFO": 0x04,
    "DEV_AUTH": 0x10,
    "CHANGE_DEV_AUTH_KEY": 0x12,
    "GET_PIN_INFO": 0x14,
    "CHANGE_PIN": 0x16,
    "VERIFY_PIN": 0x18,
    "UNBLOCK_PIN": 0x1A,
    "CLEAR_SECURE_STATE": 0x1C,
    "CREATE_APPLICATION": 0x20,
    "ENUM_APPLICATION": 0x22,
    "DELETE_APPLICATION": 0x24,
    "OPEN_APPLICATION": 0x26,
    "CLOSE_APPLICATION": 0x28,
    "CREATE_FILE": 0x30,
    "DELETE_FILE": 0x32,
    "ENUM_FILES": 0x34,
    "GET_FILE_INFO": 0x36,
    "READ_FILE": 0x38,
    "WRITE_FILE": 0x3A,
    "CREATE_CONTAINER": 0x40,
    "OPEN_CONTAINER": 0x42,
    "CLOSE_CONTAINER": 0x44,
    "ENUM_CONTAINER": 0x46,
    "DELETE_CONTAINER": 0x48,
    "GET_CONTAINER_INFO": 0x4A,
    "IMPORT_CERTIFICATE": 0x4C,
    "EXPORT_CERTIFICATE": 0x4E,
    "GEN_RANDOM": 0x50,
    "GEN_EXT_RSA_KEY": 0x52,
    "GENERATE_RSA_KEY_PAIR": 0x54,
    "IMPORT_RSA_KEY_PAIR": 0x56,
    "RSA_SIGN_DATA": 0x58,
    "RSA_EXPORT_SESSION_KEY": 0x5A,
    "RSA_KEY_OPERATION": 0x5C,
    "RSA_VERIFY": 0x5E,
    "GEN_ECC_KEY_PAIR": 0x70,
    "IMPORT_ECC_KEY_PAIR": 0x72,
    "ECC_SIGN_DATA": 0x74,
    "ECC_VERIFY": 0x76,
    "ECC_EXPORT_SESSION_KEY": 0x78,
    "EXT_ECC_ENCRYPT": 0x7A,
    "EXT_ECC_DECRYPT": 0x7C,
    "EXT_ECC_SIGN": 0x7E,
    "EXT_ECC_VERIFY": 0x80,
    "GENERATE_AGREEMENT_DATA": 0x82,
    "GENERATE_AGREEMENT_DATA_AND_KEY": 0x84,
    "GENERATE_KEY": 0x86,
    "EXPORT_PUBLIC_KEY": 0x88,
    "IMPORT_SESSION_KEY": 0xA0,
    "SET_SYMM_KEY": 0xA2,
    "ENCRYPT_INIT": 0xA4,
    "ENCRYPT": 0xA6,
    "ENCRYPT_UPDATE": 0xA8,
    "ENCRYPT_FINAL": 0xAA,
    "DECRYPT_INIT": 0xAC,
    "DECRYPT": 0xAE,
    "DECRYPT_UPDATE": 0xB0,
    "DECRYPT_FINAL": 0xB2,
    "DIGEST_INIT": 0xB4,
    "DIGEST": 0xB6,
    "DIGEST_UPDATE": 0xB8,
    "DIGEST_FINAL": 0xBA,
    "MAC_INIT": 0xBC,
    "MAC": 0xBE,
    "MAC_UPDATE": 0xC0,
    "MAC_FINAL": 0xC2,
    "DESTROY_SESSION_KEY": 0xC4,
    "EXT_RSA_PRI_KEY_OPERATION": 0xE8,
    "EXT_RSA_PUB_KEY_OPERATION": 0xEA,
    "ACTIVATION": 0xF6,
}


@pytest.mark.parametrize(("name", "number"), INSTRUCTIONS.items())
def test_instruction_numbers(name: str, number: int) -> None:  # G3, G4, G23
    assert Ins[name] == number == DEFAULT.number(Ins[name])
    assert DEFAULT.command(number) is Ins[name]


def test_the_table_is_whole() -> None:
    """What has no number in the default dialect is another maker's alone (G4)."""
    assert {ins.name for ins in Ins} - INSTRUCTIONS.keys() == {"RSA_EXPORT_HELD_KEY", "ECC_EXPORT_HELD_KEY"}
    assert [DEFAULT.command(number) for number in (0x60, 0x7F, 0x15C, 0x180)] == [None] * 4


def test_codes_of_the_parameters() -> None:
    assert (gmt.PinType.ADMIN, gmt.PinType.USER) == (0, 1)  # G6
    assert (gmt.SignInput.MESSAGE, gmt.SignInput.DIGEST) == (1, 2)  # G16
    assert [gmt.HashAlgorithm[name] for name in ("SM3", "SHA1", "SHA256_ALIAS", "SHA256")] == [
        1,
        2,
        3,
        4,
    ]  # G17
    assert [gmt.ContainerType[name] for name in ("EMPTY", "RSA", "ECC")] == [0, 1, 2]  # G15
    assert [gmt.ActivationAction[name] for name in ("STATUS", "SUBMIT", "KEYPAD", "INSTALL")] == [
        0,
        1,
        2,
        3,
    ]  # G23
    asymmetric = {
        "RSA": 0x00010000,
        "SM2_SIGN": 0x00020100,
        "SM2_EXCHANGE": 0x00020200,
        "SM2_ENCRYPT": 0x00020400,
    }
    assert {each.name: each.value for each in gmt.AsymmetricAlgorithm} == asymmetric  # G35
    assert (gmt.Rights.NEVER, gmt.Rights.ADMIN, gmt.Rights.USER, gmt.Rights.ANYONE) == (
        0,
        1,
        0x10,
        0xFF,
    )  # G27
    assert (gmt.KeyUse.EXCHANGE, gmt.KeyUse.SIGN) == (0, 1)  # G18
    assert (gmt.RsaKeyOperation.PRIVATE, gmt.RsaKeyOperation.PUBLIC) == (0, 1)  # G29
    assert (gmt.Padding.NONE, gmt.Padding.PKCS5) == (0, 1)  # G34


CIPHERS = {"SM1": 0x100, "SSF33": 0x200, "SM4": 0x400, "AES_128": 0x800, "AES_192": 0x810, "AES_256": 0x820}
MODES = {"ECB": 1, "CBC": 2, "CFB": 4, "OFB": 8, "MAC": 0x10}


@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("mode", MODES)
def test_codes_of_symmetric_algorithms(cipher: str, mode: str) -> None:  # G35
    code = CIPHERS[cipher] | MODES[mode]
    if mode == "MAC" and cipher.startswith("AES"):  # 0810 would be AES-192 without a mode
        with pytest.raises(FieldValueError):
            gmt.SymmetricAlgorithm.parse(code)
        return
    algorithm = gmt.SymmetricAlgorithm.parse(code)
    assert (algorithm.cipher.name, algorithm.mode.name, algorithm.code) == (cipher, mode, code)


@pytest.mark.parametrize("code", [0, 0x0400, 0x0403, 0x0500, 0x0410_0000, 0x0811 + 0x20, 0x00010000])
def test_no_symmetric_algorithm(code: int) -> None:
    with pytest.raises(FieldValueError):
        gmt.SymmetricAlgorithm.parse(code)


def test_sizes_of_keys() -> None:
    sizes = {each.name: each.key_size for each in gmt.BlockCipher}
    assert sizes == dict.fromkeys(CIPHERS, 16) | {"AES_192": 24, "AES_256": 32}
