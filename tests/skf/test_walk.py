"""A C program walks through the whole interface; what it made is judged by others' implementations."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.profiles import Profile, load_profile
from protocols.dialect import DIALECTS
from tests.rig.key import changed
from tests.rig.skf import skf_key
from tests.rig.skf_walker import Walk

MODEL = "bocom-2g-tendyron"


def model(**values: object) -> Profile:
    return changed(load_profile(MODEL), **values)


def test_walk(run: Path) -> None:
    with skf_key(model(), "blank", run) as key:
        Walk(key)()


@pytest.mark.slow
@pytest.mark.parametrize("dialect", [name for name in DIALECTS if name != "default"])
def test_walk_in_other_dialects(dialect: str, run: Path) -> None:
    with skf_key(model(dialect=dialect), "blank", run) as key:
        key.env["LEFT_ALIGNED"] = "1"  # the encrypted private key of 32 bytes in its field of 64 (G32)
        Walk(key)()
