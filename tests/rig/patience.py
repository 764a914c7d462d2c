"""How long a test waits for what always comes: only what is broken makes it wait that long."""

from __future__ import annotations

from tests.vm.guest import INSIDE

PATIENCE_S = 120.0 if INSIDE else 30.0
"""Longer in the guest, whose processor is a program: there `vukey up` alone takes 12 to 20 s to start."""
