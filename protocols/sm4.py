"""SM4 over whole blocks in ECB: what GM/T 0017 enciphers PINs, challenges and keys with (GB/T 32907)."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from protocols.errors import ProtocolError
from protocols.i18n import N_

KEY_SIZE = 16
"""Bytes of a key."""


class Sm4KeyError(ProtocolError):
    """A key of another size."""


def encrypt_blocks(key: bytes, plain: bytes) -> bytes:
    """SM4-ECB over whole 16-byte blocks.

    :raises Sm4KeyError: the key has not 16 bytes.
    """
    encryptor = _ecb(key).encryptor()
    return encryptor.update(plain) + encryptor.finalize()


def decrypt_blocks(key: bytes, cipher: bytes) -> bytes:
    """SM4-ECB, the other way.

    :raises Sm4KeyError: the key has not 16 bytes.
    """
    decryptor = _ecb(key).decryptor()
    return decryptor.update(cipher) + decryptor.finalize()


def check_key(key: bytes) -> None:
    """Hold a key against SM4's size.

    :raises Sm4KeyError: it has not 16 bytes.
    """
    if len(key) != KEY_SIZE:
        raise Sm4KeyError(
            N_("an SM4 key has {expected} bytes, this one has {size}"), expected=KEY_SIZE, size=len(key)
        )


def _ecb(key: bytes) -> Cipher[modes.ECB]:
    check_key(key)
    return Cipher(algorithms.SM4(key), modes.ECB())  # noqa: S305 - the standard's mode
