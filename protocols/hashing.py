"""The hashes of GM/T 0016, by their codes."""

from __future__ import annotations

from collections.abc import Mapping

from cryptography.hazmat.primitives import hashes

from protocols.gmt import HashAlgorithm

HASHES: Mapping[int, hashes.HashAlgorithm] = {
    HashAlgorithm.SM3: hashes.SM3(),
    HashAlgorithm.SHA1: hashes.SHA1(),  # noqa: S303 - the standard offers it
    HashAlgorithm.SHA256_ALIAS: hashes.SHA256(),
    HashAlgorithm.SHA256: hashes.SHA256(),
}


def digest_of(code: int, message: bytes) -> bytes:
    """The message's digest under the hash of that code.

    :raises KeyError: no such code.
    """
    state = hashes.Hash(HASHES[code])
    state.update(message)
    return state.finalize()
