"""Automation rules: what to press when the screen shows something, in the notation of Speculos and with its meaning.

For every row of text that comes up the first rule that fits acts. Ours besides: `contains` (the whole screen's text,
whatever its layout), `delay` (seconds of the key's clock), and the actions ``["press", NAME]``, ``["type", DIGITS]``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import Any

from emulator.control.answers import text_events
from emulator.control.keycontrol import KeyControl
from emulator.control.operator import Hands
from emulator.control.patterns import MAX_LENGTH, PatternError, compile_pattern
from emulator.control.schema import Schema, check
from emulator.control.watch import Shown, shows
from emulator.hardware.buttons import Button
from protocols.errors import VukeyError
from protocols.i18n import N_

_MAX_DELAY_S = 3600


def _action(name: str, *arguments: Schema) -> Schema:
    items = [{"enum": [name]}, *arguments]
    return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}


_TEXT: Schema = {"type": "string", "maxLength": 1000}
_BOOLEAN: Schema = {"type": "boolean"}
RULES_SCHEMA: Schema = {
    "type": "object",
    "properties": {
        "version": {"type": "integer", "enum": [1]},
        "rules": {
            "type": "array",
            "maxItems": 500,
            "items": {
                "type": "object",
                "properties": {
                    "text": _TEXT,
                    "regexp": {"type": "string", "maxLength": MAX_LENGTH},
                    "contains": _TEXT,
                    "x": {"type": "integer"},
                    "y": {"type": "integer"},
                    "conditions": {
                        "type": "array",
                        "maxItems": 50,
                        "items": {
                            "type": "array",
                            "prefixItems": [_TEXT, _BOOLEAN],
                            "minItems": 2,
                            "maxItems": 2,
                        },
                    },
                    "delay": {"type": "number", "minimum": 0, "maximum": _MAX_DELAY_S},
                    "actions": {
                        "type": "array",
                        "maxItems": 100,
                        "items": {
                            "anyOf": [
                                _action("button", {"type": "integer", "enum": [1, 2]}, _BOOLEAN),
                                _action(
                                    "press", {"type": "string", "enum": [str(button) for button in Button]}
                                ),
                                _action("type", {"type": "string", "pattern": "^[0-9]{1,32}$"}),
                                _action("setbool", _TEXT, _BOOLEAN),
                            ]
                        },
                    },
                },
                "additionalProperties": False,
            },
        },
    },
    "required": ["version", "rules"],
    "additionalProperties": False,
}
"""A document of rules."""

NO_RULES: dict[str, Any] = {"version": 1, "rules": []}


class RulesError(VukeyError):
    """The rules cannot be followed; the message says where."""


class TwoButtons:
    """Speculos' two buttons: 1 is left, our up; 2 is right, our down; both together are our OK.

    As there, it is letting go that counts.
    """

    def __init__(self) -> None:
        self._held: set[int] = set()
        self._together: set[int] = set()

    def change(self, number: int, pressed: bool) -> Button | None:
        """The button of ours that this completes."""
        if pressed:
            self._held.add(number)
            self._together.add(number)
            return None
        self._held.discard(number)
        if self._held or not self._together:
            return None
        chord, self._together = self._together, set()
        return {frozenset({1}): Button.UP, frozenset({2}): Button.DOWN}.get(frozenset(chord), Button.OK)


@dataclass(frozen=True, slots=True)
class _Rule:
    """One rule, its pattern compiled."""

    given: dict[str, Any]
    pattern: re.Pattern[str] | None

    def fits(self, line: dict[str, Any], shown: Shown, is_first: bool) -> bool:
        """Whether it is for this row; one that is about the screen alone is for its first row."""
        given = self.given
        if any(given[name] != line[name] for name in ("text", "x", "y") if name in given):
            return False
        if self.pattern is not None and not self.pattern.match(line["text"]):
            return False
        if "contains" not in given:
            return True
        about_rows = {"text", "regexp", "x", "y"} & given.keys()
        return bool(is_first or about_rows) and shows(given["contains"])(shown.screen)


class Automation:
    """Follows the rules in a thread of its own; what is delayed acts when the key's clock gets there.

    A rule acts on the screen that it is for: nothing is pressed once another has come up, its own presses apart.
    """

    def __init__(self, control: KeyControl) -> None:
        self._screens = control.screens
        self._device = control.device
        self._hands = Hands(self._follow)
        self._variables: dict[str, bool] = {}
        self._buttons = TwoButtons()
        self._rules: tuple[_Rule, ...] = ()
        self.document = NO_RULES

    def __enter__(self) -> Automation:
        self._hands.start()
        self._look_away = self._device.on_screen(lambda _: self._see())
        return self

    def __exit__(self, *_: object) -> None:
        self._rules = ()
        self._look_away()
        self._hands.stop()

    def follow(self, document: dict[str, Any]) -> None:
        """Follow these rules instead, beginning with the screen that is up; variables are false again.

        What they do about that screen without delay has been done when this returns: hold no lock of the key.

        :raises SchemaError: no document of rules.
        :raises RulesError: a rule cannot be followed on this model.
        """
        check(document, RULES_SCHEMA, "rules")
        rules = tuple(
            self._rule(given, f"rules.rules[{number}]") for number, given in enumerate(document["rules"])
        )
        with self._device.lock:
            self._variables = {}
            self._buttons = TwoButtons()
            self._rules = rules
            self.document = document
            self._see()
        self._hands.settle()

    def _rule(self, given: dict[str, Any], where: str) -> _Rule:
        for number, (kind, *arguments) in enumerate(given.get("actions", [])):
            wanted = {"press": arguments[:1], "type": arguments[0]}.get(kind, ())
            if missing := set(wanted) - set(self._device.buttons):
                raise RulesError(
                    N_("{where}.actions[{number}]: this model has no button {button}"),
                    where=where, number=number, button=", ".join(sorted(missing)),
                )  # fmt: skip
        try:
            return _Rule(given, compile_pattern(given["regexp"]) if "regexp" in given else None)
        except PatternError as error:
            raise RulesError(
                N_("{where}.regexp cannot be used: {reason}"), where=where, reason=error
            ) from None

    def _see(self) -> None:
        """Under the device's lock, after the log of screens has seen it."""
        if self._rules:
            self._hands.take((self._rules, self._screens.now))

    def _follow(self, seen: tuple[tuple[_Rule, ...], Shown]) -> None:
        rules, shown = seen
        clock = self._device.clock
        for row, line in enumerate(text_events(self._device, shown.screen)):
            rule = next(
                (rule for rule in rules if rule.fits(line, shown, row == 0) and self._holds(rule)), None
            )
            if rule is None:
                continue
            due = shown.time + rule.given.get("delay", 0)
            act = partial(self._act, rules, rule.given.get("actions", []), shown.number)
            if due > clock.now():
                clock.call_at(due, act)
            else:
                act()

    def _holds(self, rule: _Rule) -> bool:
        return all(
            self._variables.get(name, False) is value for name, value in rule.given.get("conditions", [])
        )

    def _act(self, rules: tuple[_Rule, ...], actions: list[list[Any]], number: int) -> None:
        for action in actions:
            with self._device.lock:
                if self._rules is not rules or self._screens.now.number != number:
                    return
                self._do(*action)
                number = self._screens.now.number

    def _do(self, kind: str, *arguments: Any) -> None:
        if kind == "setbool":
            name, value = arguments
            self._variables[name] = value
        elif kind == "press":
            self._device.press(arguments[0])
        elif kind == "type":
            self._device.type(arguments[0])
        elif (button := self._buttons.change(*arguments)) in self._device.buttons:
            self._device.press(button)
