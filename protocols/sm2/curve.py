"""The recommended curve (GB/T 32918.5 §2) and the error for what does not belong to it."""

from __future__ import annotations

from protocols.errors import ProtocolError
from protocols.i18n import N_

P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
A = P - 3
B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
GX = 0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7
GY = 0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0
SIZE = 32
"""Bytes of a coordinate or a scalar."""
BITS = 256


class Sm2Error(ProtocolError):
    """A key, point or signature that is none."""


def check_size(number: bytes) -> None:
    """Let pass a scalar or a digest of the one size they have.

    :raises Sm2Error: another size.
    """
    if len(number) != SIZE:
        raise Sm2Error(
            N_("SM2 takes numbers of {expected} bytes, this one has {size}"), expected=SIZE, size=len(number)
        )
