"""Enveloped key pairs: how an encryption key pair travels to the key that holds the signature pair (GB/T 35276 §7.4).

The private key is under SM4-ECB without padding; that SM4 key is encrypted for the signature key.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from protocols.i18n import N_
from protocols.sm2.curve import SIZE, Sm2Error
from protocols.sm2.encryption import Ciphertext, decrypt, encrypt
from protocols.sm2.keys import PrivateKey, PublicKey
from protocols.sm4 import Sm4KeyError, decrypt_blocks, encrypt_blocks

SM4_ECB = 0x00000401
"""GM/T 0016's code of the one cipher that can be opened: the others, SM1 and SSF33, are secret."""

_IDENTIFIERS = {  # GM/T 0006: the cipher, and its ECB mode
    "1.2.156.10197.1.102": 0x00000101,
    "1.2.156.10197.1.102.1": 0x00000101,
    "1.2.156.10197.1.103": 0x00000201,
    "1.2.156.10197.1.103.1": 0x00000201,
    "1.2.156.10197.1.104": SM4_ECB,
    "1.2.156.10197.1.104.1": SM4_ECB,
}
_WRITTEN = {code: identifier for identifier, code in _IDENTIFIERS.items()}
"""Of the two identifiers the later, that of the mode."""

_NOT_ECB = N_("the enveloped SM2 key is not under a block cipher in ECB mode, without padding")
_UNCOMPRESSED = b"\x04"
_DER_LIMIT = 512  # with a symmetric key of 16 bytes there are at most 244


class EnvelopedKey(NamedTuple):
    """A key pair in transit.

    :param algorithm: code of the symmetric cipher (GM/T 0016).
    :param wrapped: the symmetric key, for the receiver's signature key.
    :param public: of the pair.
    :param encrypted: the private key of the pair, 32 bytes, under the symmetric key.
    """

    algorithm: int
    wrapped: Ciphertext
    public: PublicKey
    encrypted: bytes

    @classmethod
    def parse_der(cls, der: bytes) -> EnvelopedKey:
        """SM2EnvelopedKey (GB/T 35276 §7.4).

        :raises Sm2Error: not that in DER, an unknown cipher, no point of the curve, or a private key of another length.
        """
        from protocols.sm2.der import SM2EnvelopedKey, read

        fields = read(SM2EnvelopedKey, der, _DER_LIMIT)
        algorithm = _IDENTIFIERS.get(fields["algorithm"]["algorithm"])
        if algorithm is None or len(fields["encrypted"]) != SIZE:
            raise Sm2Error(_NOT_ECB)
        wrapped = Ciphertext.from_asn1(fields["wrapped"])
        return cls(algorithm, wrapped, _public_key(fields["public"]), fields["encrypted"])

    def encode_der(self) -> bytes:
        """SM2EnvelopedKey (GB/T 35276 §7.4).

        :raises Sm2Error: under no cipher that has an identifier.
        """
        from asn1crypto.core import Null

        from protocols.sm2.der import SM2EnvelopedKey

        identifier = _WRITTEN.get(self.algorithm)
        if identifier is None:
            raise Sm2Error(_NOT_ECB)
        fields = {
            "algorithm": {"algorithm": identifier, "parameters": Null()},
            "wrapped": self.wrapped.to_asn1(),
            "public": _UNCOMPRESSED + self.public.encode(),
            "encrypted": self.encrypted,
        }
        return bytes(SM2EnvelopedKey(fields).dump())


def _public_key(raw: bytes) -> PublicKey:
    """SM2PublicKey (GB/T 35276 §7.1): 04 ‖ X ‖ Y and no other form."""
    if len(raw) != len(_UNCOMPRESSED) + 2 * SIZE:
        raise Sm2Error(N_("the SM2 public key is not a point of the curve"))
    return PublicKey.parse(raw)


def wrap(private: PrivateKey, to: PublicKey, key: bytes, nonce: bytes) -> EnvelopedKey | None:
    """Put a key pair under a fresh SM4 key of 16 bytes, and that under the receiver's signature key.

    :returns: None when this nonce of 32 bytes cannot be used (see `encrypt`): take another.
    :raises Sm2Error: the receiver's key is no point of the curve, or the SM4 key has not 16 bytes.
    """
    encrypted = _under(key, encrypt_blocks, private.encode())
    wrapped = encrypt(to, key, nonce)
    return None if wrapped is None else EnvelopedKey(SM4_ECB, wrapped, private.public, encrypted)


def unwrap(enveloped: EnvelopedKey, signature_key: PrivateKey) -> PrivateKey:
    """The private key of the pair.

    :raises Sm2Error: under another cipher than SM4-ECB, altered, for another key, or not of its own public key.
    """
    if enveloped.algorithm != SM4_ECB:
        raise Sm2Error(N_("only a key enveloped with SM4-ECB can be opened: SM1 and SSF33 are secret"))
    key = decrypt(signature_key, enveloped.wrapped)
    private = PrivateKey.from_bytes(_under(key, decrypt_blocks, enveloped.encrypted))
    if private.public != enveloped.public:
        raise Sm2Error(N_("the enveloped private key does not belong to its public key"))
    return private


def _under(key: bytes, use: Callable[[bytes, bytes], bytes], blocks: bytes) -> bytes:
    """The private key into or out of its two blocks."""
    try:
        return use(key, blocks)
    except Sm4KeyError as error:
        raise Sm2Error(error.message, **error.values) from None
