"""The `Token` above a session, by every wire: the key's own answers, in the words that SKF and PKCS#11 share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pytest

from emulator.links.unix_socket import SocketLink
from hostdriver.apdu_token import ApduToken
from hostdriver.errors import (
    AlreadyExistsError,
    BlankKeyError,
    KeyNotFoundError,
    NotLoggedInError,
    NotSupportedError,
    PinIncorrectError,
    SeveralKeysError,
)
from hostdriver.token import Algorithm, ContainerFacts, Event, PinFacts
from hostdriver.transport import TellsPresence
from hostdriver.transport.unix_socket import SocketTransport
from protocols import sm2
from protocols.gmt import HashAlgorithm, KeyUse, PinType, RsaPublicKey, SignInput
from tests.rig.key import CERTIFICATE, KeyRig
from tests.rig.messages import TRANSFER
from tests.rig.patience import PATIENCE_S
from tests.rig.verifiers import rsa_verifies, sm2_verifies

pytestmark = pytest.mark.stage("ready")


def test_what_is_on_the_key(rig: KeyRig) -> None:
    token, names = ApduToken(rig.session), rig.profile.containers
    info = token.info()
    assert (info.serial, info.manufacturer) == (rig.device.serial, rig.profile.maker)
    assert info.max_apdu_data == (token.max_message or 0) + 4
    assert token.shows_messages
    its = token.application()
    assert its.name == rig.profile.application
    assert its.pin_facts() == PinFacts(6, 6, initial=False)
    assert names.rsa is not None
    assert names.sm2 is not None
    rsa = ContainerFacts(names.rsa.name, "RSA", Algorithm.RSA, 2048, True, 0, False)
    assert its.container(names.rsa.name).facts() == rsa
    assert its.find_container(algorithm=Algorithm.SM2).name == names.sm2.name
    with pytest.raises(SeveralKeysError, match="--container"):
        its.find_container()
    with pytest.raises(KeyNotFoundError):
        its.find_container(names.rsa.name, Algorithm.SM2)
    assert its.container(names.rsa.name).certificate() == CERTIFICATE
    with pytest.raises(KeyNotFoundError):
        its.container(names.rsa.name).certificate(KeyUse.EXCHANGE)
    assert asdict(info)["token"] == token.name


def test_signatures_of_both_kinds(rig: KeyRig) -> None:
    its = ApduToken(rig.session).application()
    with pytest.raises(NotLoggedInError):
        its.find_container(algorithm=Algorithm.SM2).sign(TRANSFER, SignInput.MESSAGE)
    for algorithm in Algorithm:
        held = its.find_container(algorithm=algorithm)
        key = held.public_key()
        its.verify_pin(rig.user_pin)
        signature = rig.confirmed(held.sign, TRANSFER, SignInput.MESSAGE, HashAlgorithm.SHA256)
        if isinstance(key, RsaPublicKey):
            assert rsa_verifies(key, TRANSFER, signature)
        else:
            assert sm2_verifies(key, TRANSFER, sm2.Signature.parse(signature))


def test_pins(rig: KeyRig) -> None:
    its = ApduToken(rig.session).application()
    with pytest.raises(PinIncorrectError) as wrong:
        its.verify_pin("000000")
    assert wrong.value.left == 5
    its.change_pin(rig.user_pin, "628318")
    its.unblock_pin(rig.profile.pin.admin.initial, "271828")
    its.verify_pin("271828")
    its.verify_pin(rig.profile.pin.admin.initial, PinType.ADMIN)
    its.log_out()
    with pytest.raises(NotLoggedInError):
        its.create_container("NEW")


def test_a_new_pair(rig: KeyRig) -> None:
    token = ApduToken(rig.session)
    its = token.application()
    its.verify_pin(rig.user_pin)
    made = its.create_container("NEW")
    assert made.facts() == ContainerFacts("NEW", "EMPTY", None, 0, False, 0, False)
    assert made.generate(Algorithm.SM2) == made.public_key()
    made.import_certificate(CERTIFICATE)
    assert made.facts().has_certificate(KeyUse.SIGN)
    with pytest.raises(AlreadyExistsError):
        its.create_container("NEW")
    its.delete_container("NEW")
    assert "NEW" not in its.containers()
    assert len(token.random(16)) == 16
    assert token.random(16) != token.random(16)


@pytest.mark.stage("blank")
def test_a_blank_key(rig: KeyRig) -> None:
    with pytest.raises(BlankKeyError, match="vukey issue"):
        ApduToken(rig.session).application()


def test_it_goes_and_comes_back(rig: KeyRig) -> None:
    token = ApduToken(rig.session)
    if not isinstance(rig.session.transport, TellsPresence):
        with pytest.raises(NotSupportedError, match="does not tell"):
            token.wait_for_event(0)
        return
    assert token.wait_for_event(0) is None
    rig.pull_out()
    assert token.wait_for_event(PATIENCE_S) is Event.UNPLUGGED
    assert token.wait_for_event(0) is None
    with plugged_in_at_its_old_place(rig):
        assert token.wait_for_event(PATIENCE_S) is Event.PLUGGED


@contextmanager
def plugged_in_at_its_old_place(rig: KeyRig) -> Iterator[None]:
    """`vukey up` gives a key the same socket again; the rig's would be another."""
    transport = rig.session.transport
    if not isinstance(transport, SocketTransport):
        rig.wire.plug()
        yield
        return
    path = Path(transport.name.removeprefix("socket:"))
    path.parent.mkdir(exist_ok=True)
    link = SocketLink(rig.device, path, rig.shared)
    link.start()
    yield
    link.close()
    path.parent.rmdir()
