"""``vukey host sign`` and ``verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hostdriver import certificates
from hostdriver.cli.common import (
    AlgorithmOption,
    ApplicationOption,
    ContainerOption,
    DialectOption,
    Hash,
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
from hostdriver.errors import HostError, MessageRefusedError, VerificationFailedError
from hostdriver.token import Token
from protocols.gmt import SignInput
from protocols.i18n import N_, _
from protocols.sw import SW
from protocols.transaction import TransactionError, parse_transaction

DigestOption = Annotated[
    bool,
    typer.Option("--digest/--message", help=_("FILE holds a ready digest (raw or hex), not the message.")),
]
HashOption = Annotated[Hash, typer.Option("--hash", help=_("Hash for RSA signatures."))]
InputFile = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, metavar="FILE")]


class InputError(HostError):
    """A file does not hold what it should."""


def sign(
    file: InputFile,
    token: TokenOption = None,
    dialect: DialectOption = None,
    application: ApplicationOption = None,
    container: ContainerOption = None,
    alg: AlgorithmOption = None,
    digest: DigestOption = False,
    hash_name: HashOption = Hash.SHA256,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="OUT", help=_("Write the raw signature to a file.")),
    ] = None,
    pin_file: PinFileOption = None,
    keypad: KeypadOption = False,
    as_json: JsonOption = False,
) -> None:
    data = _read_input(file, digest)
    source = SignInput.DIGEST if digest else SignInput.MESSAGE
    if output:
        check_writable(output)  # before anybody presses OK
    with open_token(token, dialect) as opened:
        _check_size(opened, file, data)
        its = opened.application(application)
        held = its.find_container(container, alg)
        algorithm = held.facts().algorithm
        log_in(its, pin_file, keypad)
        _say_what_to_do(opened, source)
        try:
            signature = held.sign(data, source, hash_name.code)
        except MessageRefusedError:
            _explain(data)
            raise
    if output:
        write(output, signature)
    if as_json:
        print_json({"alg": algorithm, "container": held.name, "signature": signature.hex()})
    elif not output:
        typer.echo(signature.hex())


def verify(
    file: InputFile,
    signature: Annotated[
        str,
        typer.Option(
            "--signature",
            metavar="SIG",
            help=_("The signature: hex digits, or a file with it raw or in hex."),
        ),
    ],
    token: TokenOption = None,
    dialect: DialectOption = None,
    application: ApplicationOption = None,
    container: ContainerOption = None,
    alg: AlgorithmOption = None,
    digest: DigestOption = False,
    hash_name: HashOption = Hash.SHA256,
) -> None:
    with open_token(token, dialect) as opened:
        key = opened.application(application).find_container(container, alg).public_key()
    data = _read_input(file, digest)
    check = certificates.verify_digest if digest else certificates.verify
    if not check(key, data, _read_signature(signature), hash_name.code):
        raise VerificationFailedError(SW.VERIFICATION_FAILED)
    typer.echo(_("The signature is valid."))


def _read_input(file: Path, digest: bool) -> bytes:
    data = _read_digest(file) if digest else file.read_bytes()
    if not data:
        raise InputError(N_("{file} is empty"), file=file)
    return data


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


def _unhex(raw: bytes) -> bytes | None:
    try:
        return bytes.fromhex(raw.decode("ascii"))
    except (UnicodeDecodeError, ValueError):
        return None


_DIGEST_SIZES = (20, 32)


def _read_digest(file: Path) -> bytes:
    raw = file.read_bytes()
    digest = raw if len(raw) in _DIGEST_SIZES else _unhex(raw)
    if digest is None or len(digest) not in _DIGEST_SIZES:
        raise InputError(N_("{file} holds no digest: 20 or 32 bytes are wanted, raw or in hex"), file=file)
    return digest


def _read_signature(given: str) -> bytes:
    if signature := _unhex(given.encode()):
        return signature
    try:
        raw = Path(given).read_bytes()
    except (OSError, ValueError):
        raise InputError(N_("--signature is neither hex nor a file: {given}"), given=given) from None
    return _unhex(raw) or raw
