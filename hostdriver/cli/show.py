"""``vukey host list``, ``info`` and ``certs``."""

from __future__ import annotations

import ssl
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from hostdriver import certificates
from hostdriver.cli.common import (
    ApplicationOption,
    ContainerOption,
    DialectOption,
    JsonOption,
    TokenOption,
    Use,
    open_token,
    print_json,
    tell,
)
from hostdriver.errors import HostError
from hostdriver.printable import printable
from hostdriver.token import Application, Container, Token, TokenInfo
from hostdriver.tokens import FoundKey, find_tokens, library_keys, nothing_found
from protocols.gmt import PinType
from protocols.i18n import _

ListTokenOption = Annotated[
    str | None,
    typer.Option(
        "--token",
        metavar="LIBRARY",
        help=_("Show the keys that a library finds instead: skf:LIBRARY or pkcs11:MODULE."),
    ),
]


def list_keys(
    token: ListTokenOption = None, dialect: DialectOption = None, as_json: JsonOption = False
) -> None:
    if token is not None:
        facts, trouble = [_library_key_facts(info) for info in library_keys(token, dialect)], None
    else:
        found, trouble = find_tokens()
        facts = [_key_facts(key) for key in found]
    if as_json:
        print_json(facts)
    elif facts and token is not None:
        for key in facts:
            _print_line(_headline(key))  # their names are too long for a table
    elif facts:
        _print_keys(facts)
    elif trouble:
        tell(nothing_found(trouble).localized())
    elif token is not None:
        tell(_("The library finds no key: plug one in."))
    else:
        tell(_("No key found. Plug one in, or start a virtual one: vukey up --profile bocom-2g-tendyron"))


def _key_facts(key: FoundKey) -> dict[str, Any]:
    return {
        "token": key.name,
        "serial": key.serial,
        "manufacturer": key.info.manufacturer if key.info else None,
        "issuer": key.info.issuer if key.info else None,
        "label": key.info.label if key.info else None,
        "busy": key.info is None,
    }


def _library_key_facts(key: TokenInfo) -> dict[str, Any]:
    return {
        "token": key.token,
        "serial": key.serial,
        "manufacturer": key.manufacturer,
        "issuer": key.issuer,
        "label": key.label,
        "busy": False,
    }


def _print_keys(keys: list[dict[str, Any]]) -> None:
    table = Table(
        Column(_("Key (--token)"), no_wrap=True), _("Serial number"), _("Maker"), _("Bank"), _("Label")
    )
    for key in keys:
        told = (_("in use"), "", "") if key["busy"] else (key["manufacturer"], key["issuer"], key["label"])
        table.add_row(*(Text(printable(text)) for text in (key["token"], key["serial"], *told)))
    Console().print(table)


def _pin_facts(application: Application, pin_type: PinType) -> dict[str, Any]:
    return asdict(application.pin_facts(pin_type))


def _container_facts(container: Container) -> dict[str, Any]:
    facts = container.facts()
    activated, tries = _activation(container) or (None, None)
    return {
        "name": facts.name,
        "type": facts.type,
        "bits": facts.bits,
        "certificate": facts.certificate,
        "exchange_bits": facts.exchange_bits,
        "exchange_certificate": facts.exchange_certificate,
        "activated": activated,
        "activation_tries": tries,
    }


def _activation(container: Container) -> tuple[bool, int] | None:
    try:
        return container.activation()
    except HostError:  # another maker's key may answer anything to a command that is ours
        return None


def _application_facts(token: Token, name: str) -> dict[str, Any]:
    application = token.open_application(name)
    return {
        "name": name,
        "user_pin": _pin_facts(application, PinType.USER),
        "admin_pin": _pin_facts(application, PinType.ADMIN),
        "containers": [
            _container_facts(application.container(container)) for container in application.containers()
        ],
    }


def info(token: TokenOption = None, dialect: DialectOption = None, as_json: JsonOption = False) -> None:
    with open_token(token, dialect) as opened:
        applications = [_application_facts(opened, name) for name in opened.applications()]
        facts = asdict(opened.info()) | {"applications": applications}
    if as_json:
        print_json(facts)
    else:
        _print_info(facts)


def _print_line(line: str) -> None:
    typer.echo(printable(line))


def _headline(facts: dict[str, Any]) -> str:
    makers = ", ".join(filter(None, (facts["manufacturer"], facts["issuer"])))
    return "  ".join(filter(None, (facts["serial"], makers, f"({facts['token']})")))


def _print_info(facts: dict[str, Any]) -> None:
    _print_line(_headline(facts))
    if not facts["applications"]:
        _print_line("  " + _("blank: no application yet; issue it: vukey issue"))
    for application in facts["applications"]:
        user = application["user_pin"]
        initial = _(", still the initial one") if user["initial"] else ""
        _print_line(f"  {application['name']}: {_pin_text(user)}{initial}")
        for container in application["containers"]:
            _print_line(f"    {container['name']}: {_container_text(container)}")


def _pin_text(pin: dict[str, Any]) -> str:
    if pin["left"] is None:
        return _("PIN: tries not told")
    return _("PIN: {left} of {tries} tries left").format(**pin) if pin["left"] else _("PIN: locked")


def _container_text(container: dict[str, Any]) -> str:
    parts = [f"{container['type']} {container['bits']}"]
    parts += [_("certificate") if container["certificate"] else _("no certificate")]
    if container["exchange_bits"]:
        has_certificate = container["exchange_certificate"]
        parts += [
            _("encryption certificate") if has_certificate else _("encryption pair without a certificate")
        ]
    activated = {True: _(", activated"), False: _(", not activated"), None: ""}[container["activated"]]
    return ", ".join(parts) + activated


def certs(
    token: TokenOption = None,
    dialect: DialectOption = None,
    application: ApplicationOption = None,
    container: ContainerOption = None,
    use: Annotated[
        Use, typer.Option("--use", help=_("Those of the signature pairs, or of the encryption pairs."))
    ] = Use.SIGN,
    pem: Annotated[bool, typer.Option("--pem", help=_("Print them as PEM."))] = False,
    as_json: JsonOption = False,
) -> None:
    found: dict[str, bytes] = {}
    with open_token(token, dialect) as opened:
        its = opened.application(application)
        for name in [container] if container else its.containers():
            held = its.container(name)
            if held.facts().has_certificate(use.code):
                found[name] = held.certificate(use.code)
    if pem:
        typer.echo("".join(ssl.DER_cert_to_PEM_cert(der) for der in found.values()), nl=False)
    elif as_json:
        print_json([_certificate_facts(name, use, certificates.describe(der)) for name, der in found.items()])
    elif not found and use is Use.EXCHANGE:
        tell(_("There is no encryption certificate on the key."))
    elif not found:
        tell(_("There is no certificate on the key."))
    else:
        for name, der in found.items():
            _print_certificate(name, use, certificates.describe(der))


def _certificate_facts(container: str, use: Use, certificate: certificates.Certificate) -> dict[str, Any]:
    return {
        "container": container,
        "use": use.value,
        "algorithm": certificate.algorithm,
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "serial_number": certificate.serial_number,
        "not_before": certificate.not_before.isoformat(),
        "not_after": certificate.not_after.isoformat(),
        "sha256": certificate.fingerprint,
    }


def _print_certificate(name: str, use: Use, certificate: certificates.Certificate) -> None:
    kind = {Use.SIGN: _("signature certificate"), Use.EXCHANGE: _("encryption certificate")}[use]
    _print_line(f"{name}: {certificate.algorithm}, {kind}")
    for label, value in (
        (_("subject"), certificate.subject),
        (_("issuer"), certificate.issuer),
        (_("number"), certificate.serial_number),
        (_("valid"), f"{certificate.not_before:%Y-%m-%d} … {certificate.not_after:%Y-%m-%d}"),
        ("SHA-256", certificate.fingerprint),
    ):
        typer.echo(f"  {label}: {value}")
