"""What a PKCS#11 function answers becomes the error that a key would give by any other way (docs/errors.md)."""

from __future__ import annotations

from collections.abc import Mapping

from hostdriver.errors import (
    ApduFailedError,
    Exit,
    HostError,
    NewPinRefusedError,
    NotSupportedError,
    PinIncorrectError,
    error_for,
)
from hostdriver.outcomes import NEW_PIN_REFUSED, Ckr, outcome_of_ckr
from hostdriver.pkcs11.cryptoki import name_of
from protocols.i18n import N_
from protocols.sw import SW


class ModuleError(HostError):
    """A file is no PKCS#11 module, or cannot be loaded."""

    exit_code = Exit.USAGE


class CryptokiError(HostError):
    """A function answered a code that has no type of its own.

    :param function: without the C_ of its name.
    """

    def __init__(self, function: str, code: int) -> None:
        super().__init__(
            N_("the PKCS#11 module answered {code} to C_{function}"), code=name_of(code), function=function
        )
        self.code = code


_CHANGING = ("SetPIN", "InitPIN")
_NOT_SUPPORTED = (Ckr.FUNCTION_NOT_SUPPORTED, Ckr.MECHANISM_INVALID, Ckr.ACTION_PROHIBITED)


def failure(function: str, code: int, makers: Mapping[int, SW]) -> HostError:
    """The typed error of an answer other than CKR_OK.

    :param function: without the C_ of its name; a PIN of a wrong length is a wrong one to C_Login, a bad new one to
        C_SetPIN and C_InitPIN.
    :param makers: what its maker's own answers mean.
    """
    if code in makers:
        return error_for(makers[code])
    if code in _NOT_SUPPORTED:
        return NotSupportedError(
            N_("the key's PKCS#11 module cannot do that: {code} to C_{function}"),
            code=name_of(code), function=function,
        )  # fmt: skip
    outcome = outcome_of_ckr(code)
    if outcome is NEW_PIN_REFUSED:
        return NewPinRefusedError(SW.WRONG_DATA) if function in _CHANGING else PinIncorrectError(None)
    error = outcome.error() if outcome else None
    if error is None or type(error) is ApduFailedError:  # no status word came from there
        return CryptokiError(function, code)
    return error
