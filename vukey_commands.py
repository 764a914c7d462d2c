"""``vukey demo``, ``profiles``, ``up`` and ``issue``: the commands that want both sides."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from emulator.command import ENDING, LEAVING, handling, held_signals, run_beside
from emulator.control.operator import AutoApproval
from emulator.control.server import PanelError, PanelSpec
from emulator.device import Device
from emulator.face import Face, is_at_terminal, is_loopback, warn_of_hosts
from emulator.hardware.entropy import OsEntropy
from emulator.hardware.storage import StateError
from emulator.issuer.ca import CertificateAuthority
from emulator.issuer.personalise import IssueError, Stage, issue, prepare, stage_of
from emulator.links.errors import LinkError
from emulator.links.inproc import InProcessLink
from emulator.profiles import Profile, ProfileError, load_profile, profile_ids
from emulator.running import RunningKey, load_model, open_device, parse_link
from hostdriver.cli.common import JsonOption, TokenOption, open_session
from hostdriver.errors import Exit
from hostdriver.gmt import GmtSession
from hostdriver.transport.unix_socket import run_files
from protocols.dialect import dialect_named
from protocols.errors import VukeyError
from protocols.i18n import N_, _, language
from protocols.runfile import RunFile

app = typer.Typer()

_READY_WITHIN_S = 30.0
_POINTERS = ("VUKEY_SERIAL", "VUKEY_TOKEN", "VUKEY_PANEL_URL")
"""Variables that lead a command to a key."""

ProfileOption = Annotated[
    str | None,
    typer.Option(
        "--profile", metavar="ID", help=_("Model of the key: an id of `vukey profiles`, or a TOML file.")
    ),
]

LinkOption = Annotated[
    list[str] | None,
    typer.Option(
        "--link",
        metavar="LINK",
        help=_(
            "vpcd[:HOST:PORT] (pcscd), socket, usbip[:[HOST:]PORT], vhci, gadget[:UDC], serial[:PATH] or "
            "ble[:ADAPTER]; may be repeated. Default: vpcd and socket."
        ),
    ),
]
StageOption = Annotated[
    Stage | None,
    typer.Option("--stage", help=_("How far the key has come; a new one is ready by default.")),
]
StateOption = Annotated[
    Path | None,
    typer.Option("--state", metavar="FILE", help=_("Keep the key in a file; else it lives in memory.")),
]
SerialOption = Annotated[
    str | None,
    typer.Option("--serial", metavar="NUMBER", help=_("Serial number; else one after the model's scheme.")),
]
ApproveOption = Annotated[
    str | None,
    typer.Option(
        "--approve", metavar="RULE", help=_("Press by itself: always (OK), never (C), or OK after SECONDS.")
    ),
]
PanelOption = Annotated[
    bool,
    typer.Option("--panel", help=_("Serve the key's panel and control API; CMD gets VUKEY_PANEL_URL.")),
]
PanelPortOption = Annotated[
    int | None,
    typer.Option(
        "--panel-port", metavar="N", min=1, max=0xFFFF, help=_("--panel on this port; else a free one.")
    ),
]
PanelHostOption = Annotated[
    str | None,
    typer.Option("--panel-host", metavar="HOST", help=_("--panel on this address; else 127.0.0.1.")),
]


class UsageError(VukeyError):
    """An option's value does not fit."""


class NotPluggedError(VukeyError):
    """No reader took the key in time."""


def _authority(profile: Profile) -> CertificateAuthority:
    return CertificateAuthority(OsEntropy(), datetime.now(UTC), profile.issuer)


class DemoAlgorithm(StrEnum):
    """``--alg`` of the demo."""

    RSA = "rsa"
    SM2 = "sm2"
    BOTH = "both"


@app.command(help=_("See it work: a key is issued, shows a transfer, signs it."))
def demo(
    profile: ProfileOption = None,
    alg: Annotated[
        DemoAlgorithm | None, typer.Option("--alg", help=_("Which signatures; default: all of the model's."))
    ] = None,
    interactive: Annotated[bool, typer.Option("--interactive", help=_("You press the keys."))] = False,
    as_json: JsonOption = False,
) -> None:
    import vukey_demo

    if interactive and not sys.stdin.isatty():
        raise UsageError(N_("--interactive needs a terminal to press keys on"))
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` ends the demo, whichever thread draws
    algorithms = {None: None, DemoAlgorithm.BOTH: ("rsa", "sm2")}.get(alg, (str(alg),))
    vukey_demo.run(profile, algorithms, interactive, as_json)


@app.command(help=_("List the models that a key can be."))
def profiles(as_json: JsonOption = False) -> None:
    models = [load_profile(name) for name in profile_ids()]
    if as_json:
        typer.echo(json.dumps([model.as_json() for model in models], ensure_ascii=False, indent=2))
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("ID", no_wrap=True)
    table.add_column(_("Model"))
    for model in models:
        table.add_row(model.id, model.title_zh if language() == "zh" else model.title)
    Console().print(table)


def _parse_approve(rule: str | None) -> Literal["always", "never"] | float | None:
    if rule in (None, "always", "never"):
        return rule  # type: ignore[return-value]  # narrowed by the line above
    try:
        seconds = float(rule)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 3600:
        raise UsageError(N_("--approve {rule}: expected always, never or seconds"), rule=rule)
    return seconds


@app.command(
    help=_("Plug a virtual key in. With -- CMD: run CMD while it is plugged, and end with its exit code.")
)
def up(
    command: Annotated[list[str] | None, typer.Argument(metavar="[-- CMD...]", show_default=False)] = None,
    profile: ProfileOption = None,
    link: LinkOption = None,
    stage: StageOption = None,
    state: StateOption = None,
    serial: SerialOption = None,
    approve: ApproveOption = None,
    panel: PanelOption = False,
    panel_port: PanelPortOption = None,
    panel_host: PanelHostOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help=_("Print one line of JSON once the key is plugged."))
    ] = False,
) -> None:
    rule = _parse_approve(approve)
    panel_spec = _panel_spec(panel, panel_port, panel_host)
    specs = [parse_link(text) for text in link or ["vpcd", "socket"]]
    warn_of_hosts(specs)
    with ExitStack() as stack:
        stack.enter_context(handling(dict.fromkeys(ENDING, _leave)))
        held = stack.enter_context(held_signals())
        is_new = state is None or not state.exists()
        opened = open_device(profile, state, serial)
        device = opened.device
        stack.callback(device.close)
        code_to_type = _bring_to(device, stage, is_new)
        at_terminal = not command and not as_json and is_at_terminal()
        face = stack.enter_context(Face(device, at_terminal))
        running = RunningKey(opened, specs, face.link_changed, panel_spec)
        stack.callback(running.stop)
        if rule is not None:
            _warn_of_approval(rule)
            stack.enter_context(AutoApproval(device, rule))
        elif command and sys.stdin.isatty() and not panel_spec:
            _warn_of_nobody(device)
        _tell_code(code_to_type)
        running.start()
        if running.panel:
            face.served(running.panel.ticket_url())
        stack.callback(signal.pthread_sigmask, signal.SIG_BLOCK, LEAVING)  # once we leave, we leave tidily
        code = _live(running, command, as_json, held)
    raise typer.Exit(code)


def _panel_spec(wanted: bool, port: int | None, host: str | None) -> PanelSpec | None:
    """Any of the three options asks for a panel."""
    if not wanted and port is None and host is None:
        return None
    spec = PanelSpec(host or "127.0.0.1", port or 0)
    if not is_loopback(spec.host):
        warning = _("Warning: --panel-host {host}: others can reach the panel, over plain HTTP.")
        typer.echo(warning.format(host=spec.host), err=True)
    return spec


def _leave(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def _bring_to(device: Device, stage: Stage | None, is_new: bool) -> str | None:
    """A new key becomes ready, one from a file stays as it is, unless a stage is asked for.

    :returns: the activation code that is still to be typed.
    """
    session = GmtSession(InProcessLink(device), dialect_named(device.profile.dialect))
    device.power_on()
    before = stage_of(session, device.profile)
    device.power_off()
    if stage is None:
        stage = Stage.READY if is_new else before
    if list(Stage).index(stage) < list(Stage).index(before):
        raise UsageError(
            N_(
                "the key in the state file is {before} already, and no key goes back to {stage}: take another file"
            ),
            before=before.value,
            stage=stage.value,
        )
    issued = prepare(device, session, stage, _authority(device.profile))
    return issued.activation_code if issued and stage is Stage.ISSUED else None


def _tell_code(code: str | None) -> None:
    if code:
        typer.echo(_("Activation code: {code}").format(code=code), err=True)


def _warn_of_approval(rule: object) -> None:
    line = (
        _("Warning: --approve never: the key presses C by itself; it signs nothing.")
        if rule == "never"
        else _("Warning: --approve {rule}: the key's buttons press themselves; nobody reads what it signs.")
    )
    typer.echo(line.format(rule=f"{rule:g}" if isinstance(rule, float) else rule), err=True)


def _warn_of_nobody(device: Device) -> None:
    """With a command there is no live screen: who starts it from a terminal may expect one."""
    if device.buttons:
        typer.echo(
            _(
                "Nobody can press the key's buttons while the command runs: "
                "add --panel or --approve, or use two terminals."
            ),
            err=True,
        )


def _live(running: RunningKey, command: list[str] | None, as_json: bool, held: ExitStack) -> int:
    """The key's life until Ctrl-C, SIGTERM or the end of the command; signals that were held back come now."""
    try:
        held.close()
        if command:
            return _run_command(running, command)
        if as_json:
            running.wait_until_ready(None)
            typer.echo(json.dumps({"ready": True, **_public(running.run_file)}, ensure_ascii=False))
        threading.Event().wait()
    except KeyboardInterrupt:  # the way to leave; but a command that never ran was no success
        return 128 + signal.SIGINT if command else 0
    return 0


def _public(run_file: RunFile) -> dict[str, object]:
    """What may stand in a log: the token stays in the run file, which only its owner can read."""
    return {name: value for name, value in asdict(run_file).items() if name != "token"}


def _run_command(running: RunningKey, command: list[str]) -> int:
    if not running.wait_until_ready(_READY_WITHIN_S):
        raise NotPluggedError(
            N_("the key was not plugged within {seconds} s; is pcscd running? Without pcscd: --link socket"),
            seconds=int(_READY_WITHIN_S),
        )
    try:
        return run_beside(command, _childs_environment(running))
    except OSError as error:
        raise UsageError(
            N_("{command} cannot be run: {reason}"), command=command[0], reason=error.strerror
        ) from None


def _childs_environment(running: RunningKey) -> dict[str, str]:
    """Ours, with what leads to this key and to no other; only its user can read a process's environment."""
    inherited = {name: value for name, value in os.environ.items() if name not in _POINTERS}
    own = {"VUKEY_SERIAL": running.device.serial}
    if running.host_token:
        own["VUKEY_TOKEN"] = running.host_token
    if running.panel:
        own["VUKEY_PANEL_URL"] = f"{running.panel.url}/t/{running.panel.token}"
    return inherited | own


@app.command(
    "issue", help=_("The bank's card factory: application, key pairs and certificates onto a blank key.")
)
def issue_key(
    token: TokenOption = None,
    profile: ProfileOption = None,
    replace: Annotated[
        bool,
        typer.Option("--replace", help=_("Delete what was issued before, keys and certificates included.")),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    with open_session(token) as session:
        serial = session.device_info().serial
        model = load_model(profile or _running_profile(serial))
        session.dialect = dialect_named(model.dialect)
        issued = issue(session, model, serial, _authority(model), replace=replace)
    if as_json:
        facts = {"serial": serial, "profile": model.id, **issued.as_json()}
        typer.echo(json.dumps(facts, ensure_ascii=False))
        return
    containers = ", ".join(
        _("{name} (double certificate)").format(name=name) if name in issued.exchange_certificates else name
        for name in issued.certificates
    )
    typer.echo(_("Issued {serial}: {containers}").format(serial=serial, containers=containers))
    _tell_code(issued.activation_code)


def _running_profile(serial: str) -> str:
    """The model of a virtual key that runs here."""
    for key in run_files():
        if key.serial == serial:
            return key.model
    raise UsageError(N_("which model is key {serial}? Say --profile"), serial=serial)


EXIT_CODES: tuple[tuple[type[VukeyError], Exit], ...] = (
    (StateError, Exit.STATE_FILE),
    (ProfileError, Exit.USAGE),
    (UsageError, Exit.USAGE),
    (LinkError, Exit.USAGE),
    (PanelError, Exit.USAGE),
    (NotPluggedError, Exit.NO_KEY),
    (IssueError, Exit.ALREADY_EXISTS),
)
