"""Session keys: how they come to be, who else can open them, and everything that ends them (G33)."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulator.firmware.session_keys import SessionKey as KeptKey
from hostdriver.errors import (
    ApduFailedError,
    KeyNotFoundError,
    NoRoomError,
    NoSuchCommandError,
    NotFoundError,
    NotLoggedInError,
    PinIncorrectError,
    SecretAlgorithmError,
)
from hostdriver.gmt import Container
from hostdriver.gmt.session_keys import SessionKey
from protocols.apdu import Command, encode_command
from protocols.dialect import DIALECTS
from protocols.gmt import BlockCipher, Ins, Mode, SignInput, SymmetricAlgorithm
from protocols.gmt.session_keys import DEVICE_PLACE, PlainKey
from protocols.sw import SW
from tests.rig.block_ciphers import openssl, pycryptodome
from tests.rig.encryption_pairs import (
    fresh_d,
    give_rsa_pair,
    give_sm2_pair,
    public_of,
    rsa_pair,
    rsa_public,
    rsa_unwrapped,
    rsa_wrapped,
    sm2_unwrapped,
    sm2_wrapped,
)
from tests.rig.key import KeyRig, new_application
from tests.rig.messages import TRANSFER

SM4 = SymmetricAlgorithm(BlockCipher.SM4, Mode.ECB)
AES = [SymmetricAlgorithm(c, Mode.ECB) for c in BlockCipher if c.name.startswith("AES")]
PLAIN = bytes(range(64))
MOST_KEYS = 16


def is_key(rig: KeyRig, key: SessionKey, value: bytes) -> bool:
    """Whether the key enciphers as OpenSSL or pycryptodome does under this value."""
    if key.algorithm.cipher is BlockCipher.SM4:
        wanted = openssl(Mode.ECB, value, b"", PLAIN, "-nopad")
    else:
        wanted = pycryptodome(Mode.ECB, value, b"").encrypt(PLAIN)
    return rig.session.encrypt(key, PLAIN) == wanted


def with_sm2_pair(rig: KeyRig) -> tuple[Container, bytes]:
    """The SM2 container with an encryption pair, and its d."""
    rig.log_in()
    d = fresh_d()
    give_sm2_pair(rig.session, rig.container(), d)
    return rig.container(), d


# How they come to be


@pytest.mark.parametrize("at_device", [False, True])
def test_a_key_set_in_clear(rig: KeyRig, at_device: bool) -> None:
    """Neither place asks for a PIN."""
    container = None if at_device else rig.container()
    value = os.urandom(16)
    key = rig.session.set_symmetric_key(SM4, value, container)
    assert len(key.key_id) == 2
    assert is_key(rig, key, value)


@pytest.mark.limits(ciphers=("sm4", "aes"))
@pytest.mark.parametrize("algorithm", [SM4, *AES], ids=lambda algorithm: algorithm.cipher.name)
def test_a_new_key_for_others(rig: KeyRig, algorithm: SymmetricAlgorithm) -> None:
    rig.log_in()
    d, pair = fresh_d(), rsa_pair()
    key, cipher = rig.session.export_new_session_key(rig.container(), algorithm, public_of(d))
    value = sm2_unwrapped(d, cipher)
    assert len(value) == algorithm.cipher.key_size
    assert is_key(rig, key, value)
    other, block = rig.session.export_new_session_key(rig.container("rsa"), algorithm, rsa_public(pair))
    assert rsa_unwrapped(pair, block) != value
    assert is_key(rig, other, rsa_unwrapped(pair, block))


@pytest.mark.limits(ciphers=("sm4", "aes"))
@pytest.mark.parametrize("algorithm", [SM4, *AES], ids=lambda algorithm: algorithm.cipher.name)
def test_a_key_from_others(rig: KeyRig, algorithm: SymmetricAlgorithm) -> None:
    value = os.urandom(algorithm.cipher.key_size)
    container, d = with_sm2_pair(rig)
    assert is_key(rig, rig.session.import_session_key(container, algorithm, sm2_wrapped(d, value)), value)
    pair = give_rsa_pair(rig.session, rig.container("rsa"))
    block = rsa_wrapped(pair, value)
    assert is_key(rig, rig.session.import_session_key(rig.container("rsa"), algorithm, block), value)


@pytest.mark.parametrize("_", [pytest.param(0, marks=pytest.mark.limits(dialect=d), id=d) for d in DIALECTS])
def test_in_every_dialect(rig: KeyRig, _: int) -> None:
    """What one key exports, the same key imports."""
    container, d = with_sm2_pair(rig)
    key, cipher = rig.session.export_new_session_key(container, SM4, public_of(d))
    assert is_key(rig, key, sm2_unwrapped(d, cipher))
    assert is_key(rig, rig.session.import_session_key(container, SM4, cipher), sm2_unwrapped(d, cipher))


@pytest.mark.limits(dialect="synochip")
def test_a_held_key_for_others(rig: KeyRig) -> None:
    rig.log_in()
    value, d, pair = os.urandom(16), fresh_d(), rsa_pair()
    key = rig.session.set_symmetric_key(SM4, value, rig.container())
    assert sm2_unwrapped(d, rig.session.export_held_session_key(key, public_of(d))) == value
    assert rsa_unwrapped(pair, rig.session.export_held_session_key(key, rsa_public(pair))) == value


@pytest.mark.limits(dialect="synochip")
@pytest.mark.parametrize("ins", [Ins.RSA_EXPORT_HELD_KEY, Ins.ECC_EXPORT_HELD_KEY])
def test_what_the_export_of_a_held_key_wants(rig: KeyRig, ins: Ins) -> None:
    key = rig.session.set_symmetric_key(SM4, bytes(16), rig.container())
    to = rsa_public(rsa_pair()) if ins is Ins.RSA_EXPORT_HELD_KEY else public_of(fresh_d())
    with pytest.raises(NotLoggedInError):
        rig.session.export_held_session_key(key, to)
    rig.log_in()
    rig.session.export_held_session_key(key, to)
    with pytest.raises(KeyNotFoundError):
        rig.session.export_held_session_key(SessionKey(key.container, b"\xff\xff", SM4), to)
    with pytest.raises(NotFoundError):  # it asks for a user PIN: the device has none
        rig.session.export_held_session_key(rig.session.set_symmetric_key(SM4, bytes(16)), to)


def test_most_makers_do_not_export_held_keys(rig: KeyRig) -> None:
    key = rig.session.set_symmetric_key(SM4, bytes(16), rig.container())
    with pytest.raises(NoSuchCommandError):
        rig.session.export_held_session_key(key, public_of(fresh_d()))


def test_a_key_wrapped_for_somebody_else(rig: KeyRig) -> None:
    container, _ = with_sm2_pair(rig)
    with pytest.raises(ApduFailedError) as caught:
        rig.session.import_session_key(container, SM4, sm2_wrapped(fresh_d(), bytes(16)))
    assert caught.value.sw == SW.WRONG_DATA


def test_an_rsa_block_for_somebody_else_answers_as_one_of_a_wrong_length_inside(rig: KeyRig) -> None:
    """Nothing that a forger of blocks could tell apart."""
    rig.log_in()
    container = rig.container("rsa")
    pair = give_rsa_pair(rig.session, container)
    for key in (bytes(15), bytes(17), bytes(32)):
        assert refused(rig, container, rsa_wrapped(pair, key)) == SW.WRONG_DATA
    stranger = bytes(1) + os.urandom(pair.size_in_bytes() - 1)
    assert refused(rig, container, stranger) == SW.WRONG_DATA


def refused(rig: KeyRig, container: Container, block: bytes) -> int:
    """The status word with which an import ends."""
    with pytest.raises(ApduFailedError) as caught:
        rig.session.import_session_key(container, SM4, block)
    return caught.value.sw


def test_secret_algorithms_have_an_error_of_their_own(rig: KeyRig) -> None:
    rig.log_in()
    for cipher in (BlockCipher.SM1, BlockCipher.SSF33):
        secret = SymmetricAlgorithm(cipher, Mode.ECB)
        with pytest.raises(SecretAlgorithmError):
            rig.session.set_symmetric_key(secret, bytes(16))
        with pytest.raises(SecretAlgorithmError):
            rig.session.export_new_session_key(rig.container(), secret, public_of(fresh_d()))


@pytest.mark.limits(ciphers=("aes",), containers__sm2=None)
def test_a_key_without_sm4(rig: KeyRig) -> None:
    with pytest.raises(ApduFailedError) as caught:
        rig.session.set_symmetric_key(SM4, bytes(16))
    assert caught.value.sw == SW.FUNCTION_NOT_SUPPORTED
    assert is_key(rig, rig.session.set_symmetric_key(AES[0], bytes(16)), bytes(16))


# How they end


def by_reset(rig: KeyRig, key: SessionKey) -> None:
    rig.session.transport.reset()


def by_pulling_out(rig: KeyRig, key: SessionKey) -> None:
    rig.pull_out()
    rig.plug_in()


def by_destroying(rig: KeyRig, key: SessionKey) -> None:
    rig.session.destroy_session_key(key)


def by_closing_its_container(rig: KeyRig, key: SessionKey) -> None:
    rig.session.close_container(rig.container())


def by_closing_its_application(rig: KeyRig, key: SessionKey) -> None:
    rig.session.close_application(rig.open())


def by_deleting_its_container(rig: KeyRig, key: SessionKey) -> None:
    assert key.container
    application, name = rig.log_in(), key.container.name
    rig.session.delete_container(application, name)
    rig.session.create_container(application, name)


def by_deleting_its_application(rig: KeyRig, key: SessionKey) -> None:
    assert key.container
    name = rig.profile.application
    rig.authenticate_device()
    rig.session.delete_application(name)
    rig.session.create_application(new_application(rig.profile))
    application = rig.open()
    rig.session.verify_pin(application, rig.profile.pin.user.initial)
    rig.session.create_container(application, key.container.name)


DEATHS = (
    by_reset,
    by_pulling_out,
    by_destroying,
    by_closing_its_container,
    by_closing_its_application,
    by_deleting_its_container,
    by_deleting_its_application,
)


@pytest.mark.parametrize("end", DEATHS)
@pytest.mark.limits(activation="bank", pin__user__must_change=False)
def test_how_a_containers_key_ends(rig: KeyRig, end: Callable[[KeyRig, SessionKey], None]) -> None:
    key = rig.session.set_symmetric_key(SM4, bytes(16), rig.container())
    assert is_key(rig, key, bytes(16))
    end(rig, key)
    reopened = SessionKey(rig.container(), key.key_id, key.algorithm)
    with pytest.raises(KeyNotFoundError):
        rig.session.encrypt(reopened, PLAIN)


@pytest.mark.parametrize("end", [by_reset, by_pulling_out, by_destroying])
def test_how_the_devices_key_ends(rig: KeyRig, end: Callable[[KeyRig, SessionKey], None]) -> None:
    key = rig.session.set_symmetric_key(SM4, bytes(16))
    assert is_key(rig, key, bytes(16))
    end(rig, key)
    with pytest.raises(KeyNotFoundError):
        rig.session.encrypt(key, PLAIN)


def test_what_a_containers_key_survives(rig: KeyRig) -> None:
    application = rig.log_in()
    key = rig.session.set_symmetric_key(SM4, bytes(16), rig.container())
    other = rig.session.create_container(application, "other")
    rig.session.set_symmetric_key(SM4, bytes(16), other)
    rig.session.close_container(other)
    assert is_key(rig, key, bytes(16))
    rig.session.delete_container(application, "other")
    assert is_key(rig, key, bytes(16))
    rig.confirmed(rig.session.sign_sm2, rig.container(), TRANSFER, SignInput.MESSAGE)
    assert is_key(rig, key, bytes(16))
    rig.session.clear_secure_state(application)
    with pytest.raises(PinIncorrectError):
        rig.session.verify_pin(application, "999111")
    assert is_key(rig, key, bytes(16))


def test_what_the_devices_key_survives(rig: KeyRig) -> None:
    key = rig.session.set_symmetric_key(SM4, bytes(16))
    rig.session.close_container(rig.container())
    rig.session.close_application(rig.log_in())
    assert is_key(rig, key, bytes(16))


def test_other_applications_keys_stay(rig: KeyRig) -> None:
    rig.authenticate_device()
    rig.session.create_application(new_application(rig.profile, "OTHER"))
    key = rig.session.set_symmetric_key(SM4, bytes(16), rig.container())
    rig.session.close_application(rig.session.open_application("OTHER"))
    rig.session.delete_application("OTHER")
    assert is_key(rig, key, bytes(16))


# Which is which


def test_so_many_keys_and_no_more(rig: KeyRig) -> None:
    places = [None, rig.container(), rig.container("rsa")]
    values = [os.urandom(16) for _ in range(MOST_KEYS)]
    keys = [
        rig.session.set_symmetric_key(SM4, value, places[number % 3]) for number, value in enumerate(values)
    ]
    with pytest.raises(NoRoomError):
        rig.session.set_symmetric_key(SM4, bytes(16))
    assert all(is_key(rig, key, value) for key, value in zip(keys, values, strict=True))
    rig.session.destroy_session_key(keys[7])
    assert is_key(rig, rig.session.set_symmetric_key(SM4, bytes(16)), bytes(16))
    with pytest.raises(NoRoomError):
        rig.session.set_symmetric_key(SM4, bytes(16))


def test_a_refused_export_leaves_no_key_behind(rig: KeyRig) -> None:
    rig.log_in()
    for _ in range(MOST_KEYS - 1):
        rig.session.set_symmetric_key(SM4, bytes(16))
    with pytest.raises(ApduFailedError):
        rig.session.export_new_session_key(rig.container(), AES[0], public_of(fresh_d()))
    rig.session.set_symmetric_key(SM4, bytes(16))


def test_a_key_id_counts_at_its_own_place_only(rig: KeyRig) -> None:
    places = [None, rig.container(), rig.container("rsa")]
    keys = [rig.session.set_symmetric_key(SM4, bytes(16), place) for place in places]
    for key in keys:
        for place in places:
            if place != key.container:
                with pytest.raises(KeyNotFoundError):
                    rig.session.destroy_session_key(SessionKey(place, key.key_id, SM4))
    assert all(is_key(rig, key, bytes(16)) for key in keys)


def test_an_old_key_id_names_no_younger_key(rig: KeyRig) -> None:
    old = rig.session.set_symmetric_key(SM4, bytes(16))
    rig.session.destroy_session_key(old)
    young = rig.session.set_symmetric_key(SM4, bytes(16))
    assert young.key_id != old.key_id
    with pytest.raises(KeyNotFoundError):
        rig.session.encrypt(old, PLAIN)


def test_no_repr_tells_a_key() -> None:
    value = b"a key of 16 byte"
    told = repr((PlainKey(SM4.code, value), KeptKey(SM4, value)))
    assert "key of 16" not in told
    assert value.hex() not in told


def test_keys_are_marked_as_secrets(rig: KeyRig) -> None:
    """Whoever logs APDUs leaves these out."""
    for ins in (Ins.SET_SYMM_KEY, Ins.IMPORT_SESSION_KEY):
        assert rig.device.command_facts(bytes((0x80, ins, 0, 0)) + DEVICE_PLACE).secret


# Whatever may come

FUZZ_EXAMPLES = {
    "inproc": 300,
    "socket": 80,
    "vpcd": 40,
    "gadget": 20,
    "usbip": 20,
    "usb": 20,
    "serial": 60,
    "ble": 20,
}
MINE = [
    ins
    for ins in Ins
    if Ins.IMPORT_SESSION_KEY <= ins <= Ins.DESTROY_SESSION_KEY
    or ins in (Ins.RSA_EXPORT_SESSION_KEY, Ins.ECC_EXPORT_SESSION_KEY)
    or Ins.GENERATE_AGREEMENT_DATA <= ins <= Ins.GENERATE_KEY
]
beginnings = st.sampled_from([b"", bytes.fromhex("00000402"), bytes.fromhex("000004020010") + bytes(16)])


def test_random_data_never_break_a_key(rig: KeyRig, token: str) -> None:
    """Two bytes or more come out, and what was there works as before."""
    container, _ = with_sm2_pair(rig)
    value = os.urandom(16)
    key = rig.session.set_symmetric_key(SM4, value, container)
    busy = rig.session.set_symmetric_key(SM4, value, container)
    keys = [container.handles, busy.handles]

    @settings(
        max_examples=FUZZ_EXAMPLES[token],
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(
        st.sampled_from(MINE), st.sampled_from(keys), beginnings, st.binary(max_size=300), st.integers(0, 4)
    )
    def one(ins: Ins, handles: bytes, beginning: bytes, data: bytes, p2: int) -> None:
        apdu = encode_command(Command(0x80, ins, 0, p2, handles + beginning + data, 0x10000))
        assert 2 <= len(rig.raw(apdu)) <= 0x10000

    one()
    assert is_key(rig, key, value)
