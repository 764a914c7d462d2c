"""Files that the signing commands read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hostdriver.errors import HostError
from protocols.i18n import N_, _

DigestOption = Annotated[
    bool,
    typer.Option("--digest/--message", help=_("FILE holds a ready digest (raw or hex), not the message.")),
]
InputFile = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, metavar="FILE")]

_DIGEST_SIZES = (20, 32)


class InputError(HostError):
    """A file does not hold what it should."""


def read_input(file: Path, digest: bool) -> bytes:
    """What is to be signed, or was.

    :raises InputError: nothing, or no digest.
    """
    data = _read_digest(file) if digest else file.read_bytes()
    if not data:
        raise InputError(N_("{file} is empty"), file=file)
    return data


def read_signature(given: str) -> bytes:
    """A signature in hex, or in a file, raw or in hex.

    :raises InputError: neither.
    """
    if signature := _unhex(given.encode()):
        return signature
    try:
        raw = Path(given).read_bytes()
    except (OSError, ValueError):
        raise InputError(N_("--signature is neither hex nor a file: {given}"), given=given) from None
    return _unhex(raw) or raw


def _read_digest(file: Path) -> bytes:
    raw = file.read_bytes()
    digest = raw if len(raw) in _DIGEST_SIZES else _unhex(raw)
    if digest is None or len(digest) not in _DIGEST_SIZES:
        raise InputError(N_("{file} holds no digest: 20 or 32 bytes are wanted, raw or in hex"), file=file)
    return digest


def _unhex(raw: bytes) -> bytes | None:
    try:
        return bytes.fromhex(raw.decode("ascii"))
    except (UnicodeDecodeError, ValueError):
        return None
