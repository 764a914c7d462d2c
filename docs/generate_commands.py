"""Writes docs/commands.md from the firmware's own table: ``python docs/generate_commands.py``."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import groupby
from pathlib import Path

from emulator.firmware.applets.gmt import COMMANDS
from emulator.firmware.applets.gmt.table import Need, Spec
from protocols.apdu import MAX_RESPONSE_DATA
from protocols.dialect import DEFAULT, DIALECTS
from protocols.gmt import CLA_MAC
from protocols.sw import SW, describe

PAGE = Path(__file__).with_name("commands.md")

_TITLES = {
    "device": "Device",
    "pins": "PINs",
    "applications": "Applications",
    "files": "Files",
    "containers": "Containers and certificates",
    "keys": "Key pairs",
    "signing": "Signatures",
    "external": "Keys that come with the command",
    "session_keys": "Session keys",
    "ciphers": "Encryption, decryption and MACs",
    "digests": "Digests",
    "agreement": "Key agreement",
    "activation": "Activation (private)",
}
_OPEN_END = MAX_RESPONSE_DATA
_HEAD = """\
<!-- Made by docs/generate_commands.py from the firmware's table. Do not edit: run it again. -->

# Commands

Which command wants what, and what each wrong use answers. The key checks from top to bottom, so the same wrong use
always answers the same status word:

1. A person is being asked for another command: **6FF6**, whatever comes.
2. The bytes are no APDU (ISO/IEC 7816-3 §12.1, short or extended form): **6700**.
3. It is the command before once more, and a part of its answer is left: the next part. A part that is not the last
   ends in **6A9E**; a part is as long as Le and GetDevInfo's MaxApduDataLen allow; any other command drops the rest.
4. Class 00: **6A82** for SELECT (A4), **6D00** for every other command. Class neither 80 nor 84: **6E00**.
5. A number that is not in the tables below: **6D00**. A command of RSA or SM2 on a model that has no such keys, as
   GetDevInfo says: **6A81**.
6. Class 84 where the table says 80: **6882**. Class 80 where it says 84: **6987**.
7. P1 or P2 that is not in the table: **6A86**. Data of a length (Lc) that is not: **6700**.
8. The command's preconditions, in the order of its row, each with its own status word.
9. The command's own refusals, in its row's last column.

Whenever the key's memory cannot be written: **6581**, and nothing is changed.

`app`, `con` and `key` in *needs* stand for the handle of two bytes of an open application or container, and for the
KeyID of a session key, that the data begin with; where `app` stands in the columns P1 and P2, it is these two. 63Cx:
x tries are left; a wrong MAC of ChangePIN or UnblockPIN is a wrong PIN, for the PIN is its key; in a dialect without
MACs these two want the PIN verified first (6982). A command that asks a person can end in 6FF0 or 6FF1. Meanings of
the status words stand at the end.
"""


def page() -> str:
    """The whole page."""
    sections = [
        "\n".join(_section(name, list(specs))) for name, specs in groupby(COMMANDS.values(), key=_module)
    ]
    return "\n".join((_HEAD, *sections, *_meanings()))


def _module(spec: Spec) -> str:
    return spec.handler.__module__.rpartition(".")[2]


def _section(name: str, specs: list[Spec]) -> Iterator[str]:
    yield f"## {_TITLES[name]}\n"
    yield "| CLA INS | command | P1 | P2 | Lc | needs, with the answer when it lacks | its own refusals |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    yield from map(_row, specs)
    yield ""
    for spec in specs:
        command, text = _described(spec)
        yield f"- **{command}** ({_number(spec)}): {text}"
    yield ""


def _described(spec: Spec) -> tuple[str, str]:
    """The command's name and what it does: the first line of its handler's docstring."""
    command, _, text = (spec.handler.__doc__ or "").splitlines()[0].partition(": ")
    return command, text[0].upper() + text[1:]


def _number(spec: Spec) -> str:
    """The INS of the default dialect, or of those that have the command."""
    number = DEFAULT.number(spec.ins)
    if number is not None:
        return f"{number:02X}"
    numbers = ((name, dialect.number(spec.ins)) for name, dialect in DIALECTS.items())
    return ", ".join(f"{number:02X} in dialect {name}" for name, number in numbers if number is not None)


def _row(spec: Spec) -> str:
    cells = (
        f"{spec.cla:02X} {_number(spec)}",
        _described(spec)[0] + (" (MAC)" if spec.cla == CLA_MAC else ""),
        *(("`app`", "`app`") if spec.handle_in_parameters else (_values(spec.p1), _values(spec.p2))),
        _lengths(spec.lc),
        "<br>".join((*_places(spec), *(f"{_need(need)}: {need.sw:04X}" for need in spec.needs))) or "nothing",
        " ".join(_code(sw) for sw in sorted(spec.answers)) or "none",
    )
    return f"| {' | '.join(cells)} |"


def _values(values: Collection[int]) -> str:
    return " ".join(f"{value:02X}" for value in sorted(values))


def _lengths(lengths: range) -> str:
    first, last = lengths.start, lengths.stop - 1
    if last > _OPEN_END:
        return f"{first} or more"
    return str(first) if first == last else f"{first} to {last}"


def _places(spec: Spec) -> Iterator[str]:
    if spec.at_device:
        yield "`app` and `con` both zero, for the device itself, or:"


def _need(need: Need) -> str:
    handle = {
        Need.APPLICATION: "`app`, ",
        Need.CONTAINER: "`con`, ",
        Need.SESSION_KEY: "`key`, ",
    }.get(need, "")
    return handle + need.text


def _code(sw: SW) -> str:
    return "63Cx" if sw is SW.PIN_WRONG else f"{sw:04X}"


def _meanings() -> Iterator[str]:
    yield "## Status words\n"
    yield "| SW | meaning |"
    yield "| --- | --- |"
    yield from (f"| {_code(sw)} | {describe(sw)} |" for sw in sorted(SW))
    yield ""
    yield "6FF0 to 6FF8 are ours, and a dialect may give them other numbers (docs/facts.md G22)."
    yield ""


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
