"""PINs over the wire: tries, locks, initial PINs, lengths, weakness, and how long one lasts (B2, C5, C7, E3-E8)."""

from __future__ import annotations

from functools import partial

import pytest

from hostdriver.errors import (
    ApduFailedError,
    CancelledError,
    ConfirmTimeoutError,
    InitialPinError,
    NotLoggedInError,
    PinIncorrectError,
    PinLockedError,
)
from protocols.gmt import ApplicationInfo, PinType, Rights, SignInput
from protocols.sw import SW
from tests.rig.key import KeyRig, new_application
from tests.rig.messages import TRANSFER

WRONG = "999111"


def wrong_pin(rig: KeyRig, application: ApplicationInfo, pin_type: PinType = PinType.USER) -> int:
    """Try a wrong PIN; the tries that the key says are left."""
    with pytest.raises(PinIncorrectError) as caught:
        rig.session.verify_pin(application, WRONG, pin_type)
    assert caught.value.left is not None
    return caught.value.left


def sign(rig: KeyRig) -> bytes:
    """A confirmed signature over a transfer."""
    return rig.confirmed(rig.session.sign_sm2, rig.container(), TRANSFER, SignInput.MESSAGE).encode()


@pytest.mark.limits(pin__user__tries=3)
def test_tries_count_down_to_a_lock_which_the_right_pin_does_not_open(rig: KeyRig) -> None:
    """E4, G13."""
    application = rig.open()
    assert [wrong_pin(rig, application) for _ in range(3)] == [2, 1, 0]
    assert rig.session.pin_info(application) == (3, 0, False)
    with pytest.raises(PinLockedError):
        rig.session.verify_pin(application, rig.user_pin)
    with pytest.raises(PinLockedError):
        rig.session.change_pin(application, rig.user_pin, "628318")


def test_only_the_right_pin_gives_the_tries_back(rig: KeyRig) -> None:
    """E4: neither reset nor removal does."""
    application = rig.open()
    assert [wrong_pin(rig, application), wrong_pin(rig, application)] == [5, 4]
    rig.session.transport.reset()
    assert rig.session.pin_info(rig.open()).left == 4
    rig.pull_out()
    rig.plug_in()
    assert rig.session.pin_info(rig.open()).left == 4
    rig.log_in()
    assert rig.session.pin_info(rig.open()).left == 6


def test_a_wrong_pin_ends_the_login(rig: KeyRig) -> None:
    application = rig.log_in()
    wrong_pin(rig, application)
    with pytest.raises(NotLoggedInError):
        sign(rig)


def test_the_administrator_unblocks_and_the_new_pin_works(rig: KeyRig) -> None:
    application = rig.open()
    for _ in range(6):
        wrong_pin(rig, application)
    rig.session.unblock_pin(application, rig.profile.pin.admin.initial, "628318")
    assert rig.session.pin_info(application) == (6, 6, False)
    with pytest.raises(NotLoggedInError):  # it logs nobody in
        sign(rig)
    rig.session.verify_pin(application, "628318")
    sign(rig)


def test_a_wrong_administrator_pin_counts_down_by_its_own(rig: KeyRig) -> None:
    application = rig.open()
    with pytest.raises(PinIncorrectError) as caught:
        rig.session.unblock_pin(application, WRONG, "628318")
    assert caught.value.left == 5
    assert rig.session.pin_info(application, PinType.ADMIN).left == 5
    assert rig.session.pin_info(application, PinType.USER).left == 6
    rig.log_in()
    assert [wrong_pin(rig, application, PinType.ADMIN) for _ in range(5)] == [4, 3, 2, 1, 0]
    with pytest.raises(PinLockedError):
        rig.session.unblock_pin(application, rig.profile.pin.admin.initial, "628318")


def test_a_wrong_administrator_pin_ends_the_administrators_login(rig: KeyRig) -> None:
    """Seen by a file that only the administrator may read."""
    application, admin_pin = rig.log_in(), rig.profile.pin.admin.initial
    rig.session.create_file(application, "admin", 1, Rights.ADMIN, Rights.ADMIN)
    rig.session.verify_pin(application, admin_pin, PinType.ADMIN)
    rig.session.unblock_pin(application, admin_pin, "628318")
    assert rig.session.read_file(application, "admin") == b"\0"
    with pytest.raises(PinIncorrectError):
        rig.session.unblock_pin(application, WRONG, "628318")
    with pytest.raises(NotLoggedInError):
        rig.session.read_file(application, "admin")


def test_the_administrators_pin_can_be_changed(rig: KeyRig) -> None:
    application = rig.open()
    assert rig.session.pin_info(application, PinType.ADMIN).initial
    rig.session.change_pin(application, rig.profile.pin.admin.initial, "24682468", PinType.ADMIN)
    assert not rig.session.pin_info(application, PinType.ADMIN).initial
    assert wrong_pin(rig, application, PinType.ADMIN) == 5
    rig.session.verify_pin(application, "24682468", PinType.ADMIN)


def test_the_administrators_login_signs_nothing(rig: KeyRig) -> None:
    application = rig.open()
    rig.session.verify_pin(application, rig.profile.pin.admin.initial, PinType.ADMIN)
    with pytest.raises(NotLoggedInError):
        sign(rig)


def test_changing_needs_the_old_pin(rig: KeyRig) -> None:
    application = rig.log_in()
    with pytest.raises(PinIncorrectError) as caught:
        rig.session.change_pin(application, WRONG, "628318")
    assert caught.value.left == 5
    with pytest.raises(NotLoggedInError):  # and the failure ends the login
        sign(rig)
    rig.session.change_pin(application, rig.user_pin, "628318")
    assert wrong_pin(rig, application) == 5


@pytest.mark.profile("ccb-shield-gd")
@pytest.mark.stage("issued")
def test_with_the_initial_pin_only_its_change_is_allowed(rig: KeyRig) -> None:
    """B2, E3."""
    application = rig.log_in()
    assert rig.session.pin_info(application).initial
    with pytest.raises(InitialPinError):
        sign(rig)
    with pytest.raises(InitialPinError):
        rig.session.create_container(application, "more")
    with pytest.raises(InitialPinError):
        rig.session.delete_container(application, "SM2-SIGN")
    rig.session.change_pin(application, rig.user_pin, "628318")
    sign(rig)


@pytest.mark.profile("icbc-2g-feitian")
def test_back_to_the_initial_pin_is_initial_again(rig: KeyRig) -> None:
    """E3: on a key that takes weak PINs the flag tells what the PIN is, not how often it changed."""
    application = rig.log_in()
    rig.session.change_pin(application, rig.user_pin, rig.profile.pin.user.initial)
    assert rig.session.pin_info(application).initial
    with pytest.raises(InitialPinError):
        sign(rig)


@pytest.mark.parametrize(
    "new",
    [
        pytest.param("98765", id="too short"),
        pytest.param("1" * 3 + "2" * 10, id="too long"),
        pytest.param("888888", id="all equal"),
        pytest.param("345678", id="a run up"),
        pytest.param("fedcba", id="a run down"),
    ],
)
def test_a_new_pin_against_the_rules_is_refused_and_costs_nothing(rig: KeyRig, new: str) -> None:
    """E6 on a key that judges weakness itself; the old PIN was right, so no try is lost."""
    application = rig.open()
    with pytest.raises(ApduFailedError) as caught:
        rig.session.change_pin(application, rig.user_pin, new)
    assert caught.value.sw == SW.WRONG_DATA
    assert rig.session.pin_info(application).left == 6
    rig.log_in()
    with pytest.raises(ApduFailedError):
        rig.session.unblock_pin(application, rig.profile.pin.admin.initial, new)
    assert rig.session.pin_info(application, PinType.ADMIN).left == 6


def test_only_the_bank_sets_the_initial_pin_again_where_it_is_weak(rig: KeyRig) -> None:
    """B2, C6, E6: 12345678 is a run; a branch may reset a key to it, its user may not choose it."""
    application = rig.open()
    initial = rig.profile.pin.user.initial
    with pytest.raises(ApduFailedError):
        rig.session.change_pin(application, rig.user_pin, initial)
    rig.session.unblock_pin(application, rig.profile.pin.admin.initial, initial)
    assert rig.session.pin_info(application).initial
    rig.session.verify_pin(application, initial)
    with pytest.raises(InitialPinError):
        sign(rig)


@pytest.mark.parametrize("new", ["628318", "Ab-93_x*", "314159265358"])
def test_a_new_pin_within_the_rules_is_taken(rig: KeyRig, new: str) -> None:
    application = rig.open()
    rig.session.change_pin(application, rig.user_pin, new)
    rig.session.verify_pin(application, new)


@pytest.mark.profile("icbc-2g-feitian")
@pytest.mark.parametrize("new", ["888888", "1234567890123456", "1234567890123456X", "p" * 30])
def test_long_and_weak_pins_where_the_key_takes_them(rig: KeyRig, new: str) -> None:
    """C5: up to 30 characters, which travel in 32 bytes (G9); C7: weakness is the host's to hint at."""
    application = rig.open()
    rig.session.change_pin(application, rig.user_pin, new)
    assert wrong_pin(rig, application) == 5
    rig.session.verify_pin(application, new)
    rig.session.change_pin(application, new, "628318")
    rig.session.verify_pin(application, "628318")


def test_a_key_of_short_pins_takes_no_long_field(rig: KeyRig) -> None:
    with pytest.raises(ApduFailedError) as caught:
        rig.session.change_pin(rig.open(), rig.user_pin, "p" * 17)
    assert caught.value.sw == SW.WRONG_LENGTH
    rig.log_in()


@pytest.mark.limits(pin__user__extra_press_at=2, pin__user__tries=4)
class TestExtraPress:
    """E5: with few tries left the key wants a press before the next one."""

    def test_the_press_comes_first_and_shows_the_tries(self, rig: KeyRig) -> None:
        application = rig.open()
        assert [wrong_pin(rig, application), wrong_pin(rig, application)] == [3, 2]
        with rig.pending(rig.session.verify_pin, application, rig.user_pin):
            assert "密码剩余次数:2" in rig.device.screen.text
            rig.page_and_press_ok()
        assert rig.session.pin_info(application).left == 4

    def test_a_cancel_or_nobody_costs_no_try(self, rig: KeyRig) -> None:
        application = rig.open()
        assert [wrong_pin(rig, application), wrong_pin(rig, application)] == [3, 2]
        with pytest.raises(CancelledError), rig.pending(rig.session.verify_pin, application, WRONG):
            rig.press("cancel")
        with pytest.raises(ConfirmTimeoutError), rig.pending(rig.session.verify_pin, application, WRONG):
            rig.clock.advance(60)
        assert rig.session.pin_info(application).left == 2

    def test_a_change_is_a_try_too(self, rig: KeyRig) -> None:
        application = rig.open()
        assert [wrong_pin(rig, application), wrong_pin(rig, application)] == [3, 2]
        with (
            pytest.raises(CancelledError),
            rig.pending(rig.session.change_pin, application, rig.user_pin, "628318"),
        ):
            rig.press("cancel")
        assert rig.session.pin_info(application).left == 2
        with rig.pending(rig.session.change_pin, application, rig.user_pin, "628318"):
            rig.page_and_press_ok()
        assert rig.session.pin_info(application).left == 4

    def test_the_press_does_not_spare_the_try(self, rig: KeyRig) -> None:
        application = rig.open()
        assert [wrong_pin(rig, application), wrong_pin(rig, application)] == [3, 2]
        with (
            pytest.raises(PinIncorrectError) as caught,
            rig.pending(rig.session.verify_pin, application, WRONG),
        ):
            rig.page_and_press_ok()
        assert caught.value.left == 1


@pytest.mark.limits(pin__user__extra_press_at=6, pin__admin__tries=3)
def test_the_extra_press_is_the_users_alone(rig: KeyRig) -> None:
    """E5 speaks of the customer's PIN; the administrator's is tried at the bank, where nobody presses."""
    application = rig.open()
    rig.unasked(rig.session.verify_pin, application, rig.profile.pin.admin.initial, PinType.ADMIN)


class TestHowLongALoginLasts:
    """E8."""

    @pytest.mark.limits(pin__user__cache="per-sign")
    def test_per_sign(self, rig: KeyRig) -> None:
        rig.log_in()
        sign(rig)
        with pytest.raises(NotLoggedInError):
            sign(rig)

    @pytest.mark.limits(pin__user__cache="per-sign")
    def test_per_sign_is_spent_by_a_cancelled_one_too(self, rig: KeyRig) -> None:
        rig.log_in()
        call = partial(rig.session.sign_sm2, rig.container(), TRANSFER, SignInput.MESSAGE)
        with pytest.raises(CancelledError), rig.pending(call):
            rig.press("cancel")
        with pytest.raises(NotLoggedInError):
            sign(rig)

    @pytest.mark.limits(pin__user__cache="session")
    def test_session(self, rig: KeyRig) -> None:
        application = rig.log_in()
        sign(rig)
        sign(rig)
        rig.session.close_application(application)
        with pytest.raises(NotLoggedInError):
            sign(rig)

    @pytest.mark.limits(pin__user__cache="per-sign")
    def test_per_sign_ends_with_the_application(self, rig: KeyRig) -> None:
        rig.session.close_application(rig.log_in())
        with pytest.raises(NotLoggedInError):
            sign(rig)

    @pytest.mark.limits(pin__user__cache="until-removal")
    def test_until_removal(self, rig: KeyRig) -> None:
        application = rig.log_in()
        rig.session.close_application(application)
        sign(rig)
        rig.pull_out()
        rig.plug_in()
        with pytest.raises(NotLoggedInError):
            sign(rig)

    @pytest.mark.limits(pin__user__cache="until-removal")
    def test_never_over_a_reset(self, rig: KeyRig) -> None:
        rig.log_in()
        rig.session.transport.reset()
        with pytest.raises(NotLoggedInError):
            sign(rig)

    @pytest.mark.limits(pin__user__cache="until-removal")
    def test_never_across_applications(self, rig: KeyRig) -> None:
        """G15: each application has its own PINs and login."""
        rig.authenticate_device()
        rig.session.create_application(new_application(rig.profile, "OTHER"))
        rig.log_in()
        other = rig.session.open_application("OTHER")
        with pytest.raises(NotLoggedInError):
            rig.session.create_container(other, "here")
        assert wrong_pin(rig, other) == 5
        sign(rig)
        assert rig.session.pin_info(rig.open()).left == 6

    @pytest.mark.limits(pin__user__cache="session")
    def test_clear_secure_state_ends_it(self, rig: KeyRig) -> None:
        rig.session.clear_secure_state(rig.log_in())
        with pytest.raises(NotLoggedInError):
            sign(rig)
