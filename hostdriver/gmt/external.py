"""Operations with keys that the host hands over, GM/T 0017 §9.6: for hosts without SM2 or RSA of their own."""

from __future__ import annotations

from hostdriver.gmt.wire import ALL, Wire, decoded
from protocols import sm2
from protocols.fields import Fields, counted, u16, u32
from protocols.gmt import Ins, RsaPrivateKey, RsaPublicKey
from protocols.gmt.ecc import (
    decode_encrypted,
    decode_signed,
    encode_cipher,
    encode_point,
    encode_verification,
)


class ExternalKeyCommands(Wire):
    """The key computes, and keeps nothing of it. Blocks are as long as the modulus, digests e are 32 bytes."""

    def generate_external_rsa(self, bits: int) -> RsaPrivateKey:
        """GenExtRSAKey: a pair whose private half leaves the key."""
        answer = self.send(Ins.GEN_EXT_RSA_KEY, u16(bits, self.dialect), le=ALL)
        return decoded(lambda raw: RsaPrivateKey.take(Fields(raw, self.dialect), bits), answer)

    def external_rsa_public(self, key: RsaPublicKey, block: bytes) -> bytes:
        """ExtRSAPubKeyOperation: bare RSA (private number; layout assumed)."""
        data = key.encode(self.dialect) + counted(block, self.dialect)
        return self.send(Ins.EXT_RSA_PUB_KEY_OPERATION, data, le=ALL)

    def external_rsa_private(self, key: RsaPrivateKey, block: bytes) -> bytes:
        """ExtRSAPriKeyOperation: bare RSA (private number; layout assumed)."""
        data = u32(key.n.bit_length(), self.dialect) + key.encode(self.dialect)
        return self.send(Ins.EXT_RSA_PRI_KEY_OPERATION, data + counted(block, self.dialect), le=ALL)

    def external_sm2_encrypt(self, key: sm2.PublicKey, plain: bytes) -> sm2.Ciphertext:
        """ExtECCEncrypt."""
        data = encode_point(key, self.dialect) + counted(plain, self.dialect)
        return decoded(decode_encrypted, self.send(Ins.EXT_ECC_ENCRYPT, data, le=ALL), self.dialect)

    def external_sm2_decrypt(self, key: sm2.PrivateKey, cipher: sm2.Ciphertext) -> bytes:
        """ExtECCDecrypt."""
        data = self._private(key) + encode_cipher(cipher, self.dialect)
        answer = self.send(Ins.EXT_ECC_DECRYPT, data, le=ALL)
        return decoded(lambda raw: Fields(raw, self.dialect).counted(), answer)

    def external_sm2_sign(self, key: sm2.PrivateKey, digest: bytes) -> sm2.Signature:
        """ExtECCSign."""
        data = self._private(key) + counted(digest, self.dialect)
        return decoded(decode_signed, self.send(Ins.EXT_ECC_SIGN, data, le=ALL), self.dialect)

    def external_sm2_verify(self, key: sm2.PublicKey, digest: bytes, signature: sm2.Signature) -> bool:
        """ExtECCVerify."""
        return self.finds_good(Ins.EXT_ECC_VERIFY, encode_verification(key, digest, signature, self.dialect))

    def _private(self, key: sm2.PrivateKey) -> bytes:
        return u32(sm2.BITS, self.dialect) + key.encode()
