"""RSA on bare numbers: the operation without a padding, and PKCS#1 v1.5 encryption (RFC 8017 §5.1, §7.2).

`cryptography` pads by itself with random bytes of its own, and what it does with a wrong padding depends on the
OpenSSL under it. A key does neither.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import rsa

from emulator.firmware.refused import Refused
from protocols.gmt import RsaPrivateKey, RsaPublicKey
from protocols.sw import SW

Random = Callable[[int], bytes]
"""Random bytes, as many as asked for."""

_BLOCK_TYPE = b"\x00\x02"
_LEAST_FILLER = 8


def numbers_of(key: rsa.RSAPrivateKey) -> RsaPrivateKey:
    """The numbers of a loaded key."""
    private = key.private_numbers()
    public = private.public_numbers
    crt = private.dmp1, private.dmq1, private.iqmp
    return RsaPrivateKey(public.n, public.e, private.d, private.p, private.q, *crt)


def check_public(key: RsaPublicKey) -> None:
    """Hold a public key from outside against what one can be.

    :raises Refused: 6A80.
    """
    try:
        rsa.RSAPublicNumbers(key.e, key.n).public_key()
    except ValueError:
        raise Refused(SW.WRONG_DATA) from None


def check_private(key: RsaPrivateKey) -> None:
    """Hold a pair from outside against itself.

    :raises Refused: 6A80.
    """
    public = rsa.RSAPublicNumbers(key.e, key.n)
    numbers = rsa.RSAPrivateNumbers(key.p, key.q, key.d, key.dp, key.dq, key.qinv, public)
    try:
        numbers.private_key()
    except ValueError:
        raise Refused(SW.WRONG_DATA) from None


def public_power(key: RsaPublicKey, block: bytes) -> bytes:
    """block^e mod n, as long as the modulus.

    :raises Refused: 6700 for a block of another length, 6A80 for a number that is not below n.
    """
    return pow(check_block(block, key.n), key.e, key.n).to_bytes(len(block))


def private_power(key: RsaPrivateKey, block: bytes, random: Random) -> bytes:
    """block^d mod n, as long as the modulus; blinded, for Python's integers take their time by their values.

    :raises Refused: as `public_power`.
    """
    number = check_block(block, key.n)
    blind = int.from_bytes(random(len(block))) % key.n
    blinded = number * pow(blind, key.e, key.n) % key.n
    at_q = pow(blinded, key.dq, key.q)
    at_p = pow(blinded, key.dp, key.p)
    power = at_q + key.q * (key.qinv * (at_p - at_q) % key.p)
    return (power * pow(blind, -1, key.n) % key.n).to_bytes(len(block))


def encrypt(key: RsaPublicKey, plain: bytes, random: Random) -> bytes:
    """RSAES-PKCS1-v1_5.

    :raises Refused: 6A80 when the plaintext does not fit, or for no usable key.
    """
    check_public(key)
    wanted = (key.bits + 7) // 8 - len(plain) - len(_BLOCK_TYPE) - 1
    if wanted < _LEAST_FILLER:
        raise Refused(SW.WRONG_DATA)
    filler = b""
    while len(filler) < wanted:
        filler += random(wanted).replace(b"\0", b"")
    return public_power(key, _BLOCK_TYPE + filler[:wanted] + b"\0" + plain)


def decrypt(key: RsaPrivateKey, block: bytes, random: Random) -> bytes:
    """RSAES-PKCS1-v1_5.

    :raises Refused: 6700 for a block of another length, 6A80 for one that was not made for this key.
    """
    padded = private_power(key, block, random)
    filler, separator, plain = padded[len(_BLOCK_TYPE) :].partition(b"\0")
    if not padded.startswith(_BLOCK_TYPE) or len(filler) < _LEAST_FILLER or not separator:
        raise Refused(SW.WRONG_DATA)
    return plain


def check_block(block: bytes, modulus: int) -> int:
    """A block as a number.

    :raises Refused: 6700 when it is not as long as the modulus, 6A80 when the number is not below it.
    """
    if len(block) != (modulus.bit_length() + 7) // 8:
        raise Refused(SW.WRONG_LENGTH)
    number = int.from_bytes(block)
    if number >= modulus:
        raise Refused(SW.WRONG_DATA)
    return number
