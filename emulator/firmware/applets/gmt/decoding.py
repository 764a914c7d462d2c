"""From a command's data to values: what is wrong with them becomes a status word."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from emulator.firmware.core import Core
from emulator.firmware.refused import Refused
from protocols.dialect import Dialect
from protocols.fields import Fields, FieldValueError, LayoutError
from protocols.sm2 import Sm2Error
from protocols.sw import SW

Value = TypeVar("Value")


def decoded(core: Core, decode: Callable[[bytes, Dialect], Value], data: bytes) -> Value:
    """The data through their decoder.

    :raises Refused: 6700 for another layout, 6A80 for a value that cannot be.
    """
    try:
        return decode(data, core.dialect)
    except (FieldValueError, Sm2Error):
        raise Refused(SW.WRONG_DATA) from None
    except LayoutError:
        raise Refused(SW.WRONG_LENGTH) from None


def taken(core: Core, take: Callable[[Fields], Value], data: bytes) -> Value:
    """What `take` finds in the data, and nothing after it.

    :raises Refused: as `decoded`.
    """

    def decode(data: bytes, dialect: Dialect) -> Value:
        fields = Fields(data, dialect)
        value = take(fields)
        fields.end()
        return value

    return decoded(core, decode, data)
