"""Keys behind their makers' PKCS#11 modules."""

from __future__ import annotations

from hostdriver.token import Token, TokenInfo


def open_token(name: str) -> Token:
    """The key that ``pkcs11:MODULE[:LABEL]`` names; without a label, the only one.

    :param name: what follows ``pkcs11:``.
    """
    raise NotImplementedError


def list_tokens(name: str) -> list[TokenInfo]:
    """Every key that a module finds."""
    raise NotImplementedError
