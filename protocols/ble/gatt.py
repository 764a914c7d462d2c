"""GATT services that carry fragments: their numbers, and how long a fragment may be (facts G41, G42)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from protocols.errors import ProtocolError
from protocols.i18n import N_

MIN_FRAGMENT = 20
"""Bytes of a fragment that every connection takes: the smallest ATT_MTU without ATT's header."""
MAX_FRAGMENT = 512
"""Bytes of the longest attribute value (Bluetooth Core 5.4, vol 3, part F, 3.2.9), so of the longest fragment."""
ATT_HEADER_SIZE = 3
"""Opcode and handle of a write or a notification (Bluetooth Core 5.4, vol 3, part F, 3.4.5 and 3.4.7)."""


class GattProfile(NamedTuple):
    """A service by its numbers: UUIDs as text in small letters.

    :param write: characteristic that the host writes fragments to, with a response or without.
    :param notify: characteristic that notifies the host of the key's fragments.
    :param length: characteristic that says how long a fragment to the key may be; None: the service has none.
    :param longest: bytes of a fragment at most, both ways, however much the connection would take.
    """

    name: str
    service: str
    write: str
    notify: str
    length: str | None
    longest: int


VUKEY = GattProfile(
    "vukey",
    service="444d0001-4176-55bf-bdc4-b69374eeeff3",
    write="444d0002-4176-55bf-bdc4-b69374eeeff3",
    notify="444d0003-4176-55bf-bdc4-b69374eeeff3",
    length="444d0004-4176-55bf-bdc4-b69374eeeff3",
    longest=MAX_FRAGMENT,
)
"""Ours. The numbers are the UUID of version 5 (RFC 9562, 5.5) of `urn:vukey:gatt` in the name space for URLs, with the
third and fourth octets replaced by 1, 2, 3 and 4."""

FEITIAN = GattProfile(
    "feitian",
    service="46540001-0001-00c3-0000-465453414645",
    write="46540002-0001-00c3-0000-465453414645",
    notify="46540003-0001-00c3-0000-465453414645",
    length=None,
    longest=MIN_FRAGMENT,
)
"""The C3 family of Feitian's keys (G42): the numbers alone. What such keys say in their packets is not public; that
they carry our frames is *assumed*, as is that all three numbers end alike."""

GATT_PROFILES: Mapping[str, GattProfile] = {each.name: each for each in (VUKEY, FEITIAN)}


def fragment_size(att_mtu: int, limit: int = MAX_FRAGMENT) -> int:
    """Bytes of a fragment at most, 20 to 512.

    :param att_mtu: the connection's.
    :param limit: what the service's numbers imply (`GattProfile.longest`), or, for fragments to the key alone, what
        its length characteristic says.
    """
    return max(MIN_FRAGMENT, min(att_mtu - ATT_HEADER_SIZE, limit, MAX_FRAGMENT))


def encode_length(size: int) -> bytes:
    """The value of the length characteristic: 2 bytes, big-endian, as CTAP 2.1 (11.4.5) has it."""
    return size.to_bytes(2, "big")


def decode_length(value: bytes) -> int:
    """How long a fragment to the key may be, in bytes.

    :raises ProtocolError: not 2 bytes, or not 20 to 512.
    """
    size = int.from_bytes(value, "big")
    if len(value) != 2 or not MIN_FRAGMENT <= size <= MAX_FRAGMENT:
        raise ProtocolError(
            N_("the key's longest fragment is not 20 to 512 bytes: {value}"), value=value.hex()
        )
    return size
