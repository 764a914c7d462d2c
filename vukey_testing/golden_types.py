"""What golden screens are made of, light enough to be imported in every run of pytest.

A golden is a text file, easy to review in a diff, and beside it a picture for a model with a display. They lie at
``goldens/<test module>/<test>/<profile>/<name>.txt`` and ``.png`` beside the test module. The way to the key is not
part of that: a screen is the same over each.
"""

from __future__ import annotations

import enum
import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypedDict

FOLDER = "goldens"

TOLD = "vukey_golden"
"""The attribute of a test's last report that is a `Told`, and the entry of a worker's output that is a `Collected`."""

_MAX_NAME_BYTES = 120
"""A file system takes 255; a suffix and a temporary file's mark must fit as well."""


class Mode(enum.StrEnum):
    """``--vukey-golden``."""

    CHECK = "check"
    UPDATE = "update"


class Outcome(enum.StrEnum):
    """What became of a screen that is not its golden; the last two are of update mode, the others fail."""

    MISSING = "missing"
    TEXT = "text"
    PIXELS = "pixels"
    DENIED = "denied"
    """The person at a real key saw something else."""
    NEW = "new"
    UPDATED = "updated"


@dataclass(frozen=True, slots=True)
class Finding:
    """A screen that was not its golden.

    :param file: the golden's text file.
    :param expected_png: in base64, empty without a picture; so is `actual_png`.
    """

    outcome: Outcome
    file: str
    test: str
    profile: str
    expected_text: str
    actual_text: str
    expected_png: str
    actual_png: str

    def as_json(self) -> dict[str, str]:
        """How it travels between processes."""
        return {**asdict(self), "outcome": self.outcome.value}

    @classmethod
    def of_json(cls, values: dict[str, str]) -> Finding:
        """What `as_json` made."""
        others = {name: value for name, value in values.items() if name != "outcome"}
        return cls(Outcome(values["outcome"]), **others)


class Told(TypedDict):
    """What became of the golden screens of one test; as JSON, for it travels with the test's last report.

    ``folder`` is the test's, ``profiles`` the folders in it of the models it had, ``asked`` the files it asked for.
    """

    folder: str
    test: str
    passed: bool
    profiles: list[str]
    asked: list[str]
    findings: list[dict[str, str]]


class Collected(TypedDict):
    """What pytest found: ``places`` that may hold golden screens, tests by their folder, modules collected whole."""

    places: list[str]
    tests: dict[str, list[str]]
    whole: list[str]


def is_own_folder(path: Path) -> bool:
    """Whether it is a folder, and no symbolic link to one: there others' files may be."""
    return path.is_dir() and not path.is_symlink()


def file_safe(name: str) -> str:
    """The name as that of a file, each its own: what is neither letter, digit nor ``-_.,=+[]`` as ``%`` and its bytes.

    A long name is cut and ends in a digest of the whole.
    """
    safe = "".join(_safe(character) for character in name)
    if len(safe.encode()) <= _MAX_NAME_BYTES and not safe.startswith("."):
        return safe
    start = safe.lstrip(".").encode()[: _MAX_NAME_BYTES - 20].decode(errors="ignore")
    return f"{start}~{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def _safe(character: str) -> str:
    if character.isalnum() or character in "-_.,=+[]":
        return character
    return "".join(f"%{byte:02X}" for byte in character.encode(errors="surrogatepass"))
