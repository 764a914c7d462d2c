"""SM2 key exchange: the standard's example, gmalg in both roles, and every refusal."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import NamedTuple

import gmalg
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF

from protocols.sm2 import DEFAULT_ID, GX, GY, MAX_ID, A, B, N, P, PrivateKey, PublicKey, Sm2Error, z_value
from protocols.sm2.exchange import Agreed, Role, agree
from tests.rig.libcrypto import base_multiple

EXAMPLE = json.loads(
    (Path(__file__).parents[1] / "vectors" / "sm2" / "gbt32918-5-exchange.json").read_text("utf-8")
)

CURVE_CONSTANTS = b"".join(value.to_bytes(32) for value in (A, B, GX, GY))


def example(name: str) -> bytes:
    return bytes.fromhex(EXAMPLE[name])


class Party(NamedTuple):
    """One side: its key pair, its temporary one, its ID."""

    key: PrivateKey
    temporary: PrivateKey
    id: bytes


SPONSOR = Party(
    PrivateKey.from_bytes(example("d_a")),
    PrivateKey.from_bytes(example("temporary_a")),
    EXAMPLE["id_a"].encode(),
)
RESPONDER = Party(
    PrivateKey.from_bytes(example("d_b")),
    PrivateKey.from_bytes(example("temporary_b")),
    EXAMPLE["id_b"].encode(),
)


def as_sponsor(own: Party, peer: Party, length: int = 16) -> Agreed:
    return between(Role.SPONSOR, own, peer, length)


def as_responder(own: Party, peer: Party, length: int = 16) -> Agreed:
    return between(Role.RESPONDER, own, peer, length)


def between(role: Role, own: Party, peer: Party, length: int) -> Agreed:
    peer_keys = (peer.key.public, peer.temporary.public)
    return agree(role, own.key, own.temporary, *peer_keys, own.id, peer.id, length)


def half(point: bytes) -> int:
    """x̄ of GB/T 32918.3 §6.1."""
    return 2**127 + int.from_bytes(point[:32]) % 2**127


# The standard's example


@pytest.mark.parametrize(("role", "own", "peer"), [("A", SPONSOR, RESPONDER), ("B", RESPONDER, SPONSOR)])
def test_the_standards_example(role: str, own: Party, peer: Party) -> None:
    assert between(Role(role), own, peer, 16) == Agreed(example("key"), example("s_b"), example("s_a"))


def test_the_examples_points() -> None:
    assert SPONSOR.key.public.encode() == example("p_a")
    assert RESPONDER.key.public.encode() == example("p_b")
    assert SPONSOR.temporary.public.encode() == example("r_a")
    assert RESPONDER.temporary.public.encode() == example("r_b")
    assert z_value(SPONSOR.key.public, SPONSOR.id) == example("z_a")
    assert z_value(RESPONDER.key.public, RESPONDER.id) == example("z_b")


# gmalg


class Theirs(NamedTuple):
    """What gmalg makes of it."""

    key: bytes
    responder_hash: bytes
    sponsor_hash: bytes


def random_party(chance: random.Random) -> Party:
    return Party(
        PrivateKey(chance.randrange(1, N - 1)),
        PrivateKey(chance.randrange(1, N - 1)),
        chance.randbytes(chance.randrange(1, 40)),
    )


def gmalg_side(party: Party) -> gmalg.SM2:
    nonce = int.from_bytes(party.temporary.encode())
    return gmalg.SM2(party.key.encode(), party.id, rnd_fn=lambda bits: nonce)


def gmalg_sm3(data: bytes) -> bytes:
    state = gmalg.SM3()
    state.update(data)
    return bytes(state.value())


def gmalg_agrees(role: Role, own: Party, peer: Party, length: int) -> bytes:
    mode = gmalg.KEYXCHG_MODE.INITIATOR if role is Role.SPONSOR else gmalg.KEYXCHG_MODE.RESPONDER
    side = gmalg_side(own)
    point, t = side.begin_key_exchange()
    assert point[1:] == own.temporary.public.encode()
    public, temporary = (b"\x04" + key.public.encode() for key in (peer.key, peer.temporary))
    return bytes(side.end_key_exchange(length, t, temporary, peer.id, public, mode))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("role", Role, ids=["sponsor", "responder"])
def test_gmalg_agrees(role: Role, seed: int) -> None:
    chance = random.Random(seed)
    own, peer = random_party(chance), random_party(chance)
    length = chance.randrange(1, 100)
    other_role = Role.RESPONDER if role is Role.SPONSOR else Role.SPONSOR
    ours = between(role, own, peer, length)
    assert ours.key == gmalg_agrees(other_role, peer, own, length)
    assert ours.key == gmalg_agrees(role, own, peer, length)


def shared_by_libcrypto(own: Party, peer: Party) -> bytes:
    """U, from all the private keys: ((d + x̄·r) · (d' + x̄'·r')) · G."""
    product = 1
    for party in (own, peer):
        d, r = (int.from_bytes(key.encode()) for key in (party.key, party.temporary))
        product = product * (d + half(base_multiple(r)) * r) % N
    return base_multiple(product)


@pytest.mark.parametrize("seed", range(100))
def test_both_sides_agree_on_what_the_standard_says(seed: int) -> None:
    chance = random.Random(seed)
    sponsor, responder = random_party(chance), random_party(chance)
    shared = shared_by_libcrypto(sponsor, responder)
    identities = b"".join(z_value(party.key.public, party.id) for party in (sponsor, responder))
    temporaries = b"".join(party.temporary.public.encode() for party in (sponsor, responder))
    inner = gmalg_sm3(shared[:32] + identities + temporaries)
    length = seed + 1
    expected = Agreed(
        X963KDF(hashes.SM3(), length, None).derive(shared + identities),
        gmalg_sm3(b"\x02" + shared[32:] + inner),
        gmalg_sm3(b"\x03" + shared[32:] + inner),
    )
    assert as_sponsor(sponsor, responder, length) == expected
    assert as_responder(responder, sponsor, length) == expected


# What must not agree


def test_another_id_makes_another_key() -> None:
    theirs = as_responder(RESPONDER, SPONSOR)
    ours = as_sponsor(SPONSOR, RESPONDER._replace(id=b"somebody else"))
    assert ours.key != theirs.key
    assert ours.responder_hash != theirs.responder_hash
    assert ours.sponsor_hash != theirs.sponsor_hash
    assert as_sponsor(SPONSOR, RESPONDER._replace(id=DEFAULT_ID)) == theirs


def test_an_id_is_as_long_as_z_can_count() -> None:
    """Two bytes of bits: gmalg makes the same Z of the longest, and no longer one is taken."""
    counted, longest = (8 * MAX_ID).to_bytes(2), bytes(MAX_ID)
    z_by_gmalg = gmalg_sm3(b"".join((counted, longest, CURVE_CONSTANTS, SPONSOR.key.public.encode())))
    assert z_value(SPONSOR.key.public, longest) == z_by_gmalg
    with pytest.raises(Sm2Error, match="at most 8191 bytes"):
        as_sponsor(SPONSOR, RESPONDER._replace(id=longest + b"x"))


def test_two_sponsors_do_not_agree() -> None:
    assert as_sponsor(SPONSOR, RESPONDER).key != as_sponsor(RESPONDER, SPONSOR).key


@pytest.mark.parametrize(
    "other",
    [RESPONDER._replace(key=PrivateKey(5)), RESPONDER._replace(temporary=PrivateKey(5))],
    ids=["key", "temporary key"],
)
def test_another_key_pair_makes_another_key(other: Party) -> None:
    assert as_sponsor(SPONSOR, other).key != as_responder(RESPONDER, SPONSOR).key


OFF_THE_CURVE = {
    "y + 1": (SPONSOR.key.public.x, SPONSOR.key.public.y + 1),
    "infinity as zeros": (0, 0),
    "x + p": (1 + P, 0x9F7A091433A81E3F218F405F792355BF2AA98B5FFA95982F03870800065279A3),
}


@pytest.mark.parametrize("role", Role, ids=["sponsor", "responder"])
@pytest.mark.parametrize("point", OFF_THE_CURVE.values(), ids=OFF_THE_CURVE)
def test_points_off_the_curve_are_refused(point: tuple[int, int], role: Role) -> None:
    bad, good = PublicKey(*point), RESPONDER.key.public
    for peer, peer_temporary in ((bad, good), (good, bad)):
        with pytest.raises(Sm2Error):
            agree(role, SPONSOR.key, SPONSOR.temporary, peer, peer_temporary, b"a", b"b", 16)


def cancelling(temporary: PrivateKey) -> int:
    """d = -x̄·r, so that d + x̄·r = 0."""
    r = int.from_bytes(temporary.encode())
    return -half(base_multiple(r)) * r % N


def test_the_peers_points_that_add_up_to_infinity_are_refused() -> None:
    peer = PublicKey.parse(base_multiple(cancelling(RESPONDER.temporary)))
    for role in Role:
        with pytest.raises(Sm2Error):
            agree(role, SPONSOR.key, SPONSOR.temporary, peer, RESPONDER.temporary.public, b"a", b"b", 16)


def test_own_keys_that_cancel_out_are_refused() -> None:
    own = PrivateKey(cancelling(SPONSOR.temporary))
    with pytest.raises(Sm2Error):
        as_sponsor(SPONSOR._replace(key=own), RESPONDER)


@pytest.mark.parametrize("length", [-1, 0, 0x10000])
def test_keys_of_no_or_too_many_bytes_are_refused(length: int) -> None:
    with pytest.raises(Sm2Error):
        as_sponsor(SPONSOR, RESPONDER, length)


def test_a_short_key_begins_a_long_one() -> None:
    assert as_sponsor(SPONSOR, RESPONDER, 0xFFFF).key[:16] == example("key")


def test_the_key_is_not_shown() -> None:
    agreed = as_sponsor(SPONSOR, RESPONDER)
    assert repr(agreed.key) not in repr(agreed)
    assert example("key").hex() not in repr(agreed)
