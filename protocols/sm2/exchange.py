"""SM2 key exchange with its optional confirmation (GB/T 32918.3, GM/T 0003.3).

Both sides make a temporary key pair from randomness of their own and send each other its public part.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, unique

from protocols.i18n import N_
from protocols.sm2.curve import SIZE, Sm2Error
from protocols.sm2.encryption import kdf
from protocols.sm2.keys import PrivateKey, PublicKey, sm3, z_value


@unique
class Role(Enum):
    """Who speaks first: user A of the standard is the sponsor (GM/T 0016), user B the responder."""

    SPONSOR = "A"
    RESPONDER = "B"


@dataclass(frozen=True, slots=True)
class Agreed:
    """What both sides hold in the end.

    :param key: K.
    :param responder_hash: SB, which the responder sends; the sponsor compares it in constant time as S1.
    :param sponsor_hash: SA, which the sponsor sends; the responder compares it as S2.
    """

    key: bytes = field(repr=False)
    responder_hash: bytes
    sponsor_hash: bytes


@dataclass(frozen=True, slots=True)
class _Side:
    """What each side knows of itself and of the other."""

    public: PublicKey
    temporary: PublicKey
    id: bytes


def agree(
    role: Role,
    own: PrivateKey,
    own_temporary: PrivateKey,
    peer: PublicKey,
    peer_temporary: PublicKey,
    own_id: bytes,
    peer_id: bytes,
    length: int,
) -> Agreed:
    """Compute the common key of so many bytes, and both confirmation hashes (GB/T 32918.3 §6.1).

    :raises Sm2Error: a point is none of the curve, the shared point is infinity, or a length not between 1 and 65535.
    """
    shared = own.agree(own_temporary, peer, peer_temporary)
    if shared is None:
        raise Sm2Error(N_("the SM2 key exchange leads to the point at infinity"))
    sides = [_Side(own.public, own_temporary.public, own_id), _Side(peer, peer_temporary, peer_id)]
    return _derive(shared, *(sides if role is Role.SPONSOR else reversed(sides)), length=length)


def _derive(shared: PublicKey, sponsor: _Side, responder: _Side, *, length: int) -> Agreed:
    raw = shared.encode()
    x, y = raw[:SIZE], raw[SIZE:]
    identities = z_value(sponsor.public, sponsor.id) + z_value(responder.public, responder.id)
    inner = sm3(x, identities, sponsor.temporary.encode(), responder.temporary.encode())
    return Agreed(
        key=kdf(raw + identities, length),
        responder_hash=sm3(b"\x02", y, inner),
        sponsor_hash=sm3(b"\x03", y, inner),
    )
