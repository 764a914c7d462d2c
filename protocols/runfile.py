"""Where a running key can be found: the run directory and the file that each key writes there.

The key's side writes it, the host's side reads it; this module only knows the names and the format.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from protocols.dialect import DEFAULT
from protocols.errors import ProtocolError
from protocols.i18n import N_


def run_directory(environment: Mapping[str, str], home: Path) -> Path:
    """``$XDG_RUNTIME_DIR/vukey``, else ``~/.cache/vukey/run``."""
    runtime = environment.get("XDG_RUNTIME_DIR")
    return Path(runtime) / "vukey" if runtime else home / ".cache" / "vukey" / "run"


def is_private(status: os.stat_result, owner: int) -> bool:
    """Whether a run directory is the owner's and nobody else can enter: neither side trusts another."""
    return stat.S_ISDIR(status.st_mode) and status.st_uid == owner and not status.st_mode & 0o077


@dataclass(frozen=True, slots=True)
class RunFile:
    """A running key.

    :param model: what ``--profile`` takes for it: an id, or the path of a user's own TOML file.
    :param links: how it can be reached, as ``vukey up --link`` names them.
    :param socket: path of its unix socket, None without that link.
    :param panel: base URL of its control API, None without one.
    :param token: what opens the API; the file's mode keeps it.
    :param dialect: how it reads GM/T 0017.
    """

    pid: int
    serial: str
    profile: str
    model: str
    links: tuple[str, ...]
    socket: str | None
    panel: str | None = None
    token: str | None = field(default=None, repr=False)
    dialect: str = DEFAULT.name

    def encode(self) -> bytes:
        """The file."""
        return (json.dumps(asdict(self), ensure_ascii=False) + "\n").encode()

    @classmethod
    def decode(cls, raw: bytes) -> RunFile:
        """The file back.

        :raises ProtocolError: not one of ours.
        """
        try:
            fields: dict[str, Any] = json.loads(raw)
            serial, profile, model = (str(fields[name]) for name in ("serial", "profile", "model"))
            socket, panel, token = (_optional(fields.get(name)) for name in ("socket", "panel", "token"))
            links = tuple(str(link) for link in fields["links"])
            dialect = str(fields.get("dialect", DEFAULT.name))
            return cls(int(fields["pid"]), serial, profile, model, links, socket, panel, token, dialect)
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            raise ProtocolError(N_("this is no run file of a key")) from None


def _optional(value: object) -> str | None:
    return None if value is None else str(value)
