"""Keys behind their makers' SKF libraries (GM/T 0016)."""

from __future__ import annotations

from hostdriver.token import Token, TokenInfo


def open_token(name: str, habits: str | None = None) -> Token:
    """The key that ``skf:LIBRARY[:DEVICE]`` names; without a device, the only one.

    :param name: what follows ``skf:``.
    :param habits: of the library's maker; None: by detection.
    """
    raise NotImplementedError


def list_tokens(name: str, habits: str | None = None) -> list[TokenInfo]:
    """Every key that a library finds."""
    raise NotImplementedError
