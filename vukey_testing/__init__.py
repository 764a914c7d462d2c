"""What `pytest_vukey` is made of: targets, operators, keys made once and copied, guards for real devices.

Beside `vukey.py` and the plug-in the only place where both sides meet (docs/decisions/007). This module stays
light, and so do the modules that are plug-ins themselves (golden, report): pytest loads them in every run, so they
import nothing of `emulator` or `hostdriver` before a test wants a key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from vukey_testing.key import Key

KEYS: pytest.StashKey[list[Key]] = pytest.StashKey()
"""In `item.stash`: the keys that a test has had, from its set-up until the end of its teardown."""
