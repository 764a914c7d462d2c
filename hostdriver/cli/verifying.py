"""``vukey host verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hostdriver import certificates, signed_data
from hostdriver.cli.common import (
    AlgorithmOption,
    ApplicationOption,
    ContainerOption,
    DialectOption,
    TokenOption,
    open_token,
)
from hostdriver.cli.files import check_writable, write
from hostdriver.cli.formats import (
    CombinationError,
    FormatOption,
    HashOption,
    SignatureFormat,
    hash_code_for,
)
from hostdriver.cli.inputs import DigestOption, read_input, read_signature
from hostdriver.errors import VerificationFailedError
from hostdriver.token import Algorithm, PublicKey
from protocols.gmt import RsaPublicKey
from protocols.i18n import N_, _
from protocols.sw import SW


def verify(
    signature: Annotated[
        str,
        typer.Option(
            "--signature",
            metavar="SIG",
            help=_("The signature: hex digits, or a file with it raw, in hex or as PEM."),
        ),
    ],
    file: Annotated[
        Path | None,
        typer.Argument(exists=True, dir_okay=False, readable=True, metavar="FILE", show_default=False),
    ] = None,
    token: TokenOption = None,
    dialect: DialectOption = None,
    application: ApplicationOption = None,
    container: ContainerOption = None,
    alg: AlgorithmOption = None,
    digest: DigestOption = False,
    hash_name: HashOption = None,
    form: FormatOption = SignatureFormat.RAW,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="OUT", help=_("Write the message that p7 holds to a file.")),
    ] = None,
) -> None:
    if form.is_signed_data:
        _verify_signed_data(signature, file, form, digest, output)
        return
    if file is None or output:
        raise CombinationError(
            N_("a bare signature holds no message: name the FILE that it is over, and no -o")
        )
    data = read_input(file, digest)
    with open_token(token, dialect) as opened:
        key = opened.application(application).find_container(container, alg).public_key()
    check = certificates.verify_digest if digest else certificates.verify
    if not check(key, data, read_signature(signature), hash_code_for(_algorithm(key), hash_name)):
        raise VerificationFailedError(SW.VERIFICATION_FAILED)
    typer.echo(_("The signature is valid."))


def _algorithm(key: PublicKey) -> Algorithm:
    return Algorithm.RSA if isinstance(key, RsaPublicKey) else Algorithm.SM2


def _verify_signed_data(
    signature: str, file: Path | None, form: SignatureFormat, digest: bool, output: Path | None
) -> None:
    """The key is in the file: none on this computer is asked."""
    if digest:
        raise CombinationError(
            N_("--format {form} is verified with its message, not with a digest"), form=form
        )
    if output:
        check_writable(output)
    signed = signed_data.parse(read_signature(signature))
    message = read_input(file, digest=False) if file else None
    signers = signed_data.verify(signed, message)
    typer.echo(_("The signature is valid."))
    for signer in signers:
        typer.echo(
            _(
                "Signed by: {subject} (certificate of {issuer}, SHA-256 {fingerprint}; not checked against any root)"
            ).format(subject=signer.subject, issuer=signer.issuer, fingerprint=signer.fingerprint)
        )
    if output:
        write(output, signed_data.signed_message(signed, message))
