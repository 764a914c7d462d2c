"""The one part of the build that pyproject.toml cannot say: the C core, left out where no compiler is."""

from setuptools import setup

setup(
    cffi_modules=["protocols/sm2/build_core.py:builder"],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
