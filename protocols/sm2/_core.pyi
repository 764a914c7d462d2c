"""The extension that build_core.py describes."""

from typing import Any

ffi: Any
lib: Any
