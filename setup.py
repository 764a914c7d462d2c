"""The parts of the build that pyproject.toml cannot say: the C libraries, left out where no compiler is."""

from __future__ import annotations

import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

SKF = Path("hostdriver/skf")
SKF_LIBRARY = "hostdriver.skf.lib.libskf_vukey"


class BuildLibraries(build_ext):  # type: ignore[misc]  # setuptools has no types
    """libskf_vukey is a library for C programs, and no module: its file has no Python in its name."""

    def get_ext_filename(self, fullname: str) -> str:
        """Where the built file goes; asked with and without the package's name."""
        if fullname.endswith("libskf_vukey"):
            return f"{fullname.replace('.', '/')}.so"
        return str(super().get_ext_filename(fullname))

    def get_export_symbols(self, ext: Extension) -> list[str]:
        """The sources say themselves what leaves the library."""
        return [] if ext.name == SKF_LIBRARY else list(super().get_export_symbols(ext))

    def copy_extensions_to_source(self) -> None:
        """For an editable install, which makes no directory."""
        (SKF / "lib").mkdir(exist_ok=True)
        super().copy_extensions_to_source()


def skf_library() -> Extension:
    """The library with the functions of GM/T 0016 (`make skf` builds the same)."""
    hard = ["-Wl,-soname,libskf_vukey.so,-z,nodelete,-z,relro,-z,now"] if sys.platform == "linux" else []
    return Extension(
        SKF_LIBRARY,
        [str(path) for path in sorted(SKF.glob("csrc/*.c"))],
        include_dirs=[str(SKF / "include"), str(SKF / "csrc")],
        define_macros=[("_POSIX_C_SOURCE", "200809L")],
        libraries=["dl"],
        extra_compile_args=["-std=c11", "-fvisibility=hidden", "-pthread"],
        extra_link_args=["-pthread", *hard],
        optional=True,
    )


setup(
    cffi_modules=["protocols/sm2/build_core.py:builder"],
    cmdclass={"build_ext": BuildLibraries},
    ext_modules=[skf_library()],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
