"""A key that does nothing: what is left of a signature's time is the host's own work."""

from __future__ import annotations

from ctypes import CFUNCTYPE

from hostdriver import token
from hostdriver.apdu_token import ApduToken
from hostdriver.errors import KeyNotFoundError
from hostdriver.gmt import GmtSession
from hostdriver.outcomes import Sar
from hostdriver.skf.container import Container
from hostdriver.skf.functions import FUNCTIONS, Handle, ULong
from hostdriver.skf.habits import STANDARD
from hostdriver.skf.library import Library
from hostdriver.skf.token import SkfContainer, SkfToken
from hostdriver.token import Algorithm, ContainerFacts, PublicKey
from protocols.fields import u16, u32
from protocols.gmt import ContainerType, HashAlgorithm, Ins, KeyUse, SignInput
from protocols.i18n import N_
from protocols.sw import SW

_OK = SW.OK.to_bytes(2)
_SIGNATURE = u32(256) + bytes(64)
_ANSWERS = {
    Ins.OPEN_APPLICATION: u32(0) + bytes(4) + u16(1),
    Ins.OPEN_CONTAINER: u16(1),
    Ins.GET_CONTAINER_INFO: bytes((ContainerType.ECC,)) + u32(256) + u32(0) + bytes(2),
    Ins.ECC_SIGN_DATA: _SIGNATURE,
}


NULL_FACTS = ContainerFacts("NULL", "SM2", Algorithm.SM2, 256, False, 0, False)


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


class _NullLibrary(Library):
    """An SKF library whose functions answer SAR_OK: Python's own, called as C, which takes a little longer than C."""

    def __init__(self) -> None:
        self.path = "null"
        self.habits = STANDARD
        self._functions = {
            name: CFUNCTYPE(ULong, *FUNCTIONS[name])(lambda *_arguments: Sar.OK)
            for name in ("SKF_GetContainerType", "SKF_ECCSignData")
        }


class _NullContainer(token.Container):
    """What stands for a PKCS#11 module and the layer above it."""

    name = NULL_FACTS.name

    def facts(self) -> ContainerFacts:
        """See `token.Container.facts`."""
        return NULL_FACTS

    def certificate(self, use: KeyUse = KeyUse.SIGN) -> bytes:
        """See `token.Container.certificate`."""
        raise KeyNotFoundError(SW.KEY_NOT_FOUND)

    def public_key(self, use: KeyUse = KeyUse.SIGN) -> PublicKey:
        """See `token.Container.public_key`."""
        raise KeyNotFoundError(SW.KEY_NOT_FOUND)

    def sign(self, data: bytes, source: SignInput, hash_code: HashAlgorithm = HashAlgorithm.SHA256) -> bytes:
        """See `token.Container.sign`."""
        return _SIGNATURE


def null_container(kind: str) -> tuple[str, token.Container]:
    """Which layers it has, and a container with an SM2 pair.

    :param kind: of the token in whose place it stands: `apdu`, `skf` or `pkcs11`.
    """
    if kind == ApduToken.kind:
        session = GmtSession(NullTransport())
        return N_("runner and APDUs"), ApduToken(session).open_application("NULL").container("NULL")
    if kind == SkfToken.kind:
        return N_("runner and calls by ctypes"), SkfContainer(Container(_NullLibrary(), Handle(1), "NULL"))
    return N_("runner"), _NullContainer()
