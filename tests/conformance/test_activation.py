"""Activation in its three modes: by the bank, from the host, on the keypad (A5, A6, G22, G23)."""

from __future__ import annotations

from functools import partial

import pytest

from hostdriver.errors import (
    ActivationUsedUpError,
    ApduFailedError,
    CancelledError,
    CodeIncorrectError,
    ConfirmTimeoutError,
    NotActivatedError,
    NotLoggedInError,
)
from protocols.gmt import SignInput
from protocols.sw import SW
from tests.rig.key import CERTIFICATE, KeyRig, activation_code, verifier
from tests.rig.messages import TRANSFER

host = pytest.mark.limits(activation="host", pin__user__cache="session", pin__user__must_change=False)
keypad = pytest.mark.limits(pin__user__cache="session", pin__user__must_change=False)


def sign(rig: KeyRig) -> None:
    """A confirmed signature."""
    rig.confirmed(rig.session.sign_sm2, rig.container(), TRANSFER, SignInput.MESSAGE)


def not_activated(rig: KeyRig) -> None:
    """The key refuses to sign, and asks nobody."""
    rig.log_in()
    with pytest.raises(NotActivatedError):
        rig.unasked(rig.session.sign_sm2, rig.container(), TRANSFER, SignInput.MESSAGE)


class TestBank:
    """The page takes the code; the key signs before activation and knows no such command (A6)."""

    def test_the_key_signs_and_does_not_know_the_command(self, rig: KeyRig) -> None:
        rig.log_in()
        sign(rig)
        with pytest.raises(ApduFailedError) as caught:
            rig.session.activation_status(rig.container())
        assert caught.value.sw == SW.INS_NOT_SUPPORTED


@host
@pytest.mark.stage("issued")
class TestHost:
    def test_the_right_code_activates_for_good(self, rig: KeyRig) -> None:
        not_activated(rig)
        assert rig.session.activation_status(rig.container()) == (False, 6)
        rig.session.activate(rig.container(), activation_code(rig.profile))
        assert rig.session.activation_status(rig.container()) == (True, 0)
        rig.pull_out()
        rig.plug_in()
        rig.log_in()
        sign(rig)

    def test_each_container_has_its_own(self, rig: KeyRig) -> None:
        rig.session.activate(rig.container("rsa"), activation_code(rig.profile))
        not_activated(rig)

    @pytest.mark.limits(activation_code__tries=3)
    def test_wrong_codes_are_counted_until_none_is_left(self, rig: KeyRig) -> None:
        left = []
        for _ in range(3):
            with pytest.raises(CodeIncorrectError) as caught:
                rig.session.activate(rig.container(), "00000000")
            left.append(caught.value.left)
            rig.session.transport.reset()  # which gives no try back
        assert left == [2, 1, 0]
        with pytest.raises(ActivationUsedUpError):
            rig.session.activate(rig.container(), activation_code(rig.profile))
        not_activated(rig)

    def test_the_issuer_installs_a_new_code(self, rig: KeyRig) -> None:
        with pytest.raises(CodeIncorrectError):
            rig.session.activate(rig.container(), "00000000")
        with pytest.raises(NotLoggedInError):
            rig.session.install_activation(rig.container(), verifier(rig.profile))
        rig.authenticate_device()
        rig.session.install_activation(rig.container(), verifier(rig.profile))
        assert rig.session.activation_status(rig.container()) == (False, 6)
        rig.session.activate(rig.container(), activation_code(rig.profile))

    def test_it_belongs_to_the_certificate(self, rig: KeyRig) -> None:
        rig.session.activate(rig.container(), activation_code(rig.profile))
        rig.log_in()
        rig.session.import_certificate(rig.container(), CERTIFICATE)
        assert rig.session.activation_status(rig.container()) == (False, 0)
        not_activated(rig)

    def test_nothing_to_type(self, rig: KeyRig) -> None:
        with pytest.raises(ApduFailedError) as caught:
            rig.unasked(rig.session.activate_on_keypad, rig.container())
        assert caught.value.sw == SW.CONDITIONS_NOT_SATISFIED


@pytest.mark.profile("bocom-smart-feitian")
@pytest.mark.stage("issued")
@keypad
class TestKeypad:
    def test_typed_on_the_key(self, rig: KeyRig) -> None:
        """A6: stars on the screen, digits never."""
        not_activated(rig)
        code = activation_code(rig.profile)
        with rig.pending(rig.session.activate_on_keypad, rig.container()):
            assert "请输入激活码" in rig.device.screen.text
            rig.press(*code[:3])
            assert "***_____" in rig.device.screen.text
            rig.press("ok")  # not yet complete
            rig.press(*code[3:])
            assert "********" in rig.device.screen.text
            rig.press("9")  # one too many
            assert not any(digit in rig.device.screen.text for digit in "0123456789")
            rig.press("ok")
        rig.log_in()
        sign(rig)

    def test_c_clears_then_cancels(self, rig: KeyRig) -> None:
        with rig.ending_in(CancelledError, partial(rig.session.activate_on_keypad, rig.container())):
            rig.press("1", "2", "cancel")
            assert "________" in rig.device.screen.text
            rig.press("cancel")
        assert rig.session.activation_status(rig.container()) == (False, 6)

    def test_nobody_types(self, rig: KeyRig) -> None:
        with rig.ending_in(ConfirmTimeoutError, partial(rig.session.activate_on_keypad, rig.container())):
            rig.press("1", "2")
            rig.clock.advance(60)
        assert rig.session.activation_status(rig.container()) == (False, 6)

    def test_a_wrong_code_counts_down(self, rig: KeyRig) -> None:
        with (
            pytest.raises(CodeIncorrectError) as caught,
            rig.pending(rig.session.activate_on_keypad, rig.container()),
        ):
            rig.press(*"00000000", "ok")
        assert caught.value.left == 5
        not_activated(rig)

    def test_the_host_cannot_hand_it_over(self, rig: KeyRig) -> None:
        with pytest.raises(ApduFailedError) as caught:
            rig.session.activate(rig.container(), activation_code(rig.profile))
        assert caught.value.sw == SW.CONDITIONS_NOT_SATISFIED
        assert rig.session.activation_status(rig.container()) == (False, 6)
