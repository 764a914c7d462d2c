"""Lengths of time as people write them: 59s, 1.5m, 24h, 1d."""

from __future__ import annotations

import re

from protocols.errors import ProtocolError
from protocols.i18n import N_

_DURATION = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*([smhd]?)", re.ASCII)
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds_of(text: str) -> float:
    """The seconds of such a text; a bare number is seconds.

    :raises ProtocolError: it is none.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ProtocolError(N_("{text} is no duration: a number and s, m, h or d, such as 59s"), text=text)
    return float(match[1]) * _SECONDS[match[2]]
