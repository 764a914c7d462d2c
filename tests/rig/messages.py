"""Transaction messages that tests have a key sign."""

from __future__ import annotations

from pathlib import Path

VECTORS = Path(__file__).parents[1] / "vectors" / "transactions"
TRANSFER = (VECTORS / "maker-sample.xml").read_bytes()
"""A key maker's own sample: payee 张三, his account, 123.23, and a serial number that is signed unseen."""


def transfer(*items: tuple[str, str], declaration: str = "", charset: str = "utf-8") -> bytes:
    """An XML message that shows these items (E2)."""
    rows = "".join(f"<M><k>{label}</k><v>{value}</v></M>" for label, value in items)
    return f"{declaration}<T><D>{rows}</D></T>".encode(charset)
