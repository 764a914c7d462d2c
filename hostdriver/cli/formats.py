"""The forms that signatures and requests are printed in."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from asn1crypto import pem

from hostdriver.cli.common import Hash
from hostdriver.cli.files import write
from hostdriver.errors import Exit, HostError
from hostdriver.token import Algorithm
from protocols.gmt import HashAlgorithm
from protocols.i18n import N_, _


class SignatureFormat(StrEnum):
    """``--format``."""

    RAW = "raw"
    DER = "der"
    P7 = "p7"
    P7_DETACHED = "p7-detached"

    @property
    def is_signed_data(self) -> bool:
        """Whether it carries the certificate."""
        return self in (SignatureFormat.P7, SignatureFormat.P7_DETACHED)


class Outform(StrEnum):
    """``--outform``, as openssl calls it."""

    PEM = "pem"
    DER = "der"


FormatOption = Annotated[
    SignatureFormat,
    typer.Option(
        "--format",
        help=_(
            "raw: SM2 as r and s; der: SM2 as a DER pair; p7: PKCS#7 (RSA) or GM/T 0010 (SM2) with the message "
            "inside; p7-detached: without it."
        ),
    ),
]
OutformOption = Annotated[
    Outform | None,
    typer.Option(
        "--outform", case_sensitive=False, help=_("How p7 and requests are written: PEM (default) or DER.")
    ),
]
HashOption = Annotated[
    Hash | None, typer.Option("--hash", help=_("Hash for RSA signatures; default: sha256. SM2 takes SM3."))
]


class CombinationError(HostError):
    """Options that do not go together."""

    exit_code = Exit.USAGE


def hash_code_for(algorithm: Algorithm | None, chosen: Hash | None) -> HashAlgorithm:
    """The hash of a signature.

    :raises CombinationError: another than SM3 for SM2.
    """
    if algorithm is Algorithm.SM2:
        if chosen not in (None, Hash.SM3):
            raise CombinationError(N_("SM2 signs with SM3 and no other hash: leave out --hash"))
        return HashAlgorithm.SM3
    return (chosen or Hash.SHA256).code


def emit(der: bytes, label: str, outform: Outform | None, output: Path | None) -> None:
    """Write a structure to a file, or to standard output.

    :param label: of PEM.
    """
    content = der if outform is Outform.DER else pem.armor(label, der)
    if output:
        write(output, content)
    else:
        typer.echo(content, nl=False)
