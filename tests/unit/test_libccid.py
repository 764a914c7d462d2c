"""libccid's list of devices: what `vukey usb install-ccid` adds and takes out, and all that it leaves alone."""

from __future__ import annotations

import os
import plistlib
import stat
from pathlib import Path

import pytest

from emulator.links.usb.libccid import (
    CcidList,
    LibccidError,
    UsbId,
    find_list,
    names_of,
    read_list,
    write_list,
)
from emulator.profiles import load_profile, profile_ids

# The form of libccid 1.5.2's Info.plist, with three of its devices; the comment is its own as well.
PLIST = """\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
\t<key>CFBundleName</key>
\t<string>CCIDCLASSDRIVER</string>

\t<!-- Possible values for ifdCapabilities bits
\t1: IFD_GENERATE_HOTPLUG
\t-->

\t<key>ifdVendorID</key>
\t<array>
\t\t<string>0x072F</string>
\t\t<string>0x096E</string>
\t\t<string>0x1059</string>
\t</array>

\t<key>ifdProductID</key>
\t<array>
\t\t<string>0x90CC</string>
\t\t<string>0x0505</string>
\t\t<string>0x000D</string>
\t</array>

\t<key>ifdFriendlyName</key>
\t<array>
\t\t<string>ACS ACR 38U-CCID</string>
\t\t<string>Feitian ePass2003</string>
\t\t<string>Giesecke &amp; Devrient GmbH StarSign CUT</string>
\t</array>
</dict>
</plist>
"""
KEY, OTHER = UsbId(0x1209, 0x0001), UsbId(0x1EA8, 0x0001)
NAMES = {KEY: "USBKey (vukey)", OTHER: "Excel & Secu USBKey (vukey)"}
INSTALLED = Path("/etc/libccid_Info.plist")


def devices(text: str) -> list[tuple[str, str, str]]:
    """The arrays' rows, read by another parser."""
    plist = plistlib.loads(text.encode())
    columns = (plist[name] for name in ("ifdVendorID", "ifdProductID", "ifdFriendlyName"))
    return list(zip(*columns, strict=True))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "Info.plist"
    path.write_text(PLIST)
    return path


def test_added_devices_stand_behind_those_that_were_there() -> None:
    ccid_list = CcidList(PLIST)
    assert ccid_list.add(NAMES) == [KEY, OTHER]
    assert devices(ccid_list.text) == [
        *devices(PLIST),
        ("0x1209", "0x0001", "USBKey (vukey)"),
        ("0x1EA8", "0x0001", "Excel & Secu USBKey (vukey)"),
    ]


def test_nothing_is_added_twice() -> None:
    ccid_list = CcidList(PLIST)
    ccid_list.add(NAMES)
    once = ccid_list.text
    assert ccid_list.add(NAMES) == []
    assert ccid_list.text == once


def test_what_others_list_is_left_to_them() -> None:
    ccid_list = CcidList(PLIST.replace("0x072F", "0x1209").replace("0x90CC", "0x0001"))
    assert ccid_list.add(NAMES) == [OTHER]
    assert ccid_list.remove() == [OTHER]
    assert devices(ccid_list.text)[0] == ("0x1209", "0x0001", "ACS ACR 38U-CCID")


def test_removal_gives_back_the_file_as_it_was() -> None:
    ccid_list = CcidList(PLIST)
    ccid_list.add(NAMES)
    assert ccid_list.remove() == [KEY, OTHER]
    assert ccid_list.text == PLIST
    assert ccid_list.remove() == []


def test_a_device_in_a_comment_is_not_listed() -> None:
    commented = "\t<array>\n\t\t<!-- <string>0xFFFF</string> -->\n"
    ccid_list = CcidList(PLIST.replace("\t<array>\n", commented, 1))
    ccid_list.add({KEY: "USBKey (vukey)"})
    assert len(devices(ccid_list.text)) == 4


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<plist/>",
        PLIST.replace("ifdProductID", "ifdOther"),
        PLIST.replace("\t\t<string>0x0505</string>\n", ""),
        "".join(part for part in PLIST.splitlines(keepends=True) if not part.startswith("\t\t")),
    ],
    ids=["empty", "another plist", "an array too few", "of different lengths", "empty arrays"],
)
def test_another_file_is_refused(text: str, file: Path) -> None:
    file.write_text(text)
    with pytest.raises(LibccidError, match="left as it is"):
        read_list(file)


def test_bytes_that_are_no_text_are_refused(file: Path) -> None:
    file.write_bytes(PLIST.encode() + b"\xff")
    with pytest.raises(LibccidError):
        read_list(file)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LibccidError, match="No such file"):
        read_list(tmp_path / "Info.plist")


def test_writing_keeps_mode_and_owner_and_the_link_to_the_file(file: Path, tmp_path: Path) -> None:
    """Debian's bundle holds a link to /etc."""
    file.chmod(0o640)
    if os.getuid() == 0:
        os.chown(file, 1, 2)
    before = file.stat()
    link = tmp_path / "link.plist"
    link.symlink_to(file)
    ccid_list = read_list(link)
    ccid_list.add(NAMES)
    write_list(link, ccid_list)
    after = file.stat()
    assert link.is_symlink()
    assert len(devices(file.read_text())) == 5
    assert (after.st_uid, after.st_gid, stat.S_IMODE(after.st_mode)) == (before.st_uid, before.st_gid, 0o640)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Info.plist", "link.plist"]


def test_line_ends_stay_as_they_are(file: Path) -> None:
    file.write_bytes(PLIST.replace("\n", "\r\n").encode())
    ccid_list = read_list(file)
    assert ccid_list.add(NAMES)
    ccid_list.remove()
    write_list(file, ccid_list)
    assert file.read_bytes() == PLIST.replace("\n", "\r\n").encode()


def test_every_shipped_model_gets_a_name_of_ours() -> None:
    profiles = [load_profile(name) for name in profile_ids()]
    names = names_of(profiles)
    assert set(names) == {UsbId(profile.usb.vid, profile.usb.pid) for profile in profiles}
    assert all(name.isascii() and name.endswith("USBKey (vukey)") for name in names.values())
    assert (
        max(map(len, names.values())) < 50
    )  # PC/SC cuts a reader's name off at 127 characters, serial number and all
    assert names[UsbId(0x1209, 0x0001)] == "USBKey (vukey)"  # pid.codes' number for tests, of several makers
    assert names[UsbId(0x096E, 0x0001)] == "Feitian USBKey (vukey)"


@pytest.mark.skipif(not INSTALLED.exists(), reason="libccid is not installed as Debian does it")
def test_the_list_of_the_libccid_that_is_installed_here() -> None:
    assert find_list() == INSTALLED
    ccid_list = read_list(INSTALLED)
    before = ccid_list.text
    listed = devices(before)
    added = ccid_list.add(names_of(map(load_profile, profile_ids())))
    assert len(devices(ccid_list.text)) == len(listed) + len(added)
    ccid_list.remove()
    assert devices(ccid_list.text) == [row for row in listed if not row[2].endswith("(vukey)")]
