"""The PIN protocol and line protection of GM/T 0017 (docs/facts.md G7–G12): SHA-1 key, SM4 cryptograms, SM4 MAC."""

from __future__ import annotations

import hashlib
from typing import Literal

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from protocols.dialect import DEFAULT, Dialect
from protocols.errors import ProtocolError
from protocols.i18n import N_
from protocols.sm4 import encrypt_blocks

CHALLENGE_LENGTH = 8
MAC_LENGTH = 4
BLOCK_LENGTH = 16


def pin_key(pin: bytes) -> bytes:
    """The 16-byte key of a PIN: the head of SHA-1 over the PIN, zero-padded to at least 16 bytes."""
    return hashlib.sha1(pin.ljust(BLOCK_LENGTH, b"\0"), usedforsecurity=False).digest()[:BLOCK_LENGTH]


def verify_cryptogram(key: bytes, challenge: bytes, pin_block: Literal[1, 2] = 1) -> bytes:
    """What VerifyPIN carries: the challenge enciphered under the PIN's key, 16 bytes."""
    block = challenge + bytes(8) if pin_block == 1 else b"\x08\x00" + challenge + b"\x80" + bytes(5)
    return encrypt_blocks(key, block)


def device_cryptogram(key: bytes, challenge: bytes) -> bytes:
    """What DevAuth carries: the challenge of 8 or 16 bytes, zero-padded to a block, enciphered, 16 bytes."""
    return encrypt_blocks(key, challenge.ljust(BLOCK_LENGTH, b"\0"))


def padded_pin(pin: bytes, width: int) -> bytes:
    """A new PIN as ChangePIN and UnblockPIN encipher it: zero-padded to 16 bytes, or 32.

    :raises ProtocolError: longer than the field.
    """
    if len(pin) > width:
        raise ProtocolError(N_("a PIN has at most {width} bytes"), width=width)
    return pin.ljust(width, b"\0")


def mac_length(dialect: Dialect = DEFAULT) -> int:
    """How many bytes of MAC a protected command (CLA 84) ends with."""
    return 0 if dialect.line_mac == "none" else MAC_LENGTH


def line_mac(key: bytes, challenge: bytes, header: bytes, data: bytes, dialect: Dialect = DEFAULT) -> bytes:
    """The MAC of a protected command (CLA 84): 4 bytes, or none where the dialect has none (G10).

    SM4-CBC-MAC; IV = challenge ‖ 00×8; over the header with its lengths ‖ data; padded with 80 00….
    """
    if dialect.line_mac == "none":
        return b""
    text = header + _mac_lengths(len(data) + MAC_LENGTH, dialect) + data + b"\x80"
    text += bytes(-len(text) % BLOCK_LENGTH)
    encryptor = Cipher(algorithms.SM4(key), modes.CBC(challenge + bytes(8))).encryptor()
    return (encryptor.update(text) + encryptor.finalize())[-BLOCK_LENGTH:][:MAC_LENGTH]


def _mac_lengths(lc: int, dialect: Dialect) -> bytes:
    """What follows P2 under the MAC: 00 LcHi LcLo, or LcHi LcLo and an Le of 0 (big-endian: assumed)."""
    return lc.to_bytes(2) + bytes(2) if dialect.line_mac == "lc-le" else b"\0" + lc.to_bytes(2)
