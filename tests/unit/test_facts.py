"""What a key tells whoever looks on from beside the wire: the truth, no secret, and at no cost."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from emulator.device import Device
from emulator.firmware.applets.gmt import COMMANDS
from emulator.hardware.clock import ManualClock
from emulator.profiles import load_profile
from hostdriver.errors import PinIncorrectError
from protocols.gmt import Ins, KeyUse
from protocols.sm2 import PublicKey
from tests.rig.good_objects import sm2_envelope, sm2_pair
from tests.rig.key import CERTIFICATE, KeyRig, changed, stored, user_pin
from vukey_testing.targets import InProcess

SECRET = {
    *("VerifyPIN", "ChangePIN", "UnblockPIN", "CreateApplication", "Activation"),
    *("DevAuth", "ChangeDevAuthKey"),
    *("ImportRSAKeyPair", "ImportECCKeyPair", "ImportSessionKey", "SetSymmKey"),
    *("GenExtRSAKey", "ExtRSAPriKeyOperation", "ExtECCDecrypt", "ExtECCSign"),
    "RSAKeyOperation",  # the block that it deciphers may hold a session key
}


def plugged_in(name: str, stage: str) -> KeyRig:
    profile = load_profile(name)
    clock = ManualClock()
    device = Device(profile, storage=stored(profile, stage), clock=clock)
    return KeyRig(device, clock, InProcess, user_pin(profile, stage))


def test_pin_tries_and_logins_are_told() -> None:
    rig = plugged_in("bocom-2g-tendyron", "ready")
    (before,) = rig.device.inspect()
    assert (before.name, before.user_pin.tries, before.user_pin.left) == ("BOCOM", 6, 6)
    assert (before.user_pin.initial, before.user_pin.verified, before.admin_pin.left) == (False, False, 6)
    with pytest.raises(PinIncorrectError):
        rig.session.verify_pin(rig.open(), "000000")
    rig.log_in()
    (after,) = rig.device.inspect()
    assert after.user_pin.verified
    rig.close()


def test_looking_costs_no_try_and_needs_no_power() -> None:
    rig = plugged_in("bocom-2g-tendyron", "ready")
    with pytest.raises(PinIncorrectError):
        rig.session.verify_pin(rig.open(), "000000")
    rig.device.power_off()
    for _ in range(3):
        (application,) = rig.device.inspect()
        assert application.user_pin.left == 5
    rig.close()


def test_containers_and_activation_are_told() -> None:
    issued, ready = plugged_in("bocom-smart-feitian", "issued"), plugged_in("bocom-smart-feitian", "ready")
    told = {container.name: container for container in issued.device.inspect()[0].containers}
    assert (told["RSA-SIGN"].type, told["RSA-SIGN"].bits, told["SM2-SIGN"].type) == ("rsa", 2048, "sm2")
    assert all(container.certificate and not container.activated for container in told.values())
    assert {container.activation_tries_left for container in told.values()} == {6}
    assert issued.device.inspect()[0].user_pin.initial
    assert all(
        container.activated and container.activation_tries_left is None
        for container in ready.device.inspect()[0].containers
    )
    issued.close()
    ready.close()


def test_an_encryption_pair_is_told() -> None:
    rig = plugged_in("bocom-2g-tendyron", "ready")
    rig.log_in()
    key = rig.session.public_key(rig.container())
    assert isinstance(key, PublicKey)
    told: list[tuple[int, bool]] = []

    def look() -> None:
        (container,) = (
            each for each in rig.device.inspect()[0].containers if each.name == rig.container().name
        )
        told.append((container.exchange_bits, container.exchange_certificate))

    look()
    rig.session.import_sm2_key_pair(rig.container(), sm2_envelope(key, sm2_pair()))
    look()
    rig.session.import_certificate(rig.container(), CERTIFICATE, use=KeyUse.EXCHANGE)
    look()
    assert told == [(0, False), (256, False), (256, True)]
    rig.close()


def test_a_blank_key_has_nothing_to_tell() -> None:
    rig = plugged_in("bocom-2g-tendyron", "blank")
    assert rig.device.inspect() == ()
    rig.close()


def test_no_secret_is_told() -> None:
    profile = changed(load_profile("bocom-2g-tendyron"), ready_user_pin="918273")
    device = Device(profile, storage=stored(profile, "ready"), clock=ManualClock())
    told = json.dumps([asdict(application) for application in device.inspect()])
    assert "918273" not in told
    assert profile.pin.admin.initial not in told


def test_commands_that_carry_a_pin_a_code_or_a_key_are_marked() -> None:
    assert {spec.title for spec in COMMANDS.values() if spec.secret} == SECRET


@pytest.mark.parametrize(
    ("apdu", "name", "secret"),
    [
        ("8050000008", "GenRandom", False),
        ("8018000112" + "00" * 18, "VerifyPIN", True),
        ("00A4040000", "SELECT", False),
        ("80FE0000", "INS FE", True),
        ("A0A40000", "A0 A4", True),
        ("80", "80", True),
    ],
)
def test_what_an_apdu_is_called(apdu: str, name: str, secret: bool) -> None:
    facts = Device(load_profile("bocom-2g-tendyron"), clock=ManualClock()).command_facts(bytes.fromhex(apdu))
    assert (facts.name, facts.secret) == (name, secret)


def test_every_command_has_its_name() -> None:
    assert COMMANDS[Ins.RSA_SIGN_DATA].title == "RSASignData"
    assert all(spec.title.isascii() and " " not in spec.title for spec in COMMANDS.values())
