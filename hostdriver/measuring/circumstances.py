"""Where, when and with what it was measured: without these a figure says nothing."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from hostdriver.libraries import LibraryName
from hostdriver.token import Token
from protocols.i18n import N_, Say, _

_CPUINFO = Path("/proc/cpuinfo")
_ROOT = Path(__file__).parents[2]
_PATIENCE_S = 5
_LIBRARY_KINDS = ("skf", "pkcs11")


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Of one run.

    :param date: ISO 8601, UTC.
    :param commit: of the checkout that runs, `-dirty` if it has changes; None: it is none.
    :param way: how the key was reached: the kind of `--token`, and a library's file.
    :param serial: of the key; None: it was not asked for.
    """

    date: str
    vukey: str
    commit: str | None
    python: str
    system: str
    processor: str
    cores: int
    way: str
    manufacturer: str
    issuer: str
    hardware_version: str
    firmware_version: str
    serial: str | None

    @property
    def key(self) -> str:
        """The key in a line."""
        named = ", ".join(filter(None, (self.manufacturer, self.issuer, self.serial)))
        versions = f"{self.hardware_version}/{self.firmware_version}".strip("/")
        return " ".join(filter(None, (named, versions and f"({versions})")))

    @property
    def tool(self) -> str:
        """The program in a line."""
        commit = f" ({self.commit})" if self.commit else ""
        return f"vukey {self.vukey}{commit}, Python {self.python}"

    def computer(self, say: Say = _) -> str:
        """The machine in a line.

        :param say: puts a message into the reader's language.
        """
        cores = say(N_("1 core")) if self.cores == 1 else say(N_("{count} cores")).format(count=self.cores)
        return f"{self.processor}, {cores}, {self.system}"


def circumstances(token: Token, with_serial: bool) -> Circumstances:
    """Of a run that begins now."""
    info = token.info()
    return Circumstances(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        vukey=importlib.metadata.version("vukey"),
        commit=commit(_ROOT),
        python=platform.python_version(),
        system=platform.platform(),
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        way=way(token.name),
        manufacturer=info.manufacturer,
        issuer=info.issuer,
        hardware_version=info.hardware_version,
        firmware_version=info.firmware_version,
        serial=info.serial if with_serial else None,
    )


def way(name: str) -> str:
    """The kind of a token's name, and a library's file: the rest may be a serial number.

    :param name: as ``--token`` takes it.
    """
    kind, _, rest = name.partition(":")
    return f"{kind}:{Path(LibraryName.parse(rest).path).name}" if kind in _LIBRARY_KINDS else kind


def commit(root: Path) -> str | None:
    """What git says of a checkout; None without git, or where this is none."""
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        return None
    command = [git, "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_PATIENCE_S)  # noqa: S603 - git
    except (subprocess.SubprocessError, OSError):
        return None
    return done.stdout.strip()


def _processor() -> str:
    """Its name, or what it is called where the system does not say it."""
    lines = _CPUINFO.read_text().splitlines() if _CPUINFO.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
