"""The prompt on the key's screen, button by button: no device, no clock, no threads (E1, E2, E9-E11)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.firmware.confirm import Ask, Decision, Outcome, Prompt, Waiting
from emulator.firmware.decisions import require_press
from emulator.firmware.refused import Refused
from emulator.firmware.screens import texts
from emulator.hardware.buttons import DIGITS, Button
from emulator.hardware.display import Geometry, ScreenKind, cells
from emulator.profiles import Confirm
from protocols.sw import SW

RULES = Confirm(timeout_s=60, must_page_to_end=False, ok_dead_ms=0, presses=1)
GEOMETRY = Geometry(columns=16, rows=4)
CONFIRMED, CANCELLED, TIMED_OUT = (Decision(outcome) for outcome in Outcome)
THREE_PAGES = Ask("请核对交易", tuple((f"项{n}:", "张三" * 4) for n in range(4)))


def prompt(ask: Ask = THREE_PAGES, rules: Confirm = RULES) -> Prompt:
    """A prompt that was drawn at second 100."""
    return Prompt(ask, rules, GEOMETRY, texts("zh"), now=100)


def press(shown: Prompt, *buttons: Button, now: float = 130) -> Decision | None:
    """Press buttons; the last one's effect."""
    decision = None
    for button in buttons:
        assert decision is None
        decision = shown.press(button, now)
    return decision


def test_ok_confirms_and_c_cancels() -> None:
    assert press(prompt(), Button.OK) == CONFIRMED
    assert press(prompt(), Button.CANCEL) == CANCELLED


def test_nothing_else_decides() -> None:
    others = [button for button in Button if button not in (Button.OK, Button.CANCEL)]
    assert press(prompt(), *others) is None


def test_paging_stops_at_both_ends() -> None:
    shown = prompt()
    assert (shown.screen.page, shown.screen.pages) == (1, 3)
    press(shown, Button.UP)
    assert shown.screen.page == 1
    press(shown, *[Button.DOWN] * 5)
    assert shown.screen.page == 3
    press(shown, Button.UP)
    assert shown.screen.page == 2


def test_the_pages_together_say_all() -> None:
    shown = prompt()
    lines: list[str] = []
    for _ in range(shown.screen.pages):
        assert shown.screen.kind is ScreenKind.CONFIRM
        assert len(shown.screen.lines) < GEOMETRY.rows  # the last row is the soft keys'
        lines += shown.screen.lines
        press(shown, Button.DOWN)
    assert "".join(lines) == "请核对交易" + "".join(label + value for label, value in THREE_PAGES.items)


def test_every_page_first_where_the_model_says_so() -> None:
    shown = prompt(rules=replace(RULES, must_page_to_end=True))
    assert press(shown, Button.OK, Button.DOWN, Button.OK, Button.UP, Button.OK) is None
    assert press(shown, Button.DOWN, Button.DOWN, Button.UP, Button.OK) == CONFIRMED
    assert press(prompt(Ask("短"), replace(RULES, must_page_to_end=True)), Button.OK) == CONFIRMED


def test_ok_is_dead_at_first_c_is_not() -> None:
    rules = replace(RULES, ok_dead_ms=1500)
    shown = prompt(rules=rules)
    assert press(shown, Button.OK, now=101.499) is None
    assert press(shown, Button.OK, now=101.5) == CONFIRMED
    assert press(prompt(rules=rules), Button.CANCEL, now=100) == CANCELLED


def test_a_dead_ok_is_no_first_press_of_two() -> None:
    shown = prompt(Ask("标题", presses=2), replace(RULES, ok_dead_ms=1000))
    assert press(shown, Button.OK, now=100.5) is None
    assert "请再按一次OK" not in shown.screen.text
    assert press(shown, Button.OK, now=101) is None
    assert "请再按一次OK" in shown.screen.text
    assert press(shown, Button.OK, now=101) == CONFIRMED


@pytest.mark.parametrize("button", Button)
def test_at_the_deadline_no_button_counts(button: Button) -> None:
    """E1: whoever is faster than the timer by nothing is too late."""
    shown = prompt()
    assert shown.deadline == 160
    assert shown.expired == TIMED_OUT
    assert press(shown, button, now=160) == TIMED_OUT


class TestEntry:
    ASK = Ask("请输入激活码", digits=4)

    def test_digits_then_ok(self) -> None:
        shown = prompt(self.ASK)
        assert shown.screen.kind is ScreenKind.ENTRY
        assert press(shown, Button.D0, Button.D9, Button.D3, Button.OK, Button.D7) is None
        assert press(shown, Button.D5) is None  # one too many is not taken
        assert press(shown, Button.OK) == Decision(Outcome.CONFIRMED, "0937")

    def test_the_screen_counts_but_does_not_tell(self) -> None:
        shown = prompt(self.ASK)
        press(shown, Button.D4, Button.D2)
        assert shown.screen.lines == ("请输入激活码", "**__")

    def test_c_clears_then_cancels(self) -> None:
        shown = prompt(self.ASK)
        assert press(shown, Button.D4, Button.CANCEL) is None
        assert shown.screen.lines[-1] == "____"
        assert press(shown, Button.CANCEL) == CANCELLED

    def test_a_pin_has_a_least_and_a_greatest_length(self) -> None:
        shown = prompt(Ask("请输入密码", digits=6, least=4))
        assert shown.screen.lines[-1] == "____"
        assert press(shown, *DIGITS[1:4], Button.OK) is None
        assert press(shown, *DIGITS[4:10]) is None
        assert shown.screen.lines[-1] == "******"
        assert press(shown, Button.OK) == Decision(Outcome.CONFIRMED, "123456")

    def test_a_pin_with_the_least_length_will_do(self) -> None:
        shown = prompt(Ask("请输入密码", digits=6, least=4))
        assert press(shown, *DIGITS[1:5], Button.OK) == Decision(Outcome.CONFIRMED, "1234")

    def test_a_question_may_bring_its_own_time(self) -> None:
        shown = prompt(replace(self.ASK, within_s=5))
        assert press(shown, Button.OK, now=104.9) is None
        assert press(shown, Button.OK, now=105) == TIMED_OUT

    def test_what_was_typed_is_in_no_repr(self) -> None:
        assert "0937" not in repr(Decision(Outcome.CONFIRMED, "0937"))

    def test_digits_mean_nothing_where_none_are_asked_for(self) -> None:
        assert press(prompt(), *DIGITS, Button.OK) == CONFIRMED


@given(st.lists(st.sampled_from(Button)), st.integers(1, 2), st.booleans())
def test_no_presses_show_more_than_the_screen_holds(buttons: list[Button], presses: int, paged: bool) -> None:
    ask = replace(THREE_PAGES, presses=presses)
    shown = prompt(ask, replace(RULES, must_page_to_end=paged))
    for button in buttons:
        if press(shown, button):
            break
        screen = shown.screen
        assert 1 <= screen.page <= screen.pages
        assert all(cells(line) <= GEOMETRY.columns for line in screen.lines)


@given(st.lists(st.sampled_from(Button)))
def test_nothing_confirms_without_ok(buttons: list[Button]) -> None:
    """E1."""
    for button in buttons:
        decision = prompt(replace(THREE_PAGES, presses=1)).press(button, 130)
        assert (decision == CONFIRMED) == (button is Button.OK)


class TestRequirePress:
    """The generator that a command waits in."""

    @staticmethod
    def asked() -> Waiting:
        waiting = require_press(Ask("标题", digits=4))
        assert next(waiting) == Ask("标题", digits=4)
        return waiting

    def test_a_confirmation_hands_over_what_was_typed(self) -> None:
        with pytest.raises(StopIteration) as done:
            self.asked().send(Decision(Outcome.CONFIRMED, "0937"))
        assert done.value.value == b"0937"

    @pytest.mark.parametrize(("decision", "sw"), [(CANCELLED, SW.CANCELLED), (TIMED_OUT, SW.TIMED_OUT)])
    def test_anything_else_refuses(self, decision: Decision, sw: SW) -> None:
        with pytest.raises(Refused) as caught:
            self.asked().send(decision)
        assert caught.value.sw == sw

    def test_closing_it_ends_it(self) -> None:
        waiting = self.asked()
        waiting.close()
        with pytest.raises(StopIteration):
            waiting.send(CONFIRMED)
