"""The key in a terminal: its screen drawn live, its buttons on the keyboard."""

from __future__ import annotations

import contextlib
import os
import re
import select
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from emulator.device import Device, NoSuchButtonError
from emulator.hardware.buttons import Button
from emulator.hardware.display import Geometry, Screen, ScreenKind, cells, rows_of
from protocols.i18n import _

_KEYS = {
    b"\r": Button.OK,
    b"\n": Button.OK,
    b"\x1b": Button.CANCEL,
    b"c": Button.CANCEL,
    b"C": Button.CANCEL,
    b"\x7f": Button.CANCEL,
    b"\x1b[A": Button.UP,
    b"\x1bOA": Button.UP,
    b"\x1b[B": Button.DOWN,
    b"\x1bOB": Button.DOWN,
    b"o": Button.POWER,
    b"O": Button.POWER,
    **{str(digit).encode(): Button(str(digit)) for digit in range(10)},
}
_KEYSTROKE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|O.)|.", re.DOTALL)
"""An escape sequence as terminals send it for a special key (ECMA-48 section 5.4), else one byte."""


def draw(screen: Screen, geometry: Geometry | None) -> Panel:
    """A screen as a panel of the display's size; a key without a display shows its light."""
    if geometry is None:
        lit = screen.kind is ScreenKind.LIGHT
        return Panel(Text("● " if lit else "○ ") + Text(screen.title), expand=False)
    rows = rows_of(screen, geometry)
    text = "\n".join(row + " " * (geometry.columns - cells(row)) for row in rows)
    return Panel(Text(text, style="black on bright_white"), expand=False)


def geometry_of(device: Device) -> Geometry | None:
    """The display's size in characters, None without one."""
    display = device.profile.display
    return Geometry.of_pixels(display.width, display.height) if display else None


class TerminalKey:
    """Draws a device until it is closed, with one status line under it."""

    def __init__(self, device: Device, console: Console) -> None:
        self._device = device
        self._geometry = geometry_of(device)
        self._status = ""
        self._live = Live(console=console, get_renderable=self._render, auto_refresh=False)

    def __enter__(self) -> TerminalKey:
        self._live.start()
        self._look_away = self._device.on_screen(lambda _: self._live.refresh())
        return self

    def __exit__(self, *_: object) -> None:
        self._look_away()
        self._live.stop()

    def status(self, line: str) -> None:
        """The line under the key."""
        self._status = line
        self._live.refresh()

    def _render(self) -> Group:
        help_line = _("Enter = OK, Esc = C, arrows = pages, digits = keypad, Ctrl-C = unplug and leave")
        if self._device.battery is not None:
            help_line += _(", O = on/off")
        return Group(
            draw(self._device.screen, self._geometry), Text(self._status), Text(help_line, style="dim")
        )


@contextmanager
def keyboard(press: Callable[[Button], None]) -> Iterator[None]:
    """Hand every button typed on the terminal to `press`, in a thread of its own."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    wake = os.eventfd(0, os.EFD_CLOEXEC)

    def read() -> None:
        while True:
            ready, _, _ = select.select([descriptor, wake], [], [])
            if wake in ready:
                return
            typed = _read(descriptor)
            if not typed:  # the terminal is gone
                return
            for button in _buttons(typed):
                press(button)

    thread = threading.Thread(target=read, name="vukey-keyboard", daemon=True)
    tty.setcbreak(descriptor)
    thread.start()
    try:
        yield
    finally:
        os.eventfd_write(wake, 1)
        thread.join()
        os.close(wake)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 64)
    except OSError:
        return b""


def _buttons(typed: bytes) -> Iterator[Button]:
    """The buttons in what was read at once; a special key that stands for none, such as Home, is passed over."""
    for stroke in _KEYSTROKE.findall(typed):
        if (button := _KEYS.get(stroke)) is not None:
            yield button


def pressing(device: Device) -> Callable[[Button], None]:
    """A person's presses; a button that the model lacks does nothing."""

    def press(button: Button) -> None:
        with contextlib.suppress(NoSuchButtonError):
            device.press(button)

    return press
