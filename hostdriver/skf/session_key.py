"""Handles of GM/T 0016 §7.6 that CloseHandle ends: session keys, digests, MACs, agreements."""

from __future__ import annotations

import ctypes
from types import TracebackType
from typing import Self

from hostdriver.skf import layouts
from hostdriver.skf.functions import CipherParameters, Handle
from hostdriver.skf.library import Library
from protocols import sm2
from protocols.gmt import Padding
from protocols.gmt.ecc import AgreementKeys

_DIGEST_MOST = 64
_BLOCK = 32
"""Bytes that a padding or a held-back block may add, and one block more."""


class Held:
    """A handle that is to be closed; as a context manager it closes itself."""

    def __init__(self, library: Library, handle: Handle) -> None:
        self.library = library
        self.handle = handle

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """CloseHandle."""
        self.library.call("SKF_CloseHandle", self.handle)


class SessionKey(Held):
    """A session key: begin, then all at once, or piece by piece and the end."""

    def begin_encryption(self, iv: bytes = b"", padding: Padding = Padding.NONE, feed_bits: int = 0) -> None:
        """EncryptInit."""
        self.library.call("SKF_EncryptInit", self.handle, _by_value(iv, padding, feed_bits))

    def encrypt(self, data: bytes) -> bytes:
        """Encrypt: all at once."""
        return self._work("SKF_Encrypt", data)

    def encrypt_piece(self, data: bytes) -> bytes:
        """EncryptUpdate."""
        return self._work("SKF_EncryptUpdate", data)

    def end_encryption(self) -> bytes:
        """EncryptFinal."""
        return self.library.filled("SKF_EncryptFinal", self.handle, room=_BLOCK)

    def begin_decryption(self, iv: bytes = b"", padding: Padding = Padding.NONE, feed_bits: int = 0) -> None:
        """DecryptInit."""
        self.library.call("SKF_DecryptInit", self.handle, _by_value(iv, padding, feed_bits))

    def decrypt(self, data: bytes) -> bytes:
        """Decrypt: all at once."""
        return self._work("SKF_Decrypt", data)

    def decrypt_piece(self, data: bytes) -> bytes:
        """DecryptUpdate."""
        return self._work("SKF_DecryptUpdate", data)

    def end_decryption(self) -> bytes:
        """DecryptFinal."""
        return self.library.filled("SKF_DecryptFinal", self.handle, room=_BLOCK)

    def begin_mac(self, iv: bytes, padding: Padding = Padding.NONE) -> Mac:
        """MacInit."""
        parameters = layouts.encode_parameters(iv, padding, 0)
        return Mac(self.library, self.library.handle("SKF_MacInit", self.handle, parameters))

    def _work(self, function: str, data: bytes) -> bytes:
        return self.library.filled(function, self.handle, data, len(data), room=len(data) + _BLOCK)


def _by_value(iv: bytes, padding: int, feed_bits: int) -> CipherParameters:
    packed = layouts.encode_parameters(iv, padding, feed_bits)
    return CipherParameters((ctypes.c_ubyte * len(packed)).from_buffer_copy(packed))


class Digest(Held):
    """A digest that has begun."""

    def digest(self, data: bytes) -> bytes:
        """Digest: all at once."""
        return self.library.filled("SKF_Digest", self.handle, data, len(data), room=_DIGEST_MOST)

    def update(self, data: bytes) -> None:
        """DigestUpdate."""
        self.library.call("SKF_DigestUpdate", self.handle, data, len(data))

    def end(self) -> bytes:
        """DigestFinal."""
        return self.library.filled("SKF_DigestFinal", self.handle, room=_DIGEST_MOST)


class Mac(Held):
    """A MAC that has begun."""

    def mac(self, data: bytes) -> bytes:
        """Mac: all at once."""
        return self.library.filled("SKF_Mac", self.handle, data, len(data), room=_DIGEST_MOST)

    def update(self, data: bytes) -> None:
        """MacUpdate."""
        self.library.call("SKF_MacUpdate", self.handle, data, len(data))

    def end(self) -> bytes:
        """MacFinal."""
        return self.library.filled("SKF_MacFinal", self.handle, room=_DIGEST_MOST)


class Agreement(Held):
    """A key agreement that a sponsor began.

    :param temporary: the sponsor's temporary public key, which the responder needs.
    """

    def __init__(self, library: Library, handle: Handle, temporary: sm2.PublicKey) -> None:
        super().__init__(library, handle)
        self.temporary = temporary

    def finish(self, responder: AgreementKeys, responder_id: bytes = sm2.DEFAULT_ID) -> SessionKey:
        """GenerateKeyWithECC, as sponsor again: the agreed key."""
        fixed, passing = (layouts.encode_point(key, self.library.habits) for key in responder)
        handle = self.library.handle(
            "SKF_GenerateKeyWithECC", self.handle, fixed, passing, responder_id, len(responder_id)
        )
        return SessionKey(self.library, handle)
