"""Digests made on the key, against hashlib, gmalg and libcrypto (G33)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable

import gmalg
import pytest

from hostdriver.errors import ApduFailedError
from protocols.dialect import DIALECTS
from protocols.gmt import BlockCipher, HashAlgorithm, Ins, Mode, SymmetricAlgorithm
from protocols.gmt.session_keys import DigestSigner
from protocols.sm2 import PublicKey
from protocols.sw import SW
from tests.rig.encryption_pairs import fresh_d
from tests.rig.key import KeyRig
from tests.rig.libcrypto import Sm2Key
from tests.rig.verifiers import SIGNER_ID, sm2_digest

SIZES = (0, 1, 55, 56, 64, 255, 256, 257, 5000)


def sm3(data: bytes) -> bytes:
    state = gmalg.SM3()
    state.update(data)
    return bytes(state.value())


HASHES: dict[HashAlgorithm, Callable[[bytes], bytes]] = {
    HashAlgorithm.SM3: sm3,
    HashAlgorithm.SHA1: lambda data: hashlib.sha1(data, usedforsecurity=False).digest(),
    HashAlgorithm.SHA256_ALIAS: lambda data: hashlib.sha256(data).digest(),
    HashAlgorithm.SHA256: lambda data: hashlib.sha256(data).digest(),
}


def status(rig: KeyRig, ins: Ins, data: bytes = b"") -> int:
    """The status word of a command in the raw."""
    try:
        rig.session.send(ins, data, le=0x10000)
    except ApduFailedError as error:
        return error.sw
    return SW.OK


@pytest.mark.parametrize("algorithm", HASHES, ids=lambda algorithm: algorithm.name)
@pytest.mark.limits(max_apdu_data=256)
def test_as_others_hash(rig: KeyRig, algorithm: HashAlgorithm) -> None:
    """In one command and in many: this key takes 256 bytes at a time."""
    for size in SIZES:
        data = os.urandom(size)
        assert rig.session.digest(algorithm, data) == HASHES[algorithm](data)


def test_the_example_of_gbt_32905(rig: KeyRig) -> None:
    """Appendix A.1."""
    wanted = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    assert rig.session.digest(HashAlgorithm.SM3, b"abc").hex() == wanted


def test_with_the_default_ids_z(rig: KeyRig) -> None:
    key = PublicKey.parse(Sm2Key.private(fresh_d()).point)
    for size in (0, 100, 5000):
        message = os.urandom(size)
        digest = rig.session.digest(HashAlgorithm.SM3, message, DigestSigner(key, SIGNER_ID))
        assert digest == sm2_digest(key, message)


@pytest.mark.parametrize("_", [pytest.param(0, marks=pytest.mark.limits(dialect=d), id=d) for d in DIALECTS])
@pytest.mark.parametrize(
    "signer_id", [b"", b"ALICE123@YAHOO.COM", "张三".encode(), bytes(0x1FFE)]
)  # libcrypto takes one byte less
def test_with_any_ids_z(rig: KeyRig, _: int, signer_id: bytes) -> None:
    """What libcrypto signs as that signer is a signature of the key's digest."""
    signer, message = Sm2Key.private(fresh_d()), os.urandom(300)
    public = PublicKey.parse(signer.point)
    digest = rig.session.digest(HashAlgorithm.SM3, message, DigestSigner(public, signer_id))
    signature = signer.sign_message(message, signer_id)
    assert signer.verify(digest, signature)
    assert not signer.verify(sm3(message), signature)


def test_in_pieces(rig: KeyRig) -> None:
    data = os.urandom(200)
    rig.session.send(Ins.DIGEST_INIT, p2=HashAlgorithm.SM3)
    for piece in (data[:1], data[1:64], b"", data[64:199]):
        assert rig.session.send(Ins.DIGEST_UPDATE, piece) == b""
    assert rig.session.send(Ins.DIGEST_FINAL, data[199:], le=32) == sm3(data)


def test_whole_and_final_are_the_end(rig: KeyRig) -> None:
    for ended in (Ins.DIGEST, Ins.DIGEST_FINAL):
        rig.session.send(Ins.DIGEST_INIT, p2=HashAlgorithm.SM3)
        assert status(rig, ended, b"abc") == SW.OK
        for ins in (Ins.DIGEST, Ins.DIGEST_UPDATE, Ins.DIGEST_FINAL):
            assert status(rig, ins, b"abc") == SW.CONDITIONS_NOT_SATISFIED


def test_init_begins_anew_unless_it_is_refused(rig: KeyRig) -> None:
    rig.session.send(Ins.DIGEST_INIT, p2=HashAlgorithm.SHA256)
    rig.session.send(Ins.DIGEST_UPDATE, b"old")
    rig.session.send(Ins.DIGEST_INIT, p2=HashAlgorithm.SM3)
    rig.session.send(Ins.DIGEST_UPDATE, b"ab")
    assert status(rig, Ins.DIGEST_INIT, b"\0") == SW.WRONG_P1_P2
    assert rig.session.send(Ins.DIGEST_FINAL, b"c", le=32) == sm3(b"abc")


def test_it_ends_at_reset_and_survives_the_rest(rig: KeyRig) -> None:
    rig.session.send(Ins.DIGEST_INIT, p2=HashAlgorithm.SM3)
    rig.session.send(Ins.DIGEST_UPDATE, b"ab")
    key = rig.session.set_symmetric_key(SymmetricAlgorithm(BlockCipher.SM4, Mode.ECB), bytes(16))
    rig.session.encrypt(key, bytes(16))
    rig.session.clear_secure_state(rig.log_in())
    rig.session.close_application(rig.open())
    rig.session.send(Ins.DIGEST_UPDATE, b"c")
    assert rig.session.send(Ins.DIGEST_FINAL, le=32) == sm3(b"abc")
    rig.session.send(Ins.DIGEST_INIT, p2=HashAlgorithm.SM3)
    rig.session.transport.reset()
    assert status(rig, Ins.DIGEST_FINAL) == SW.CONDITIONS_NOT_SATISFIED
