"""What GetDevInfo says that a key can do, at its place in the block of 288 bytes (G5, G16, G35)."""

from __future__ import annotations

import struct

import pytest

from tests.rig.key import KeyRig

SM4, AES = 0x041F, 0x080F
RSA, SM2 = 0x00010000, 0x00020700


def capabilities(rig: KeyRig) -> tuple[int, ...]:
    """Symmetric, asymmetric, hashes."""
    block = rig.raw("80 04 00 00 00 00 00")
    assert len(block) == 288 + 2
    return struct.unpack_from(">III", block, 200)


def test_a_usual_key(rig: KeyRig) -> None:
    assert capabilities(rig) == (SM4, RSA | SM2, 7)


@pytest.mark.limits(ciphers=("sm4", "aes"))
def test_with_aes(rig: KeyRig) -> None:
    assert capabilities(rig)[0] == SM4 | AES


@pytest.mark.limits(ciphers=(), containers__sm2=None)
def test_without_ciphers(rig: KeyRig) -> None:
    assert capabilities(rig)[0] == 0


@pytest.mark.limits(containers__rsa=None)
def test_without_rsa(rig: KeyRig) -> None:
    assert capabilities(rig)[1] == SM2


@pytest.mark.profile("icbc-1g-gd")
def test_without_sm2(rig: KeyRig) -> None:
    assert capabilities(rig)[1] == RSA


@pytest.mark.limits(max_files=258)
def test_how_many_files(rig: KeyRig) -> None:
    assert struct.unpack_from(">H", rig.raw("80 04 00 00 00 00 00"), 232) == (258,)


RSA_NUMBERS = (0x52, 0x54, 0x56, 0x58, 0x5A, 0x5C, 0x5E, 0xE8, 0xEA)
SM2_NUMBERS = (0x70, 0x72, 0x74, 0x76, 0x78, 0x7A, 0x7C, 0x7E, 0x80, 0x82, 0x84, 0x86)


def not_supported(rig: KeyRig) -> set[int]:
    """The numbers of the commands that the key knows and has not, whatever stands behind the number."""
    answers = {ins: rig.status(bytes((0x80, ins, 0, 0))) for ins in range(0x100)}
    return {ins for ins, sw in answers.items() if sw == 0x6A81}


def test_a_usual_keys_commands(rig: KeyRig) -> None:
    assert not_supported(rig) == set()


@pytest.mark.limits(containers__rsa=None)
def test_commands_without_rsa(rig: KeyRig) -> None:
    assert not_supported(rig) == set(RSA_NUMBERS)


@pytest.mark.profile("icbc-1g-gd")
def test_commands_without_sm2(rig: KeyRig) -> None:
    assert not_supported(rig) == set(SM2_NUMBERS)
