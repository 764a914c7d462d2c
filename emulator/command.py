"""A command that runs as long as the key does, and the signals that end them."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

Handler = Callable[[int, object], object]

ENDING = (signal.SIGTERM, signal.SIGHUP)
"""What ends us as cleanly as Ctrl-C: being told to, and the end of the terminal."""
LEAVING = {signal.SIGINT, *ENDING}
"""All that ends us."""


@contextmanager
def handling(handlers: Mapping[signal.Signals, Handler]) -> Iterator[None]:
    """Handle signals for a while; one that we were started to ignore (nohup) stays ignored."""
    heard = {
        number: handler for number, handler in handlers.items() if signal.getsignal(number) != signal.SIG_IGN
    }
    before = {number: signal.signal(number, handler) for number, handler in heard.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def held_signals() -> Iterator[ExitStack]:
    """Threads that start meanwhile never get a signal: one given to them would not wake us. Close to hear again."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, LEAVING)
    with ExitStack() as stack:
        stack.callback(signal.pthread_sigmask, signal.SIG_SETMASK, before)
        yield stack


def run_beside(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command to its end; its exit code, as a shell says it. What would end us goes to it instead.

    :raises OSError: it cannot be run.
    """
    with _passing_on() as pass_on_to:
        child = subprocess.Popen(command, env=environment)  # noqa: S603 - the user's own command
        pass_on_to(child)
        code = child.wait()
    return code if code >= 0 else 128 - code


@contextmanager
def _passing_on() -> Iterator[Callable[[subprocess.Popen[bytes]], None]]:
    """What comes while the command is being started reaches it once it is: else nobody would end it."""
    children: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def pass_on(number: int, _frame: object) -> None:
        """A running command has Ctrl-C from the terminal as well; how it ends is up to that."""
        if not children:
            early.append(number)
        elif number != signal.SIGINT:
            children[0].send_signal(number)

    def pass_on_to(child: subprocess.Popen[bytes]) -> None:
        children.append(child)
        for number in early:
            child.send_signal(number)

    with handling(dict.fromkeys(LEAVING, pass_on)):
        yield pass_on_to
