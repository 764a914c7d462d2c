"""The golden screens of one test: comparing, writing, and saying what differs."""

from __future__ import annotations

import base64
import difflib
import io
import os
import shlex
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from emulator.hardware.display import Geometry, Screen, ScreenKind, cells, rows_of
from emulator.hardware.frame import Frame
from emulator.profiles import Profile
from emulator.profiles.model import DisplaySpec
from protocols.errors import MissingPackageError, VukeyError
from protocols.i18n import N_, _
from vukey_testing.errors import skip
from vukey_testing.golden_types import Finding, Mode, Outcome, file_safe


class GoldenError(VukeyError, AssertionError):
    """A screen is not its golden."""


class Shot(NamedTuple):
    """A screen as a golden holds it: its text, None without a file, and its picture, None without a display."""

    text: str | None
    frame: Frame | None


def text_of(screen: Screen, display: DisplaySpec | None) -> str:
    """The screen for a person to read: kind and page, then every row within a border, the soft keys' included."""
    head = f"{screen.kind.value} {screen.page}/{screen.pages}\n"
    if display is None:
        lamp = "●" if screen.kind is ScreenKind.LIGHT else "○"
        return head + f"{lamp} {screen.text}".rstrip() + "\n"
    geometry = Geometry.of_pixels(display.width, display.height)
    edge = "+" + "-" * geometry.columns + "+\n"
    rows = (f"|{row}{' ' * (geometry.columns - cells(row))}|\n" for row in rows_of(screen, geometry))
    return head + edge + "".join(rows) + edge


class Goldens:
    """The golden screens of one test with one model.

    :param folder: the test's, ``goldens/<test module>/<test>``.
    :param root: messages and the report name files relative to it.
    :param test: the test's id, for both.
    """

    def __init__(self, folder: Path, profile: Profile, mode: Mode, root: Path, test: str) -> None:
        self.folder = folder / file_safe(profile.id)
        self._root = root
        self._profile = profile
        self._mode = mode
        self._test = test
        self._names: set[str] = set()
        self._unnamed = 0
        self.findings: list[Finding] = []

    @property
    def asked(self) -> list[Path]:
        """The files that the test has asked for so far."""
        suffixes = (".txt", ".png") if self._profile.display else (".txt",)
        return [self.folder / (name + suffix) for name in sorted(self._names) for suffix in suffixes]

    def compare(self, screen: Screen, frame: Frame | None, name: str | None = None) -> None:
        """Hold a screen against its golden: text first, pixels second; in update mode write what is not the same.

        Where only the text of a display can be had the test skips once that is found right: nothing passes unseen.

        :param frame: its pixels; None without a display, or where nobody can see them.
        :param name: unique within the test; None counts: 01, 02, …
        :raises GoldenError: it differs, there is no golden, or the name is taken.
        :raises MissingPackageError: Pillow is not installed.
        """
        __tracebackhide__ = True
        path = self._path(name)
        now = Shot(text_of(screen, self._profile.display), frame)
        kept = Shot(_read_text(path), _read_picture(path) if frame is not None else None)
        blind = frame is None and self._profile.display is not None
        outcome = _outcome(kept, now)
        if outcome is not None and self._mode is Mode.CHECK:
            raise _failure(self._note(outcome, path, kept, now), kept, now)
        if blind:
            skip(N_("golden screen {name}: nobody can see the pixels on this target"), name=path.stem)
        if outcome is not None:
            _write(path, kept, now)
            self._note(Outcome.NEW if outcome is Outcome.MISSING else Outcome.UPDATED, path, kept, now)

    def confirm(self, agrees: Callable[[str], bool | None], name: str | None = None) -> None:
        """Let a person hold a screen against its golden, where no program can see it. Nothing is ever written.

        :param agrees: asks a person a question; None if there is none, and then the test skips.
        :raises GoldenError: the person says no, there is no golden, or the name is taken.
        """
        __tracebackhide__ = True
        path = self._path(name)
        if self._mode is Mode.UPDATE:
            skip(N_("golden screens are not written from a real key"))
        kept, unseen = Shot(_read_text(path), None), Shot(None, None)
        if kept.text is None:
            raise _failure(self._note(Outcome.MISSING, path, kept, unseen), kept, unseen)
        answer = agrees(_("Does the key show just this?\n{text}").format(text=kept.text))
        if answer is None:
            skip(N_("golden screen {name}: nobody can see this key's screen"), name=path.stem)
        if not answer:
            finding = self._note(Outcome.DENIED, path, kept, unseen)
            raise GoldenError(
                N_("the person at the key does not see the golden screen {file}"), file=finding.file
            )

    def _path(self, name: str | None) -> Path:
        if name is None:
            self._unnamed += 1
            name = f"{self._unnamed:02}"
        safe = file_safe(name)
        if safe in self._names:
            raise GoldenError(
                N_("this test has compared a golden screen “{name}” already: give each its own name"),
                name=name,
            )
        self._names.add(safe)
        return self.folder / (safe + ".txt")

    def _note(self, outcome: Outcome, path: Path, kept: Shot, now: Shot) -> Finding:
        file = os.path.relpath(path, self._root)
        finding = Finding(
            outcome, file, self._test, self._profile.id,
            kept.text or "", now.text or "", _base64(kept.frame), _base64(now.frame),
        )  # fmt: skip
        self.findings.append(finding)
        return finding


def _outcome(kept: Shot, now: Shot) -> Outcome | None:
    """What sets the screen apart from its golden: the text before the pixels."""
    if kept.text is None:
        return Outcome.MISSING
    if kept.text != now.text:
        return Outcome.TEXT
    if now.frame is None or kept.frame == now.frame:
        return None
    return Outcome.MISSING if kept.frame is None else Outcome.PIXELS


def _failure(finding: Finding, kept: Shot, now: Shot) -> GoldenError:
    if finding.outcome is Outcome.TEXT:
        return GoldenError(
            N_("the screen's text is not that of the golden {file}:\n{difference}"),
            file=finding.file, difference="\n".join(text_difference(finding)),
        )  # fmt: skip
    if kept.frame is not None and now.frame is not None:
        return GoldenError(
            N_("the text is that of the golden {file}, its picture is not: {difference}"),
            file=finding.file, difference=_pixel_difference(kept.frame, now.frame),
        )  # fmt: skip
    return GoldenError(
        N_("there is no golden screen {file}; make it, then look at it: pytest --vukey-golden update {test}"),
        file=finding.file, test=shlex.quote(finding.test),
    )  # fmt: skip


def text_difference(finding: Finding) -> Iterator[str]:
    """The lines of a unified diff from the golden to the screen."""
    before, after = finding.expected_text.splitlines(), finding.actual_text.splitlines()
    return difflib.unified_diff(before, after, "golden", "screen", n=20, lineterm="")


def _pixel_difference(golden: Frame, screen: Frame) -> VukeyError:
    """How many pixels differ, and the smallest box around them."""
    if (golden.width, golden.height) != (screen.width, screen.height):
        return VukeyError(
            N_("it has {golden} pixels, the screen {screen}"),
            golden=f"{golden.width}×{golden.height}", screen=f"{screen.width}×{screen.height}",
        )  # fmt: skip
    points = differing(golden, screen)
    across, down = [x for x, _ in points], [y for _, y in points]
    return VukeyError(
        N_("{count} of {all} pixels differ, all within columns {left}–{right} and rows {top}–{bottom}"),
        count=len(points), all=golden.width * golden.height,
        left=min(across), right=max(across), top=min(down), bottom=max(down),
    )  # fmt: skip


def differing(one: Frame, other: Frame) -> list[tuple[int, int]]:
    """The (x, y) of every pixel in which two frames of one size differ."""
    return [(x, y) for y in range(one.height) for x in range(one.width) if one.ink(x, y) != other.ink(x, y)]


def frame_of(png: bytes, name: object) -> Frame:
    """The frame in a PNG, whichever way that was packed: dark pixels are ink.

    :param name: the file's, for the message.
    :raises GoldenError: no picture.
    :raises MissingPackageError: Pillow is not installed.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise MissingPackageError(N_("pictures need Pillow: pip install 'vukey[panel]'")) from None
    try:
        with Image.open(io.BytesIO(png), formats=("PNG",)) as picture:
            bitmap = picture.convert("L").convert("1", dither=Image.Dither.NONE)
    except (UnidentifiedImageError, OSError, SyntaxError):
        raise GoldenError(
            N_("{file} is no PNG; if it lies in Git LFS: git lfs pull; else delete it and update"), file=name
        ) from None
    return Frame(bitmap.width, bitmap.height, bitmap.tobytes("raw", "1;I"))


def _read_picture(path: Path) -> Frame | None:
    picture = path.with_suffix(".png")
    try:
        return frame_of(picture.read_bytes(), picture)
    except FileNotFoundError:
        return None


def _read_text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


def _write(path: Path, kept: Shot, now: Shot) -> None:
    """Write what is not the same; a picture with the same pixels stays as it was packed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if now.text is not None and now.text != kept.text:
        replace_file(path, now.text.encode())
    if now.frame is not None and now.frame != kept.frame:
        replace_file(path.with_suffix(".png"), now.frame.png())


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that whoever reads meanwhile, or after a crash, sees the old content or the new one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _base64(frame: Frame | None) -> str:
    return base64.b64encode(frame.png()).decode() if frame else ""
