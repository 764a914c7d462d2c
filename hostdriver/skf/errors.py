"""What an SKF library's code becomes: the error that the key's status word would (docs/errors.md)."""

from __future__ import annotations

from types import TracebackType

from hostdriver.errors import (
    ApduFailedError,
    Exit,
    HostError,
    NotSupportedError,
    VerificationFailedError,
)
from hostdriver.outcomes import NEW_PIN_REFUSED, Outcome, Sar, outcome_of_sar
from protocols.i18n import N_

_WRONG_SIGNATURE = (Sar.FAIL, Sar.HASHNOTEQUALERR)
"""What libraries answer to a signature that does not fit: the standard names no code for it."""


class SkfFailedError(HostError):
    """A code that has no type of its own.

    :param code: SAR_…
    """

    def __init__(self, code: int, outcome: Outcome | None = None) -> None:
        known = name_of(code)
        text = (
            N_("the SKF library answered {code}, {name}") if known else N_("the SKF library answered {code}")
        )
        super().__init__(text, code=f"{code:08X}", name=known)
        self.code = code
        self.exit_code = outcome.exit_code if outcome else Exit.FAILED


class FunctionMissingError(NotSupportedError):
    """The library does not have the function, or says SAR_NOTSUPPORTYETERR."""

    def __init__(self, library: str, function: str) -> None:
        super().__init__(N_("{library} does not support {function}"), library=library, function=function)


class NotSkfError(HostError):
    """No file, none that is an SKF library, or one that cannot be loaded here."""

    exit_code = Exit.MISSING_COMPONENT


def name_of(code: int) -> str:
    """As the standard's annex A calls it; empty: it has no such code."""
    try:
        return f"SAR_{Sar(code).name}"
    except ValueError:
        return ""


def error_of(code: int, library: str, function: str, left: int | None) -> HostError:
    """The typed error of a code other than SAR_OK.

    :param left: tries, where the function told them.
    """
    if code == Sar.NOTSUPPORTYETERR:
        return FunctionMissingError(library, function)
    outcome = outcome_of_sar(code)
    if outcome is None:
        return SkfFailedError(code)
    error = outcome.error(left)
    is_plain = isinstance(error, ApduFailedError) and outcome is not NEW_PIN_REFUSED
    return SkfFailedError(code, outcome) if is_plain else error


class SignatureCheck:
    """A call that checks a signature: what its block raises for a wrong one is an answer.

    :param fits: whether nothing was raised.
    """

    def __init__(self) -> None:
        self.fits = False

    def __enter__(self) -> SignatureCheck:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self.fits = error is None
        return isinstance(error, VerificationFailedError) or (
            isinstance(error, SkfFailedError) and error.code in _WRONG_SIGNATURE
        )
