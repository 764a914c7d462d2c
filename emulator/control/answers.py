"""The key as the control API tells it, in JSON."""

from __future__ import annotations

import base64
from dataclasses import asdict
from functools import lru_cache
from typing import Any

from emulator.control.journal import ApduRecord
from emulator.control.keycontrol import KeyControl
from emulator.control.watch import Shown
from emulator.device import Device
from emulator.hardware.display import Geometry, Screen, cells, rows_of
from emulator.hardware.frame import Frame, draw_screen

_LINE_HEIGHT = 16


def key_json(control: KeyControl) -> dict[str, Any]:
    """Everything about the key now, without its screen. It takes the device's lock for a moment."""
    device = control.device
    profile = device.profile
    display, battery = profile.display, device.battery
    return {
        "serial": device.serial,
        "profile": profile.id,
        "title": profile.title,
        "title_zh": profile.title_zh,
        "kind": profile.kind,
        "maker": profile.maker,
        "keypad": profile.keypad,
        "buttons": list(profile.buttons),
        "display": display and {"type": display.type, "width": display.width, "height": display.height},
        "plugged": control.plugged,
        "powered": device.powered,
        "battery": battery and {"level": battery.level, "on": battery.on},
        "waiting": _waiting(device),
        "applications": [asdict(application) for application in device.inspect()],
        "clock": device.clock.now(),
    }


def _waiting(device: Device) -> dict[str, Any] | None:
    with device.lock:
        ask, seconds_left, ok_in, unread = device.waiting, device.seconds_left, device.ok_in, device.unread
    if ask is None:
        return None
    return {
        "title": ask.title,
        "items": [list(item) for item in ask.items],
        "digits": ask.digits,
        "presses": ask.presses,
        "seconds_left": seconds_left,
        "ok_in": ok_in,
        "unread": unread,
    }


def screen_json(device: Device, shown: Shown) -> dict[str, Any]:
    """A screen; `bits` is the frame's rows in base64, as `Frame` has them."""
    screen = shown.screen
    frame = frame_of(device, screen)
    return {
        "number": shown.number,
        "kind": screen.kind.value,
        "title": screen.title,
        "lines": list(screen.lines),
        "page": screen.page,
        "pages": screen.pages,
        "soft_keys": list(screen.soft_keys),
        "text": screen.text,
        "width": frame.width if frame else 0,
        "height": frame.height if frame else 0,
        "bits": base64.b64encode(frame.bits).decode() if frame else None,
    }


def frame_of(device: Device, screen: Screen) -> Frame | None:
    """The picture on the display, None without one."""
    display = device.profile.display
    return _draw(screen, display.width, display.height) if display else None


_draw = lru_cache(maxsize=16)(draw_screen)


def text_events(device: Device, screen: Screen) -> list[dict[str, Any]]:
    """As Speculos: one event for each row with text on it, where it stands in pixels; a light's is its title."""
    display = device.profile.display
    if display is None:
        return [_text_event(screen.title, 0)] if screen.title else []
    rows = rows_of(screen, Geometry.of_pixels(display.width, display.height))
    return [_text_event(row, number) for number, row in enumerate(rows) if row]


def _text_event(text: str, row: int) -> dict[str, Any]:
    width = cells(text) * _LINE_HEIGHT // 2
    return {"text": text, "x": 0, "y": row * _LINE_HEIGHT, "w": width, "h": _LINE_HEIGHT, "clear": False}


def apdu_json(record: ApduRecord) -> dict[str, Any]:
    """One APDU; bytes in hexadecimal."""
    return {
        "number": record.number,
        "time": record.time,
        "name": record.name,
        "header": record.header.hex(),
        "lc": record.lc,
        "le": record.le,
        "data": None if record.data is None else record.data.hex(),
        "sw": None if record.sw is None else f"{record.sw:04x}",
        "meaning": record.meaning,
        "answer": None if record.answer is None else record.answer.hex(),
        "answer_length": record.answer_length,
        "ms": record.ms,
        "pending": record.pending,
    }
