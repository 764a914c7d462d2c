"""A GM/T 0017 session: typed commands over any open transport.

It opens nothing itself and keeps no PIN. A refusal of the key raises the typed error of its status word.
"""

from __future__ import annotations

from types import TracebackType

from hostdriver.gmt.activation import ActivationCommands
from hostdriver.gmt.agreement import AgreementCommands
from hostdriver.gmt.ciphers import CipherCommands
from hostdriver.gmt.containers import ContainerCommands
from hostdriver.gmt.digests import DigestCommands
from hostdriver.gmt.external import ExternalKeyCommands
from hostdriver.gmt.files import FileCommands
from hostdriver.gmt.keypad import KeypadCommands
from hostdriver.gmt.session_keys import SessionKeyCommands
from hostdriver.gmt.signing import SigningCommands


class GmtSession(
    KeypadCommands,
    FileCommands,
    ContainerCommands,
    SigningCommands,
    ExternalKeyCommands,
    SessionKeyCommands,
    CipherCommands,
    DigestCommands,
    AgreementCommands,
    ActivationCommands,
):
    """GM/T 0017 on the host's side: every command, in the order of the standard's sections.

    :param transport: open already; closing the session closes it.
    :param dialect: how the key's maker reads the standard.
    """

    def __enter__(self) -> GmtSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Log out and let the key go; harmless when repeated. Over HID and PC/SC the key keeps its power."""
        try:
            self.log_out()
        finally:
            self.transport.close()
