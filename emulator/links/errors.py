"""What a link says when it cannot be had."""

from __future__ import annotations

from protocols.errors import VukeyError


class LinkError(VukeyError):
    """``--link`` cannot be understood or set up."""
