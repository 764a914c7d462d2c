"""Digests of GM/T 0017 §9.6, plain or beginning with Z; the key is at one at a time."""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import Hash

from emulator.firmware.applets.gmt.decoding import decoded
from emulator.firmware.applets.gmt.table import Call, Table
from emulator.firmware.core import Core
from emulator.firmware.refused import Refused
from protocols import sm2
from protocols.gmt import HashAlgorithm, Ins
from protocols.gmt.session_keys import DigestSigner
from protocols.hashing import HASHES
from protocols.sw import SW

TABLE = Table()

_NOT_BEGUN = (SW.CONDITIONS_NOT_SATISFIED,)


@TABLE.command(
    Ins.DIGEST_INIT, p2=tuple(HashAlgorithm), lc=(0, None), answers=(SW.WRONG_LENGTH, SW.WRONG_DATA)
)
def digest_init(core: Core, call: Call) -> bytes:
    """DigestInit: P2 names the hash; SM3 begins with Z where the data are a signer's public key and ID."""
    code = call.command.p2
    digest = Hash(HASHES[code])
    if call.body:
        signer = decoded(core, DigestSigner.decode, call.body)
        if code != HashAlgorithm.SM3:
            raise Refused(SW.WRONG_DATA)
        digest.update(sm2.z_value(signer.public, signer.signer_id))
    core.session.digest = digest
    return b""


def _running(core: Core) -> Hash:
    if core.session.digest is None:
        raise Refused(SW.CONDITIONS_NOT_SATISFIED)
    return core.session.digest


def _finish(core: Core, data: bytes) -> bytes:
    digest = _running(core)
    core.session.digest = None
    digest.update(data)
    return digest.finalize()


@TABLE.command(Ins.DIGEST, lc=(0, None), answers=_NOT_BEGUN)
def digest(core: Core, call: Call) -> bytes:
    """Digest: the digest of all the data."""
    return _finish(core, call.body)


@TABLE.command(Ins.DIGEST_UPDATE, lc=(0, None), answers=_NOT_BEGUN)
def digest_update(core: Core, call: Call) -> bytes:
    """DigestUpdate: more data; answers nothing."""
    _running(core).update(call.body)
    return b""


@TABLE.command(Ins.DIGEST_FINAL, lc=(0, None), answers=_NOT_BEGUN)
def digest_final(core: Core, call: Call) -> bytes:
    """DigestFinal: the digest of what came before."""
    return _finish(core, call.body)
