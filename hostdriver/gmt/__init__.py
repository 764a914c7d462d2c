"""GM/T 0017 on the host's side: the session, and the types that its methods take and answer."""

from hostdriver.gmt.agreement import Agreement
from hostdriver.gmt.ciphers import ModeFixedError
from hostdriver.gmt.containers import Container, PublicKey
from hostdriver.gmt.session import GmtSession
from hostdriver.gmt.session_keys import SessionKey
from protocols.gmt.ecc import AgreementKeys
from protocols.gmt.files import FileInfo
from protocols.gmt.session_keys import DigestSigner

__all__ = [
    "Agreement",
    "AgreementKeys",
    "Container",
    "DigestSigner",
    "FileInfo",
    "GmtSession",
    "ModeFixedError",
    "PublicKey",
    "SessionKey",
]
