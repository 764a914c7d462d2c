"""The buttons and the keypad of a key."""

from __future__ import annotations

from enum import StrEnum, unique


@unique
class Button(StrEnum):
    """A button. Digits exist on keys with a keypad only."""

    OK = "ok"
    CANCEL = "cancel"
    UP = "up"
    DOWN = "down"
    POWER = "power"
    D0 = "0"
    D1 = "1"
    D2 = "2"
    D3 = "3"
    D4 = "4"
    D5 = "5"
    D6 = "6"
    D7 = "7"
    D8 = "8"
    D9 = "9"

    @property
    def is_digit(self) -> bool:
        """Whether it types a digit."""
        return self.value.isdigit()


DIGITS = tuple(button for button in Button if button.is_digit)
