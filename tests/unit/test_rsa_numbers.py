"""RSA on bare numbers against pycryptodome (RFC 8017 §5.1, §7.2)."""

from __future__ import annotations

import pytest
from Crypto.Cipher import PKCS1_v1_5

from emulator.firmware import rsa_numbers
from emulator.firmware.refused import Refused
from emulator.hardware.entropy import SeededEntropy
from protocols.gmt import RsaPublicKey
from protocols.sw import SW
from tests.rig.good_objects import rsa_pair, rsa_private, rsa_public

PAIR = rsa_pair()
PRIVATE, PUBLIC = rsa_private(PAIR), rsa_public(PAIR)
LONGEST = 128 - 11


def refused(sw: SW, padded: bytes) -> None:
    """What deciphering answers to a block that holds this."""
    cipher = pow(int.from_bytes(padded), PAIR.e, PAIR.n).to_bytes(128)
    with pytest.raises(Refused) as caught:
        rsa_numbers.decrypt(PRIVATE, cipher, SeededEntropy(b"").bytes)
    assert caught.value.sw == sw


@pytest.mark.parametrize("size", [0, 1, 16, 32, LONGEST])
def test_pycryptodome_deciphers(size: int) -> None:
    plain, random = bytes(range(size)), SeededEntropy(b"cipher").bytes
    ciphers = {rsa_numbers.encrypt(PUBLIC, plain, random) for _ in range(20)}
    assert len(ciphers) == 20
    assert {PKCS1_v1_5.new(PAIR).decrypt(cipher, b"wrong") for cipher in ciphers} == {plain}


@pytest.mark.parametrize("size", [0, 1, 16, 32, LONGEST])
def test_what_pycryptodome_enciphers(size: int) -> None:
    plain = bytes(size)
    cipher = PKCS1_v1_5.new(PAIR.public_key()).encrypt(plain)
    assert rsa_numbers.decrypt(PRIVATE, cipher, SeededEntropy(b"").bytes) == plain


def test_the_filler_has_no_zero_byte() -> None:
    """Though every third random byte is one."""
    cipher = rsa_numbers.encrypt(PUBLIC, b"text", lambda size: (b"\0\1\2" * size)[:size])
    padded = pow(int.from_bytes(cipher), PAIR.d, PAIR.n).to_bytes(128)
    assert padded == b"\0\2" + (b"\1\2" * 128)[: 128 - 7] + b"\0text"


@pytest.mark.parametrize(
    "padded",
    [
        b"\0\1" + b"\xff" * 121 + b"\0text",
        b"\1\2" + b"\xff" * 121 + b"\0text",
        b"\0\2" + b"\xff" * 126,
        b"\0\2" + b"\xff" * 7 + b"\0" + b"x" * 118,
        bytes(128),
    ],
    ids=["block type 1", "begins with 1", "no separator", "seven bytes of filler", "zeros"],
)
def test_a_wrong_padding(padded: bytes) -> None:
    refused(SW.WRONG_DATA, padded)


def test_what_does_not_fit() -> None:
    with pytest.raises(Refused) as caught:
        rsa_numbers.encrypt(PUBLIC, bytes(LONGEST + 1), SeededEntropy(b"").bytes)
    assert caught.value.sw == SW.WRONG_DATA


@pytest.mark.parametrize("key", [RsaPublicKey(PAIR.n, 1), RsaPublicKey(PAIR.n, 4), RsaPublicKey(0, 3)])
def test_no_public_key(key: RsaPublicKey) -> None:
    with pytest.raises(Refused) as caught:
        rsa_numbers.encrypt(key, b"text", SeededEntropy(b"").bytes)
    assert caught.value.sw == SW.WRONG_DATA


@pytest.mark.parametrize(
    ("block", "sw"),
    [
        (bytes(127), SW.WRONG_LENGTH),
        (bytes(129), SW.WRONG_LENGTH),
        (PAIR.n.to_bytes(128), SW.WRONG_DATA),
    ],
    ids=["short", "long", "the modulus"],
)
def test_blocks_that_are_no_number_below_the_modulus(block: bytes, sw: SW) -> None:
    with pytest.raises(Refused) as by_public:
        rsa_numbers.public_power(PUBLIC, block)
    with pytest.raises(Refused) as by_private:
        rsa_numbers.private_power(PRIVATE, block, SeededEntropy(b"").bytes)
    assert by_public.value.sw == by_private.value.sw == sw


def test_the_largest_number() -> None:
    block = (PAIR.n - 1).to_bytes(128)  # -1, which an odd power leaves as it is
    assert rsa_numbers.public_power(PUBLIC, block) == block
    assert rsa_numbers.private_power(PRIVATE, block, SeededEntropy(b"").bytes) == block
