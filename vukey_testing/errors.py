"""What can go wrong between a test and its key, and how a test says that it cannot run here."""

from __future__ import annotations

from typing import NoReturn

import pytest

from protocols.errors import VukeyError
from protocols.i18n import _


class SetupError(VukeyError):
    """A mark or an option does not fit; raised before any test runs."""


class CallError(VukeyError):
    """A call did not do what the test waits for."""


class OperatorError(VukeyError):
    """Whoever works the key could not, or did not, do what the test wants."""


class GuardError(VukeyError):
    """A real device was kept from harm; the command was not sent."""


def skip(message: str, **values: object) -> NoReturn:
    """Skip the test that runs, with its reason in the person's language.

    :param message: a template marked with ``N_``, as of a `VukeyError`.
    """
    pytest.skip(_(message).format(**values))
