"""PIN keys, cryptograms and the line MAC (G7-G10, G12), against the facts' recipes done with gmalg and hashlib."""

from __future__ import annotations

import hashlib
from typing import Literal

import gmalg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.dialect import DIALECTS
from protocols.pin import (
    device_cryptogram,
    line_mac,
    mac_length,
    padded_pin,
    pin_key,
    verify_cryptogram,
)
from protocols.sm4 import decrypt_blocks, encrypt_blocks

R = bytes.fromhex("1122334455667788")
PINS = [b"1", b"123456", b"12345678", b"a" * 15, b"b" * 16, b"c" * 17, b"0123456789" * 3]
TEST_DEVICE_KEY = b"1234567812345678"  # G12

keys = st.binary(min_size=16, max_size=16)
challenges = st.binary(min_size=8, max_size=8)


def recipe_key(pin: bytes) -> bytes:
    """G7, by hand."""
    return hashlib.sha1(pin + b"\0" * (16 - len(pin)) if len(pin) < 16 else pin).digest()[0:16]


def sm4(key: bytes, block: bytes) -> bytes:
    return bytes(gmalg.SM4(key).encrypt(block))


def recipe_mac(key: bytes, challenge: bytes, header: bytes, data: bytes, *, eight: bool = False) -> bytes:
    """G10, by hand: chain block by block. Sunyard's header has eight bytes, Le among them."""
    lc = len(data) + 4
    lengths = (lc >> 8, lc & 0xFF, 0, 0) if eight else (0, lc >> 8, lc & 0xFF)
    text = header + bytes(lengths) + data + b"\x80"
    while len(text) % 16:
        text += b"\0"
    state = challenge + b"\0" * 8
    for at in range(0, len(text), 16):
        state = sm4(key, bytes(a ^ b for a, b in zip(state, text[at : at + 16], strict=True)))
    return state[:4]


def test_the_standards_sm4_example() -> None:
    # GB/T 32907-2016, annex A.1.
    key = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
    assert encrypt_blocks(key, key).hex().upper() == "681EDF34D206965E86B3E94F536E4246"


@pytest.mark.parametrize("pin", PINS, ids=len)
def test_the_key_of_a_pin(pin: bytes) -> None:  # G7
    assert pin_key(pin) == recipe_key(pin)


def test_the_key_of_the_usual_initial_pin() -> None:  # G7
    # By coreutils: printf '12345678\0\0\0\0\0\0\0\0' | sha1sum
    assert pin_key(b"12345678").hex() == "002fe525cb3afa592e4011157437c666"


def test_pins_longer_than_a_block_are_hashed_whole() -> None:  # G7
    assert pin_key(b"c" * 17) != pin_key(b"c" * 16)
    assert pin_key(b"c" * 17) != pin_key(b"c" * 18)


@pytest.mark.parametrize("pin", PINS, ids=len)
@pytest.mark.parametrize(
    ("form", "block"),
    [
        (1, "1122334455667788 0000000000000000"),
        (2, "0800 1122334455667788 80 0000000000"),
    ],
)
def test_what_verify_pin_carries(pin: bytes, form: Literal[1, 2], block: str) -> None:  # G8
    expected = sm4(recipe_key(pin), bytes.fromhex(block))
    assert verify_cryptogram(pin_key(pin), R, form) == expected


def test_the_first_form_is_the_default() -> None:  # G8
    key = pin_key(b"123456")
    assert verify_cryptogram(key, R) == verify_cryptogram(key, R, 1) != verify_cryptogram(key, R, 2)


@pytest.mark.parametrize("challenge", [R, R + bytes.fromhex("99AABBCCDDEEFF00")], ids=len)
def test_what_dev_auth_carries(challenge: bytes) -> None:  # G12
    expected = sm4(TEST_DEVICE_KEY, (challenge + b"\0" * 8)[:16])
    assert device_cryptogram(TEST_DEVICE_KEY, challenge) == expected


@pytest.mark.parametrize(
    ("pin", "width", "expected"),
    [
        (b"123456", 16, b"123456" + b"\0" * 10),
        (b"b" * 16, 16, b"b" * 16),
        (b"123456", 32, b"123456" + b"\0" * 26),
        (b"c" * 17, 32, b"c" * 17 + b"\0" * 15),
    ],
)
def test_a_new_pin_on_its_way(pin: bytes, width: int, expected: bytes) -> None:  # G9
    key = pin_key(b"12345678")
    assert padded_pin(pin, width) == expected
    sent = encrypt_blocks(key, padded_pin(pin, width))
    assert sent == b"".join(sm4(key, expected[at : at + 16]) for at in range(0, width, 16))


# Lengths around the blocks: 7 bytes of header and length, then the data, then 80.
@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 18, 24, 25, 34, 300])
def test_the_line_mac_at_every_padding(size: int) -> None:  # G10
    header, key, data = bytes.fromhex("84160001"), pin_key(b"123456"), bytes(range(256)) * 2
    assert line_mac(key, R, header, data[:size]) == recipe_mac(key, R, header, data[:size])


@given(keys, challenges, st.binary(min_size=4, max_size=4), st.binary(max_size=80))
def test_the_line_mac_of_anything(key: bytes, challenge: bytes, header: bytes, data: bytes) -> None:  # G10
    assert line_mac(key, challenge, header, data) == recipe_mac(key, challenge, header, data)


@pytest.mark.parametrize("size", [0, 1, 6, 7, 8, 18, 23, 24, 34, 300])
def test_a_header_with_le_at_every_padding(size: int) -> None:  # G10
    header, key, data = bytes.fromhex("84160001"), pin_key(b"123456"), bytes(range(256)) * 2
    expected = recipe_mac(key, R, header, data[:size], eight=True)
    assert line_mac(key, R, header, data[:size], DIALECTS["sunyard"]) == expected
    assert expected != recipe_mac(key, R, header, data[:size])


def test_a_dialect_without_macs() -> None:  # G10
    assert line_mac(pin_key(b"123456"), R, bytes.fromhex("84160001"), b"data", DIALECTS["synochip"]) == b""
    lengths = {name: mac_length(dialect) for name, dialect in DIALECTS.items()}
    assert lengths == {"default": 4, "longmai": 4, "sunyard": 4, "synochip": 0}


@given(keys, st.lists(keys, max_size=4))
def test_blocks_both_ways(key: bytes, blocks: list[bytes]) -> None:
    sent = encrypt_blocks(key, b"".join(blocks))
    assert sent == b"".join(sm4(key, block) for block in blocks)
    assert decrypt_blocks(key, sent) == b"".join(blocks)
