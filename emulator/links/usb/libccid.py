"""libccid's list of devices: on Linux its driver serves only the USB numbers that stand there.

The list is three parallel arrays of an XML property list (libccid's README, and pcsc-lite's hotplug code, which
binds by number and never by class).
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import NamedTuple

from emulator.profiles import Profile
from protocols.errors import VukeyError
from protocols.i18n import N_

_PLACES = (
    "/etc/libccid_Info.plist",
    "/usr/lib/pcsc/drivers/ifd-ccid.bundle/Contents/Info.plist",
    "/usr/lib64/pcsc/drivers/ifd-ccid.bundle/Contents/Info.plist",
    "/usr/local/lib/pcsc/drivers/ifd-ccid.bundle/Contents/Info.plist",
)
"""Debian's file first: its bundle has a link to it."""
_ARRAYS = ("ifdVendorID", "ifdProductID", "ifdFriendlyName")
_MARK = "(vukey)"
"""Ends the names of our entries, and of nobody else's."""
_COMMENT = re.compile("<!--.*?-->", re.DOTALL)
_ENTRY = re.compile(r"\s*<string>([^<]*)</string>")


class LibccidError(VukeyError):
    """The list is not there, is not libccid's, or may not be changed."""


class UsbId(NamedTuple):
    """A vendor's and a product's number."""

    vid: int
    pid: int

    def __str__(self) -> str:
        return f"{self.vid:04x}:{self.pid:04x}"


def find_list() -> Path:
    """Where this computer's libccid has its list.

    :raises LibccidError: in none of the usual places.
    """
    for place in map(Path, _PLACES):
        if place.exists():
            return place
    raise LibccidError(N_("libccid's Info.plist is not here: install libccid, or name the file with --plist"))


def names_of(profiles: Iterable[Profile]) -> dict[UsbId, str]:
    """The name that a reader gets for each number; makers that share one (pid.codes' test number) go unnamed."""
    makers: dict[UsbId, set[str]] = {}
    for profile in profiles:
        makers.setdefault(UsbId(profile.usb.vid, profile.usb.pid), set()).add(profile.maker)
    return {
        number: f"{next(iter(names))} USBKey {_MARK}" if len(names) == 1 else f"USBKey {_MARK}"
        for number, names in makers.items()
    }


class _Entry(NamedTuple):
    """An element of an array: its text, and where it stands with the white space before it."""

    text: str
    start: int
    end: int


class _Device(NamedTuple):
    """What the arrays say at one index: VID, PID and name."""

    vid: _Entry
    pid: _Entry
    name: _Entry

    @property
    def number(self) -> UsbId | None:
        """Its number; None where that is none."""
        with suppress(ValueError):
            return UsbId(int(self.vid.text, 16), int(self.pid.text, 16))
        return None

    @property
    def is_ours(self) -> bool:
        """Whether `CcidList.add` made it."""
        return self.name.text.endswith(_MARK)


@dataclass(slots=True)
class CcidList:
    """The text of an Info.plist. All that is not ours stays as it is, to the byte."""

    text: str

    def __post_init__(self) -> None:
        self._devices()

    def add(self, names: dict[UsbId, str]) -> list[UsbId]:
        """Append what the list lacks; what that was.

        :raises LibccidError: this is no list of libccid's.
        """
        listed = {device.number for device in self._devices()}
        lacking = [number for number in names if number not in listed]
        if lacking:
            edits = []
            rows = [(f"0x{n.vid:04X}", f"0x{n.pid:04X}", escape(names[n], quote=False)) for n in lacking]
            for last, column in zip(self._devices()[-1], zip(*rows, strict=True), strict=True):
                added = "".join(f"\n\t\t<string>{text}</string>" for text in column)
                edits.append((last.end, last.end, added))
            self._edit(edits)
        return lacking

    def remove(self) -> list[UsbId]:
        """Take out what `add` added; what that was.

        :raises LibccidError: this is no list of libccid's.
        """
        ours = [device for device in self._devices() if device.is_ours]
        self._edit([(entry.start, entry.end, "") for device in ours for entry in device])
        return [device.number for device in ours if device.number]

    def _edit(self, edits: list[tuple[int, int, str]]) -> None:
        """Put other text from one place to another, several times; the last one first, so that the others stay."""
        for start, end, text in sorted(edits, reverse=True):
            self.text = self.text[:start] + text + self.text[end:]

    def _devices(self) -> list[_Device]:
        visible = _COMMENT.sub(lambda comment: " " * len(comment[0]), self.text)
        columns = [list(_entries(visible, key)) for key in _ARRAYS]
        if not columns[0] or len({len(column) for column in columns}) != 1:
            raise LibccidError(N_("this is not libccid's list of devices"))
        return [_Device(*row) for row in zip(*columns, strict=True)]


def _entries(text: str, key: str) -> Iterator[_Entry]:
    array = re.search(rf"<key>{key}</key>\s*<array>(.*?)</array>", text, re.DOTALL)
    if array:
        for entry in _ENTRY.finditer(text, *array.span(1)):
            yield _Entry(entry[1], entry.start(), entry.end())


def read_list(path: Path) -> CcidList:
    """The list in a file.

    :raises LibccidError: it is not libccid's, or cannot be read.
    """
    try:
        return CcidList(path.read_bytes().decode())
    except (LibccidError, UnicodeDecodeError):
        raise LibccidError(
            N_("{file} is not libccid's list of devices; it was left as it is"), file=path
        ) from None
    except OSError as error:
        raise LibccidError(N_("{file} cannot be read: {reason}"), file=path, reason=error.strerror) from None


def write_list(path: Path, ccid_list: CcidList) -> None:
    """Replace the file in one step; its mode and owner stay.

    :raises LibccidError: that is not allowed, or there is no room.
    """
    real = path.resolve()
    try:
        before = real.stat()
        with tempfile.NamedTemporaryFile(dir=real.parent, prefix=f".{real.name}.", delete=False) as file:
            try:
                file.write(ccid_list.text.encode())
                os.fchmod(file.fileno(), before.st_mode & 0o7777)
                os.fchown(file.fileno(), before.st_uid, before.st_gid)
                file.flush()
                os.fsync(file.fileno())
                os.replace(file.name, real)
            except BaseException:
                os.unlink(file.name)
                raise
    except PermissionError:
        raise LibccidError(N_("{file} is root's: put sudo before the command"), file=path) from None
    except OSError as error:
        raise LibccidError(
            N_("{file} cannot be written: {reason}"), file=path, reason=error.strerror
        ) from None
