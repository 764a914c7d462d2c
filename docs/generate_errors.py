"""Writes docs/errors.md from the host's own table: ``python docs/generate_errors.py``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntEnum
from pathlib import Path

from hostdriver.outcomes import OUTCOMES, Outcome
from protocols.sw import SW

PAGE = Path(__file__).with_name("errors.md")

_HEAD = """\
<!-- Made by docs/generate_errors.py from hostdriver/outcomes.py. Do not edit: run it again. -->

# Errors

One trouble, five names: the number that a bank's program shows, the key's status word, what an SKF library and what a
PKCS#11 module answer, and what `vukey` ends with. A program over `hostdriver.token` catches the class in the last
column, whichever way it has reached the key.
"""
_TAIL = """
- *bank*: numbers and texts of one bank's published interface for keys of mobile phones; other banks have others.
- *SW*: 6FFx and some of the 6Axx are this project's choice (docs/facts.md G20 to G22).
- *SKF*: GM/T 0016, annex A, each name with SAR_ before it. The codes from 0A000033 on are makers' additions, and
  0B000011, *cancelled*, is a plug-in layer's (both assumed). Where several stand in a row, the function decides: which
  of application, container and file is missing, which of key and certificate.
- *PKCS#11*: v3.0 §5.1, each name with CKR_ before it. What a person did or did not do has hardly a value there; makers
  have values of their own ([pkcs11.md](pkcs11.md)).
- *exit*: [exit-codes.md](exit-codes.md).

A library's code that stands in several rows is read as the first of them, for the library does not tell more:
TIMEOUTERR of a busy key is exit code 10, NOTSUPPORTYETERR of a key that signs no digests 19. Only INDATAERR of
`V_SignMessage` is told apart: a message that the key cannot show. Where the last column says `ApduFailedError` or
`UnknownCommandError`, a library's code is `SkfFailedError` or `CryptokiError`, with the number in its line, and what
the library does not support a `NotSupportedError`. A code without a row is the same with exit code 1. To a signature
that does not fit `libskf_vukey` answers FAIL, since the standard names no code for that; the methods of
`hostdriver.skf` that verify answer False to either. Of a wrong PIN SKF tells how many tries are left, PKCS#11 only
whether it is the last one.

| the library itself | class | exit |
| --- | --- | --- |
| no such file, no SKF library, for another processor | `NotSkfError` | 23 |
| it does not have the function, or says NOTSUPPORTYETERR | `FunctionMissingError` | 19 |
| `--dialect` names no habit of SKF libraries | `HabitsError` | 2 |
| it hands out what cannot be: a size beyond all bounds, a point beside the curve | `AnswerError` | 19 |
"""


def page() -> str:
    """The whole page."""
    return "\n".join((_HEAD, *_table())) + "\n" + _TAIL


def _table() -> Iterator[str]:
    yield "| meaning | bank | SW | SKF | PKCS#11 | exit | class |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for outcome in OUTCOMES:
        error = outcome.error()
        cells = (
            outcome.meaning,
            outcome.bank,
            _status_word(outcome),
            _names(outcome.sars, digits=8),
            _names(outcome.ckrs, digits=1),
            f"{error.exit_code.value} `{error.exit_code.name}`",
            f"`{type(error).__name__}`",
        )
        yield f"| {' | '.join(cells)} |"


def _status_word(outcome: Outcome) -> str:
    if outcome.sw is None:
        return ""
    return "63Cx" if outcome.sw == SW.PIN_WRONG else f"{outcome.sw:04X}"


def _names(codes: Sequence[IntEnum], digits: int) -> str:
    return ", ".join(f"{code.name} {code.value:0{digits}X}" for code in codes)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
