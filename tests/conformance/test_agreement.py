"""SM2 key agreement: between two keys, and between a key and gmalg in both roles (G31, GB/T 32918.3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import gmalg
import pytest
from gmalg import KEYXCHG_MODE

from emulator.device import Device
from emulator.hardware.clock import ManualClock
from emulator.profiles import Profile
from hostdriver.errors import ApduFailedError, KeyNotFoundError, NoRoomError, SecretAlgorithmError
from hostdriver.gmt import Container
from hostdriver.gmt.session_keys import SessionKey
from protocols.dialect import DIALECTS
from protocols.gmt import BlockCipher, Mode, SymmetricAlgorithm
from protocols.gmt.ecc import AgreementKeys
from protocols.sm2 import DEFAULT_ID, PublicKey
from tests.rig.block_ciphers import openssl, pycryptodome
from tests.rig.encryption_pairs import fresh_d, give_rsa_pair, give_sm2_pair, public_of
from tests.rig.key import KeyRig, stored, user_pin
from vukey_testing.targets import InProcess

SM4 = SymmetricAlgorithm(BlockCipher.SM4, Mode.ECB)
AES = [SymmetricAlgorithm(c, Mode.ECB) for c in BlockCipher if c.name.startswith("AES")]
PLAIN = bytes(range(48))
ALICE, BOB = b"Alice", b"Bob, of another bank"
MOST = 16


@pytest.fixture
def peer(profile: Profile, stage: str) -> Iterator[KeyRig]:
    """A second key of the same model, on no other wire than the process itself."""
    clock = ManualClock()
    device = Device(profile, storage=stored(profile, stage), clock=clock)
    rig = KeyRig(device, clock, InProcess, user_pin(profile, stage))
    yield rig
    rig.close()


def side(rig: KeyRig) -> tuple[Container, PublicKey]:
    """One side of an agreement: a container, and its encryption pair's public key."""
    rig.log_in()
    d = fresh_d()
    give_sm2_pair(rig.session, rig.container(), d)
    return rig.container(), public_of(d)


class Outsider:
    """The other side of an agreement, by gmalg."""

    def __init__(self, own_id: bytes) -> None:
        d = fresh_d()
        self.public = public_of(d)
        self._sm2 = gmalg.SM2(d, own_id, b"\x04" + self.public.encode())
        temporary, self._t = self._sm2.begin_key_exchange()
        self.keys = AgreementKeys(self.public, PublicKey.parse(temporary))

    def agreed(self, role: KEYXCHG_MODE, peer: AgreementKeys, peer_id: bytes, size: int) -> bytes:
        """The common key."""
        temporary, public = (b"\x04" + key.encode() for key in (peer.temporary, peer.public))
        return bytes(self._sm2.end_key_exchange(size, self._t, temporary, peer_id, public, role))


def enciphered(algorithm: SymmetricAlgorithm, value: bytes) -> bytes:
    """The plaintext under a key, by others."""
    if algorithm.cipher is BlockCipher.SM4:
        return openssl(Mode.ECB, value, b"", PLAIN, "-nopad")
    return bytes(pycryptodome(Mode.ECB, value, b"").encrypt(PLAIN))


def agree(
    sponsor: KeyRig, responder: KeyRig, ids: tuple[bytes, bytes] = (ALICE, BOB), told: bytes = ALICE
) -> tuple[SessionKey, SessionKey]:
    """The session keys of two keys that agree; the responder is told this ID of the sponsor's."""
    (place, public), (other_place, other_public) = side(sponsor), side(responder)
    agreement = sponsor.session.start_agreement(place, SM4, ids[0])
    temporary, answered = responder.session.answer_agreement(
        other_place, SM4, AgreementKeys(public, agreement.temporary), told, ids[1]
    )
    finished = sponsor.session.finish_agreement(agreement, AgreementKeys(other_public, temporary), ids[1])
    return finished, answered


def test_two_keys_agree(rig: KeyRig, peer: KeyRig) -> None:
    finished, answered = agree(rig, peer)
    assert rig.session.encrypt(finished, PLAIN) == peer.session.encrypt(answered, PLAIN)


def test_each_agreement_makes_another_key(rig: KeyRig, peer: KeyRig) -> None:
    (place, public), (other_place, other_public) = side(rig), side(peer)
    made = set()
    for _ in range(4):
        agreement = rig.session.start_agreement(place, SM4)
        sponsor = AgreementKeys(public, agreement.temporary)
        temporary, answered = peer.session.answer_agreement(other_place, SM4, sponsor)
        finished = rig.session.finish_agreement(agreement, AgreementKeys(other_public, temporary))
        assert rig.session.encrypt(finished, PLAIN) == peer.session.encrypt(answered, PLAIN)
        made.add(rig.session.encrypt(finished, PLAIN))
    assert len(made) == 4


def test_with_other_ids_they_do_not(rig: KeyRig, peer: KeyRig) -> None:
    finished, answered = agree(rig, peer, told=b"Mallory")
    assert rig.session.encrypt(finished, PLAIN) != peer.session.encrypt(answered, PLAIN)


@pytest.mark.parametrize("_", [pytest.param(0, marks=pytest.mark.limits(dialect=d), id=d) for d in DIALECTS])
def test_gmalg_answers(rig: KeyRig, _: int) -> None:
    container, public = side(rig)
    outsider = Outsider(BOB)
    agreement = rig.session.start_agreement(container, SM4, ALICE)
    key = rig.session.finish_agreement(agreement, outsider.keys, BOB)
    sponsor = AgreementKeys(public, agreement.temporary)
    value = outsider.agreed(KEYXCHG_MODE.RESPONDER, sponsor, ALICE, 16)
    assert rig.session.encrypt(key, PLAIN) == enciphered(SM4, value)


@pytest.mark.parametrize("_", [pytest.param(0, marks=pytest.mark.limits(dialect=d), id=d) for d in DIALECTS])
def test_gmalg_begins(rig: KeyRig, _: int) -> None:
    container, public = side(rig)
    outsider = Outsider(ALICE)
    temporary, key = rig.session.answer_agreement(container, SM4, outsider.keys, ALICE, BOB)
    value = outsider.agreed(KEYXCHG_MODE.INITIATOR, AgreementKeys(public, temporary), BOB, 16)
    assert rig.session.encrypt(key, PLAIN) == enciphered(SM4, value)


@pytest.mark.limits(ciphers=("sm4", "aes"))
@pytest.mark.parametrize("algorithm", AES, ids=lambda algorithm: algorithm.cipher.name)
def test_keys_of_other_lengths(rig: KeyRig, algorithm: SymmetricAlgorithm) -> None:
    container, public = side(rig)
    outsider = Outsider(ALICE)
    temporary, key = rig.session.answer_agreement(container, algorithm, outsider.keys, ALICE, BOB)
    size = algorithm.cipher.key_size
    value = outsider.agreed(KEYXCHG_MODE.INITIATOR, AgreementKeys(public, temporary), BOB, size)
    assert rig.session.encrypt(key, PLAIN) == enciphered(algorithm, value)
    agreement = rig.session.start_agreement(container, algorithm, ALICE)
    assert rig.session.finish_agreement(agreement, outsider.keys, BOB).algorithm == algorithm


def test_two_agreements_at_once(rig: KeyRig) -> None:
    """Each ends with its own temporary key, in whatever order."""
    container, public = side(rig)
    outsiders = [Outsider(BOB), Outsider(BOB)]
    agreements = [rig.session.start_agreement(container, SM4, ALICE) for _ in outsiders]
    for agreement, outsider in reversed(list(zip(agreements, outsiders, strict=True))):
        key = rig.session.finish_agreement(agreement, outsider.keys, BOB)
        sponsor = AgreementKeys(public, agreement.temporary)
        value = outsider.agreed(KEYXCHG_MODE.RESPONDER, sponsor, ALICE, 16)
        assert rig.session.encrypt(key, PLAIN) == enciphered(SM4, value)


def test_an_agreement_serves_once(rig: KeyRig) -> None:
    container, _ = side(rig)
    agreement = rig.session.start_agreement(container, SM4)
    responder = Outsider(DEFAULT_ID).keys
    rig.session.finish_agreement(agreement, responder)
    with pytest.raises(KeyNotFoundError):
        rig.session.finish_agreement(agreement, responder)


def test_only_data_that_can_be_use_an_agreement_up(rig: KeyRig) -> None:
    container, _ = side(rig)
    agreement = rig.session.start_agreement(container, SM4)
    responder = Outsider(DEFAULT_ID).keys
    off_curve = PublicKey(1, 1)
    with pytest.raises(ApduFailedError):
        rig.session.finish_agreement(agreement, responder._replace(temporary=off_curve))
    rig.session.finish_agreement(agreement, responder)


def test_an_agreement_belongs_to_its_container(rig: KeyRig) -> None:
    container, _ = side(rig)
    application = rig.log_in()
    other = rig.session.create_container(application, "other")
    rig.session.generate_sm2(other)
    give_sm2_pair(rig.session, other, fresh_d())
    agreement = rig.session.start_agreement(container, SM4)
    with pytest.raises(KeyNotFoundError):
        rig.session.finish_agreement(replace(agreement, container=other), Outsider(DEFAULT_ID).keys)


@pytest.mark.parametrize("end", ["reset", "pulling out", "closing"])
def test_how_an_agreement_ends(rig: KeyRig, end: str) -> None:
    container, _ = side(rig)
    agreement = rig.session.start_agreement(container, SM4)
    if end == "reset":
        rig.session.transport.reset()
    elif end == "pulling out":
        rig.pull_out()
        rig.plug_in()
    else:
        rig.session.close_container(container)
    rig.log_in()
    reopened = replace(agreement, container=rig.container())
    with pytest.raises(KeyNotFoundError):
        rig.session.finish_agreement(reopened, Outsider(DEFAULT_ID).keys)


def test_the_oldest_agreement_gives_way(rig: KeyRig) -> None:
    """Assumed: no command closes one."""
    container, _ = side(rig)
    agreements = [rig.session.start_agreement(container, SM4) for _ in range(MOST + 1)]
    responder = Outsider(DEFAULT_ID).keys
    with pytest.raises(KeyNotFoundError):
        rig.session.finish_agreement(agreements[0], responder)
    rig.session.finish_agreement(agreements[1], responder)
    rig.session.finish_agreement(agreements[-1], responder)


def test_the_agreed_key_counts_as_every_other(rig: KeyRig) -> None:
    container, _ = side(rig)
    agreement = rig.session.start_agreement(container, SM4)
    responder = Outsider(DEFAULT_ID).keys
    for _ in range(MOST - 1):
        rig.session.set_symmetric_key(SM4, bytes(16))
    agreed = rig.session.finish_agreement(agreement, responder)
    with pytest.raises(NoRoomError):
        rig.session.answer_agreement(container, SM4, responder)
    rig.session.destroy_session_key(agreed)
    with pytest.raises(KeyNotFoundError):
        rig.session.encrypt(agreed, PLAIN)


def test_an_rsa_container_agrees_on_nothing(rig: KeyRig) -> None:
    rig.log_in()
    container = rig.container("rsa")
    give_rsa_pair(rig.session, container)
    with pytest.raises(KeyNotFoundError):
        rig.session.start_agreement(container, SM4)
    with pytest.raises(KeyNotFoundError):
        rig.session.answer_agreement(container, SM4, Outsider(DEFAULT_ID).keys)


def test_secret_algorithms(rig: KeyRig) -> None:
    container, _ = side(rig)
    for cipher in (BlockCipher.SM1, BlockCipher.SSF33):
        secret = SymmetricAlgorithm(cipher, Mode.ECB)
        with pytest.raises(SecretAlgorithmError):
            rig.session.start_agreement(container, secret)
        with pytest.raises(SecretAlgorithmError):
            rig.session.answer_agreement(container, secret, Outsider(DEFAULT_ID).keys)
