"""Numbers and structures of PKCS#11 that we use (OASIS PKCS#11 v2.40 and v3.0: Base and Current Mechanisms)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    c_char,
    c_char_p,
    c_ubyte,
    c_ulong,
    c_void_p,
)
from enum import IntEnum, IntFlag, unique
from typing import Any

from hostdriver.outcomes import Ckr

UNAVAILABLE = c_ulong(-1).value
"""CK_UNAVAILABLE_INFORMATION."""
VENDOR_DEFINED = 0x80000000


@unique
class CKO(IntEnum):
    """Classes of objects (Base §4)."""

    CERTIFICATE = 1
    PUBLIC_KEY = 2
    PRIVATE_KEY = 3


@unique
class CKK(IntEnum):
    """Types of keys."""

    RSA = 0x0
    EC = 0x3


@unique
class CKA(IntEnum):
    """Attributes of objects (Base §4)."""

    CLASS = 0x000
    TOKEN = 0x001
    PRIVATE = 0x002
    LABEL = 0x003
    VALUE = 0x011
    CERTIFICATE_TYPE = 0x080
    ISSUER = 0x081
    SERIAL_NUMBER = 0x082
    CERTIFICATE_CATEGORY = 0x087
    KEY_TYPE = 0x100
    SUBJECT = 0x101
    ID = 0x102
    SENSITIVE = 0x103
    SIGN = 0x108
    VERIFY = 0x10A
    MODULUS = 0x120
    MODULUS_BITS = 0x121
    PUBLIC_EXPONENT = 0x122
    EXTRACTABLE = 0x162
    EC_PARAMS = 0x180
    EC_POINT = 0x181


@unique
class CKM(IntEnum):
    """Mechanisms (Current Mechanisms §2.1)."""

    RSA_PKCS_KEY_PAIR_GEN = 0x00
    RSA_PKCS = 0x01
    SHA1_RSA_PKCS = 0x06
    SHA256_RSA_PKCS = 0x40


@unique
class CKU(IntEnum):
    """Who logs in (Base §3.4)."""

    SO = 0
    USER = 1


class SlotFlag(IntFlag):
    """CK_SLOT_INFO (Base §3.2)."""

    TOKEN_PRESENT = 0x1


class TokenFlag(IntFlag):
    """CK_TOKEN_INFO (Base §3.2)."""

    PROTECTED_AUTHENTICATION_PATH = 0x100
    TOKEN_INITIALIZED = 0x400
    USER_PIN_FINAL_TRY = 0x20000
    USER_PIN_LOCKED = 0x40000
    USER_PIN_TO_BE_CHANGED = 0x80000
    SO_PIN_FINAL_TRY = 0x200000
    SO_PIN_LOCKED = 0x400000
    SO_PIN_TO_BE_CHANGED = 0x800000


CKF_OS_LOCKING_OK = 0x2
CKF_RW_SESSION = 0x2
CKF_SERIAL_SESSION = 0x4
CKF_DONT_BLOCK = 0x1
CKC_X_509 = 0
AUTHORITY = 2
"""CK_CERTIFICATE_CATEGORY_AUTHORITY."""


class _Packed(Structure):
    """Windows packs them by one, the others not at all (Base §2.1)."""

    if os.name == "nt":
        _pack_ = 1


class Version(_Packed):
    """CK_VERSION."""

    _fields_ = (("major", c_ubyte), ("minor", c_ubyte))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


class Info(_Packed):
    """CK_INFO."""

    _fields_ = (
        ("cryptoki_version", Version),
        ("manufacturer", c_char * 32),
        ("flags", c_ulong),
        ("description", c_char * 32),
        ("library_version", Version),
    )


class SlotInfo(_Packed):
    """CK_SLOT_INFO."""

    _fields_ = (
        ("description", c_char * 64),
        ("manufacturer", c_char * 32),
        ("flags", c_ulong),
        ("hardware_version", Version),
        ("firmware_version", Version),
    )


class TokenInfo(_Packed):
    """CK_TOKEN_INFO."""

    _fields_ = (
        ("label", c_char * 32),
        ("manufacturer", c_char * 32),
        ("model", c_char * 16),
        ("serial", c_char * 16),
        ("flags", c_ulong),
        ("max_sessions", c_ulong),
        ("sessions", c_ulong),
        ("max_rw_sessions", c_ulong),
        ("rw_sessions", c_ulong),
        ("max_pin_length", c_ulong),
        ("min_pin_length", c_ulong),
        ("total_public_memory", c_ulong),
        ("free_public_memory", c_ulong),
        ("total_private_memory", c_ulong),
        ("free_private_memory", c_ulong),
        ("hardware_version", Version),
        ("firmware_version", Version),
        ("time", c_char * 16),
    )


class Attribute(_Packed):
    """CK_ATTRIBUTE."""

    _fields_ = (("type", c_ulong), ("value", c_void_p), ("length", c_ulong))


class Mechanism(_Packed):
    """CK_MECHANISM, without a parameter."""

    _fields_ = (("type", c_ulong), ("parameter", c_void_p), ("parameter_length", c_ulong))


class InitializeArguments(_Packed):
    """CK_C_INITIALIZE_ARGS."""

    _fields_ = (
        ("create_mutex", c_void_p),
        ("destroy_mutex", c_void_p),
        ("lock_mutex", c_void_p),
        ("unlock_mutex", c_void_p),
        ("flags", c_ulong),
        ("reserved", c_void_p),
    )


_NAMES = (
    "Initialize Finalize GetInfo GetFunctionList GetSlotList GetSlotInfo GetTokenInfo GetMechanismList "
    "GetMechanismInfo InitToken InitPIN SetPIN OpenSession CloseSession CloseAllSessions GetSessionInfo "
    "GetOperationState SetOperationState Login Logout CreateObject CopyObject DestroyObject GetObjectSize "
    "GetAttributeValue SetAttributeValue FindObjectsInit FindObjects FindObjectsFinal EncryptInit Encrypt "
    "EncryptUpdate EncryptFinal DecryptInit Decrypt DecryptUpdate DecryptFinal DigestInit Digest DigestUpdate "
    "DigestKey DigestFinal SignInit Sign SignUpdate SignFinal SignRecoverInit SignRecover VerifyInit Verify "
    "VerifyUpdate VerifyFinal VerifyRecoverInit VerifyRecover DigestEncryptUpdate DecryptDigestUpdate "
    "SignEncryptUpdate DecryptVerifyUpdate GenerateKey GenerateKeyPair WrapKey UnwrapKey DeriveKey SeedRandom "
    "GenerateRandom GetFunctionStatus CancelFunction WaitForSlotEvent"
)
_ORDER = _NAMES.split()
"""The members of CK_FUNCTION_LIST after its version (Base §3.6)."""


class FunctionList(_Packed):
    """CK_FUNCTION_LIST."""

    _fields_ = (("version", Version), ("functions", c_void_p * len(_ORDER)))


_ULONGS = POINTER(c_ulong)
_ATTRIBUTES = POINTER(Attribute)
_PIN = (c_char_p, c_ulong)
ARGUMENTS: Mapping[str, tuple[Any, ...]] = {
    "Initialize": (POINTER(InitializeArguments),),
    "Finalize": (c_void_p,),
    "GetInfo": (POINTER(Info),),
    "GetSlotList": (c_ubyte, _ULONGS, _ULONGS),
    "GetSlotInfo": (c_ulong, POINTER(SlotInfo)),
    "GetTokenInfo": (c_ulong, POINTER(TokenInfo)),
    "GetMechanismList": (c_ulong, _ULONGS, _ULONGS),
    "InitPIN": (c_ulong, *_PIN),
    "SetPIN": (c_ulong, *_PIN, *_PIN),
    "OpenSession": (c_ulong, c_ulong, c_void_p, c_void_p, _ULONGS),
    "CloseSession": (c_ulong,),
    "Login": (c_ulong, c_ulong, *_PIN),
    "Logout": (c_ulong,),
    "CreateObject": (c_ulong, _ATTRIBUTES, c_ulong, _ULONGS),
    "DestroyObject": (c_ulong, c_ulong),
    "GetAttributeValue": (c_ulong, c_ulong, _ATTRIBUTES, c_ulong),
    "FindObjectsInit": (c_ulong, _ATTRIBUTES, c_ulong),
    "FindObjects": (c_ulong, _ULONGS, c_ulong, _ULONGS),
    "FindObjectsFinal": (c_ulong,),
    "SignInit": (c_ulong, POINTER(Mechanism), c_ulong),
    "Sign": (c_ulong, c_char_p, c_ulong, c_char_p, _ULONGS),
    "GenerateKeyPair": (
        c_ulong, POINTER(Mechanism), _ATTRIBUTES, c_ulong, _ATTRIBUTES, c_ulong, _ULONGS, _ULONGS,
    ),
    "GenerateRandom": (c_ulong, c_char_p, c_ulong),
    "WaitForSlotEvent": (c_ulong, _ULONGS, c_void_p),
}  # fmt: skip
"""What those functions take that we call, without the C_ of their names."""


def functions_of(found: FunctionList) -> dict[str, Any]:
    """The functions that we call, by their names; one that a module leaves out is missing."""
    addresses = dict(zip(_ORDER, found.functions, strict=True))
    return {
        name: CFUNCTYPE(c_ulong, *arguments)(addresses[name])
        for name, arguments in ARGUMENTS.items()
        if addresses[name]
    }


def name_of(code: int) -> str:
    """What the standard calls an answer; a number that it does not know stays one."""
    try:
        return f"CKR_{Ckr(code).name}"
    except ValueError:
        return f"CKR 0x{code:08X}"
