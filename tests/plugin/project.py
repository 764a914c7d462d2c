"""A suite with golden screens."""

from __future__ import annotations

import sys
from fnmatch import fnmatchcase
from pathlib import Path

from PIL import Image

from tests.plugin.suite import Ended, Suite
from tests.rig.pcscd import PrivatePcscd

PROFILE = "bocom-2g-tendyron"


class Project(Suite):
    """One test module, run with no other plug-ins than ours: that takes half the time."""

    def write(self, source: str, name: str = "test_pay.py") -> None:
        """Write the test module."""
        self.path.joinpath(name).write_text(f"import pytest\n\n{source}", encoding="utf-8")

    def write_idle(self, bank: str) -> None:
        """Write one test, of the screen that a key shows while it waits for work."""
        self.write(f"""
@pytest.mark.vukey(stage="blank", values={{"display.idle": "{bank}"}})
def test_idle(key, screen):
    key.open()
    screen.golden("idle")
""")

    def command(self, *options: str) -> list[str]:
        """See `Suite.command`."""
        return [sys.executable, "-m", "pytest", "-p", "pytest_vukey", *options]

    def run(self, *options: str, inside: PrivatePcscd | None = None, **more: str) -> Ended:
        """See `Suite.run`."""
        alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **more}
        return super().run(*options, inside=inside, **alone)

    def run_spread(self, *options: str, **more: str) -> Ended:
        """Run it in two workers of pytest-xdist and in random order."""
        return self.run("-p", "xdist", "-p", "pytest_randomly", "-n2", *options, inside=None, **more)

    def golden(self, name: str, test: str = "test_idle", module: str = "test_pay") -> Path:
        """Where a golden screen lies."""
        return self.path / "goldens" / module / test / PROFILE / name

    @property
    def goldens(self) -> set[str]:
        """Every file below the folder of golden screens."""
        place = self.path / "goldens"
        return {str(path.relative_to(place)) for path in place.glob("**/*") if path.is_file()}


def assert_lines(result: Ended, *patterns: str) -> None:
    """Lines like these are in the output."""
    lines = result.text.splitlines()
    missing = [pattern for pattern in patterns if not any(fnmatchcase(line, pattern) for line in lines)]
    assert not missing, result.text


def flip(path: Path, points: set[tuple[int, int]]) -> None:
    """Turn pixels of a picture around."""
    with Image.open(path) as picture:
        image = picture.convert("1")
    for point in points:
        image.putpixel(point, 0 if image.getpixel(point) else 255)
    image.save(path)
