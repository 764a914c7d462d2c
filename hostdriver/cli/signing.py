"""``vukey host sign``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hostdriver import signed_data
from hostdriver.cli.common import (
    AlgorithmOption,
    ApplicationOption,
    ContainerOption,
    DialectOption,
    JsonOption,
    KeypadOption,
    PinFileOption,
    TokenOption,
    log_in,
    open_token,
    print_json,
    tell,
)
from hostdriver.cli.files import check_writable, write
from hostdriver.cli.formats import (
    CombinationError,
    FormatOption,
    HashOption,
    Outform,
    OutformOption,
    SignatureFormat,
    emit,
    hash_code_for,
)
from hostdriver.cli.inputs import DigestOption, InputError, InputFile, read_input
from hostdriver.errors import MessageRefusedError
from hostdriver.token import Algorithm, Container, Token
from protocols import sm2
from protocols.gmt import HashAlgorithm, SignInput
from protocols.i18n import N_, _
from protocols.transaction import TransactionError, parse_transaction


def sign(
    file: InputFile,
    token: TokenOption = None,
    dialect: DialectOption = None,
    application: ApplicationOption = None,
    container: ContainerOption = None,
    alg: AlgorithmOption = None,
    digest: DigestOption = False,
    hash_name: HashOption = None,
    form: FormatOption = SignatureFormat.RAW,
    outform: OutformOption = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="OUT", help=_("Write the signature to a file.")),
    ] = None,
    pin_file: PinFileOption = None,
    keypad: KeypadOption = False,
    as_json: JsonOption = False,
) -> None:
    _check_combination(form, outform, digest)
    data = read_input(file, digest)
    source = SignInput.DIGEST if digest else SignInput.MESSAGE
    if output:
        check_writable(output)  # before anybody presses OK
    with open_token(token, dialect) as opened:
        _check_size(opened, file, data)
        its = opened.application(application)
        held = its.find_container(container, alg)
        algorithm = held.facts().algorithm
        hash_code = hash_code_for(algorithm, hash_name)
        log_in(its, pin_file, keypad)
        _say_what_to_do(opened, source)
        try:
            signature = _sign(held, data, source, hash_code, form)
        except MessageRefusedError:
            _explain(data)
            raise
    if as_json:
        facts = {"alg": algorithm, "container": held.name, "format": form.value, "signature": signature.hex()}
        print_json(facts)
    _put_out(signature, form, outform, output, quiet=as_json)


def _check_combination(form: SignatureFormat, outform: Outform | None, digest: bool) -> None:
    if outform and not form.is_signed_data:
        raise CombinationError(N_("--outform goes with --format p7 and p7-detached"))
    if digest and form is SignatureFormat.P7:
        raise CombinationError(
            N_("--format p7 holds the message, and a digest is none: take --format p7-detached")
        )


def _sign(
    container: Container, data: bytes, source: SignInput, hash_code: HashAlgorithm, form: SignatureFormat
) -> bytes:
    if form.is_signed_data:
        detached = form is SignatureFormat.P7_DETACHED
        return signed_data.sign(container, data, source, hash_code, detached=detached)
    signature = container.sign(data, source, hash_code)
    if form is SignatureFormat.DER and container.facts().algorithm is Algorithm.SM2:
        return sm2.Signature.parse(signature).encode_der()
    return signature


def _put_out(
    signature: bytes, form: SignatureFormat, outform: Outform | None, output: Path | None, quiet: bool
) -> None:
    """Bare signatures are raw in a file and hex on the screen; the others say what they are.

    :param quiet: nothing more on the screen.
    """
    if not output and quiet:
        return
    if form.is_signed_data:
        emit(signature, "PKCS7", outform, output)
    elif output:
        write(output, signature)
    else:
        typer.echo(signature.hex())


def _check_size(token: Token, file: Path, data: bytes) -> None:
    limit = token.max_message
    if limit is not None and len(data) > limit:
        raise InputError(
            N_("{file} has {size} bytes, the key takes at most {limit}"),
            file=file,
            size=len(data),
            limit=limit,
        )


def _say_what_to_do(token: Token, source: SignInput) -> None:
    if source is SignInput.MESSAGE and not token.shows_messages:
        tell(_("By this way the key gets the message's digest only: it cannot show the message."))
    tell(_("Check the key's screen and press OK on the key."))


def _explain(message: bytes) -> None:
    """Why a key refuses a message, as far as a look at it from here can tell."""
    try:
        parse_transaction(message)
    except TransactionError as error:
        tell(_("As a transaction it cannot be read: {reason}").format(reason=error.localized()))
