"""SM4 by Debian's OpenSSL and AES by pycryptodome: what our ciphers are held against."""

from __future__ import annotations

import subprocess
from typing import Any

from Crypto.Cipher import AES

from protocols.gmt import Mode


def openssl(mode: Mode, key: bytes, iv: bytes, data: bytes, *options: str) -> bytes:
    """What Debian's `openssl enc` makes of the data."""
    named = [f"-sm4-{mode.name.lower()}", "-K", key.hex()]
    if mode is not Mode.ECB:
        named += ["-iv", iv.hex()]
    return subprocess.run(
        ["openssl", "enc", *named, *options], input=data, capture_output=True, check=True, timeout=30
    ).stdout


def pycryptodome(mode: Mode, key: bytes, iv: bytes) -> Any:
    if mode is Mode.ECB:
        return AES.new(key, AES.MODE_ECB)
    if mode is Mode.CBC:
        return AES.new(key, AES.MODE_CBC, iv=iv)
    if mode is Mode.CFB:
        return AES.new(key, AES.MODE_CFB, iv=iv, segment_size=128)
    return AES.new(key, AES.MODE_OFB, iv=iv)
