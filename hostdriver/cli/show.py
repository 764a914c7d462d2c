"""``vukey host list``, ``info`` and ``certs``."""

from __future__ import annotations

import ssl
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
    open_application,
    open_session,
    print_json,
    tell,
)
from hostdriver.errors import HostError
from hostdriver.gmt import GmtSession
from hostdriver.printable import printable
from hostdriver.tokens import find_tokens, nothing_found
from protocols.gmt import ApplicationInfo, ContainerType, PinType
from protocols.i18n import _


def list_keys(as_json: JsonOption = False) -> None:
    tokens, trouble = find_tokens()
    if as_json:
        print_json(
            [
                {
                    "token": token.name,
                    "serial": token.serial,
                    "manufacturer": token.info.manufacturer if token.info else None,
                    "issuer": token.info.issuer if token.info else None,
                    "label": token.info.label if token.info else None,
                    "busy": token.info is None,
                }
                for token in tokens
            ]
        )
        return
    if not tokens and trouble:
        tell(nothing_found(trouble).localized())
        return
    if not tokens:
        tell(_("No key found. Plug one in, or start a virtual one: vukey up --profile bocom-2g-tendyron"))
        return
    table = Table(
        Column(_("Key (--token)"), no_wrap=True), _("Serial number"), _("Maker"), _("Bank"), _("Label")
    )
    for token in tokens:
        info = token.info
        texts = (info.manufacturer, info.issuer, info.label) if info else (_("in use"), "", "")
        table.add_row(*(Text(printable(text)) for text in (token.name, token.serial, *texts)))
    Console().print(table)


def _pin_facts(session: GmtSession, application: ApplicationInfo, pin_type: PinType) -> dict[str, Any]:
    info = session.pin_info(application, pin_type)
    return {"tries": info.tries, "left": info.left, "initial": info.initial}


def _type_name(code: int) -> str:
    names = {kind.value: kind.name.replace("ECC", "SM2") for kind in ContainerType}
    return names.get(code, str(code))


def _container_facts(session: GmtSession, application: ApplicationInfo, name: str) -> dict[str, Any]:
    info = session.container_info(application, name)
    facts: dict[str, Any] = {
        "name": name,
        "type": _type_name(info.type),
        "bits": info.sign_bits,
        "certificate": info.sign_certificate,
        "exchange_bits": info.exchange_bits,
        "exchange_certificate": info.exchange_certificate,
        "activated": None,
        "activation_tries": None,
    }
    try:
        activated, tries = session.activation_status(session.open_container(application, name))
    except HostError:  # a key of the bank's own activation, or another maker's, does not know the command
        return facts
    return facts | {"activated": activated, "activation_tries": tries}


def _application_facts(session: GmtSession, name: str) -> dict[str, Any]:
    application = session.open_application(name)
    return {
        "name": name,
        "user_pin": _pin_facts(session, application, PinType.USER),
        "admin_pin": _pin_facts(session, application, PinType.ADMIN),
        "containers": [
            _container_facts(session, application, container) for container in session.containers(application)
        ],
    }


def info(token: TokenOption = None, dialect: DialectOption = None, as_json: JsonOption = False) -> None:
    with open_session(token, dialect) as session:
        device = session.device_info()
        facts = {
            "token": session.transport.name,
            "serial": device.serial,
            "manufacturer": device.manufacturer,
            "issuer": device.issuer,
            "label": device.label,
            "hardware_version": ".".join(map(str, device.hardware_version)),
            "firmware_version": ".".join(map(str, device.firmware_version)),
            "max_apdu_data": device.max_apdu_data,
            "free_space": device.free_space,
            "applications": [_application_facts(session, name) for name in session.applications()],
        }
    if as_json:
        print_json(facts)
    else:
        _print_info(facts)


def _print_line(line: str) -> None:
    typer.echo(printable(line))


def _print_info(facts: dict[str, Any]) -> None:
    _print_line(f"{facts['serial']}  {facts['manufacturer']}, {facts['issuer']}  ({facts['token']})")
    if not facts["applications"]:
        _print_line("  " + _("blank: no application yet; issue it: vukey issue"))
    for application in facts["applications"]:
        user = application["user_pin"]
        initial = _(", still the initial one") if user["initial"] else ""
        tries = _("PIN: {left} of {tries} tries left").format(**user) if user["left"] else _("PIN: locked")
        _print_line(f"  {application['name']}: {tries}{initial}")
        for container in application["containers"]:
            _print_line(f"    {container['name']}: {_container_text(container)}")


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
    with open_session(token, dialect) as session:
        opened = open_application(session, application)
        for name in [container] if container else session.containers(opened):
            if session.container_info(opened, name).has_certificate(use.code):
                found[name] = session.export_certificate(session.open_container(opened, name), use=use.code)
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
