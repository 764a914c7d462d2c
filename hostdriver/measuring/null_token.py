"""A key that does nothing: what is left of a signature's time is the host's own work."""

from __future__ import annotations

from hostdriver.apdu_token import ApduToken
from hostdriver.errors import KeyNotFoundError
from hostdriver.gmt import GmtSession
from hostdriver.token import Algorithm, Container, ContainerFacts, PublicKey
from protocols.fields import u16, u32
from protocols.gmt import ContainerType, HashAlgorithm, Ins, KeyUse, SignInput
from protocols.sw import SW

_OK = SW.OK.to_bytes(2)
_SIGNATURE = u32(256) + bytes(64)
_ANSWERS = {
    Ins.OPEN_APPLICATION: u32(0) + bytes(4) + u16(1),
    Ins.OPEN_CONTAINER: u16(1),
    Ins.GET_CONTAINER_INFO: bytes((ContainerType.ECC,)) + u32(256) + u32(0) + bytes(2),
    Ins.ECC_SIGN_DATA: _SIGNATURE,
}


class NullTransport:
    """Answers at once, and always the same."""

    name = "null"

    def exchange(self, apdu: bytes) -> bytes:
        """See `Transport.exchange`."""
        answer = _ANSWERS.get(Ins(apdu[1]))
        return _OK if answer is None else answer + _OK

    def reset(self) -> bytes:
        """See `Transport.reset`."""
        return b""

    def close(self) -> None:
        """See `Transport.close`."""


class _NullContainer(Container):
    """What stands for a maker's library, none of whose time is ours."""

    name = "NULL"

    def facts(self) -> ContainerFacts:
        """See `Container.facts`."""
        return ContainerFacts(self.name, "SM2", Algorithm.SM2, 256, False, 0, False)

    def certificate(self, use: KeyUse = KeyUse.SIGN) -> bytes:
        """See `Container.certificate`."""
        return b""

    def public_key(self, use: KeyUse = KeyUse.SIGN) -> PublicKey:
        """See `Container.public_key`."""
        raise KeyNotFoundError(SW.KEY_NOT_FOUND)

    def sign(self, data: bytes, source: SignInput, hash_code: HashAlgorithm = HashAlgorithm.SHA256) -> bytes:
        """See `Container.sign`."""
        return _SIGNATURE


def null_container(kind: str) -> tuple[str, Container]:
    """Which layers it has, and a container with an SM2 pair.

    :param kind: of the token in whose place it stands.
    """
    if kind == ApduToken.kind:
        session = GmtSession(NullTransport())
        return "runner and APDUs", ApduToken(session).open_application("NULL").container("NULL")
    return "runner", _NullContainer()
