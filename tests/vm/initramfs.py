"""The guest's first files, in memory: busybox, a handful of modules and a script that moves on to the host's files."""

from __future__ import annotations

import lzma
import subprocess
from pathlib import Path

from tests.vm.kernel import Kernel, program

MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay", "virtio_console")
DIRECTORIES = ("bin", "dev", "host", "modules", "new", "proc", "sys", "upper")

_INIT = Path(__file__).with_name("init.sh")
_DIRECTORY, _FILE = 0o040755, 0o100755


def build_initramfs(kernel: Kernel) -> bytes:
    """A cpio archive as the kernel unpacks it (Documentation/driver-api/early-userspace/buffer-format.rst)."""
    modules = _modules(kernel)
    order = "".join(f"/modules/{path.name}\n" for path in modules).encode()
    files = {
        "bin/busybox": Path(program("busybox")).read_bytes(),
        "init": _INIT.read_bytes(),
        "modules/order": order,
        **{f"modules/{path.name}": _module(path) for path in modules},
    }
    entries = [_entry(name, _DIRECTORY, b"") for name in DIRECTORIES]
    entries += [_entry(name, _FILE, data) for name, data in files.items()]
    return b"".join([*entries, _entry("TRAILER!!!", 0, b"")])


def _modules(kernel: Kernel) -> list[Path]:
    """In the order in which they must be loaded."""
    ask = [program("modprobe"), "--dirname", str(kernel.root), "--set-version", kernel.version]
    found: dict[Path, None] = {}
    for module in MODULES:
        shown = subprocess.run([*ask, "--show-depends", module], capture_output=True, text=True, check=True)
        lines = (line.split() for line in shown.stdout.splitlines())
        found.update({Path(line[1]): None for line in lines if line[0] == "insmod"})  # else "builtin"
    return list(found)


def _module(path: Path) -> bytes:
    """As insmod takes it: later Debian releases ship them compressed."""
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def _entry(name: str, mode: int, data: bytes) -> bytes:
    """One member in the "newc" format: 13 fields of eight hexadecimal digits, name and data padded to four bytes."""
    path = name.encode() + b"\0"
    fields = (0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return _padded(header + path) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
