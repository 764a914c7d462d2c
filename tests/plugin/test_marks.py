"""The marks: every part does what it says, and what makes no sense is refused before the first test."""

from __future__ import annotations

import pytest

from emulator.hardware.clock import ManualClock
from emulator.links.inproc import InProcessLink
from emulator.profiles import load_profile, profile_ids
from hostdriver.errors import PinIncorrectError
from hostdriver.gmt import GmtSession
from tests.plugin.suite import Suite
from vukey_testing.errors import SetupError
from vukey_testing.states import made, wanted

EVERY = """
from cryptography import x509

from protocols.gmt import KeyUse

def facts(key):
    (application,) = key.device.inspect()
    return application.user_pin, {container.activated for container in application.containers}

def test_ready_by_default(key):
    pin, activated = facts(key)
    assert (key.stage, key.profile.id) == ("ready", "bocom-2g-tendyron")
    assert (pin.left, pin.initial, activated) == (6, False, {True})
    assert key.user_pin == "271828"

@pytest.mark.vukey(stage="blank")
def test_blank(key):
    assert key.device.inspect() == ()
    assert (dict(key.certificates), key.activation_code) == ({}, None)

@pytest.mark.vukey(profile="bocom-smart-tendyron", stage="issued")
def test_issued(key):
    pin, activated = facts(key)
    assert (pin.initial, activated, key.user_pin) == (True, {False}, "12345678")
    assert len(key.activation_code) == 8

@pytest.mark.vukey(pin_tries=2)
def test_tries(key, session):
    assert session.pin_info(session.open_application("BOCOM")).left == 2

@pytest.mark.vukey(pin_locked=True)
def test_locked(key, session):
    from hostdriver.errors import PinLockedError

    with pytest.raises(PinLockedError):
        log_in(key, session)

@pytest.mark.vukey(profile="bocom-smart-tendyron", activated=False)
def test_not_activated(key, session, type_code):
    from hostdriver.errors import NotActivatedError

    pin, activated = facts(key)
    assert (pin.initial, activated) == (False, {False})
    with pytest.raises(NotActivatedError):
        sign(key, session)
    container = log_in(key, session)
    with key.pending(session.activate_on_keypad, container):
        type_code(key.activation_code)
    assert session.activation_status(container)[0]

@pytest.mark.vukey(initial_pin=True)
def test_initial_pin(key, session):
    from hostdriver.errors import InitialPinError

    assert key.user_pin == "12345678"
    with pytest.raises(InitialPinError):
        sign(key, session)

@pytest.mark.vukey(values={"confirm.timeout_s": 5})
def test_values(key, session, clock):
    from hostdriver.errors import ConfirmTimeoutError

    with pytest.raises(ConfirmTimeoutError), key.pending(sign, key, session):
        clock.advance("5s")

@pytest.mark.vukey(profile="icbc-2g-feitian", values={"confirm.timeout_s": 7, "pin.user.tries": 9})
class TestMerged:
    @pytest.mark.vukey(values={"confirm.timeout_s": 8})
    def test_the_closest_wins(self, key):
        rules = key.profile
        assert (rules.id, rules.confirm.timeout_s, rules.pin.user.tries) == ("icbc-2g-feitian", 8, 9)

def test_certificates_are_real(key, session):
    container = log_in(key, session)
    certificate = session.export_certificate(container)
    assert certificate == key.certificates["SM2-SIGN"]
    other_half = session.export_certificate(container, use=KeyUse.EXCHANGE)
    assert {"SM2-SIGN": other_half} == dict(key.exchange_certificates)
    subject = x509.load_der_x509_certificate(key.certificates["RSA-SIGN"]).subject.rfc4514_string()
    assert key.serial in subject

def test_keys_of_one_test(make_key):
    first, second, blank = make_key(), make_key(), make_key(stage="blank")
    assert len({first.serial, second.serial, blank.serial}) == 3
    first.session().device_info()
    assert second.session().device_info().serial == second.serial
    assert blank.device.inspect() == ()
"""


def test_every_part_of_the_mark(suite: Suite) -> None:
    suite.write(EVERY)
    assert suite.passes() == {"passed": 11}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mark", "reason"),
    [
        ("vukey(stage='new')", "stage is blank, issued or ready, not new"),
        ("vukey(stage=1)", "stage=1 does not fit"),
        ("vukey('ready')", "takes named parts only"),
        ("vukey(profile='bocom')", "bocom"),
        ("vukey(pin_tries=7)", "1 to 6"),
        ("vukey(pin_tries=True)", "pin_tries=True does not fit"),
        ("vukey(pin_tries=0)", "1 to 6"),
        ("vukey(pin_locked=True, pin_tries=1)", "exclude each other"),
        ("vukey(stage='blank', pin_locked=True)", "a blank key has no PIN"),
        ("vukey(activated=False)", "the bank itself activates bocom-2g-tendyron"),
        ("vukey(values={'confirm.timeout': 5})", "confirm.timeout"),
        ("vukey(values={'confirm.timeout_s': '5'})", "confirm.timeout_s"),
        ("vukey(values={'confirm.timeout_s': 0})", "confirm.timeout_s"),
        ("vukey(values={'confirm': 5})", "confirm"),
        ("vukey(values=5)", "values=5 does not fit"),
        ("vukey_spends_tries()", "takes one number"),
        ("vukey_spends_tries(0)", "takes one number"),
    ],
)
def test_every_bad_mark_is_refused_before_any_test(suite: Suite, mark: str, reason: str) -> None:
    refuses(suite, mark, reason)


def test_a_bad_mark_is_refused_before_any_test(suite: Suite) -> None:
    refuses(suite, "vukey(stages='ready')", "no part stages; it has: profile, stage, pin_tries")


def refuses(suite: Suite, mark: str, reason: str) -> None:
    suite.write(f"def test_first(key): print('RAN')\n\n@pytest.mark.{mark}\ndef test_second(key): pass\n")
    ended = suite.run("-s", "-p", "no:randomly")
    assert ended.code == 4
    [line] = [line for line in ended.text.splitlines() if line.startswith("ERROR: ")]
    assert "test_it.py::test_second" in line
    assert reason in line
    assert "RAN" not in ended.text


@pytest.mark.parametrize("profile", profile_ids())
def test_every_model_can_be_had_in_every_state(profile: str) -> None:
    """The states that a model cannot have are refused; of the others each is as wanted."""
    model = load_profile(profile)
    for stage in ("issued", "ready"):
        for initial in (True, False):
            for activated in (True, False):
                parts = {"profile": profile, "stage": stage, "initial_pin": initial, "activated": activated}
                if model.activation == "bank" and not activated:
                    with pytest.raises(SetupError):
                        wanted([parts])
                    continue
                (application,) = made(wanted([parts])).device(ManualClock()).inspect()
                assert application.user_pin.initial is initial
                assert {container.activated for container in application.containers} == {activated}
                assert application.user_pin.left == model.pin.user.tries


def test_copies_share_nothing_but_their_beginning() -> None:
    original = made(wanted([{}]))
    one, other = original.device(ManualClock()), original.device(ManualClock())
    session = GmtSession(InProcessLink(one))
    one.power_on()
    with pytest.raises(PinIncorrectError):
        session.verify_pin(session.open_application("BOCOM"), "999999")
    assert [device.inspect()[0].user_pin.left for device in (one, other, original.device(ManualClock()))] == [
        5,
        6,
        6,
    ]
