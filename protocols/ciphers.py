"""Block ciphers and their MAC as streams: data in pieces of any size, out as they come (GM/T 0016 §7.6, GB/T 32907).

SM4 and AES in ECB, CBC, CFB and OFB (GB/T 17964; CFB and OFB feed back whole blocks), and CBC-MAC, the mode that
GM/T 0016 calls MAC (GB/T 15852.1 without its output transformation). A stream holds back one block at most.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from cryptography.hazmat.primitives import padding as paddings
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes

from protocols.errors import ProtocolError
from protocols.gmt import BlockCipher, Mode, Padding, SymmetricAlgorithm
from protocols.i18n import N_

try:
    from cryptography.hazmat.decrepit.ciphers.modes import CFB, OFB
except ModuleNotFoundError:  # cryptography 46
    from cryptography.hazmat.primitives.ciphers.modes import CFB, OFB

BLOCK = 16
"""Bytes of a block of SM4 and of AES."""


class CipherError(ProtocolError):
    """A key, an IV or data of a size that the cipher does not take."""


class CipherPaddingError(CipherError):
    """What was deciphered does not end in a padding. It says nothing more: each word more would help a forger."""


class Stream(Protocol):
    """A cipher or a MAC at work."""

    def update(self, data: bytes) -> bytes:
        """Take data in; what is ready comes out."""

    def finish(self) -> bytes:
        """What comes last; the stream is done with.

        :raises CipherError: the data ended within a block, or had none, where whole blocks are needed.
        """


class _Filler(Protocol):
    """Adds or takes away a padding."""

    def update(self, data: bytes) -> bytes: ...

    def finalize(self) -> bytes: ...


class _NoPadding:
    """Data as they are."""

    def update(self, data: bytes) -> bytes:
        return data

    def finalize(self) -> bytes:
        return b""


class _Encryption:
    def __init__(self, context: CipherContext, filler: _Filler) -> None:
        self._context = context
        self._filler = filler

    def update(self, data: bytes) -> bytes:
        return self._context.update(self._filler.update(data))

    def finish(self) -> bytes:
        return self._context.update(self._filler.finalize()) + _whole(self._context.finalize)


class _Decryption:
    def __init__(self, context: CipherContext, filler: _Filler) -> None:
        self._context = context
        self._filler = filler

    def update(self, data: bytes) -> bytes:
        return self._filler.update(self._context.update(data))

    def finish(self) -> bytes:
        last = self._filler.update(_whole(self._context.finalize))
        try:
            return last + self._filler.finalize()
        except ValueError:
            raise CipherPaddingError(N_("the deciphered data do not end in a padding")) from None


class _Mac:
    """The last block of CBC."""

    def __init__(self, encryption: Stream) -> None:
        self._encryption = encryption
        self._last = b""

    def update(self, data: bytes) -> bytes:
        self._keep(self._encryption.update(data))
        return b""

    def finish(self) -> bytes:
        self._keep(self._encryption.finish())
        if not self._last:
            raise CipherError(N_("a MAC covers at least one block"))
        return self._last

    def _keep(self, blocks: bytes) -> None:
        self._last = (self._last + blocks)[-BLOCK:]


def _whole(finalize: Callable[[], bytes]) -> bytes:
    try:
        return finalize()
    except ValueError:
        raise CipherError(N_("the data are not whole blocks of {size} bytes"), size=BLOCK) from None


def encryption(
    algorithm: SymmetricAlgorithm, key: bytes, iv: bytes = b"", padding: Padding = Padding.NONE
) -> Stream:
    """A stream from plaintext to ciphertext.

    :param iv: 16 bytes; ECB takes none and ignores it.
    :raises CipherError: the key's or the IV's size, a mode that pads nothing or is a MAC, a secret cipher.
    """
    _check_padding(algorithm, padding)
    filler = paddings.PKCS7(8 * BLOCK).padder() if padding is Padding.PKCS5 else _NoPadding()
    return _Encryption(_cipher(algorithm, key, iv).encryptor(), filler)


def decryption(
    algorithm: SymmetricAlgorithm, key: bytes, iv: bytes = b"", padding: Padding = Padding.NONE
) -> Stream:
    """A stream from ciphertext to plaintext; `finish` raises CipherPaddingError where the padding is wrong.

    :raises CipherError: as `encryption`.
    """
    _check_padding(algorithm, padding)
    filler = paddings.PKCS7(8 * BLOCK).unpadder() if padding is Padding.PKCS5 else _NoPadding()
    return _Decryption(_cipher(algorithm, key, iv).decryptor(), filler)


def mac(cipher: BlockCipher, key: bytes, iv: bytes, padding: Padding = Padding.NONE) -> Stream:
    """A stream that `finish` ends with the MAC, 16 bytes.

    :raises CipherError: as `encryption`.
    """
    return _Mac(encryption(SymmetricAlgorithm(cipher, Mode.CBC), key, iv, padding))


def _check_padding(algorithm: SymmetricAlgorithm, padding: Padding) -> None:
    """CFB and OFB take data of any length: two implementations would not agree on a padding there."""
    if padding is not Padding.NONE and algorithm.mode in (Mode.CFB, Mode.OFB):
        raise CipherError(N_("{mode} pads nothing"), mode=algorithm.mode.name)


_AnyMode = modes.ECB | modes.CBC | CFB | OFB
_MODES: dict[Mode, Callable[[bytes], _AnyMode]] = {
    Mode.ECB: lambda _: modes.ECB(),  # noqa: S305 - the standard offers it
    Mode.CBC: modes.CBC,
    Mode.CFB: CFB,
    Mode.OFB: OFB,
}


def _cipher(algorithm: SymmetricAlgorithm, key: bytes, iv: bytes) -> Cipher[_AnyMode]:
    cipher, mode = algorithm
    if cipher in (BlockCipher.SM1, BlockCipher.SSF33):
        raise CipherError(N_("{cipher} is a secret algorithm"), cipher=cipher.name)
    if mode not in _MODES:
        raise CipherError(N_("{mode} is no mode of encryption"), mode=mode.name)
    if len(key) != cipher.key_size:
        raise CipherError(N_("a key of {cipher} has {size} bytes"), cipher=cipher.name, size=cipher.key_size)
    if mode is not Mode.ECB and len(iv) != BLOCK:
        raise CipherError(N_("an IV of {mode} has {size} bytes"), mode=mode.name, size=BLOCK)
    named = algorithms.SM4 if cipher is BlockCipher.SM4 else algorithms.AES
    return Cipher(named(key), _MODES[mode](iv))
