"""Automation rules: which rule acts, on what, when; and what is refused."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from emulator.control.automation import Automation, RulesError, TwoButtons
from emulator.control.operator import AutoApproval
from emulator.control.patterns import PatternError, compile_pattern
from emulator.control.schema import SchemaError
from emulator.hardware.buttons import Button
from hostdriver.errors import CancelledError
from protocols.apdu import Command, encode_command
from protocols.gmt import CLA_PLAIN, Ins, SignInput
from protocols.sw import SW
from tests.rig.key import KeyRig, activation_code
from tests.rig.messages import TRANSFER, transfer
from tests.rig.patience import PATIENCE_S

pytestmark = pytest.mark.limits(confirm__ok_dead_ms=0, pin__user__cache="session")
SMART = "bocom-smart-feitian"
PAGE, OK, CANCEL = ["press", "down"], ["press", "ok"], ["press", "cancel"]


@pytest.fixture
def automation(rig: KeyRig) -> Iterator[Automation]:
    with Automation(rig._control) as automation:
        yield automation


def rules(*given: dict[str, Any]) -> dict[str, Any]:
    return {"version": 1, "rules": list(given)}


def signing(rig: KeyRig) -> Callable[[], object]:
    rig.log_in()
    return partial(rig.session.sign_sm2, rig.container(), TRANSFER, SignInput.MESSAGE)


def cancelled(rig: KeyRig) -> bool:
    """Whether the rules press C on a transfer."""
    try:
        rig.start(signing(rig)).result(PATIENCE_S)
    except CancelledError:
        return True
    return False


# Which rule acts


@pytest.mark.parametrize(
    "match",
    [
        {"text": "请核对交易"},
        {"text": "收款人:张三", "x": 0, "y": 16},
        {"regexp": "请核对.*"},
        {"regexp": "核|收款人账号"},
        {"contains": "张三收款人账号"},
        {"contains": "张三", "text": "收款人账号:"},
    ],
)
def test_a_rule_that_fits_acts(match: dict[str, Any], rig: KeyRig, automation: Automation) -> None:
    rig.log_in()
    automation.follow(rules({**match, "actions": [CANCEL]}))
    assert cancelled(rig)


@pytest.mark.parametrize(
    "match",
    [
        {"text": "请核对"},
        {"regexp": "核对"},
        {"text": "请核对交易", "x": 1},
        {"text": "请核对交易", "y": 16},
        {"contains": "123.23"},
        {"contains": "张三", "text": "金额"},
        {"text": "请核对交易", "conditions": [["never", True]]},
    ],
)
def test_a_rule_that_does_not_fit_leaves_it_to_the_next(
    match: dict[str, Any], rig: KeyRig, automation: Automation
) -> None:
    """123.23 stands on the second page; `text` and `regexp` mean a whole row and its beginning."""
    automation.follow(rules({**match, "actions": [PAGE, OK]}, {"text": "请核对交易", "actions": [CANCEL]}))
    assert cancelled(rig)


def test_the_first_rule_that_fits_acts_alone(rig: KeyRig, automation: Automation) -> None:
    automation.follow(
        rules({"text": "请核对交易", "actions": [PAGE, OK]}, {"text": "请核对交易", "actions": [CANCEL]})
    )
    assert not cancelled(rig)


def test_variables_carry_from_screen_to_screen(rig: KeyRig, automation: Automation) -> None:
    automation.follow(
        rules(
            {"regexp": ".*2/2", "conditions": [["read", True]], "actions": [OK]},
            {"regexp": ".*2/2", "actions": [CANCEL]},
            {"text": "请核对交易", "actions": [["setbool", "read", True], PAGE]},
        )
    )
    assert not cancelled(rig)


def test_variables_are_false_again_with_new_rules(rig: KeyRig, automation: Automation) -> None:
    second = {"regexp": ".*2/2", "conditions": [["read", True]], "actions": [OK]}
    automation.follow(rules({"contains": "已连接", "actions": [["setbool", "read", True]]}))
    automation.follow(
        rules(second, {"regexp": ".*2/2", "actions": [CANCEL]}, {"text": "请核对交易", "actions": [PAGE]})
    )
    assert cancelled(rig)


def test_the_screen_that_is_up_counts(rig: KeyRig, automation: Automation) -> None:
    with rig.ending_in(CancelledError, signing(rig)):
        automation.follow(rules({"text": "请核对交易", "actions": [CANCEL]}))
        rig.wait_for("已连接")


@pytest.mark.profile(SMART)
@pytest.mark.stage("issued")
def test_a_code_is_typed(rig: KeyRig, automation: Automation) -> None:
    rig.log_in()
    code = activation_code(rig.profile)
    automation.follow(rules({"contains": "激活码", "regexp": "_+", "actions": [["type", code], OK]}))
    container = rig.container()
    rig.start(rig.session.activate_on_keypad, container).result(PATIENCE_S)
    assert rig.session.activation_status(container)[0]


def test_no_rules_no_act(rig: KeyRig, automation: Automation) -> None:
    automation.follow(rules({"text": "请核对交易", "actions": [CANCEL]}))
    automation.follow(rules())
    with rig.pending(signing(rig)):
        rig.page_and_press_ok()


# When


def test_a_delay_is_of_the_keys_clock(rig: KeyRig, automation: Automation) -> None:
    """As a person who reads for 20 seconds."""
    automation.follow(rules({"text": "请核对交易", "delay": 20, "actions": [CANCEL]}))
    with rig.ending_in(CancelledError, signing(rig)):
        until_idle(automation)
        rig.clock.advance(19.9)
        assert rig.asks
        rig.clock.advance(0.1)
        assert not rig.asks


def test_a_delayed_act_is_not_for_another_screen(rig: KeyRig, automation: Automation) -> None:
    """The person pressed C meanwhile, and another transfer is up: nobody has read that one for so long."""
    automation.follow(rules({"text": "请核对交易", "delay": 20, "actions": [PAGE, OK]}))
    with rig.ending_in(CancelledError, signing(rig)):
        until_idle(automation)
        rig.clock.advance(10)
        rig.press("cancel")
    with rig.pending(signing(rig)):
        until_idle(automation)
        rig.clock.advance(10)
        assert rig.asks
        rig.clock.advance(10)
        assert not rig.asks


def test_a_delayed_act_ends_with_its_rules(rig: KeyRig, automation: Automation) -> None:
    automation.follow(rules({"text": "请核对交易", "delay": 20, "actions": [CANCEL]}))
    with rig.pending(signing(rig)):
        until_idle(automation)
        automation.follow(rules())
        rig.clock.advance(30)
        rig.page_and_press_ok()


def test_a_rule_of_an_earlier_screen_does_not_press_on_a_later_one(
    rig: KeyRig, automation: Automation
) -> None:
    """OK for one transfer must not become OK for what came in its place."""
    rig.log_in()
    handles = rig.container().handles
    automation.follow(rules({"contains": "1.00", "actions": [OK]}))
    with rig.device.lock:  # the operator sees both, and can act on neither yet
        first = rig.device.begin(sign_command(handles, transfer(("金额:", "1.00"))))
        rig.press("cancel")
        second = rig.device.begin(sign_command(handles, transfer(("金额:", "2.00"))))
    until_idle(automation)
    assert first.wait()[-2:] == SW.CANCELLED.to_bytes(2)
    assert not second.ended
    rig.press("cancel")


def sign_command(handles: bytes, message: bytes) -> bytes:
    return encode_command(Command(CLA_PLAIN, Ins.ECC_SIGN_DATA, SignInput.MESSAGE, 0, handles + message, 68))


def until_idle(automation: Automation) -> None:
    """The operator has looked at every screen up to now."""
    automation._hands.settle()


def test_a_rule_acts_outside_of_the_keys_lock(rig: KeyRig, automation: Automation) -> None:
    """Whoever holds the lock gets on with it, rules or not: a screen is taken without waiting."""
    automation.follow(rules({"text": "请核对交易", "actions": [CANCEL]}))
    rig.log_in()
    handles = rig.container().handles
    with rig.device.lock:
        exchange = rig.device.begin(sign_command(handles, TRANSFER))
        assert not exchange.ended
    assert exchange.wait()[-2:] == SW.CANCELLED.to_bytes(2)


# --approve


@pytest.mark.parametrize("rule", ["always", 20.0])
@pytest.mark.limits(confirm__ok_dead_ms=500)
def test_approval_presses_when_the_keys_clock_says_so(rule: Any, rig: KeyRig) -> None:
    """As soon as OK is alive, or after so many seconds: on the virtual clock, as every other wait."""
    wait = 0.5 if rule == "always" else rule
    with AutoApproval(rig.device, rule) as approval, rig.pending(signing(rig)):
        approval._operator._hands.settle()
        rig.clock.advance(wait - 0.01)
        assert rig.asks
        rig.clock.advance(0.01)
        assert not rig.asks


def test_approval_of_one_request_is_not_for_the_next(rig: KeyRig) -> None:
    with AutoApproval(rig.device, 20.0) as approval:
        with rig.ending_in(CancelledError, signing(rig)):
            approval._operator._hands.settle()
            rig.clock.advance(10)
            rig.press("cancel")
        with rig.pending(signing(rig)):
            approval._operator._hands.settle()
            rig.clock.advance(19)
            assert rig.asks
            rig.clock.advance(1)


def test_approval_that_has_ended_presses_nothing(rig: KeyRig) -> None:
    with rig.pending(signing(rig)):
        with AutoApproval(rig.device, 20.0):
            rig.press("down")  # it hears of the request with this screen
        rig.clock.advance(30)
        assert rig.asks
        rig.page_and_press_ok()


def test_approval_never_is_a_refusal(rig: KeyRig) -> None:
    with AutoApproval(rig.device, "never"):
        assert cancelled(rig)


# The two buttons of a Nano


@pytest.mark.parametrize(
    ("changes", "pressed"),
    [
        ([(1, True), (1, False)], [Button.UP]),
        ([(2, True), (2, False)], [Button.DOWN]),
        ([(1, True), (2, True), (1, False), (2, False)], [Button.OK]),
        ([(2, True), (1, True), (1, False), (2, False)], [Button.OK]),
        ([(1, True), (1, False), (2, True), (2, False)], [Button.UP, Button.DOWN]),
        ([(1, True), (2, True), (2, False), (2, True), (2, False), (1, False)], [Button.OK]),
        ([(1, False), (2, False)], []),
        ([(1, True), (2, True)], []),
    ],
)
def test_left_right_and_both(changes: list[tuple[int, bool]], pressed: list[Button]) -> None:
    """It is letting go that counts, as on the real device."""
    buttons = TwoButtons()
    assert list(filter(None, (buttons.change(*change) for change in changes))) == pressed


# What is refused


@pytest.mark.parametrize(
    ("document", "where"),
    [
        ({}, "rules: “version”"),
        ({"version": 2, "rules": []}, "rules.version"),
        ({"version": True, "rules": []}, "rules.version"),
        ({"version": 1, "rules": {}}, "rules.rules"),
        ({"version": 1, "rules": [], "more": 1}, "“more”"),
        (rules({}, {"text": 1}), "rules.rules[1].text"),
        (rules({"colour": "red"}), "rules.rules[0]: “colour”"),
        (rules({"x": 1.5}), "rules.rules[0].x"),
        (rules({"x": True}), "rules.rules[0].x"),
        (rules({"delay": -1}), "rules.rules[0].delay"),
        (rules({"delay": 4000}), "rules.rules[0].delay"),
        (rules({"conditions": [["a"]]}), "rules.rules[0].conditions[0]"),
        (rules({"conditions": [["a", 1]]}), "rules.rules[0].conditions[0][1]"),
        (rules({"actions": [["exit"]]}), "rules.rules[0].actions[0]"),
        (rules({"actions": [["finger", 1, 1, True]]}), "rules.rules[0].actions[0]"),
        (rules({"actions": [["button", 3, True]]}), "rules.rules[0].actions[0]"),
        (rules({"actions": [OK, ["press"]]}), "rules.rules[0].actions[1]"),
        (rules({"actions": [["press", "left"]]}), "rules.rules[0].actions[0][1]"),
        (rules({"actions": [["type", "12a"]]}), "rules.rules[0].actions[0][1]"),
        (rules({"actions": [["type", "12\n"]]}), "rules.rules[0].actions[0][1]"),
        (rules({"actions": "press"}), "rules.rules[0].actions"),
    ],
)
def test_a_document_that_does_not_fit_is_refused_with_its_place(
    document: dict[str, Any], where: str, automation: Automation
) -> None:
    with pytest.raises(SchemaError) as refused:
        automation.follow(document)
    assert where in str(refused.value)
    assert automation.document == rules()


@pytest.mark.parametrize("action", [["press", "power"], ["press", "5"], ["type", "123"]])
def test_a_button_that_the_model_lacks_is_refused(action: list[str], automation: Automation) -> None:
    with pytest.raises(RulesError, match=r"rules\.rules\[1\]\.actions\[1\].*no button "):
        automation.follow(rules({}, {"actions": [OK, action]}))


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",
        "(a|aa)*b",
        "(?:a{1,9}){9}",
        "([a-z]+)*!",
        "(.*)\\1",
        "(?P<x>.)(?P=x)",
        "(?x)(a+) +",
        "(?i:a)",
        "a?a?a?a?a?a?a?aaaaaaa",
        "(a|b)(c|d)(e|f)(g|h)(i|j)(k|l)(m|n)",
        ".*.*.*.*x",
        "(?:.*)(?:.*)(?=.*)(?:.*)x",
        "(",
        "a**",
        "[",
        "x" * 201,
        "[[a]",
    ],
)
def test_a_pattern_that_could_keep_the_process_busy_is_refused(pattern: str, automation: Automation) -> None:
    with pytest.raises(PatternError):
        compile_pattern(pattern)
    with pytest.raises((RulesError, SchemaError), match=r"rules\.rules\[0\]\.regexp"):
        automation.follow(rules({"regexp": pattern}))


@pytest.mark.parametrize(
    "pattern", ["Confirm.*", "[0-9]+/[0-9]+", "(foo)?bar|baz", r"\(a\)+", "[)]*[(+*]", "^金额:.*$", "a{2}"]
)
def test_what_people_write_is_taken(pattern: str) -> None:
    assert compile_pattern(pattern).pattern == pattern


@pytest.mark.parametrize(
    "pattern", [".*.*.*x", "(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)a*a*a*b", "a?a?a?a?a?a?a*a*a*b", ".*[^b].{1,99}.+b"]
)
def test_the_worst_that_is_taken_ends_soon(pattern: str) -> None:
    """On a row of 21 characters, the widest of the shipped models' displays, searched from every place."""
    began = time.perf_counter()
    compile_pattern(pattern).search("a" * 21)
    assert time.perf_counter() - began < 2
