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
