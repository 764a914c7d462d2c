"""The log of screens, and waiting for one."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from functools import partial

import pytest

from emulator.control.watch import NotShownError, ScreenLog, matches, shows
from emulator.hardware.display import Screen, ScreenKind
from hostdriver.errors import CancelledError
from protocols.gmt import SignInput
from tests.rig.key import KeyRig
from tests.rig.messages import TRANSFER
from tests.rig.patience import PATIENCE_S

PAGE = Screen(ScreenKind.CONFIRM, "请核对交易", ("收款人账号:", "12345678901234", "56"))


@pytest.fixture
def screens(rig: KeyRig) -> Iterator[ScreenLog]:
    log = ScreenLog(rig.device)
    yield log
    log.close()


@pytest.mark.parametrize("text", ["请核对交易", "收款人账号", "收款人账号:1234", "1234567890123456", ""])
def test_a_text_is_found_whatever_the_layout(text: str) -> None:
    assert shows(text)(PAGE)


@pytest.mark.parametrize("text", ["交易收款", "123456789012346", "收款人账户"])
def test_another_text_is_not(text: str) -> None:
    assert not shows(text)(PAGE)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("^收款", True),
        ("^12.*34$", True),
        ("[0-9]{16}", True),
        ("核对", True),
        ("[0-9]{17}", False),
        ("^6", False),
    ],
)
def test_a_pattern_is_searched_in_title_lines_and_their_whole(pattern: str, found: bool) -> None:
    assert matches(re.compile(pattern))(PAGE) is found


def test_the_screen_that_is_up_is_the_first(rig: KeyRig, screens: ScreenLog) -> None:
    assert screens.now == (1, 0.0, rig.device.screen)
    assert screens.wait_for(shows("已连接"), timeout=0.001) is rig.device.screen


def test_screens_are_numbered_and_bear_the_keys_time(rig: KeyRig, screens: ScreenLog) -> None:
    rig.clock.advance(5)
    with rig.ending_in(CancelledError, partial(sign, rig)):
        rig.clock.advance(2)
        rig.press("down", "cancel")
    shown = screens.since(1)
    assert [(each.number, each.time, each.screen.page) for each in shown] == [
        (2, 5.0, 1),
        (3, 7.0, 2),
        (4, 7.0, 1),
    ]
    assert screens.since(3) == shown[-1:]
    assert screens.now == shown[-1]


def sign(rig: KeyRig) -> None:
    rig.log_in()
    rig.session.sign_sm2(rig.container(), TRANSFER, SignInput.MESSAGE)


def test_a_screen_that_was_there_only_shortly_is_found(rig: KeyRig, screens: ScreenLog) -> None:
    """Nothing is polled: however fast it passes, whoever waits for it gets it."""
    found: list[Screen] = []
    waiting = threading.Thread(
        target=lambda: found.append(screens.wait_for(lambda screen: screen.page == 2, PATIENCE_S))
    )
    waiting.start()
    with rig.ending_in(CancelledError, partial(sign, rig)), rig.device.lock:
        rig.press("down", "cancel")
    waiting.join(PATIENCE_S)
    assert [screen.page for screen in found] == [2]


def test_what_does_not_come_is_an_error_that_says_what_is_there(screens: ScreenLog) -> None:
    with pytest.raises(NotShownError, match=r"“转账” within 0\.01 s; it shows: .*已连接"):
        screens.wait_for(shows("转账"), 0.01, "转账")


def test_only_the_last_screens_are_kept(rig: KeyRig, screens: ScreenLog) -> None:
    with rig.ending_in(CancelledError, partial(sign, rig)):
        rig.press(*["down", "up"] * 300, "cancel")
    kept = screens.since(0)
    assert len(kept) == 200
    assert [each.number for each in kept] == list(range(kept[-1].number - 199, kept[-1].number + 1))


def test_closed_it_sees_no_more(rig: KeyRig) -> None:
    screens = ScreenLog(rig.device)
    screens.close()
    rig.device.power_off()
    assert len(screens.since(0)) == 1
