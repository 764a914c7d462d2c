"""Signatures of GM/T 0017 §9.6, made behind the key's screen and button."""

from __future__ import annotations

from hostdriver.gmt.containers import Container
from hostdriver.gmt.wire import ALL, Wire, decoded
from protocols import sm2
from protocols.gmt import HashAlgorithm, Ins, SignInput


class SigningCommands(Wire):
    """Signatures of a container's signature pair."""

    def sign_rsa(
        self, container: Container, data: bytes, source: SignInput, hash_code: int = HashAlgorithm.SHA256
    ) -> bytes:
        """RSASignData: PKCS#1 v1.5, over a message that the key hashes or over a ready digest."""
        return self.send(Ins.RSA_SIGN_DATA, container.handles + data, p1=source, p2=hash_code, le=ALL)

    def sign_sm2(self, container: Container, data: bytes, source: SignInput) -> sm2.Signature:
        """ECCSignData: over a message (hashed with Z of the default ID) or over a ready digest e."""
        answer = self.send(Ins.ECC_SIGN_DATA, container.handles + data, p1=source, le=4 + 2 * sm2.SIZE)
        return decoded(lambda raw: sm2.Signature.parse(raw[4:]), answer)
