"""A container's two pairs: the encryption pair comes wrapped, beside the signature pair (C9, E8, E9, G28, G29, G32).

Pairs and wrappings are made by pycryptodome, gmalg and libcrypto.
"""

from __future__ import annotations

import struct

import pytest
from Crypto.Cipher import PKCS1_v1_5
from Crypto.PublicKey import RSA

from hostdriver.errors import (
    AlreadyExistsError,
    ApduFailedError,
    CancelledError,
    KeyNotFoundError,
    NoSuchCommandError,
    NotActivatedError,
    NotFoundError,
    NotLoggedInError,
)
from protocols.gmt import ContainerInfo, ContainerType, KeyUse, RsaKeyOperation, RsaPublicKey, SignInput
from protocols.sm2 import PublicKey
from protocols.sw import SW
from tests.rig.dialects import every_dialect
from tests.rig.good_objects import (
    Sm2Pair,
    envelope_fields,
    rsa_der,
    rsa_pair,
    rsa_public,
    sm2_envelope,
    sm2_pair,
    wrapped_rsa,
)
from tests.rig.key import CERTIFICATE, KeyRig
from tests.rig.messages import TRANSFER
from tests.rig.verifiers import sm2_verifies

pytestmark = pytest.mark.limits(pin__user__cache="session")

OTHER_CERTIFICATE = b"\x30\x03\x02\x01\x05"
PRIVATE, PUBLIC = RsaKeyOperation


def import_sm2(rig: KeyRig) -> Sm2Pair:
    """The pair that now is the encryption pair."""
    container, pair = rig.container("sm2"), sm2_pair()
    key = rig.session.public_key(container)
    assert isinstance(key, PublicKey)
    rig.session.import_sm2_key_pair(container, sm2_envelope(key, pair))
    return pair


def import_rsa(rig: KeyRig) -> RSA.RsaKey:
    """The pair that now is the encryption pair."""
    container, pair = rig.container("rsa"), rsa_pair()
    rig.session.import_rsa_key_pair(container, wrapped_rsa(rsa_key(rig), rsa_der(pair)))
    return pair


def rsa_key(rig: KeyRig) -> RsaPublicKey:
    """The signature pair's public half."""
    key = rig.session.public_key(rig.container("rsa"))
    assert isinstance(key, RsaPublicKey)
    return key


def info(rig: KeyRig, name: str = "sm2") -> ContainerInfo:
    container = rig.container(name)
    return rig.session.container_info(container.application, container.name)


@every_dialect
def test_an_sm2_pair(rig: KeyRig, dialect: str) -> None:
    rig.log_in()
    signature_key = rig.session.public_key(rig.container())
    pair = import_sm2(rig)
    rig.pull_out()
    rig.plug_in()
    assert info(rig) == (ContainerType.ECC, 256, 256, True, False)
    assert rig.session.public_key(rig.container(), use=KeyUse.EXCHANGE) == pair.public
    assert rig.session.public_key(rig.container()) == signature_key


@every_dialect
def test_an_rsa_pair(rig: KeyRig, dialect: str) -> None:
    rig.log_in()
    signature_key, pair = rsa_key(rig), import_rsa(rig)
    rig.pull_out()
    rig.plug_in()
    assert info(rig, "rsa") == (ContainerType.RSA, signature_key.bits, 1024, True, False)
    assert rig.session.public_key(rig.container("rsa"), use=KeyUse.EXCHANGE) == rsa_public(pair)
    assert rsa_key(rig) == signature_key


def test_the_bytes_of_an_sm2_pair_on_the_wire(rig: KeyRig) -> None:
    """G32: put together by hand."""
    rig.log_in()
    key, pair = rig.session.public_key(rig.container()), sm2_pair()
    assert isinstance(key, PublicKey)
    data = rig.container().handles + envelope_fields(sm2_envelope(key, pair))
    assert rig.status(b"\x80\x72\0\0" + struct.pack(">BH", 0, len(data)) + data) == SW.OK
    exported = rig.raw(b"\x80\x88\0\0\0\0\4" + rig.container().handles + b"\0\0")
    assert exported == b"\0\0\1\0" + pair.point + b"\x90\0"


@pytest.mark.limits(dialect="sunyard")
def test_the_length_that_a_host_names_must_be_the_pairs(rig: KeyRig) -> None:
    rig.log_in()
    wrapped = wrapped_rsa(rsa_key(rig), rsa_der(rsa_pair()), bits=2048)
    with pytest.raises(ApduFailedError) as caught:
        rig.session.import_rsa_key_pair(rig.container("rsa"), wrapped)
    assert caught.value.sw == SW.WRONG_DATA
    assert info(rig, "rsa").exchange_bits == 0


def test_a_pair_is_never_overwritten(rig: KeyRig) -> None:
    """C9."""
    rig.log_in()
    pair, rsa = import_sm2(rig), import_rsa(rig)
    with pytest.raises(AlreadyExistsError):
        import_sm2(rig)
    with pytest.raises(AlreadyExistsError):
        import_rsa(rig)
    assert rig.session.public_key(rig.container(), use=KeyUse.EXCHANGE) == pair.public
    assert rig.session.public_key(rig.container("rsa"), use=KeyUse.EXCHANGE) == rsa_public(rsa)


def test_only_with_the_pin(rig: KeyRig) -> None:
    for import_pair in (import_sm2, import_rsa):
        with pytest.raises(NotLoggedInError):
            import_pair(rig)


def test_what_does_not_open_changes_nothing(rig: KeyRig) -> None:
    rig.log_in()
    stranger, pair = sm2_pair(), sm2_pair()
    with pytest.raises(ApduFailedError) as caught:
        rig.session.import_sm2_key_pair(rig.container(), sm2_envelope(stranger.public, pair))
    assert caught.value.sw == SW.WRONG_DATA
    assert info(rig).exchange_bits == 0
    with pytest.raises(KeyNotFoundError):
        rig.session.public_key(rig.container(), use=KeyUse.EXCHANGE)


def test_pairs_go_with_their_container(rig: KeyRig) -> None:
    application = rig.log_in()
    import_sm2(rig)
    name = rig.container().name
    rig.session.delete_container(application, name)
    with pytest.raises(NotFoundError):
        rig.container()
    container = rig.session.create_container(application, name)
    rig.session.generate_sm2(container)
    assert info(rig) == (ContainerType.ECC, 256, 0, False, False)


@pytest.mark.limits(activation="host")
def test_an_encryption_certificate_leaves_the_activation_alone(rig: KeyRig) -> None:
    rig.log_in()
    with pytest.raises(KeyNotFoundError):
        rig.session.import_certificate(rig.container(), OTHER_CERTIFICATE, use=KeyUse.EXCHANGE)
    pair = import_sm2(rig)
    rig.session.import_certificate(rig.container(), OTHER_CERTIFICATE, use=KeyUse.EXCHANGE)
    assert rig.session.export_certificate(rig.container(), use=KeyUse.EXCHANGE) == OTHER_CERTIFICATE
    assert rig.session.export_certificate(rig.container()) == CERTIFICATE
    assert info(rig) == (ContainerType.ECC, 256, 256, True, True)
    activated, _ = rig.session.activation_status(rig.container())
    assert activated
    rig.session.import_certificate(rig.container(), CERTIFICATE)
    activated, _ = rig.session.activation_status(rig.container())
    assert not activated
    assert rig.session.public_key(rig.container(), use=KeyUse.EXCHANGE) == pair.public


def test_the_signature_pair_still_signs(rig: KeyRig) -> None:
    rig.log_in()
    import_sm2(rig)
    key = rig.session.public_key(rig.container())
    assert isinstance(key, PublicKey)
    signature = rig.confirmed(rig.session.sign_sm2, rig.container(), TRANSFER, SignInput.MESSAGE)
    assert sm2_verifies(key, TRANSFER, signature)


# The internal RSA operation


def test_the_encryption_pair_deciphers_without_asking(rig: KeyRig) -> None:
    rig.log_in()
    pair = import_rsa(rig)
    block = PKCS1_v1_5.new(pair.public_key()).encrypt(b"a secret of the host")
    plain = rig.unasked(rig.session.rsa_operation, rig.container("rsa"), block, PRIVATE)
    assert plain[:2] == b"\0\2"
    assert plain.endswith(b"\0a secret of the host")


def test_the_public_operation(rig: KeyRig) -> None:
    rig.log_in()
    pair, key = import_rsa(rig), rsa_key(rig)
    for n, e, use in ((pair.n, pair.e, KeyUse.EXCHANGE), (key.n, key.e, KeyUse.SIGN)):
        size = (n.bit_length() + 7) // 8
        block = bytes(size - 32) + bytes(range(32))
        answer = rig.unasked(rig.session.rsa_operation, rig.container("rsa"), block, PUBLIC, use=use)
        assert answer == pow(int.from_bytes(block), e, n).to_bytes(size)


@pytest.mark.limits(ready_digest="confirm")
def test_the_signature_pair_asks_as_for_a_ready_digest(rig: KeyRig) -> None:
    """E9: what it is asked for is a blind signature."""
    rig.log_in()
    key, container = rsa_key(rig), rig.container("rsa")
    size = (key.bits + 7) // 8
    block = b"\0\1" + b"\xff" * (size - 35) + b"\0" + bytes(range(32))
    call = rig.session.rsa_operation
    with rig.ending_in(CancelledError, lambda: call(container, block, PRIVATE, use=KeyUse.SIGN)):
        rig.press("cancel")
    signature = rig.confirmed(call, container, block, PRIVATE, use=KeyUse.SIGN)
    assert pow(int.from_bytes(signature), key.e, key.n).to_bytes(size) == block


@pytest.mark.limits(pin__user__cache="per-sign", ready_digest="free")
def test_a_login_for_one_signature_is_spent_by_it(rig: KeyRig) -> None:
    """E8: by the signature pair's private operation, not by the others."""
    rig.log_in()
    container, block = rig.container("rsa"), bytes(rsa_key(rig).bits // 8)
    for _ in range(2):
        rig.session.rsa_operation(container, block, PUBLIC, use=KeyUse.SIGN)
    rig.session.rsa_operation(container, block, PRIVATE, use=KeyUse.SIGN)
    with pytest.raises(NotLoggedInError):
        rig.session.rsa_operation(container, block, PRIVATE, use=KeyUse.SIGN)


@pytest.mark.stage("issued")
@pytest.mark.limits(activation="host", pin__user__must_change=False)
def test_an_encryption_pair_needs_no_activation(rig: KeyRig) -> None:
    """A6: the code guards signatures."""
    rig.log_in()
    import_rsa(rig)
    with pytest.raises(NotActivatedError):
        rig.session.rsa_operation(
            rig.container("rsa"), bytes(rsa_key(rig).bits // 8), PRIVATE, use=KeyUse.SIGN
        )
    assert rig.session.rsa_operation(rig.container("rsa"), bytes(128), PRIVATE) == bytes(128)


@pytest.mark.profile("icbc-1g-gd")
def test_a_key_without_a_screen_blinks(rig: KeyRig) -> None:
    """E10."""
    rig.log_in()
    rig.screens.clear()
    block = bytes(rsa_key(rig).bits // 8)
    assert rig.session.rsa_operation(rig.container("rsa"), block, PRIVATE, use=KeyUse.SIGN) == block
    assert [screen.kind.name for screen in rig.screens] == ["LIGHT", "IDLE"]


@pytest.mark.limits(dialect="synochip")
def test_a_maker_without_the_operation(rig: KeyRig) -> None:
    rig.log_in()
    with pytest.raises(NoSuchCommandError):
        rig.session.rsa_operation(rig.container("rsa"), bytes(256), PRIVATE)
