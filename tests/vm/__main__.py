"""`python -m tests.vm [--processors N] [--timeout SECONDS] [--] COMMAND…`: a command in a guest.

Its output and exit code are the command's. One argument is a line for bash; several are a program and its arguments.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tests.vm.guest import Guest, GuestError
from tests.vm.kernel import NoGuestError

NO_GUEST = 125


def main() -> int:
    """Boot, run, switch off."""
    parser = argparse.ArgumentParser(prog="python -m tests.vm", description="Run a command in a guest.")
    parser.add_argument("--processors", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=600, help="seconds for the command")
    parser.add_argument("command", nargs="+")
    chosen = parser.parse_args()
    command = chosen.command if len(chosen.command) > 1 else chosen.command[0]
    try:
        with Guest(processors=chosen.processors) as guest:
            for piece in guest.follow(command, timeout=chosen.timeout, cwd=Path.cwd()):
                if isinstance(piece, int):
                    return piece
                os.write(sys.stdout.fileno(), piece)
    except (NoGuestError, GuestError) as error:
        print(error, file=sys.stderr)
    return NO_GUEST


if __name__ == "__main__":
    sys.exit(main())
