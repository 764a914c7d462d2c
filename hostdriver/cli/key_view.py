"""How a running key looks in another terminal: its screen, its state, its log."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from hostdriver.control import Json
from hostdriver.printable import printable
from protocols.i18n import _, language

_CELL_WIDTH, _CELL_HEIGHT = 8, 16
"""Pixels of a half-width character of the keys' font."""


def picture(screen: Json) -> Panel:
    """A screen in a frame as wide and high as the display; a key without one shows its light.

    :param screen: as the control API describes it.
    """
    if screen["bits"] is None:
        lit = screen["kind"] == "light"
        return Panel(Text(("● " if lit else "○ ") + screen["title"]), expand=False)
    columns, rows = screen["width"] // _CELL_WIDTH, screen["height"] // _CELL_HEIGHT
    lines = screen["lines"][: rows - 1]
    lines += [""] * (rows - 1 - len(lines))
    # The terminal's widths, not the key's: a terminal may draw “ half as wide as the key does.
    text = "\n".join(set_cell_size(printable(line), columns) for line in (*lines, _foot(screen, columns)))
    return Panel(Text(text, style="black on bright_white"), expand=False)


def _foot(screen: Json, columns: int) -> str:
    """The soft keys left and right, the page between them where it has room."""
    if not screen["soft_keys"]:
        return ""
    left, right = str(screen["soft_keys"][0]), str(screen["soft_keys"][-1])
    room = max(columns - cell_len(left) - cell_len(right), 0)
    page = f"{screen['page']}/{screen['pages']}" if screen["pages"] > 1 else ""
    return left + (page if len(page) <= room else "").center(room) + right


def status_table(key: Json) -> Table:
    """The facts of ``GET /key`` for a person."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for label, value in _rows(key):
        table.add_row(label, Text(printable(value)))
    return table


def _rows(key: Json) -> list[tuple[str, str]]:
    title = key["title_zh"] if language() == "zh" else key["title"]
    rows = [
        (_("Serial number"), key["serial"]),
        (_("Model"), f"{title} ({key['profile']})"),
        (_("Plugged in"), _yes_no(key["plugged"])),
        (_("Powered"), _yes_no(key["powered"])),
    ]
    if battery := key["battery"]:
        state = _("on") if battery["on"] else _("off")
        rows.append((_("Battery"), f"{battery['level']} %, {state}"))
    if waiting := key["waiting"]:
        left = _("{seconds:.0f} s left").format(seconds=waiting["seconds_left"])
        rows.append((_("Waits for"), f"{waiting['title']}, {left}"))
    for application in key["applications"]:
        rows += _application_rows(application)
    return rows


def _application_rows(application: Json) -> list[tuple[str, str]]:
    return [
        (_("Application"), application["name"]),
        (_("User PIN"), _pin(application["user_pin"])),
        (_("Administrator PIN"), _pin(application["admin_pin"])),
        *((_("Container"), _container(container)) for container in application["containers"]),
    ]


def _pin(pin: Json) -> str:
    parts = [_("{left} of {tries} tries left").format(left=pin["left"], tries=pin["tries"])]
    parts += [_("initial PIN")] if pin["initial"] else []
    parts += [_("verified")] if pin["verified"] else []
    return ", ".join(parts)


def _container(container: Json) -> str:
    parts = [f"{container['name']}: {container['type'].upper()}"]
    parts += [str(container["bits"])] if container["bits"] else []
    parts += [_("certificate")] if container["certificate"] else []
    parts += [_("encryption certificate")] if container["exchange_certificate"] else []
    parts += [_("activated") if container["activated"] else _("not activated")]
    if (left := container["activation_tries_left"]) is not None and not container["activated"]:
        parts += [_("{left} tries for the code").format(left=left)]
    return ", ".join(parts)


def _yes_no(value: bool) -> str:
    return _("yes") if value else _("no")


_COLUMNS = (6, 10, 6, 6, 10)
_NAME = 26


def heading() -> str:
    """The line above the log."""
    return _columns(("#", _("Header"), "Lc", _("Status"), "ms"), _("Command"), "")


def log_line(apdu: Json) -> str:
    """One APDU: number, CLA INS P1 P2, bytes of data, status, milliseconds, the command's name, the meaning."""
    status = apdu["sw"] or ("…" if apdu["pending"] else "-")
    took = "" if apdu["ms"] is None else f"{apdu['ms']:.1f}"
    meaning = _("waits for a person") if apdu["pending"] else _(apdu["meaning"]) if apdu["meaning"] else ""
    cells = (str(apdu["number"]), apdu["header"], str(apdu["lc"]), status, took)
    return _columns(cells, apdu["name"], meaning)


def _columns(cells: tuple[str, ...], name: str, rest: str) -> str:
    padded = "".join(set_cell_size(cell, width) + " " for cell, width in zip(cells, _COLUMNS, strict=True))
    return (padded + set_cell_size(name, max(_NAME, cell_len(name))) + " " + rest).rstrip()
