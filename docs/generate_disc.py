"""Write the key's CD-ROM again: `python docs/generate_disc.py` (needs xorriso; the same bytes each time)."""

from __future__ import annotations

import gzip
import os
import subprocess
import tempfile
from pathlib import Path

IMAGE = Path(__file__).parent.parent / "emulator" / "links" / "usb" / "disc.iso.gz"
WRITTEN = 1767225600
"""1 January 2026, on every file of the disc."""

README = """\
vukey - a virtual bank key

This CD-ROM is simulated. Many real bank keys show one, with the bank's software on it; this one holds no software.
The key itself is reached through vendor commands to this drive (docs/usb.md of the project).
Nothing here belongs to a bank, and no real account can be used with it.

vukey：虚拟 USBKey

此光盘为模拟光盘。许多真实的银行 USBKey 会显示一个光盘，其中存有银行的软件；本光盘不含任何软件。
USBKey 本身通过发给此光驱的厂商命令访问（见项目的 docs/usb.zh-CN.md）。
此处内容不属于任何银行，也不能用于任何真实账户。
"""


def main() -> None:
    """Write the image."""
    with tempfile.TemporaryDirectory() as directory:
        root, image = Path(directory, "root"), Path(directory, "disc.iso")
        root.mkdir()
        readme = root / "README.TXT"
        readme.write_text(README, encoding="utf-8-sig", newline="\r\n")
        for path in (readme, root):
            path.chmod(0o555 if path is root else 0o444)
            os.utime(path, (WRITTEN, WRITTEN))
        subprocess.run(  # noqa: S603  our own words
            ["xorriso", "-as", "mkisofs", "-quiet", "-r", "-J", "-V", "VUKEY", "-no-pad", "-o", image, root],  # noqa: S607
            check=True,
            env={**os.environ, "SOURCE_DATE_EPOCH": str(WRITTEN)},
        )
        IMAGE.write_bytes(gzip.compress(image.read_bytes(), mtime=0))


if __name__ == "__main__":
    main()
