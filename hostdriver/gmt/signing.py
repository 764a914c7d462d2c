"""Signatures of GM/T 0017 §9.6, made behind the key's screen and button."""

from __future__ import annotations

from hostdriver.gmt.containers import Container
from hostdriver.gmt.wire import ALL, Wire, decoded
from protocols import sm2
from protocols.fields import counted
from protocols.gmt import HashAlgorithm, Ins, RsaPublicKey, SignInput
from protocols.gmt.ecc import encode_verification


class SigningCommands(Wire):
    """Signatures of a container's signature pair, and the check of anybody's."""

    def sign_rsa(
        self, container: Container, data: bytes, source: SignInput, hash_code: int = HashAlgorithm.SHA256
    ) -> bytes:
        """RSASignData: PKCS#1 v1.5, over a message that the key hashes or over a ready digest."""
        return self.send(Ins.RSA_SIGN_DATA, container.handles + data, p1=source, p2=hash_code, le=ALL)

    def sign_sm2(self, container: Container, data: bytes, source: SignInput) -> sm2.Signature:
        """ECCSignData: over a message (hashed with Z of the default ID) or over a ready digest e."""
        answer = self.send(Ins.ECC_SIGN_DATA, container.handles + data, p1=source, le=4 + 2 * sm2.SIZE)
        return decoded(lambda raw: sm2.Signature.parse(raw[4:]), answer)

    def verify_rsa(
        self,
        key: RsaPublicKey,
        data: bytes,
        signature: bytes,
        source: SignInput,
        hash_code: int = HashAlgorithm.SHA256,
    ) -> bool:
        """RSAVerify: whether `sign_rsa` could have made the signature with the private half of this key."""
        fields = key.encode(self.dialect) + counted(data, self.dialect) + counted(signature, self.dialect)
        return self.finds_good(Ins.RSA_VERIFY, fields, p1=source, p2=hash_code)

    def verify_sm2(self, key: sm2.PublicKey, digest: bytes, signature: sm2.Signature) -> bool:
        """ECCVerify: whether the signature is over this digest e of 32 bytes, by the private half of this key."""
        return self.finds_good(Ins.ECC_VERIFY, encode_verification(key, digest, signature, self.dialect))
