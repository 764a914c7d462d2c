"""What the values of one profile owe each other."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import reduce
from itertools import pairwise
from operator import xor

from emulator.hardware.display import drawable
from emulator.profiles import errors
from emulator.profiles.errors import ProfileError
from emulator.profiles.model import Profile
from protocols.ble import GATT_PROFILES
from protocols.dialect import DIALECTS

_LONGEST_IN_A_FRAME = 0xFFFF - 3 - 9
"""Bytes of data of an APDU in a frame: without the envelope's header and an extended APDU's header and Le."""


def check(profile: Profile) -> None:
    """Hold the values of a profile against each other.

    :raises ProfileError: naming the first one that does not fit.
    """
    for each in _CHECKS:
        each(profile)


def is_well_formed_atr(atr: bytes) -> bool:
    """Whether the bytes are one whole answer to reset, ISO/IEC 7816-3 section 8.2.

    TS, T0, the TDi chain, the number of historical bytes, and TCK exactly when a protocol but T=0 is offered.
    """
    if not 2 <= len(atr) <= 33 or atr[0] not in (0x3B, 0x3F):
        return False
    last, indicator, protocols = 1, atr[1], set()
    while True:
        last += (indicator >> 4).bit_count()
        if not indicator & 0x80:
            break
        if last >= len(atr):
            return False
        indicator = atr[last]
        protocols.add(indicator & 0x0F)
    has_tck = bool(protocols - {0})
    if len(atr) != last + 1 + (atr[1] & 0x0F) + has_tck:
        return False
    return not has_tck or reduce(xor, atr[1:]) == 0


def is_weak_pin(pin: str) -> bool:
    """Whether all characters are equal, or each is the next after (or before) the one before it (E6)."""
    steps = {ord(after) - ord(before) for before, after in pairwise(pin)}
    return len(steps) <= 1 and steps <= {0, 1, -1}


def _refuse(profile: Profile, template: str, path: str, **values: object) -> ProfileError:
    return ProfileError(template, profile=profile.id, path=path, **values)


def _atr(profile: Profile) -> None:
    if not is_well_formed_atr(profile.atr):
        raise _refuse(profile, errors.BAD_ATR, "atr")


def _serial(profile: Profile) -> None:
    try:
        pattern = re.compile(profile.serial_pattern, re.ASCII)
    except re.error as error:
        raise _refuse(profile, errors.BAD_PATTERN, "serial_pattern", reason=error) from None
    for digit in "0123456789":
        serial = profile.serial_template.replace("#", digit)
        if not pattern.fullmatch(serial):
            raise _refuse(profile, errors.TEMPLATE_MISFIT, "serial_template", serial=serial)


def _pin_lengths(profile: Profile) -> None:
    user = profile.pin.user
    if user.min > user.max:
        raise _refuse(profile, errors.OUT_OF_RANGE, "pin.user.min", found=user.min, low=1, high=user.max)
    if len(user.initial) > user.max:
        raise _refuse(profile, errors.BAD_LENGTH, "pin.user.initial", low=1, high=user.max)


def _ready_pin(profile: Profile) -> None:
    user, pin = profile.pin.user, profile.ready_user_pin
    if not user.min <= len(pin) <= user.max:
        raise _refuse(profile, errors.BAD_LENGTH, "ready_user_pin", low=user.min, high=user.max)
    if is_weak_pin(pin) or pin == user.initial:
        raise _refuse(profile, errors.WEAK_READY_PIN, "ready_user_pin")


def _idle_screen(profile: Profile) -> None:
    display = profile.display
    if display is not None and drawable(display.idle, display.charset) is not None:
        raise _refuse(profile, errors.UNDRAWABLE, "display.idle", charset=display.charset)


def _dialect(profile: Profile) -> None:
    if profile.dialect not in DIALECTS:
        known = ", ".join(DIALECTS)
        raise _refuse(profile, errors.NOT_A_CHOICE, "dialect", found=profile.dialect, known=known)
    limit = DIALECTS[profile.dialect].container_name
    for kind, container in (("rsa", profile.containers.rsa), ("sm2", profile.containers.sm2)):
        if container is not None and len(container.name) > limit:
            raise _refuse(profile, errors.BAD_LENGTH, f"containers.{kind}.name", low=1, high=limit)


def _repeated(profile: Profile) -> None:
    for path, items in (
        ("buttons", profile.buttons),
        ("ciphers", profile.ciphers),
        ("usb.interfaces", profile.usb.interfaces),
    ):
        if len(set(items)) != len(items):
            raise _refuse(profile, errors.REPEATED, path)


def _interfaces(profile: Profile) -> None:
    """A USB device has at least one (USB 2.0, 9.6.3)."""
    if not profile.usb.interfaces:
        raise _refuse(profile, errors.NOT_A_CHOICE, "usb.interfaces", found="[]", known="ccid, hid, disk")


def _ciphers(profile: Profile) -> None:
    """An SM2 encryption pair is imported under SM4 (G32)."""
    has_sm2 = profile.containers.sm2 is not None
    _need(profile, "containers.sm2", has_sm2, "sm4" in profile.ciphers, "ciphers: sm4")


def _bluetooth(profile: Profile) -> None:
    """Whoever pairs compares a number on the screen; a frame holds what two bytes of length can say (G40)."""
    if profile.bluetooth is None:
        return
    _need(profile, "bluetooth", True, profile.display is not None, "display")
    _need(profile, "bluetooth", True, "power" in profile.buttons, "buttons: power")
    gatt, found = profile.bluetooth.gatt, profile.max_apdu_data
    if gatt not in GATT_PROFILES:
        known = ", ".join(GATT_PROFILES)
        raise _refuse(profile, errors.NOT_A_CHOICE, "bluetooth.gatt", found=gatt, known=known)
    if found > _LONGEST_IN_A_FRAME:
        raise _refuse(
            profile, errors.OUT_OF_RANGE, "max_apdu_data", found=found, low=256, high=_LONGEST_IN_A_FRAME
        )


def _buttons(profile: Profile) -> None:
    confirm, extra_press_at = profile.confirm, profile.pin.user.extra_press_at
    _need(profile, "confirm.presses", confirm.presses, "ok" in profile.buttons, "buttons: ok")
    _need(profile, "display", profile.display is not None, confirm.presses > 0, "confirm.presses: 1")  # E1
    _need(profile, "pin.user.extra_press_at", extra_press_at, "ok" in profile.buttons, "buttons: ok")
    _need(
        profile,
        "confirm.must_page_to_end",
        confirm.must_page_to_end,
        "down" in profile.buttons,
        "buttons: down",
    )
    _need(profile, "auto_off_s", profile.auto_off_s, "power" in profile.buttons, "buttons: power")
    _need(profile, "activation", profile.activation == "keypad", profile.keypad, "keypad")


def _need(profile: Profile, path: str, wanted: int, given: bool, needed: str) -> None:
    if wanted and not given:
        raise _refuse(profile, errors.NEEDS, path, found=wanted, needed=needed)


_CHECKS: tuple[Callable[[Profile], None], ...] = (
    _atr,
    _serial,
    _pin_lengths,
    _ready_pin,
    _idle_screen,
    _dialect,
    _repeated,
    _interfaces,
    _ciphers,
    _bluetooth,
    _buttons,
)
