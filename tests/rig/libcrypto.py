"""SM2 by Debian's libcrypto in this process: the other implementation that is fast enough for thousands of keys.

A key is prepared once; ``sign`` and ``verify`` of a ready digest are then one EVP call each, which is what a benchmark
wants to measure. ctypes lets go of the interpreter's lock during a call. A key belongs to one thread at a time.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable
from ctypes import byref, c_char_p, c_int, c_long, c_size_t, c_void_p, create_string_buffer
from functools import cached_property
from typing import Any

from protocols.sm2 import N

_OVERHEAD = 128  # what a DER ciphertext adds to its plaintext, with room to spare
_SIGNATURE_SIZE = 72  # DER: two integers of at most 33 bytes each

# SEC 1 without the public key, and SubjectPublicKeyInfo, on the curve 1.2.156.10197.1.301.
_SEC1 = "30310201010420{d}a00a06082a811ccf5501822d"
_SPKI = "3059301306072a8648ce3d020106082a811ccf5501822d03420004{point}"

_library = ctypes.CDLL("libcrypto.so.3")


class LibcryptoError(Exception):
    """libcrypto refused."""


def _function(name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    function = getattr(_library, name)
    function.restype, function.argtypes = result, arguments
    return function  # type: ignore[no-any-return]


_pkey_free = _function("EVP_PKEY_free", None, c_void_p)
_context_free = _function("EVP_PKEY_CTX_free", None, c_void_p)
_digest_free = _function("EVP_MD_CTX_free", None, c_void_p)
_pkey_context = _function("EVP_PKEY_CTX_new", c_void_p, c_void_p, c_void_p)
_set_id = _function("EVP_PKEY_CTX_set1_id", c_int, c_void_p, c_char_p, c_int)
_digest_context = _function("EVP_MD_CTX_new", c_void_p)
_set_pkey_context = _function("EVP_MD_CTX_set_pkey_ctx", None, c_void_p, c_void_p)
_sm3 = _function("EVP_sm3", c_void_p)
_read_private = _function("d2i_AutoPrivateKey", c_void_p, c_void_p, c_void_p, c_long)
_read_public = _function("d2i_PUBKEY", c_void_p, c_void_p, c_void_p, c_long)
_write_public = _function("i2d_PUBKEY", c_int, c_void_p, c_void_p)

_out = (c_void_p, c_char_p, c_void_p, c_char_p, c_size_t)  # context, output, its size, input
_sign = _function("EVP_PKEY_sign", c_int, *_out)
_encrypt = _function("EVP_PKEY_encrypt", c_int, *_out)
_decrypt = _function("EVP_PKEY_decrypt", c_int, *_out)
_digest_sign = _function("EVP_DigestSign", c_int, *_out)
_in = (c_void_p, c_char_p, c_size_t, c_char_p, c_size_t)  # context, signature, input
_verify = _function("EVP_PKEY_verify", c_int, *_in)
_digest_verify = _function("EVP_DigestVerify", c_int, *_in)
_start = {
    name: _function(f"EVP_PKEY_{name}_init", c_int, c_void_p)
    for name in ("sign", "verify", "encrypt", "decrypt")
}
_digest_start = {
    name: _function(f"EVP_Digest{name}Init", c_int, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p)
    for name in ("Sign", "Verify")
}


class _Handle:
    """An object of libcrypto's, freed with this one."""

    def __init__(self, pointer: int | None, free: Callable[..., Any]) -> None:
        if pointer is None:
            raise LibcryptoError
        self._as_parameter_ = c_void_p(pointer)
        weakref.finalize(self, free, self._as_parameter_)


def _output(call: Callable[..., Any], context: _Handle, data: bytes, size: int) -> bytes:
    buffer, used = create_string_buffer(size), c_size_t(size)
    if call(context, buffer, byref(used), data, len(data)) != 1:
        raise LibcryptoError
    return buffer.raw[: used.value]


def _load(read: Callable[..., Any], der: str) -> _Handle:
    raw = bytes.fromhex(der)
    start = c_char_p(raw)
    return _Handle(read(None, byref(start), len(raw)), _pkey_free)


class Sm2Key:
    """An SM2 key inside libcrypto: ``private`` for all, ``public`` for verifying and encrypting."""

    def __init__(self, handle: _Handle) -> None:
        self._handle = handle

    @classmethod
    def private(cls, d: bytes) -> Sm2Key:
        """From d, 32 bytes; libcrypto computes the public key."""
        return cls(_load(_read_private, _SEC1.format(d=d.hex())))

    @classmethod
    def public(cls, point: bytes) -> Sm2Key:
        """From X ‖ Y.

        :raises LibcryptoError: not on the curve.
        """
        return cls(_load(_read_public, _SPKI.format(point=point.hex())))

    @property
    def point(self) -> bytes:
        """The public key, X ‖ Y."""
        buffer = create_string_buffer(len(_SPKI) // 2 + 64)
        end = c_void_p(ctypes.addressof(buffer))
        size = _write_public(self._handle, byref(end))
        return buffer.raw[size - 64 : size]

    def _context(self, operation: str) -> _Handle:
        context = _Handle(_pkey_context(self._handle, None), _context_free)
        if _start[operation](context) != 1:
            raise LibcryptoError
        return context

    @cached_property
    def _signing(self) -> _Handle:
        return self._context("sign")

    @cached_property
    def _verifying(self) -> _Handle:
        return self._context("verify")

    @cached_property
    def _encrypting(self) -> _Handle:
        return self._context("encrypt")

    @cached_property
    def _decrypting(self) -> _Handle:
        return self._context("decrypt")

    def sign(self, digest: bytes) -> bytes:
        """A DER signature of e; the nonce is libcrypto's own."""
        return _output(_sign, self._signing, digest, _SIGNATURE_SIZE)

    def verify(self, digest: bytes, signature: bytes) -> bool:
        """Whether a DER signature of e is good."""
        return bool(_verify(self._verifying, signature, len(signature), digest, len(digest)) == 1)

    def encrypt(self, plain: bytes) -> bytes:
        """A DER SM2Cipher."""
        return _output(_encrypt, self._encrypting, plain, len(plain) + _OVERHEAD)

    def decrypt(self, der: bytes) -> bytes:
        """What a DER SM2Cipher holds.

        :raises LibcryptoError: it is not for this key, or was altered.
        """
        return _output(_decrypt, self._decrypting, der, len(der))

    def sign_message(self, message: bytes, signer_id: bytes) -> bytes:
        """A DER signature of SM3(Z ‖ M)."""
        digest, _context = self._message_contexts("Sign", signer_id)
        return _output(_digest_sign, digest, message, _SIGNATURE_SIZE)

    def verify_message(self, message: bytes, signer_id: bytes, signature: bytes) -> bool:
        """Whether a DER signature of SM3(Z ‖ M) is good."""
        digest, _context = self._message_contexts("Verify", signer_id)
        return bool(_digest_verify(digest, signature, len(signature), message, len(message)) == 1)

    def _message_contexts(self, operation: str, signer_id: bytes) -> tuple[_Handle, _Handle]:
        """The digest's context, and the key's that it uses and that has to outlive it."""
        context = _Handle(_pkey_context(self._handle, None), _context_free)
        digest = _Handle(_digest_context(), _digest_free)
        _set_pkey_context(digest, context)
        prepared = _set_id(context, signer_id, len(signer_id)) == 1
        if not prepared or _digest_start[operation](digest, None, _sm3(), None, self._handle) != 1:
            raise LibcryptoError
        return digest, context


def base_multiple(k: int) -> bytes:
    """k·G as X ‖ Y, k counting modulo n."""
    return Sm2Key.private((k % N).to_bytes(32)).point
