"""The store of session keys: KeyIDs go round, and none is given out twice at once (G33)."""

from __future__ import annotations

import pytest

from emulator.firmware.refused import Refused
from emulator.firmware.session_keys import SessionKeys
from protocols.gmt import BlockCipher, Mode, SymmetricAlgorithm

SM4 = SymmetricAlgorithm(BlockCipher.SM4, Mode.ECB)
PLACE, OTHER = (1, 1), (1, 2)


def add(keys: SessionKeys) -> bytes:
    return keys.add(PLACE, SM4, bytes(16))


def test_a_key_id_comes_again_only_after_all_others() -> None:
    keys = SessionKeys()
    seen = []
    for _ in range(0x8000):
        seen.append(add(keys))
        keys.destroy(keys.find(PLACE, seen[-1]))
    assert len(set(seen)) == 0x8000
    assert b"\0\0" not in seen
    assert b"\xff\xff" not in seen
    assert add(keys) == seen[0]


def test_going_round_passes_over_the_key_ids_in_use() -> None:
    keys = SessionKeys()
    kept = keys.add(OTHER, SM4, b"the first of them")
    following = add(keys)
    keys.destroy(keys.find(PLACE, following))
    for _ in range(0x8000 - 2):
        keys.destroy(keys.find(PLACE, add(keys)))
    assert add(keys) == following
    assert keys.find(OTHER, kept).value == b"the first of them"


def test_what_is_forgotten() -> None:
    keys = SessionKeys()
    places = [(0, 0), PLACE, OTHER, (2, 1)]
    ids = {place: keys.add(place, SM4, bytes(16)) for place in places}

    def left() -> list[tuple[int, int]]:
        return [place for place in places if _is_there(keys, place, ids[place])]

    keys.forget_container(PLACE)
    assert left() == [(0, 0), OTHER, (2, 1)]
    keys.forget_application(1)
    assert left() == [(0, 0), (2, 1)]


def _is_there(keys: SessionKeys, place: tuple[int, int], key_id: bytes) -> bool:
    try:
        keys.find(place, key_id)
    except Refused:
        return False
    return True


def test_one_too_many() -> None:
    keys = SessionKeys()
    for _ in range(16):
        add(keys)
    with pytest.raises(Refused, match="6A84"):
        add(keys)
