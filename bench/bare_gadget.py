"""The bare responder as a USB gadget: one interface in FunctionFS, whole messages only, and no control requests.

python -m bench.bare_gadget VID:PID SERIAL UDC
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

from bench import bare_ccid

_FULL, _HIGH = 64, 512
_ENGLISH = 0x0409
_HAS_FULL, _HAS_HIGH = 1, 2


def describe(mount: Path) -> int:
    """Write the descriptors for both speeds and no string (linux/usb/functionfs.h); ep0 stays open with the answer."""
    body = struct.pack("<II", 5, 5) + bare_ccid.interface(_FULL) + bare_ccid.interface(_HIGH)
    ep0 = os.open(mount / "ep0", os.O_RDWR)
    os.write(ep0, struct.pack("<III", 3, 12 + len(body), _HAS_FULL | _HAS_HIGH) + body)
    os.write(ep0, struct.pack("<IIII", 2, 16, 0, 0))
    return ep0


def gadget(vid: str, pid: str, serial: str) -> Path:
    """A device of one function in configfs."""
    root = Path("/sys/kernel/config/usb_gadget") / f"bare-{serial}"
    function = root / f"functions/ffs.bare-{serial}"
    for directory in (root, root / f"strings/{_ENGLISH:#x}", root / "configs/c.1", function):
        directory.mkdir()
    texts = {"manufacturer": bare_ccid.MAKER, "product": bare_ccid.PRODUCT, "serialnumber": serial}
    for name, text in texts.items():
        (root / f"strings/{_ENGLISH:#x}" / name).write_text(text)
    for name, text in {"idVendor": f"0x{vid}", "idProduct": f"0x{pid}", "bcdUSB": "0x0200"}.items():
        (root / name).write_text(text)
    (root / "configs/c.1" / function.name).symlink_to(function)
    return root


def serve(mount: Path) -> None:
    """Answer one message after the other; the first read waits for the host to configure the device."""
    bulk_in, bulk_out = (os.open(mount / name, os.O_RDWR) for name in ("ep1", "ep2"))
    while True:
        os.write(bulk_in, bare_ccid.answer(os.read(bulk_out, _HIGH)))


def main(ids: str, serial: str, udc: str) -> None:
    """Plug it in, and answer until killed."""
    vid, pid = ids.split(":")
    root, mount = gadget(vid, pid, serial), Path(f"/dev/ffs-bare-{serial}")
    mount.mkdir()
    subprocess.run(["mount", "-t", "functionfs", f"bare-{serial}", mount], check=True)
    ep0 = describe(mount)
    (root / "UDC").write_text(udc)
    try:
        serve(mount)
    finally:
        os.close(ep0)


if __name__ == "__main__":
    main(*sys.argv[1:])
