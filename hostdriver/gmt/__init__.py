"""GM/T 0017 on the host's side."""

from hostdriver.gmt.containers import Container, PublicKey
from hostdriver.gmt.session import GmtSession

__all__ = ["Container", "GmtSession", "PublicKey"]
