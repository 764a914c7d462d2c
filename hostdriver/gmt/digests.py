"""Digests made on the key, GM/T 0017 §9.6: one call for data of any length."""

from __future__ import annotations

from hostdriver.gmt.streams import Series, StreamCommands
from protocols.gmt import HashAlgorithm, Ins
from protocols.gmt.session_keys import DigestSigner

_DIGEST = Series(Ins.DIGEST_INIT, Ins.DIGEST, Ins.DIGEST_UPDATE, Ins.DIGEST_FINAL, answers=False)


class DigestCommands(StreamCommands):
    """SM3, SHA-1 and SHA-256 on the key."""

    def digest(self, algorithm: HashAlgorithm, data: bytes, signer: DigestSigner | None = None) -> bytes:
        """DigestInit and what follows.

        :param signer: SM3 only: the digest begins with this signer's Z, as an SM2 signature's does.
        """
        start = signer.encode(self.dialect) if signer else b""
        return self.work(_DIGEST, data, start, p2=algorithm)
