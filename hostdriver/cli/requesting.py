"""``vukey host request``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from asn1crypto import x509

from hostdriver.certificates import GARBAGE
from hostdriver.certification_request import SubjectError, make_request, subject_of
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
from hostdriver.cli.files import check_writable
from hostdriver.cli.formats import CombinationError, HashOption, OutformOption, emit, hash_code_for
from hostdriver.errors import Exit, HostError, KeyNotFoundError
from hostdriver.printable import printable
from hostdriver.token import Algorithm, Application, Container
from protocols.gmt import RSA_BITS
from protocols.i18n import N_, _


class PairExistsError(HostError):
    """A new key pair would be in the place of another."""

    exit_code = Exit.ALREADY_EXISTS


def request(
    subject: Annotated[
        str | None,
        typer.Option(
            "--subject",
            metavar="NAME",
            help=_(
                "Whom to certify: CN=5212345678, O=My bank, C=CN; default: as the container's certificate has it."
            ),
        ),
    ] = None,
    generate: Annotated[
        Algorithm | None,
        typer.Option(
            "--generate", help=_("First make a new key pair in --container NAME, which has none yet.")
        ),
    ] = None,
    bits: Annotated[int, typer.Option("--bits", help=_("Length of a new RSA key."))] = 2048,
    token: TokenOption = None,
    dialect: DialectOption = None,
    application: ApplicationOption = None,
    container: ContainerOption = None,
    alg: AlgorithmOption = None,
    hash_name: HashOption = None,
    outform: OutformOption = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="OUT", help=_("Write the request to a file.")),
    ] = None,
    pin_file: PinFileOption = None,
    keypad: KeypadOption = False,
    as_json: JsonOption = False,
) -> None:
    _check_options(subject, generate, container, alg, bits)
    named = subject_of(subject) if subject else b""
    if output:
        check_writable(output)
    with open_token(token, dialect) as opened:
        its = opened.application(application)
        if generate and container:
            _check_free(its, container)
            hash_code = hash_code_for(generate, hash_name)
            log_in(its, pin_file, keypad)
            held = _generate(its, container, generate, bits)
        else:
            held = its.find_container(container, alg)
            hash_code = hash_code_for(held.facts().algorithm, hash_name)
            named = named or _subject_in(held)
            log_in(its, pin_file, keypad)
        tell(_("The request is no text that the key could show: it signs its digest. Press OK on the key."))
        der = make_request(held, named, hash_code)
    if as_json:
        print_json({"container": held.name, "request": der.hex()})
    if output or not as_json:
        emit(der, "CERTIFICATE REQUEST", outform, output)


def _check_options(
    subject: str | None, generate: Algorithm | None, container: str | None, alg: Algorithm | None, bits: int
) -> None:
    """What can be said before any key is asked.

    :raises CombinationError: a new pair has no place, or nobody is named for it, or its length is none.
    """
    if generate and (not container or not subject or alg not in (None, generate)):
        raise CombinationError(
            N_(
                "--generate wants to know where and for whom: --container NAME --subject NAME, and no other --alg"
            )
        )
    if generate is Algorithm.RSA and bits not in RSA_BITS:
        raise CombinationError(N_("an RSA modulus has 1024, 2048, 3072 or 4096 bits, not {bits}"), bits=bits)


def _check_free(application: Application, container: str) -> None:
    """A key pair that is there is never replaced: whoever holds its certificate would lose it."""
    if container in application.containers() and application.container(container).facts().bits:
        raise PairExistsError(
            N_("container {name} has a key pair already: leave out --generate to ask for its certificate"),
            name=printable(container),
        )


def _generate(application: Application, name: str, algorithm: Algorithm, bits: int) -> Container:
    is_there = name in application.containers()
    container = application.container(name) if is_there else application.create_container(name)
    tell(_("The key makes a new key pair."))
    container.generate(algorithm, bits)
    return container


def _subject_in(container: Container) -> bytes:
    """As the certificate that is there has it, for its renewal."""
    try:
        certificate = x509.Certificate.load(container.certificate(), strict=True)
        subject: bytes = certificate.subject.dump()
    except (KeyNotFoundError, *GARBAGE):
        raise SubjectError(
            N_("container {name} has no certificate to take the name from: give --subject"),
            name=printable(container.name),
        ) from None
    return subject
