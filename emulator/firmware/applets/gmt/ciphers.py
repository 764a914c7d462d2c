"""Encryption, decryption and MACs of GM/T 0017 §9.6, under session keys.

A session key is at one encryption or decryption at a time, and at one MAC beside it: Init begins anew whatever was
under way, the one-shot command and Final end it. Final may carry data too (assumed), which makes both the same.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from emulator.firmware.applets.gmt.decoding import decoded
from emulator.firmware.applets.gmt.session_keys import ALGORITHM_ANSWERS, HANDLES, PLACE, key_of, supported
from emulator.firmware.applets.gmt.table import Call, Handler, Need, Table
from emulator.firmware.core import Core
from emulator.firmware.refused import Refused
from emulator.firmware.session_keys import SessionKey, Work
from protocols import ciphers
from protocols.ciphers import BLOCK, CipherError, CipherPaddingError, Stream
from protocols.gmt import Ins, Mode, Padding, SymmetricAlgorithm
from protocols.gmt.session_keys import CipherStart
from protocols.sw import SW

TABLE = Table()

_START = (SW.WRONG_LENGTH, SW.WRONG_DATA, *ALGORITHM_ANSWERS)
_STREAM_MODES = (Mode.CFB, Mode.OFB)
_WHOLE_BLOCK = (0, 8 * BLOCK)


def _command(ins: Ins, *answers: SW) -> Callable[[Handler], Handler]:
    """A command on a held key: its three handles, and data of any length."""
    return TABLE.command(ins, *PLACE, Need.SESSION_KEY, lc=(HANDLES, None), answers=answers, at_device=True)


@_command(Ins.ENCRYPT_INIT, *_START)
def encrypt_init(core: Core, call: Call) -> bytes:
    """EncryptInit: algorithm, IV, padding and feed bits; of the key's cipher, in any mode."""
    start = decoded(core, CipherStart.decode, call.body)
    key = key_of(call)
    algorithm = _algorithm(core, key, start)
    key.begin(Work.ENCRYPT, _stream(ciphers.encryption, algorithm, key, start))
    return b""


@_command(Ins.DECRYPT_INIT, *_START)
def decrypt_init(core: Core, call: Call) -> bytes:
    """DecryptInit: as EncryptInit."""
    named = core.dialect.decrypt_init_algorithm
    start = decoded(core, partial(CipherStart.decode, names_algorithm=named), call.body)
    key = key_of(call)
    algorithm = _algorithm(core, key, start)
    key.begin(Work.DECRYPT, _stream(ciphers.decryption, algorithm, key, start))
    return b""


@_command(Ins.MAC_INIT, *_START)
def mac_init(core: Core, call: Call) -> bytes:
    """MACInit: as EncryptInit, in mode MAC: the last block of CBC."""
    start = decoded(core, CipherStart.decode, call.body)
    key = key_of(call)
    algorithm = _algorithm(core, key, start)
    if algorithm.mode is not Mode.MAC:
        raise Refused(SW.WRONG_DATA)
    key.begin(Work.MAC, _stream(_mac, algorithm, key, start))
    return b""


def _mac(algorithm: SymmetricAlgorithm, key: bytes, iv: bytes, padding: Padding) -> Stream:
    return ciphers.mac(algorithm.cipher, key, iv, padding)


def _algorithm(core: Core, key: SessionKey, start: CipherStart) -> SymmetricAlgorithm:
    """What the command names, or the key's own where it names none.

    :raises Refused: as `supported`; 6A80 for another cipher than the key's.
    """
    if start.algorithm is None:
        return key.algorithm
    algorithm = supported(core, start.algorithm)
    if algorithm.cipher is not key.algorithm.cipher:
        raise Refused(SW.WRONG_DATA)
    return algorithm


def _stream(
    begin: Callable[[SymmetricAlgorithm, bytes, bytes, Padding], Stream],
    algorithm: SymmetricAlgorithm,
    key: SessionKey,
    start: CipherStart,
) -> Stream:
    """The work that a command begins.

    :raises Refused: 6A80 for values that cannot be, 6A81 for what CFB and OFB might do and this key does not.
    """
    if start.padding not in tuple(Padding) or len(start.iv) not in (0, BLOCK):
        raise Refused(SW.WRONG_DATA)
    padding = Padding(start.padding)
    if algorithm.mode in _STREAM_MODES and (
        start.feed_bits not in _WHOLE_BLOCK or padding is not Padding.NONE
    ):
        raise Refused(SW.FUNCTION_NOT_SUPPORTED)
    try:
        return begin(algorithm, key.value, start.iv, padding)
    except CipherError:
        raise Refused(SW.WRONG_DATA) from None


def _update(call: Call, work: Work) -> bytes:
    return key_of(call).running(work).update(call.body)


def _finish(call: Call, work: Work) -> bytes:
    """The last of some work, whatever comes of it.

    :raises Refused: 6700 within a block, 6A80 without a padding.
    """
    stream = key_of(call).end(work)
    try:
        return stream.update(call.body) + stream.finish()
    except CipherPaddingError:
        raise Refused(SW.WRONG_DATA) from None
    except CipherError:
        raise Refused(SW.WRONG_LENGTH) from None


@_command(Ins.ENCRYPT, SW.WRONG_LENGTH, SW.CONDITIONS_NOT_SATISFIED)
def encrypt(core: Core, call: Call) -> bytes:
    """Encrypt: all the plaintext at once."""
    return _finish(call, Work.ENCRYPT)


@_command(Ins.ENCRYPT_UPDATE, SW.CONDITIONS_NOT_SATISFIED)
def encrypt_update(core: Core, call: Call) -> bytes:
    """EncryptUpdate: more plaintext; answers the ciphertext that is ready."""
    return _update(call, Work.ENCRYPT)


@_command(Ins.ENCRYPT_FINAL, SW.WRONG_LENGTH, SW.CONDITIONS_NOT_SATISFIED)
def encrypt_final(core: Core, call: Call) -> bytes:
    """EncryptFinal: the last ciphertext."""
    return _finish(call, Work.ENCRYPT)


@_command(Ins.DECRYPT, SW.WRONG_LENGTH, SW.WRONG_DATA, SW.CONDITIONS_NOT_SATISFIED)
def decrypt(core: Core, call: Call) -> bytes:
    """Decrypt: all the ciphertext at once."""
    return _finish(call, Work.DECRYPT)


@_command(Ins.DECRYPT_UPDATE, SW.CONDITIONS_NOT_SATISFIED)
def decrypt_update(core: Core, call: Call) -> bytes:
    """DecryptUpdate: more ciphertext; answers the plaintext that is ready."""
    return _update(call, Work.DECRYPT)


@_command(Ins.DECRYPT_FINAL, SW.WRONG_LENGTH, SW.WRONG_DATA, SW.CONDITIONS_NOT_SATISFIED)
def decrypt_final(core: Core, call: Call) -> bytes:
    """DecryptFinal: the last plaintext, its padding taken away."""
    return _finish(call, Work.DECRYPT)


@_command(Ins.MAC, SW.WRONG_LENGTH, SW.CONDITIONS_NOT_SATISFIED)
def mac(core: Core, call: Call) -> bytes:
    """MAC: the MAC of all the data, 16 bytes."""
    return _finish(call, Work.MAC)


@_command(Ins.MAC_UPDATE, SW.CONDITIONS_NOT_SATISFIED)
def mac_update(core: Core, call: Call) -> bytes:
    """MACUpdate: more data; answers nothing."""
    return _update(call, Work.MAC)


@_command(Ins.MAC_FINAL, SW.WRONG_LENGTH, SW.CONDITIONS_NOT_SATISFIED)
def mac_final(core: Core, call: Call) -> bytes:
    """MACFinal: the MAC of what came before."""
    return _finish(call, Work.MAC)
