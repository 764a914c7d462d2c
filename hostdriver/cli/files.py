"""Files that commands write their results to."""

from __future__ import annotations

import os
from pathlib import Path

from hostdriver.errors import HostError
from protocols.i18n import N_


class OutputError(HostError):
    """A result cannot be written."""


def check_writable(output: Path) -> None:
    """To be asked before anybody presses OK or waits for long; the file stays as it is.

    :raises OutputError: it cannot be written.
    """
    if output.is_dir() or not os.access(output if output.exists() else output.parent, os.W_OK):
        raise OutputError(N_("{file} cannot be written"), file=output)


def write(output: Path, content: bytes) -> None:
    """Write a file whole.

    :raises OutputError: it cannot be written.
    """
    try:
        output.write_bytes(content)
    except OSError as error:
        raise OutputError(
            N_("{file} cannot be written: {reason}"), file=output, reason=error.strerror
        ) from None
