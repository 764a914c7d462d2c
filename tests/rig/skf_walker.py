"""A walk of tests/skf/walk.c, with the person at the key and everybody outside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.rig.skf import WALK, Program, SkfKey, library, program
from tests.rig.skf_walk import Outside


class Walk:
    """A walk, with the person at the key and everybody outside.

    :param kind: how program and library are compiled.
    :param before: what the program is run under.
    """

    def __init__(self, key: SkfKey, kind: str = "plain", before: tuple[str, ...] = ()) -> None:
        self.key = key
        self.outside = Outside(key.files)
        self.lines: list[str] = []
        self._program = Program(
            program(*WALK, kind=kind), library(kind), key.name, key.files, env=key.env, before=before
        )

    def __call__(self) -> str:
        """Walk to the end; what the program said on standard error."""
        acts: dict[str, Callable[[], None]] = {
            "press for the digest": self._press,
            "press for the message": self._press_for_message,
            "cancel the message": self._cancel,
            "make encryption pairs": self._make_encryption_pairs,
            "remove the key": self._remove,
        }
        with self._program:
            while self.lines[-1:] != ["walked"]:
                line = self._program.line()
                acts.get(line, lambda: None)()
                self.lines.append(line)
            said = self._program.end()
        self.outside.judge()
        return said

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """The program goes on, and the key asks until the end of the block."""
        self._program.go_on()
        with self.key.rig.pending(self._program.peek):
            yield

    def _press(self) -> None:
        with self._asking():
            self.key.rig.page_and_press_ok()

    def _press_for_message(self) -> None:
        with self._asking():
            shown = self.key.rig.shown_pages()
            assert "张三" in shown
            assert "123.23" in shown
            self.key.rig.page_and_press_ok()

    def _cancel(self) -> None:
        with self._asking():
            self.key.rig.press("cancel")

    def _make_encryption_pairs(self) -> None:
        self.outside.make_encryption_pairs()
        self._program.go_on()

    def _remove(self) -> None:
        self.key.pull_out()
        self._program.go_on()
