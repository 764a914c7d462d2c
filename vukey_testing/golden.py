"""The plug-in's hooks for golden screens: where they lie, what came of them, which ones nobody asks for any more.

Tests run in this process or in workers of pytest-xdist; what came of them travels with their reports, and what was
collected with the worker's output. One process puts it together at the end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from protocols.i18n import _
from vukey_testing import KEYS
from vukey_testing.golden_summary import GoldenSummary
from vukey_testing.golden_types import FOLDER, TOLD, Collected, Mode, Told, file_safe, is_own_folder

if TYPE_CHECKING:
    from emulator.profiles import Profile
    from vukey_testing.golden_files import Goldens

_TARGET = "vukey_target"
"""The parameter of every test that wants a key, by which it runs on each target."""

_GOLDENS: pytest.StashKey[dict[str, Goldens]] = pytest.StashKey()
_CALLED: pytest.StashKey[_Called] = pytest.StashKey()


class _Called(NamedTuple):
    """Of a test that ran: whether it passed, and the models it had."""

    passed: bool
    profiles: set[str]


def add_options(group: pytest.OptionGroup) -> None:
    """The options of golden screens."""
    group.addoption(
        "--vukey-golden",
        choices=[mode.value for mode in Mode],
        default=Mode.CHECK.value,
        help=_("hold the screens against their golden files, or write these"),
    )
    group.addoption(
        "--vukey-golden-report",
        metavar="FILE",
        type=Path,
        help=_("where the page of differences goes; without it vukey-golden.html, and only if there are any"),
    )


def register(config: pytest.Config) -> None:
    """Register what this process does: run tests, put the results together, or both."""
    plugins = config.pluginmanager
    output = vars(config).get("workeroutput")  # a worker of pytest-xdist has it
    if output is not None:
        plugins.register(GoldenPlugin(config, lambda collected: output.update({TOLD: collected})))
        return
    summary = GoldenSummary(config)
    plugins.register(summary)
    plugins.register(GoldenPlugin(config, summary.collected))


def goldens(item: pytest.Item, profile: Profile) -> Goldens:
    """The golden screens of a test with that model."""
    from vukey_testing.golden_files import Goldens

    config = item.config
    mode = Mode(config.getoption("vukey_golden"))
    held = item.stash.setdefault(_GOLDENS, {})
    if profile.id not in held:
        held[profile.id] = Goldens(folder_of(item), profile, mode, config.rootpath, item.nodeid)
    return held[profile.id]


def folder_of(item: pytest.Item) -> Path:
    """Where a test's golden screens lie; a test that runs over several targets has one folder."""
    return _module_folder(item.path) / file_safe(_without_target(item))


def _module_folder(module: Path) -> Path:
    return module.parent / FOLDER / file_safe(module.stem)


def _name(item: pytest.Item) -> str:
    return ".".join(node.name for node in item.listchain() if isinstance(node, (pytest.Class, pytest.Item)))


def _without_target(item: pytest.Item) -> str:
    """The test's name, and of its parameters those that may change what the key shows."""
    name, bracket, ids = _name(item).partition("[")
    callspec = getattr(item, "callspec", None)
    if callspec and _TARGET in callspec.params:
        target = re.escape(callspec.params[_TARGET])
        ids = re.sub(rf"^{target}(?:-|(?=\]$))|-{target}(?=-|\]$)", "", ids, count=1)
    return name if ids == "]" else name + bracket + ids


class GoldenPlugin:
    """Where tests run: tells what was collected, and of each test what became of its golden screens.

    :param tell: takes what was collected.
    """

    def __init__(self, config: pytest.Config, tell: Callable[[Collected], None]) -> None:
        self._tell = tell
        self._places: dict[Path, bool] = {}
        self._tests: dict[Path, dict[str, list[str]]] = {}
        start = config.invocation_params.dir
        self._selected = {(start / name.partition("::")[0]).resolve() for name in config.args if "::" in name}
        names_parts = config.getoption("pyargs") and any("::" in name for name in config.args)
        self._some_only = bool(names_parts or config.getoption("lf", False))

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Of every test there is, chosen or not, where golden screens lie already: elsewhere none is unused."""
        place = item.path.parent / FOLDER
        if place not in self._places:
            self._places[place] = is_own_folder(place)
        if self._places[place]:
            folders = self._tests.setdefault(item.path, {})
            folders.setdefault(str(folder_of(item)), []).append(_name(item))

    def pytest_collection_finish(self) -> None:
        """All are known."""
        self._tell(
            {
                "places": sorted(str(place) for place, is_there in self._places.items() if is_there),
                "tests": {folder: names for tests in self._tests.values() for folder, names in tests.items()},
                "whole": [str(_module_folder(path)) for path in self._tests if self._is_whole(path)],
            }
        )

    def _is_whole(self, module: Path) -> bool:
        return not self._some_only and module.resolve() not in self._selected

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """The last report of a test takes along what became of its golden screens."""
        report = yield
        if call.when == "call":
            profiles = {file_safe(key.profile.id) for key in item.stash.get(KEYS, [])}
            item.stash[_CALLED] = _Called(report.passed, profiles)
        elif call.when == "teardown" and (_GOLDENS in item.stash or item.path in self._tests):
            vars(report)[TOLD] = _told(item, report)
            item.stash[_GOLDENS] = {}  # the test may be run again
        return report


def _told(item: pytest.Item, teardown: pytest.TestReport) -> Told:
    called = item.stash.get(_CALLED, _Called(passed=False, profiles=set()))
    held = item.stash.get(_GOLDENS, {}).values()
    return {
        "folder": str(folder_of(item)),
        "test": _name(item),
        "passed": called.passed and teardown.passed,
        "profiles": sorted(called.profiles | {it.folder.name for it in held}),
        "asked": [str(path) for it in held for path in it.asked],
        "findings": [finding.as_json() for it in held for finding in it.findings],
    }
