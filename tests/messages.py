"""Collect the messages, keep their translations and compile them: `make messages`.

The same sources and translations always give the same bytes: no dates, no line numbers.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).parents[1]
SOURCES = (
    "protocols",
    "emulator",
    "hostdriver",
    "vukey.py",
    "vukey_commands.py",
    "vukey_demo.py",
    "vukey_testing",
    "pytest_vukey.py",
)
LOCALE = "zh_CN"
PO = ROOT / "protocols" / "locale" / LOCALE / "LC_MESSAGES" / "vukey.po"
MO = PO.with_suffix(".mo")
KEYWORDS = ("_", "N_")

Id = str | tuple[str, ...]

TYPER: tuple[Id, ...] = (
    "Options",
    "Arguments",
    "Commands",
    "Aborted!",
    "[default: {}]",
    "[env var: {}]",
    "[required]",
    "default: {default}",
    "env var: {var}",
    "required",
)
"""What typer itself takes through gettext and a user of ours can see."""

CLICK: tuple[Id, ...] = (
    "Usage:",
    "Missing command.",
    "No such command {name!r}.",
    "Show this message and exit.",
    "Try '{command} {option}' for help.",
    "Error: {message}",
    "Invalid value: {message}",
    "Invalid value for {param_hint}: {message}",
    "Missing argument",
    "Missing option",
    "No such option: {name}",
    ("Did you mean {possibility}?", "(Possible options: {possibilities})"),
    "Option {name!r} does not take a value.",
    ("Option {name!r} requires an argument.", "Option {name!r} requires {nargs} arguments."),
    ("Got unexpected extra argument ({args})", "Got unexpected extra arguments ({args})"),
    ("{value!r} is not {choice}.", "{value!r} is not one of {choices}."),
    "file",
    "{name} {filename!r} does not exist.",
    "{name} {filename!r} is a directory.",
    "{name} {filename!r} is not readable.",
)
"""What click takes through gettext. From 0.26 on typer carries a click without: hence the bound on its version."""


class _Undated(Catalog):
    """A catalogue whose header holds nothing that changes by itself."""

    @property
    def mime_headers(self) -> list[tuple[str, str]]:
        kept = ("Language", "Plural-Forms", "MIME-Version", "Content-Type", "Content-Transfer-Encoding")
        return [(name, value) for name, value in self._get_mime_headers() if name in kept]


def source_files() -> Iterator[Path]:
    """The program's own Python files, in a fixed order."""
    for name in SOURCES:
        path = ROOT / name
        yield from sorted(path.rglob("*.py")) if path.is_dir() else [path]


def is_mark(node: ast.AST) -> bool:
    """Whether this is a call of `_` or `N_`."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KEYWORDS


def marked(tree: ast.AST) -> list[tuple[int, str]]:
    """Line and text of every marked literal; Babel's own extractor misses those inside f-strings."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and is_mark(node)]
    literals = [node for call in calls for node in call.args if isinstance(node, ast.Constant)]
    return sorted((node.lineno, str(node.value)) for node in literals)


def collected() -> Catalog:
    """Every message of the sources and of the libraries, without translations."""
    comment = "# vukey in Simplified Chinese. `make messages` updates this file: tests/messages.py."
    catalog = _Undated(locale=LOCALE, header_comment=comment, fuzzy=False)
    for path in source_files():
        place = path.relative_to(ROOT).as_posix()
        for line, message in marked(ast.parse(path.read_bytes())):
            catalog.add(message, locations=[(place, line)])
    for library, ids in (("typer", TYPER), ("click", CLICK)):
        for message_id in ids:
            catalog.add(message_id, locations=[(library, 0)])
    return catalog


def translated() -> Catalog:
    """The catalogue of the .po file as it is."""
    with PO.open("rb") as file:
        return read_po(file, locale=LOCALE)


def merged() -> Catalog:
    """Today's messages with the translations that the .po file has for them."""
    catalog = collected()
    known = {message.id: message.string for message in translated()} if PO.exists() else {}
    for message in messages_of(catalog):
        message.string = known.get(message.id, message.string)
    return catalog


def messages_of(catalog: Catalog) -> list[Message]:
    """All but the header."""
    return [message for message in catalog if message.id]


def is_translated(message: Message) -> bool:
    """Whether every form of it has a text."""
    forms = message.string if isinstance(message.string, tuple | list) else (message.string,)
    return bool(forms) and all(forms)


def po_bytes(catalog: Catalog) -> bytes:
    """The .po file."""
    file = BytesIO()
    write_po(file, catalog, width=110, include_lineno=False, ignore_obsolete=True)
    return file.getvalue()


def mo_bytes(catalog: Catalog) -> bytes:
    """The .mo file."""
    file = BytesIO()
    write_mo(file, catalog)
    return file.getvalue()


def main() -> None:
    """Write both files and name what waits for a translation."""
    catalog = merged()
    PO.parent.mkdir(parents=True, exist_ok=True)
    PO.write_bytes(po_bytes(catalog))
    MO.write_bytes(mo_bytes(catalog))
    messages = messages_of(catalog)
    missing = [message.id for message in messages if not is_translated(message)]
    print(f"{PO.relative_to(ROOT)}: {len(messages)} messages, {len(missing)} without a translation")
    for message_id in missing:
        print(f"  {message_id!r}")


if __name__ == "__main__":
    main()
