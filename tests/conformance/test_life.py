"""A key's whole life: issued over the wire, handed over, used (A7, B2, C9, E1, E2, G16, G17)."""

from __future__ import annotations

import hashlib

import pytest

from hostdriver.errors import InitialPinError, NotFoundError, NotLoggedInError
from protocols.gmt import ContainerType, HashAlgorithm, RsaPublicKey, SignInput
from protocols.sm2 import PublicKey
from tests.rig.key import CERTIFICATE, KeyRig, new_application
from tests.rig.messages import TRANSFER
from tests.rig.verifiers import rsa_verifies, sm2_digest, sm2_verifies


@pytest.mark.stage("blank")
def test_from_blank_to_a_confirmed_signature(rig: KeyRig) -> None:
    session, profile = rig.session, rig.profile
    assert session.applications() == []
    assert session.device_info().serial == rig.device.serial
    rig.authenticate_device()
    session.create_application(new_application(profile))
    application = rig.log_in()
    assert session.pin_info(application) == (6, 6, True)

    rsa_container = session.create_container(application, "RSA")
    rsa_key = session.generate_rsa(rsa_container, 2048)
    session.import_certificate(rsa_container, CERTIFICATE)
    sm2_container = session.create_container(application, "SM2")
    sm2_key = session.generate_sm2(sm2_container)

    with pytest.raises(InitialPinError):  # E3
        session.sign_sm2(sm2_container, TRANSFER, SignInput.MESSAGE)
    session.change_pin(application, profile.pin.user.initial, "628318")
    assert session.pin_info(application) == (6, 6, False)

    session.verify_pin(application, "628318")
    with rig.pending(session.sign_rsa, rsa_container, TRANSFER, SignInput.MESSAGE) as rsa_signature:
        shown = rig.shown_pages()
        assert "收款人:张三" in shown
        assert "1234567890123456" in shown
        assert "金额:123.23" in shown
        assert "流水号" not in shown  # E2: signed without being shown
        rig.page_and_press_ok()
    assert rsa_verifies(rsa_key, TRANSFER, rsa_signature.result())

    session.verify_pin(application, "628318")
    sm2_signature = rig.confirmed(session.sign_sm2, sm2_container, TRANSFER, SignInput.MESSAGE)
    assert sm2_verifies(sm2_key, TRANSFER, sm2_signature)
    assert "交通银行" in rig.device.screen.text  # E10


def test_what_was_issued_is_there_after_a_removal(rig: KeyRig) -> None:
    rsa_key = rig.session.public_key(rig.container("rsa"))
    sm2_key = rig.session.public_key(rig.container("sm2"))
    rig.pull_out()
    rig.plug_in()
    application = rig.open()
    assert rig.session.applications() == [rig.profile.application]
    assert rig.session.containers(application) == ["RSA-SIGN", "SM2-SIGN"]
    assert rig.session.container_info(application, "RSA-SIGN") == (ContainerType.RSA, 2048, 0, True, False)
    assert rig.session.container_info(application, "SM2-SIGN") == (ContainerType.ECC, 256, 0, True, False)
    assert rig.session.public_key(rig.container("rsa")) == rsa_key
    assert rig.session.public_key(rig.container("sm2")) == sm2_key
    assert rig.session.export_certificate(rig.container("rsa")) == CERTIFICATE


@pytest.mark.parametrize(
    ("code", "name"),
    [(0, "sha256"), (HashAlgorithm.SHA1, "sha1"), (HashAlgorithm.SHA256_ALIAS, "sha256"), (4, "sha256")],
)
def test_rsa_signs_a_message_under_each_hash(rig: KeyRig, code: int, name: str) -> None:
    container, key = rig.container("rsa"), rig.session.public_key(rig.container("rsa"))
    assert isinstance(key, RsaPublicKey)
    rig.log_in()
    signature = rig.confirmed(rig.session.sign_rsa, container, TRANSFER, SignInput.MESSAGE, code)
    assert rsa_verifies(key, TRANSFER, signature, name)


def test_rsa_pads_ready_data_as_they_are(rig: KeyRig) -> None:
    container, key = rig.container("rsa"), rig.session.public_key(rig.container("rsa"))
    assert isinstance(key, RsaPublicKey)
    rig.log_in()
    signature = rig.confirmed(rig.session.sign_rsa, container, b"own padding", SignInput.DIGEST, 0)
    opened = pow(int.from_bytes(signature), key.e, key.n).to_bytes(256)  # RFC 8017 §9.2
    assert opened == b"\0\1" + b"\xff" * (256 - 3 - 11) + b"\0own padding"


def test_ready_digests_are_signed_after_a_press(rig: KeyRig) -> None:
    """E9: a generic screen with the head of the digest."""
    rsa_key, sm2_key = (rig.session.public_key(rig.container(name)) for name in ("rsa", "sm2"))
    assert isinstance(rsa_key, RsaPublicKey)
    assert isinstance(sm2_key, PublicKey)
    digest = hashlib.sha256(TRANSFER).digest()
    rig.log_in()
    with rig.pending(rig.session.sign_rsa, rig.container("rsa"), digest, SignInput.DIGEST) as future:
        assert digest[-8:].hex().upper() in rig.shown_pages()
        rig.page_and_press_ok()
    assert rsa_verifies(rsa_key, TRANSFER, future.result())
    rig.log_in()
    signature = rig.confirmed(
        rig.session.sign_sm2, rig.container("sm2"), sm2_digest(sm2_key, TRANSFER), SignInput.DIGEST
    )
    assert sm2_verifies(sm2_key, TRANSFER, signature)


def test_a_deleted_application_leaves_nothing(rig: KeyRig) -> None:
    """Neither containers nor handles nor the login, also to one that is made in its place."""
    rig.authenticate_device()
    deleted = rig.log_in()
    rig.session.delete_application(rig.profile.application)
    with pytest.raises(NotFoundError):
        rig.open()
    rig.session.create_application(new_application(rig.profile))
    with pytest.raises(NotFoundError):
        rig.session.containers(deleted)
    assert rig.session.containers(rig.open()) == []
    with pytest.raises(NotLoggedInError):
        rig.session.create_container(rig.open(), "new")


def test_an_old_handle_reaches_no_younger_container(rig: KeyRig) -> None:
    """Another program may hold it still, and would sign with a key that it does not mean."""
    session, application = rig.session, rig.log_in()
    deleted = session.create_container(application, "deleted")
    session.delete_container(application, "deleted")
    closed = session.create_container(application, "closed")
    session.close_container(closed)
    session.create_container(application, "young")
    for old in (deleted, closed):
        with pytest.raises(NotFoundError):
            session.close_container(old)


def test_an_old_handle_reaches_no_younger_application(rig: KeyRig) -> None:
    rig.authenticate_device()
    old = rig.open()
    rig.session.delete_application(rig.profile.application)
    rig.session.create_application(new_application(rig.profile, "YOUNG"))
    rig.session.open_application("YOUNG")
    with pytest.raises(NotFoundError):
        rig.session.pin_info(old)


@pytest.mark.profile("icbc-1g-gd")
def test_a_first_generation_key_signs_unasked_while_its_light_blinks(rig: KeyRig) -> None:
    """C2, E10: what the second generation mended."""
    container, key = rig.container("rsa"), rig.session.public_key(rig.container("rsa"))
    assert isinstance(key, RsaPublicKey)
    rig.log_in()
    rig.screens.clear()
    signature = rig.session.sign_rsa(container, TRANSFER, SignInput.MESSAGE)
    assert rsa_verifies(key, TRANSFER, signature)
    assert [screen.kind.value for screen in rig.screens] == ["light", "idle"]
