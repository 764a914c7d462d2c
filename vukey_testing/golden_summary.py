"""What became of all golden screens, put together in one process at the end of a run."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import pytest

from protocols.i18n import N_, _
from vukey_testing.golden_types import TOLD, Collected, Finding, Mode, Outcome, Told, file_safe, is_own_folder

REPORT = "vukey-golden.html"

LABELS = {
    Outcome.TEXT: N_("text differs"),
    Outcome.PIXELS: N_("pixels differ"),
    Outcome.DENIED: N_("denied by the person at the key"),
    Outcome.MISSING: N_("golden missing"),
    Outcome.UPDATED: N_("golden rewritten"),
    Outcome.NEW: N_("golden new"),
}

_UNUSED = N_("files that no test asks for (--vukey-golden update removes them)")
_REMOVED = N_("files removed, for no test asks for them")

_HEAD = re.compile(r"(?:off|idle|confirm|entry|light) \d+/\d+\n")
"""How a golden's text begins: other files may lie below a folder of that name."""


def unused_label(*, updating: bool) -> str:
    """What is said of golden screens that nobody asks for, in English."""
    return _REMOVED if updating else _UNUSED


class _Worker(Protocol):
    """A node of pytest-xdist."""

    workeroutput: dict[str, Collected]


class GoldenSummary:
    """Listens to the reports of all tests; at the end says, and in update mode removes, what nobody asked for."""

    def __init__(self, config: pytest.Config) -> None:
        self._root = config.rootpath
        self._updating = config.getoption("vukey_golden") == Mode.UPDATE
        wanted: Path | None = config.getoption("vukey_golden_report")
        self._page = config.invocation_params.dir / (wanted or config.rootpath / REPORT)
        self._wanted = wanted is not None
        self._idle = bool(config.getoption("collectonly"))
        self._places: set[Path] = set()
        self._tests: dict[Path, set[str]] = {}
        self._whole: set[Path] = set()
        self._passed: defaultdict[Path, set[str]] = defaultdict(set)
        self._profiles: defaultdict[Path, set[str]] = defaultdict(set)
        self._asked: set[Path] = set()
        self._findings: list[Finding] = []
        self._unused: list[Path] = []
        self._kept: list[str] = []
        self._page_says = ""

    def collected(self, collected: Collected) -> None:
        """What was collected, here or by a worker: by each the same."""
        self._places |= {Path(place) for place in collected["places"]}
        self._tests |= {Path(folder): set(names) for folder, names in collected["tests"].items()}
        self._whole |= {Path(module) for module in collected["whole"]}

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: _Worker) -> None:
        """A worker of pytest-xdist is done; one that crashed has told nothing."""
        collected = getattr(node, "workeroutput", {}).get(TOLD)
        if collected:
            self.collected(collected)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test's last report has it all."""
        told: Told | None = vars(report).get(TOLD)
        if told is None:
            return
        folder = Path(told["folder"])
        if told["passed"]:
            self._passed[folder].add(told["test"])
        self._profiles[folder] |= set(told["profiles"])
        self._asked |= {Path(file) for file in told["asked"]}
        self._findings += (Finding.of_json(finding) for finding in told["findings"])

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Say what nobody asked for, and write the page."""
        if self._idle:
            return
        self._unused = sorted(set(self._find_unused()))
        if self._updating:
            self._unused = [file for file in self._unused if self._remove(file)]
        if self._wanted or self._findings:
            self._write_page()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The numbers, what is unused by name, and where the page is."""
        lines = list(self._lines())
        if lines:
            terminalreporter.section(_("vukey golden screens"))
            for line in lines:
                terminalreporter.write_line(line)

    def _find_unused(self) -> Iterator[Path]:
        """Files of models that a test had, of tests that are no more, of modules that are no more."""
        done = {folder for folder, names in self._tests.items() if names <= self._passed[folder]}
        for folder in done:
            profiles = self._profiles[folder]
            yield from (
                file for file in _goldens_below(folder)
                if file not in self._asked and (not profiles or file.parent.name in profiles)
            )  # fmt: skip
        for module in self._whole:
            known = {folder for folder in self._tests if folder.parent == module}
            if known <= done:
                yield from _in_other_folders(module, known)
        for place in self._places:
            modules = {place / file_safe(file.stem) for file in place.parent.iterdir() if file.is_file()}
            for module in set(_folders(place)) - modules:
                yield from _in_other_folders(module, set())

    def _remove(self, file: Path) -> bool:
        """Remove a file, and the folders that are empty without it."""
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            self._kept.append(_("could not be removed: {reason}").format(reason=error))
            return False
        with suppress(OSError):  # one has other files, or another run has removed it
            for folder in list(file.parents)[
                :4
            ]:  # the model's, the test's, the module's, and the place of all
                folder.rmdir()
        return True

    def _write_page(self) -> None:
        from vukey_testing.golden_report import page

        unused = [os.path.relpath(file, self._root) for file in self._unused]
        html = page(self._findings, unused, updating=self._updating)
        self._page_says = _("report: {file}").format(file=os.path.relpath(self._page))
        try:
            self._page.parent.mkdir(parents=True, exist_ok=True)
            self._page.write_text(html, encoding="utf-8")
        except OSError as error:
            self._page_says = _("the report could not be written: {reason}").format(reason=error)

    def _lines(self) -> Iterator[str]:
        counts = Counter(finding.outcome for finding in self._findings)
        for outcome, label in LABELS.items():
            if counts[outcome]:
                yield f"{_(label)}: {counts[outcome]}"
        if self._unused:
            yield f"{_(unused_label(updating=self._updating))}: {len(self._unused)}"
            yield from (f"  {os.path.relpath(file)}" for file in self._unused)
        yield from self._kept
        if self._page_says:
            yield self._page_says


def _folders(parent: Path) -> Iterator[Path]:
    """Never behind a symbolic link: other tests may ask for what is there."""
    if is_own_folder(parent):
        yield from (entry for entry in parent.iterdir() if is_own_folder(entry))


def _in_other_folders(module: Path, known: set[Path]) -> Iterator[Path]:
    for folder in set(_folders(module)) - known:
        yield from _goldens_below(folder)


def _goldens_below(folder: Path) -> Iterator[Path]:
    """The files of a test's golden screens, of every model."""
    for profile in _folders(folder):
        yield from (
            file for file in profile.iterdir() if file.suffix in (".txt", ".png") and _is_golden(file)
        )


def _is_golden(file: Path) -> bool:
    try:
        return _HEAD.match(file.with_suffix(".txt").read_text(encoding="utf-8")) is not None
    except (OSError, UnicodeDecodeError):
        return False
