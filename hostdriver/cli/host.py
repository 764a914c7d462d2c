"""``vukey host``: the user's side of a key, on the command line."""

from __future__ import annotations

import typer

from hostdriver.cli import pins, requesting, show, signing, verifying
from protocols.i18n import _

app = typer.Typer(
    no_args_is_help=True, help=_("The user's side: list, inspect and use a key, virtual or real.")
)
app.add_typer(pins.pin_app, name="pin")
app.command("list", help=_("Show the keys that were found."))(show.list_keys)
app.command("info", help=_("Show what the key says of itself: applications, containers, PIN tries."))(
    show.info
)
app.command("activate", help=_("Enter the certificate's activation code, on the key's keypad or from here."))(
    pins.activate
)
app.command("certs", help=_("Show the certificates on the key."))(show.certs)
app.command("sign", help=_("Sign FILE with the key: the bare signature, or one that banks' servers verify."))(
    signing.sign
)
app.command(
    "verify", help=_("Verify a signature on the host: over FILE by the key's public key, or SignedData.")
)(verifying.verify)
app.command("request", help=_("Make a certification request (PKCS#10) that the key signs."))(
    requesting.request
)
