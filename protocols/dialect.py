"""What makers split on, as one value that a profile names (docs/facts.md G2, G8, G14, G22, G23).

No maker is asked for by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from protocols.errors import VukeyError
from protocols.i18n import N_
from protocols.sw import SW


class DialectError(VukeyError):
    """No dialect of that name."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a maker reads GM/T 0017 where its text is silent or the public implementations differ.

    :param byte_order: of integers inside data fields.
    :param pin_block: 1: R ‖ 00×8 · 2: 08 00 ‖ R ‖ 80 ‖ 00×5 (the block that VerifyPIN enciphers).
    :param application_name: width in bytes of the name field of CreateApplication.
    :param container_name: longest container name in bytes.
    :param activation_ins: INS of the private activation command.
    :param private_sw: other numbers for our private status words.
    """

    name: str = "default"
    byte_order: Literal["big", "little"] = "big"
    pin_block: Literal[1, 2] = 1
    application_name: int = 32
    container_name: int = 64
    activation_ins: int = 0xF6
    private_sw: Mapping[SW, int] = field(default_factory=dict)


DEFAULT = Dialect()
DIALECTS: Mapping[str, Dialect] = {dialect.name: dialect for dialect in (DEFAULT,)}


def dialect_named(name: str) -> Dialect:
    """The dialect of that name.

    :raises DialectError: there is none.
    """
    try:
        return DIALECTS[name]
    except KeyError:
        known = ", ".join(DIALECTS)
        raise DialectError(N_("no dialect {name}; known: {known}"), name=name, known=known) from None
