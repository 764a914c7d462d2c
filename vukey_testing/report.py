"""What a test's report says of its keys: on failure the last screens and APDUs, and always the screens for JUnit."""

from __future__ import annotations

import base64
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import pytest

from protocols.errors import VukeyError
from protocols.i18n import _
from vukey_testing import KEYS

if TYPE_CHECKING:
    from emulator.control.journal import ApduRecord
    from emulator.control.watch import Shown
    from emulator.hardware.display import Screen
    from emulator.profiles.model import DisplaySpec
    from vukey_testing.key import Key

_SCREENS = 5
_APDUS = 40
_SHOWN_BYTES = 24
"""Of data and answers; who needs more has the recorder."""
_SCALE = 2


class ReportPlugin:
    """Where tests run: adds to their reports."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """The keys are still there when the call is reported, or a set-up that failed; JUnit reads the last report."""
        report = yield
        keys = item.stash.get(KEYS, [])
        if report.when == "setup":
            others = [(name, value) for name, value in item.user_properties if not name.startswith("vukey.")]
            item.user_properties[:] = others  # of an earlier run of this test
        if report.when == "call" or (report.when == "setup" and report.failed):
            for number, key in enumerate(keys, 1):
                prefix = "vukey." if number == 1 else f"vukey.{number}."
                item.user_properties += (
                    (prefix + name, value) for name, value in _properties(key, report.failed)
                )
        if report.failed:
            for key in keys:
                _add_section(report, _("vukey screens of {serial}").format(serial=key.serial), _screens(key))
                _add_section(report, _("vukey APDUs of {serial}").format(serial=key.serial), _apdus(key))
        if report.when == "teardown":
            item.stash[KEYS] = []  # the test may be run again, and has other keys then
        return report


def _add_section(report: pytest.TestReport, title: str, text: str) -> None:
    """Into the failure itself, which every report carries; a failure that is a mere line has no room for it."""
    add = getattr(report.longrepr, "addsection", None)
    if add is not None:
        add(title, text)
    else:
        report.sections.append((title, text))


def _properties(key: Key, failed: bool) -> Iterator[tuple[str, str]]:
    yield "serial", key.serial
    yield "profile", key.profile.id
    yield "target", key.target
    display = key.profile.display
    for number, shown in enumerate(_last_screens(key), 1):
        yield f"screen.{number}", _text(key, shown)
        if failed and display is not None:
            yield f"screen.{number}.png", _picture(shown.screen, display)


def _last_screens(key: Key) -> list[Shown]:
    """Those that differ from the one before."""
    shown = key.recorder.screens()
    changed = (
        new for old, new in zip([None, *shown], shown, strict=False) if not old or old.screen != new.screen
    )
    return list(changed)[-_SCREENS:]


def _text(key: Key, shown: Shown) -> str:
    from vukey_testing.golden_files import text_of

    return text_of(shown.screen, key.profile.display)


def _picture(screen: Screen, display: DisplaySpec) -> str:
    """A data URI (RFC 2397)."""
    from emulator.hardware.frame import draw_screen

    try:
        png = draw_screen(screen, display.width, display.height).png(_SCALE)
    except VukeyError as error:  # no Pillow: the failure is to be told all the same
        return error.localized()
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _screens(key: Key) -> str:
    shown = _last_screens(key)
    if not shown:
        return _("none that could be seen on this target")
    return "\n".join(f"{each.time:.3f} s  {_text(key, each)}" for each in shown)


def _apdus(key: Key) -> str:
    try:
        records = key.recorder.apdus()[-_APDUS:]
    except VukeyError as error:  # a key elsewhere that is gone: the failure is to be told all the same
        return error.localized()
    if not records:
        return _("none that could be seen on this target")
    return "\n".join(line for record in records for line in _apdu(record))


def _apdu(record: ApduRecord) -> Iterator[str]:
    """One line, and one each for what went and came unless that is nobody's business."""
    status = f"{record.sw:04X}" if record.sw is not None else "----"
    took = f"{record.ms:.1f} ms" if record.ms is not None else _("waiting for a person")
    head = f"{record.number:>5}  {record.header.hex():8}  {record.name}  Lc {record.lc}"
    yield f"{head}  {status} {record.meaning}  ({took})"
    if record.data is None:
        yield " " * 7 + _("data withheld: a PIN, a code or a key")
        return
    for arrow, data in (("→", record.data), ("←", record.answer or b"")):
        if data:
            rest = f" … {len(data)}" if len(data) > _SHOWN_BYTES else ""
            yield f"{' ' * 7}{arrow} {data[:_SHOWN_BYTES].hex()}{rest}"
