"""SM2 on the recommended curve (GB/T 32918, GM/T 0003, GM/T 0009): nonces come in as arguments.

The arithmetic is a C core of our own, constant-time where a scalar is secret; where it could not be built, Python's
integers stand in. `ARITHMETIC.name` tells which of them runs.
"""

from protocols.sm2.arithmetic import ARITHMETIC
from protocols.sm2.curve import BITS, GX, GY, SIZE, A, B, N, P, Sm2Error
from protocols.sm2.encryption import Ciphertext, decrypt, encrypt
from protocols.sm2.envelope import EnvelopedKey, unwrap, wrap
from protocols.sm2.exchange import Agreed, Role, agree
from protocols.sm2.keys import (
    DEFAULT_ID,
    MAX_ID,
    PrivateKey,
    PublicKey,
    Signature,
    message_digest,
    sm3,
    verify,
    z_value,
)

__all__ = [
    "ARITHMETIC",
    "BITS",
    "DEFAULT_ID",
    "GX",
    "GY",
    "MAX_ID",
    "SIZE",
    "A",
    "Agreed",
    "B",
    "Ciphertext",
    "EnvelopedKey",
    "N",
    "P",
    "PrivateKey",
    "PublicKey",
    "Role",
    "Signature",
    "Sm2Error",
    "agree",
    "decrypt",
    "encrypt",
    "message_digest",
    "sm3",
    "unwrap",
    "verify",
    "wrap",
    "z_value",
]
