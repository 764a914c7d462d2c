"""The implementations of SM2 that the core is measured beside."""

from __future__ import annotations

import ctypes
from importlib import metadata
from types import ModuleType
from typing import TYPE_CHECKING

from bench.ratios import UnavailableError

if TYPE_CHECKING:
    from tests.rig.libcrypto import Sm2Key

_PYPI = "gmssl-pyx"  # the fastest signer on PyPI: docs/speed.md


def openssl() -> type[Sm2Key]:
    """Debian's libcrypto.

    :raises UnavailableError: not installed.
    """
    try:
        from tests.rig.libcrypto import Sm2Key
    except OSError:
        raise UnavailableError("OpenSSL 3: apt install libssl3") from None
    return Sm2Key


def openssl_version() -> str | None:
    """Such as ``OpenSSL 3.0.17``; None where it is missing."""
    try:
        version = ctypes.CDLL("libcrypto.so.3").OpenSSL_version
    except OSError:
        return None
    version.restype = ctypes.c_char_p
    return " ".join(version(0).decode().split()[:2])


def pypi() -> ModuleType:
    """The fastest library on PyPI.

    :raises UnavailableError: not installed.
    """
    try:
        import gmssl_pyx
    except ImportError:
        raise UnavailableError(f"{_PYPI}: pip install {_PYPI}") from None
    module: ModuleType = gmssl_pyx
    return module


def pypi_version() -> str | None:
    """Such as ``gmssl-pyx 2.1.0``; None where it is missing."""
    try:
        return f"{_PYPI} {metadata.version(_PYPI)}"
    except metadata.PackageNotFoundError:
        return None
